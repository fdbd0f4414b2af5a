"""ecrnn.recurrence.cpu makes no denormal numbers, for which Intel's processors wait, and leaves the caller's mode."""

import numpy as np
import pytest
import torch
from recurrence.cpu.problems import Problem, built, each_cell, each_instruction_set

pytestmark = built

STEPS = 300
LEAST = np.finfo(np.float32).tiny  # 2^-126, the smallest normal number
each_way = pytest.mark.parametrize("batch", [3, 35], ids=["few samples", "tiles"])


def denormals(array) -> int:
    """How many elements are neither zero nor normal float32 numbers."""
    size = np.abs(np.asarray(array, np.float64))
    return int(((size > 0) & (size < LEAST)).sum())


def halving(batch: int) -> Problem:
    """h_t = relu(h_(t-1) / 2 + x_t), of 5 nodes that do not see each other."""
    problem = Problem("rnn_relu", batch, STEPS, I=5, H=5)
    for name, w in problem.weights.items():
        w[:] = {"weight_ih_l0": np.eye(5), "weight_hh_l0": np.eye(5) / 2}.get(name, 0)
    return problem


@pytest.fixture(params=[False, True], ids=["caller keeps denormals", "caller flushes"])
def callers_mode(request):
    """Whether the caller flushes denormals to zero itself, which a call must not change."""
    flushes = lambda: float(torch.full((), 1e-40) * 1.0) == 0  # noqa: E731
    before = flushes()
    torch.set_flush_denormal(request.param)
    yield request.param
    after = flushes()
    torch.set_flush_denormal(before)
    assert after == request.param


@pytest.mark.usefixtures("callers_mode")
@each_instruction_set
@each_way
def test_states_and_gradients_that_halve(batch, instruction_set):
    """By hand: the states are 2^-t, and so are the gradients going back, down to 2^-126, and then 0."""
    powers = np.ldexp(np.ones(STEPS + 1), -np.arange(STEPS + 1))
    powers[powers < LEAST] = 0
    problem = halving(batch)
    problem.x[:], problem.initial[0][:] = 0, 1
    output = problem.forward(instruction_set=instruction_set)[0].numpy()
    np.testing.assert_array_equal(output, np.broadcast_to(powers[1:, None], output.shape))

    problem.x[:], problem.d_output[:], problem.d_last[0][:] = (
        1,
        0,
        1,
    )  # states between 1 and 2, so ReLU lets all through
    saved = problem.forward(instruction_set=instruction_set)[3]
    gradients = problem.backward(saved, instruction_set=instruction_set)
    np.testing.assert_array_equal(gradients["d_x"], np.broadcast_to(powers[:-1][::-1, None], output.shape))
    assert gradients["d_h_0"].abs().max() == 0


@pytest.mark.sampled
@each_instruction_set
@each_cell
@each_way
def test_no_denormal_gradient(cell, batch, instruction_set):
    """Back through every step with the loss at the last state; float64 shows that float32 would be full of them."""
    problem = Problem(cell, batch, T=STEPS * 2, I=2, H=6)
    for name in problem.weights:
        problem.weights[name] *= 0.8  # or none of the cells forgets within the steps
    problem.d_output[:] = 0
    for keep_gates in (False, True):
        saved = problem.forward(keep_gates=keep_gates, instruction_set=instruction_set)[3]
        gradients = problem.backward(saved, instruction_set=instruction_set)
        assert {name: denormals(d) for name, d in gradients.items()} == dict.fromkeys(gradients, 0)
    expected = problem.expected()["d_x"]
    assert denormals(expected) > 100
    size = np.abs(expected).max(axis=-1)  # of a sample's inputs at a step: one of them alone may nearly cancel
    error = np.abs(gradients["d_x"].numpy() - expected).max(axis=-1)
    assert (error[size > 1e-30] < 1e-3 * size[size > 1e-30]).all()
