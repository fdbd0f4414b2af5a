"""NaN and infinity go through ecrnn.recurrence.cpu as they go through torch: none is lost, and samples stay apart."""

import math

import numpy as np
import pytest
import torch
from recurrence.cpu.problems import Problem, built, each_cell, each_instruction_set

pytestmark = [built, pytest.mark.sampled()]

LAYERS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN, "rnn_relu": torch.nn.RNN}
ODD_NAN = np.array([0x7FC00001, 0xFFFFFFFF], np.uint32).view(np.float32)  # as memory full of ones has them
VALUES = [math.nan, math.inf, -math.inf, ODD_NAN[0], ODD_NAN[1]]
NAMES = ["nan", "inf", "-inf", "nan with payload", "all bits set"]

# a tensor of the problem and a place in it, of sample 2 where it has samples
PLACES = {
    "x": lambda p: (p.x, (2, 5, 1)),
    "h_0": lambda p: (p.initial[0], (0, 2, 3)),
    "c_0": lambda p: (p.initial[-1], (0, 2, 3)),
    "d_h_n": lambda p: (p.d_last[0], (0, 2, 3)),
    "d_c_n": lambda p: (p.d_last[-1], (0, 2, 3)),
    "d_output": lambda p: (p.d_output, (2, 9, 4)),
    "w_ih": lambda p: (p.weights["weight_ih_l0"], (1, 1)),
    "w_hh": lambda p: (p.weights["weight_hh_l0"], (1, 2)),
    "b_ih": lambda p: (p.weights["bias_ih_l0"], (2,)),
    "b_hh": lambda p: (p.weights["bias_hh_l0"], (2,)),
}


def lost(expected, actual, value):
    """Whether something in ``expected`` is not finite that is so in ``actual``.

    For NaN each number is looked at. Infinity saturates gates: torch's are then 0 or 1, and 0 * infinity is NaN; ours
    end at 2^-80, so that what stays infinite in a tensor may be other numbers of it.
    """
    absent = ~expected.isfinite() & actual.isfinite()
    if math.isnan(value):
        return bool(absent.any())
    return not expected.isfinite().all() and bool(actual.isfinite().all())


def by_torch(problem):
    """As Problem.actual, in float32 by torch.nn."""
    options = {"nonlinearity": "relu"} if problem.cell == "rnn_relu" else {}
    layer = LAYERS[problem.cell](problem.I, problem.H, batch_first=True, **options)
    with torch.no_grad():
        for name, w in problem.weights.items():
            getattr(layer, name).copy_(torch.from_numpy(w))
    x, *states = (torch.tensor(a, requires_grad=True) for a in (problem.x, *problem.initial))
    output, last = layer(x, tuple(states) if len(states) == 2 else states[0])
    last = last if len(states) == 2 else (last,)
    torch.autograd.backward([output, *last], [torch.tensor(d) for d in (problem.d_output, *problem.d_last)])
    made = {"output": output, "h_n": last[0], "d_x": x.grad, "d_h_0": states[0].grad}
    if len(states) == 2:
        made |= {"c_n": last[1], "d_c_0": states[1].grad}
    return {k: v.detach() for k, v in (made | {f"d_{n}": p.grad for n, p in layer.named_parameters()}).items()}


@pytest.mark.sampled(slow=150)
@each_instruction_set
@each_cell
@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("place", PLACES)
def test_as_torch_has_it(cell, place, value, instruction_set):
    problem = Problem(cell, B=18, T=11, I=3, H=6)
    clean = {gates: problem.actual(instruction_set=instruction_set, keep_gates=gates) for gates in (False, True)}
    array, at = PLACES[place](problem)
    array[at] = value
    expected = by_torch(problem)
    of_samples = {"output": 0, "d_x": 0, "h_n": 1, "c_n": 1, "d_h_0": 1, "d_c_0": 1}
    others = torch.arange(18) != 2
    for keep_gates in (False, True):
        actual = problem.actual(instruction_set=instruction_set, keep_gates=keep_gates)
        for name, tensor in expected.items():
            assert not lost(tensor, actual[name], value), name
            if place[:2] in ("w_", "b_") or name not in of_samples:
                continue
            beside = actual[name].movedim(of_samples[name], 0)[others]
            assert torch.equal(beside, clean[keep_gates][name].movedim(of_samples[name], 0)[others]), (
                f"{name} of other samples"
            )
    inferred = problem.forward(True, False, instruction_set=instruction_set)[0]
    assert not lost(expected["output"], inferred, value)


@pytest.mark.sampled(slow=12)
@each_instruction_set
@each_cell
@pytest.mark.parametrize("value", VALUES, ids=NAMES)
def test_few_samples_as_torch_has_it(cell, value, instruction_set):
    for place in ("x", "h_0", "w_hh"):
        problem = Problem(cell, B=3, T=11, I=3, H=6)
        array, at = PLACES[place](problem)
        array[at] = value
        expected = by_torch(problem)
        output, h_n, c_n, _ = problem.forward(True, False, instruction_set=instruction_set)
        for name, tensor in {"output": output, "h_n": h_n, "c_n": c_n}.items():
            if tensor is not None:
                assert not lost(expected[name], tensor, value), (place, name)


@pytest.mark.sampled(slow=30)
@each_instruction_set
@each_cell
@pytest.mark.parametrize("value", VALUES, ids=NAMES)
@pytest.mark.parametrize("node", [0, 5])
def test_cutoff_loses_none(cell, value, node, instruction_set):
    """A gradient that is not a number is not a small one, neither alone nor beside others."""
    for rest in (0.0, 1.0):
        problem = Problem(cell, B=18, T=300, I=1, H=6)
        problem.d_output[:] = 0
        for d in problem.d_last:
            d[:] = rest
        problem.d_last[0][0, 2, node] = value
        saved = problem.forward(instruction_set=instruction_set)[3]
        exact, cut = (
            problem.backward(saved, True, False, cutoff, instruction_set=instruction_set) for cutoff in (0.0, 1e-8)
        )
        for name in exact:
            assert torch.equal(exact[name].isfinite(), cut[name].isfinite()), name


@each_instruction_set
@each_cell
def test_large_values_saturate(cell, instruction_set):
    """Sums far outside of what exp can take give the limits of sigmoid and tanh, forwards and backwards.

    Ours end at 2^-40 instead of 0, which times 1e30 is not nothing: gradients of the input's weights are left out.
    """
    problem = Problem(cell, B=18, T=7, I=3, H=6)
    problem.x *= 1e30 if cell != "rnn_relu" else 1e3
    expected, actual = by_torch(problem), problem.actual(instruction_set=instruction_set)
    del expected["d_weight_ih_l0"]
    for name, tensor in expected.items():
        near = torch.isclose(actual[name], tensor, rtol=1e-4, atol=max(1e-6, 1e-4 * float(tensor.abs().max())))
        assert (near | ~tensor.isfinite()).all(), name
