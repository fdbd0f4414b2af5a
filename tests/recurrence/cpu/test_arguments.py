"""What does not fit into the C++ kernels raises before anything is computed, and nothing is converted silently."""

import re

import numpy as np
import pytest
import torch
from recurrence.cpu.problems import Call, Problem, built, each_cell

from ecrnn.recurrence import cpu

pytestmark = [built, pytest.mark.sampled()]

FORWARD = (*Call._fields, "want_output", "keep")
BACKWARD = (*Call._fields, "saved", "d_output", "d_h_n", "d_c_n", "needs_x", "needs_initial", "cutoff")


@pytest.fixture
def arguments():
    """Of both functions, by name; an LSTM, so that all are there."""
    problem = Problem("lstm", B=3, T=5, I=2, H=4, D=2, lengths=[5, 2, 4])
    given = dict(zip(FORWARD, (*problem.call(), True, True), strict=True))
    saved = call("forward", given)[3]
    d = zip(BACKWARD[6:], (saved, *problem.cotangents(), True, True, 0.0), strict=True)
    return given | dict(d)


def call(function, arguments):
    names = FORWARD if function == "forward" else BACKWARD
    layer = Call(*(arguments[name] for name in Call._fields))
    return getattr(cpu, function)(layer, **{name: arguments[name] for name in names if name not in Call._fields})


def replaced(arguments, name, change):
    """``arguments`` with one tensor changed; "weights.3" is the fourth weight."""
    name, _, index = name.partition(".")
    if not index:
        return arguments | {name: change(arguments[name])}
    weights = list(arguments["weights"])
    weights[int(index)] = change(weights[int(index)])
    return arguments | {"weights": weights}


def spread(tensor):
    """The same values, their last dimension not contiguous."""
    return torch.stack([tensor, tensor], -1)[..., 0]


# with nothing else of x's type to refuse
LEAST = {"want_output": False, "keep": False, "needs_x": False, "needs_initial": False}
FLOATS = ["x", "h_0", "c_0", "weights.0", "weights.1", "weights.2", "weights.7"]
GRADIENTS = ["saved", "d_output", "d_h_n", "d_c_n"]
OTHER = {
    "float64": lambda t: t.double(),
    "float16": lambda t: t.half(),
    "int32": lambda t: t.int(),
    "a dimension more": lambda t: t[None],
    "a dimension less": lambda t: t[0],
    "longer": lambda t: torch.cat([t, t]),
    "empty": lambda t: t[:0],
    "longer at the end": lambda t: torch.cat([t, t[..., :1]], -1).contiguous(),
}
STRIDED = {"h_0", "c_0", "weights.0", "weights.1", "weights.2", "weights.7", "x"}


@pytest.mark.parametrize("other", OTHER)
@pytest.mark.parametrize("name", [*FLOATS, *GRADIENTS])
def test_other_tensors_are_refused(arguments, name, other):
    """Never converted, never cut to size."""
    bad = replaced(arguments, name, OTHER[other])
    for function in ("forward", "backward") if name in FLOATS else ("backward",):
        for more in ({}, LEAST):
            with pytest.raises((TypeError, ValueError, IndexError)):
                call(function, bad | more)


@pytest.mark.parametrize("name", sorted(STRIDED))
def test_strided_tensors_are_refused(arguments, name):
    for function in ("forward", "backward"):
        for more in ({}, LEAST):
            with pytest.raises((TypeError, ValueError)):
                call(function, replaced(arguments, name, spread) | more)


@pytest.mark.parametrize("name", ["d_output", "d_h_n", "d_c_n"])
def test_strided_gradients_are_right(arguments, name):
    """Autograd gives them in any order, so the wrapper makes them fit."""
    expected = call("backward", arguments)
    made = call("backward", replaced(arguments, name, spread))
    for a, b in zip([*made[:3], *made[3]], [*expected[:3], *expected[3]], strict=True):
        assert torch.equal(a, b)


LINES = [
    ("cell", lambda _: "lstmm", "no cell 'lstmm'"),
    ("c_0", lambda _: None, "c_0 belongs to lstm, and to it alone"),
    ("weights", lambda w: w[:7], "4 weights a direction are wanted, not 7"),
    ("weights", lambda w: w[:4], "4 weights a direction are wanted, not 4"),
    ("weights.0", lambda w: w[1:], "w_ih is (15, 2), not (16, 2)"),
    ("weights.1", lambda w: torch.cat([w, w]), "w_hh is (32, 4), not (16, 4)"),
    ("weights.7", lambda w: w[1:], "b_hh is (15), not (16)"),
    ("weights.6", lambda w: w[None], "b_ih is (1, 16), not (16)"),
    ("h_0", lambda h: h[:, :2].contiguous(), "h_0 is (2, 2, 4), not (2, 3, 4)"),
    ("h_0", lambda h: torch.cat([h, h]), "h_0 has 4 directions, not 1 or 2"),
    ("c_0", lambda c: c[:, :2].contiguous(), "c_0 is (2, 2, 4), not (2, 3, 4)"),
    ("lengths", lambda n: n[:2], "lengths is (2), not (3)"),
    ("x", lambda x: x[:, :0], "x is (3, 0, 2) and h_0 (2, 3, 4): nothing to do"),
    ("x", lambda x: torch.zeros(3, 2, 5).transpose(1, 2), "x's last dimension is not contiguous"),
]


@pytest.mark.parametrize(("name", "change", "line"), LINES, ids=[line for _, _, line in LINES])
def test_the_line_says_what_is_wrong(arguments, name, change, line):
    for function in ("forward", "backward"):
        with pytest.raises(ValueError, match=rf"^ecrnn\.recurrence\._cpu: {re.escape(line)}$"):
            call(function, replaced(arguments | {"keep": False}, name, change))


@pytest.mark.parametrize("cutoff", [-1e-9, 1.0, np.nan, np.inf])
def test_cutoff_has_bounds(arguments, cutoff):
    with pytest.raises(ValueError, match="cutoff must be at least 0 and below 1"):
        call("backward", arguments | {"cutoff": cutoff, "needs_initial": False})


@each_cell
def test_saved_of_another_problem(cell):
    problem, other = (Problem(cell, B=3, T=T, I=2, H=4) for T in (50, 700))
    saved = other.forward()[3]
    with pytest.raises(ValueError, match=rf"saved has {saved.numel()} floats, not"):
        problem.backward(saved)
    with pytest.raises(ValueError, match=r"saved has 0 floats, not"):
        problem.backward(problem.forward(keep=False)[3])


@pytest.mark.parametrize("cell", ["gru", "rnn_tanh", "rnn_relu"])
def test_cells_belong_to_lstm(cell):
    problem = Problem(cell, B=3, T=5, I=2, H=4)
    layer, h = problem.call(), torch.zeros(1, 3, 4)
    saved = problem.forward()[3]
    with pytest.raises(ValueError, match="d_c_n and d_c_0 belong to lstm"):
        cpu.backward(layer, saved, None, h, h, False, False, 0.0)
    with pytest.raises(ValueError, match="c_0 belongs to lstm"):
        cpu.forward(layer._replace(c_0=h), True, True)


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32])
def test_lengths_are_int64(arguments, dtype):
    with pytest.raises(TypeError):
        call("forward", replaced(arguments, "lengths", lambda n: n.to(dtype)))


def test_lengths_out_of_bounds_stay_within_the_memory():
    """The layers refuse them; the kernels take them for the nearest bound."""
    wild, tame = (Problem("lstm", B=3, T=5, I=2, H=4, D=2, lengths=n) for n in ([-3, 99, 2**40], [0, 5, 5]))
    expected = tame.actual()
    assert all(torch.equal(made, expected[name]) for name, made in wild.actual().items())
    assert torch.equal(wild.forward(keep=False)[0], tame.forward(keep=False)[0])


def test_instruction_sets_have_names():
    with pytest.raises(ValueError, match="this machine has no instruction set 'sse9'"):
        cpu.forward(Problem("lstm", B=3, T=5, I=2, H=4).call(), True, True, instruction_set="sse9")


@pytest.mark.sampled(most=20)
@pytest.mark.parametrize("seed", range(200))
def test_a_wrong_size_anywhere_is_refused(seed):
    """One dimension of one tensor is made one longer or shorter."""
    rng = np.random.default_rng(seed)
    sizes = {name: int(rng.integers(1, 20)) for name in "BTIH"}
    problem = Problem(str(rng.choice(["lstm", "gru", "rnn_tanh"])), **sizes, D=int(rng.integers(1, 3)), seed=seed)
    problem.lengths = [problem.T] * problem.B
    given = dict(zip(FORWARD, (*problem.call(), True, True), strict=True))
    saved = call("forward", given)[3]
    given |= dict(zip(BACKWARD[6:], (saved, *problem.cotangents(), True, True, 0.0), strict=True))
    tensors = [name for name in BACKWARD if isinstance(given[name], torch.Tensor)]
    name = str(rng.choice([*tensors, *(f"weights.{k}" for k in range(4 * problem.D))]))
    at, longer = rng.random(), rng.random() < 0.5

    def change(tensor):
        dim = int(at * tensor.ndim)
        part = tensor.narrow(dim, 0, 1)
        return torch.cat([tensor, part], dim) if longer else tensor.narrow(dim, 1, tensor.shape[dim] - 1).contiguous()

    with pytest.raises((ValueError, TypeError)):
        call("backward", replaced(given, name, change))


@each_cell
def test_arrays_of_other_libraries(cell):
    """NumPy's have no table of C functions, and go another way into the extension: the same bits, the same refusals."""
    extension = pytest.importorskip("ecrnn.recurrence._cpu")
    problem = Problem(cell, B=3, T=5, I=2, H=4, D=2)
    name, x, weights, h_0, c_0, _ = problem.call()
    expected_h_n = problem.forward(keep=False)[1]

    x, weights, h_0 = x.numpy(), [w.numpy() for w in weights], h_0.numpy()

    def run(x=x, h_n=None, weights=weights):
        h_n = np.full(h_0.shape, np.nan, np.float32) if h_n is None else h_n
        cells = (None, None) if c_0 is None else (c_0.numpy(), np.empty_like(h_n))
        extension.forward(name, x, weights, h_0, cells[0], None, None, h_n, cells[1], None, 1, "")
        return h_n

    assert run().tolist() == expected_h_n.tolist()
    read_only, strided = np.zeros(h_0.shape, np.float32), np.zeros((*h_0.shape, 2), np.float32)[..., 0]
    read_only.flags.writeable = False
    for wrong in (
        {"x": x.astype(np.float64)},
        {"x": x[0]},
        {"x": x.tolist()},
        {"h_n": read_only},
        {"h_n": strided},
        {"weights": [w[:, ::-1] if w.ndim == 2 else w for w in weights]},
    ):
        with pytest.raises(TypeError):
            run(**wrong)
