"""Muon against a singular value decomposition, against its equations, and what a training asks of an optimizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from training.trainings import make_settings

from ecrnn.training.muon import ADAM_BETAS, ADAM_SHARE, MOMENTUM, orthogonalised
from ecrnn.training.optimizers import make_optimizer


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_orthogonalised_keeps_the_directions_and_evens_the_singular_values(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    matrix = u @ torch.diag(torch.linspace(0.2, 1, len(s), dtype=torch.float64)) @ vt
    rotated = u.T @ orthogonalised(matrix) @ vt.T
    values = rotated.diagonal()
    assert (rotated - values.diag()).abs().max() < 1e-9  # the same singular vectors
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_three_steps_by_hand() -> None:
    """A bank of one row: its nearest orthogonal matrix is the row at length p(p(p(1))), p the quintic."""
    bank = nn.Conv2d(1, 1, (1, 2), bias=True)
    start = np.array([0.6, 0.8])
    with torch.no_grad():
        bank.weight.copy_(torch.tensor(start).view_as(bank.weight))
        bank.bias.fill_(1.0)
    optimizer = make_optimizer(bank, make_settings(optimizer="muon", lr=0.1))
    length = 1.0
    for _ in range(3):
        length = 3.4445 * length - 4.7750 * length**3 + 2.0315 * length**5
    weight, momentum, bias, m, v = start.copy(), np.zeros(2), 1.0, 0.0, 0.0
    for step, gradient in enumerate(([1.0, 0.5], [-2.0, 0.3], [0.1, 0.1]), start=1):
        bank.weight.grad = torch.tensor(gradient).view_as(bank.weight)
        bank.bias.grad = torch.tensor([gradient[0]])
        optimizer.step()
        momentum = MOMENTUM * momentum + np.array(gradient)
        ahead = np.array(gradient) + MOMENTUM * momentum
        weight = weight / np.linalg.norm(weight) - 0.1 * length * ahead / np.linalg.norm(ahead)
        m, v = (
            b * old + (1 - b) * g for b, old, g in zip(ADAM_BETAS, (m, v), (gradient[0], gradient[0] ** 2), strict=True)
        )
        rate = 0.1 * ADAM_SHARE / (1 - ADAM_BETAS[0] ** step)
        bias -= rate * m / (np.sqrt(v / (1 - ADAM_BETAS[1] ** step)) + 1e-8)
        assert bank.weight.flatten().tolist() == pytest.approx(weight.tolist(), rel=1e-5)
        assert bank.bias.item() == pytest.approx(bias, rel=1e-6)
        assert bank.weight.grad.flatten().tolist() == pytest.approx(gradient)  # as other optimizers leave it
    assert optimizer.param_groups[0]["lr"] == 0.1


def test_the_length_of_a_gradient_does_not_matter() -> None:
    def moved(scale: float) -> torch.Tensor:
        bank = nn.Conv2d(2, 4, 3)
        nn.init.ones_(bank.weight)
        optimizer = make_optimizer(bank, make_settings(optimizer="muon", lr=0.1))
        gradient = torch.randn(bank.weight.shape, generator=torch.Generator().manual_seed(1))
        bank.weight.grad = scale * gradient
        optimizer.step()
        return bank.weight.detach()

    torch.testing.assert_close(moved(1.0), moved(1e4))


def test_a_state_that_is_read_comes_to_the_device_of_the_weights() -> None:
    """The counts of steps too, which torch leaves where they are unless it knows that Adam is the fused one."""
    bank = nn.Conv2d(1, 1, 2, device="meta")
    optimizer = make_optimizer(bank, make_settings(optimizer="muon", lr=0.1))
    states = {
        0: {"momentum_buffer": torch.zeros(1, 1, 2, 2), "norm": torch.tensor(1.0)},
        1: {"step": torch.tensor(3.0), "exp_avg": torch.zeros(1), "exp_avg_sq": torch.zeros(1)},
    }
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    assert {tensor.device.type for state in optimizer.state.values() for tensor in state.values()} == {"meta"}
