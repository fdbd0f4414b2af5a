"""Optimizers against their equations, and the schedules."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from training.trainings import make_settings

from ecrnn.training.optimizers import learning_rate, make_optimizer


def three_steps(name: str, **settings: float) -> float:
    """One weight, 1 at first, with the gradients 1, 2 and -3."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.ones_(model.weight)
    optimizer = make_optimizer(model, make_settings(optimizer=name, **settings))
    assert optimizer.defaults["fused"]  # the other forms give other bits
    for gradient in (1.0, 2.0, -3.0):
        model.weight.grad = torch.full((1, 1), gradient)
        optimizer.step()
    return model.weight.item()


def by_hand(name: str, lr: float, decay: float, momentum: float = 0.9) -> float:
    w, m, v, buffer = 1.0, 0.0, 0.0, None
    for step, given in enumerate((1.0, 2.0, -3.0), start=1):
        g = given
        if name == "adamw":
            w -= lr * decay * w  # Loshchilov and Hutter 2019
        else:
            g += decay * w
        if name == "sgd":
            buffer = g if buffer is None else momentum * buffer + g
            w -= lr * buffer
        else:  # Kingma and Ba 2015, Algorithm 1
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            w -= lr * (m / (1 - 0.9**step)) / (math.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return w


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_equations(name: str, decay: float) -> None:
    expected = by_hand(name, 0.1, decay)
    assert three_steps(name, lr=0.1, weight_decay=decay) == pytest.approx(expected, rel=1e-5)


def test_momentum() -> None:
    assert three_steps("sgd", lr=0.1, momentum=0) == pytest.approx(by_hand("sgd", 0.1, 0, 0), rel=1e-5)
    assert three_steps("sgd", lr=0.1, momentum=0.5) == pytest.approx(by_hand("sgd", 0.1, 0, 0.5), rel=1e-5)


def test_all_parameters_are_optimized() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    optimizer = make_optimizer(model, make_settings())
    assert [id(p) for g in optimizer.param_groups for p in g["params"]] == [id(p) for p in model.parameters()]


def test_constant() -> None:
    assert {learning_rate(make_settings(lr=0.3), step, 10) for step in range(10)} == {0.3}


def test_linear() -> None:
    rates = [learning_rate(make_settings(lr=0.3, schedule="linear"), step, 10) for step in range(10)]
    assert rates == pytest.approx([0.3 - 0.03 * step for step in range(10)])


def test_cosine() -> None:
    rates = [learning_rate(make_settings(lr=0.3, schedule="cosine"), step, 10) for step in range(10)]
    assert rates[0] == 0.3
    assert rates[5] == pytest.approx(0.15)
    assert rates == sorted(rates, reverse=True)
    assert 0 < rates[-1] < 0.01


@pytest.mark.parametrize(("steps", "warmup"), [(2, None), (10, None), (100, 0.23), (7, 0.9), (30, 0.0), (10, 0.1)])
def test_one_cycle_is_torchs(steps: int, warmup: float | None) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1)
    rise = 0.3 if warmup is None else warmup
    if rise * steps == 1:
        rise -= 1e-9  # torch divides by 0 where the first step is the highest
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.5, steps, pct_start=rise, cycle_momentum=False)
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(expected) < steps:
            schedule.step()
    settings = make_settings(lr=0.5, schedule="one-cycle", warmup=warmup)
    assert [learning_rate(settings, step, steps) for step in range(steps)] == pytest.approx(expected, rel=1e-6)


def test_a_warm_up_rises_in_equal_steps_to_the_rate() -> None:
    for schedule in ("constant", "linear", "cosine"):
        warm, plain = (make_settings(lr=0.4, schedule=schedule, warmup=warmup) for warmup in (0.3, None))
        rates = [learning_rate(warm, step, 10) for step in range(10)]
        assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
        assert rates[3:] == [learning_rate(plain, step, 7) for step in range(7)]


@pytest.fixture(autouse=True)
def _generator():
    """torch's modules are initialised from its global generator."""
    with torch.random.fork_rng(devices=[]):
        yield
