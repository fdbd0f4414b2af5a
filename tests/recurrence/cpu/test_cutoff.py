"""The backward pass that ends early: what it leaves out is under float32's rounding, before and after a training."""

import numpy as np
import pytest
import torch
from recurrence.cpu.problems import Problem, built, each_cell, each_instruction_set

from ecrnn.recurrence import cpu

pytestmark = [built, pytest.mark.sampled()]

CUTOFF = 1e-8  # the layers' own
EFFECT = 1e-6


def effect(exact, cut):
    """The largest relative error of a gradient."""
    assert exact.keys() == cut.keys()
    return max(float((exact[name] - cut[name]).abs().max() / exact[name].abs().max()) for name in exact)


def steps_made(problem, saved, cutoff, instruction_set=""):
    """How many steps the backward pass goes."""
    extension = pytest.importorskip("ecrnn.recurrence._cpu")
    d_weights = [torch.empty_like(torch.from_numpy(w)) for w in problem.weights.values()]
    given = (*problem.call(), saved, *problem.cotangents())
    return extension.backward(*given, None, None, None, d_weights, cutoff, 1, instruction_set)


def with_gradient(problem, where):
    """``problem`` with no gradient of its outputs but at some steps, of all samples or of one."""
    T = problem.T
    chosen = {
        "last state": [],
        "last step": [T - 1],
        "first step": [0],
        "stretches": [*range(T // 3, T // 3 + 5), *range(2 * T // 3, 2 * T // 3 + 40)],
        "one sample": [T // 3],
    }[where]
    if where == "one sample":
        problem.d_output[np.arange(problem.B) != 20] = 0
    silent = np.setdiff1d(np.arange(T), chosen)
    problem.d_output[:, silent] = 0
    return problem


@pytest.mark.sampled(slow=30)
@each_instruction_set
@each_cell
@pytest.mark.parametrize("where", ["last state", "last step", "first step", "stretches", "one sample"])
@pytest.mark.parametrize("keep_gates", [False, True])
def test_effect_on_untrained_networks(cell, where, keep_gates, instruction_set):
    problem = with_gradient(Problem(cell, B=35, T=400, I=1, H=16, D=2), where)
    kernels = {"instruction_set": instruction_set}
    saved = problem.forward(keep_gates=keep_gates, **kernels)[3]
    exact, cut = (problem.backward(saved, True, False, cutoff, **kernels) for cutoff in (0.0, CUTOFF))
    assert effect(exact, cut) < EFFECT
    assert steps_made(problem, saved, 0.0, instruction_set) == problem.T
    assert steps_made(problem, saved, CUTOFF, instruction_set) < problem.T


@each_cell
def test_effect_on_samples_of_different_lengths(cell):
    lengths = [(37 * k) % 401 for k in range(35)]
    problem = with_gradient(Problem(cell, B=35, T=400, I=1, H=16, D=2, lengths=lengths), "last state")
    saved = problem.forward()[3]
    exact, cut = (problem.backward(saved, True, False, cutoff) for cutoff in (0.0, CUTOFF))
    assert effect(exact, cut) < EFFECT


def test_initial_states_are_served_whole():
    """Their gradients lie beyond any cutoff."""
    problem = with_gradient(Problem("lstm", B=20, T=300, I=1, H=8), "last state")
    saved = problem.forward()[3]
    exact, cut = (problem.backward(saved, True, True, cutoff) for cutoff in (0.0, 0.5))
    assert all(torch.equal(exact[name], cut[name]) for name in exact)


@each_instruction_set
def test_a_coarse_cutoff_is_seen(instruction_set):
    """The tests above could fail."""
    problem = with_gradient(Problem("lstm", B=35, T=400, I=1, H=16), "last state")
    saved = problem.forward(instruction_set=instruction_set)[3]
    exact, cut = (problem.backward(saved, True, False, c, instruction_set=instruction_set) for c in (0.0, 1e-1))
    assert effect(exact, cut) > EFFECT


def remembering(cell, steps=120, batch=64, nodes=16):
    """A network trained to say the first value that it read; the rest is noise."""
    problem = Problem(cell, batch, steps, I=1, H=nodes, seed=3)
    problem.weights["bias_ih_l0"][nodes : 2 * nodes] = 3  # the gate that keeps, or 120 steps are not learnt quickly
    rng = np.random.default_rng(0)
    for state in problem.initial:
        state[:] = 0
    weights = [torch.from_numpy(w) for w in problem.weights.values()]  # the same memory: the problem learns
    readout = torch.zeros(nodes, requires_grad=True)
    optimizer = torch.optim.Adam([*weights, readout], lr=1e-2)
    problem.d_output[:] = 0
    for _ in range(300):
        problem.x[:] = 0.3 * rng.standard_normal(problem.x.shape)
        problem.x[:, 0] = rng.choice([-1.0, 1.0], (batch, 1))
        _, h_n, _, saved = problem.forward(False)
        last = h_n[0].requires_grad_()
        loss = torch.nn.functional.mse_loss(last @ readout, torch.from_numpy(problem.x[:, 0, 0]))
        optimizer.zero_grad()
        loss.backward()
        for d in problem.d_last:
            d[:] = 0
        problem.d_last[0][:] = last.grad
        for w, d in zip(weights, problem.backward(saved, False, False).values(), strict=True):
            w.grad = d
        optimizer.step()
    return problem, loss.item()


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_effect_on_trained_networks(cell):
    problem, loss = remembering(cell)
    assert loss < 0.1  # a network that guesses has 1: this one remembers over all steps
    for instruction_set in cpu.instructions():
        saved = problem.forward(instruction_set=instruction_set)[3]
        exact, cut = (problem.backward(saved, True, False, c, instruction_set=instruction_set) for c in (0.0, CUTOFF))
        assert exact["d_x"][:, 0].abs().max() > 1e-3 * exact["d_x"].abs().max()
        assert effect(exact, cut) < EFFECT
