"""ecrnn.recurrence.cpu against the float64 oracle: shapes, memory orders, lengths, what is asked for, bad arguments."""

import math

import numpy as np
import pytest
import torch
from oracles import compare, fresh_memory_is_nan, tolerance
from recurrence.cpu.problems import GATES, INSTRUCTIONS, LAYOUTS, Call, Problem, built, each_cell, each_instruction_set

from ecrnn.recurrence import cpu

pytestmark = [built, pytest.mark.sampled()]

# (B, T, I, H, D): each length and batch that a tile, a chunk or a vector may get wrong, and odd numbers of nodes
SHAPES = [
    (1, 1, 1, 1, 1),
    (2, 2, 2, 3, 2),
    (3, 63, 3, 5, 1),
    (15, 64, 15, 7, 2),
    (16, 65, 16, 16, 1),
    (17, 300, 1, 16, 2),
    (31, 65, 17, 8, 1),
    (32, 63, 1, 15, 2),
    (33, 2, 40, 33, 1),
    (65, 64, 2, 9, 2),
    (128, 65, 1, 17, 1),
    (5, 300, 3, 2, 2),
    (128, 1, 40, 32, 2),
    (7, 5, 1, 70, 1),
]


def agrees(problem, **options):
    expected = problem.expected()
    for instruction_set in INSTRUCTIONS:
        for keep_gates in (False, True):
            with fresh_memory_is_nan():
                actual = problem.actual(instruction_set=instruction_set, keep_gates=keep_gates, **options)
            compare(expected, actual, tolerance("float32", problem.T))


@pytest.mark.sampled(cover=1)
@each_cell
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_that_a_layer_computes(cell, shape):
    agrees(Problem(cell, *shape), layout="time" if shape[0] % 2 else "batch")


@pytest.mark.sampled(cover=1)
@each_cell
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 3])
def test_any_order_in_memory(cell, layout, size):
    problem = Problem(cell, B=19, T=21, I=size, H=6, D=2)
    for d_layout in LAYOUTS:
        agrees(problem, layout=layout, d_layout=d_layout)


def test_output_lies_as_x_does():
    problem = Problem("gru", B=3, T=4, I=2, H=5, D=2)
    for layout, strides in (("batch", (40, 10, 1)), ("time", (10, 30, 1))):
        assert problem.forward(layout=layout)[0].stride() == strides
    assert problem.actual(layout="time")["d_x"].stride() == (2, 6, 1)


def test_expanded_input():
    """Stride 0: all samples read the same memory."""
    problem = Problem("lstm", B=18, T=9, I=3, H=5)
    problem.x[:] = problem.x[:1]
    layer = problem.call()
    output = cpu.forward(layer._replace(x=layer.x[:1].expand(18, 9, 3)), True, False)[0]
    compare({"output": problem.expected()["output"]}, {"output": output}, tolerance("float32", 9))


@each_cell
@pytest.mark.parametrize("lengths", ["mixed", "all", "none", "one"])
@pytest.mark.parametrize("batch", [1, 5, 37])
def test_lengths(cell, lengths, batch):
    T = 41
    values = {"mixed": [(7 * b) % (T + 1) for b in range(batch)], "all": [T], "none": [0], "one": [1]}[lengths]
    agrees(Problem(cell, batch, T, 3, 7, 2, lengths=(values * batch)[:batch]))


@each_instruction_set
@each_cell
def test_lengths_as_each_sample_alone(cell, instruction_set):
    lengths = [11, 1, 40, 0, 8, 40, 17]
    together = Problem(cell, 7, 40, 2, 9, 2, lengths=lengths)
    layer = together.call()
    for keep in (False, True):
        output, h_n, _, _ = together.forward(True, keep, instruction_set=instruction_set)
        for b, n in enumerate(lengths):
            assert not output[b, n:].any()
            if n == 0:
                assert torch.equal(h_n[:, b], layer.h_0[:, b])
                continue
            c_0 = None if layer.c_0 is None else layer.c_0[:, b : b + 1].contiguous()
            h_0 = layer.h_0[:, b : b + 1].contiguous()
            alone = cpu.forward(Call(cell, layer.x[b : b + 1, :n], layer.weights, h_0, c_0), True, False)
            found = {"output": output[b : b + 1, :n], "h_n": h_n[:, b : b + 1]}
            compare({"output": alone[0], "h_n": alone[1]}, found, 2 * tolerance("float32", n))


@pytest.mark.parametrize("keep_gates", [False, True])
@each_instruction_set
@each_cell
def test_padding_is_not_looked_at(cell, instruction_set, keep_gates):
    """What lies beyond a sample's length may be anything, NaN too."""
    lengths = [9, 3, 0, 12, 7]
    clean = Problem(cell, 5, 12, 3, 6, 2, lengths=lengths)
    dirty = Problem(cell, 5, 12, 3, 6, 2, lengths=lengths)
    for b, n in enumerate(lengths):
        dirty.x[b, n:] = dirty.d_output[b, n:] = math.nan
    options = {"instruction_set": instruction_set, "keep_gates": keep_gates}
    expected, actual = clean.actual(**options), dirty.actual(**options)
    for name in expected:
        assert torch.equal(expected[name], actual[name]), name
    few = dirty.forward(True, False, instruction_set=instruction_set)[0]
    compare({"output": expected["output"]}, {"output": few}, 2 * tolerance("float32", 12))


@each_instruction_set
@each_cell
@pytest.mark.parametrize("batch", [1, 3, 4, 7, 15, 16, 40])
def test_what_is_not_asked_for_changes_nothing_else(cell, instruction_set, batch):
    """The output, and what the backward pass needs. Few samples without the latter are computed in another order."""
    problem = Problem(cell, batch, 23, 2, 11, 2)
    with fresh_memory_is_nan():
        full, last, inferred, least = (
            problem.forward(want_output, keep, instruction_set=instruction_set)
            for keep in (True, False)
            for want_output in (True, False)
        )
    assert last[0] is None
    assert least[0] is None
    assert inferred[3].numel() == least[3].numel() == 0
    for a, b in ((full, last), (inferred, least)):
        assert torch.equal(a[1], b[1])
        assert a[2] is b[2] is None or torch.equal(a[2], b[2])
    assert torch.equal(full[3], last[3])
    expected = {name: value for name, value in problem.expected().items() if name in ("output", "h_n", "c_n")}
    found = {"output": inferred[0], "h_n": inferred[1]} | ({} if inferred[2] is None else {"c_n": inferred[2]})
    compare(expected, found, tolerance("float32", problem.T))


@each_instruction_set
@each_cell
def test_gradients_that_are_not_asked_for_change_nothing_else(cell, instruction_set):
    problem = Problem(cell, 20, 40, 3, 9, 2)
    saved = problem.forward(instruction_set=instruction_set)[3]
    with fresh_memory_is_nan():
        full = problem.backward(saved, instruction_set=instruction_set)
        for needs_x in (False, True):
            for needs_initial in (False, True):
                made = problem.backward(saved, needs_x, needs_initial, instruction_set=instruction_set)
                absent = (set() if needs_x else {"d_x"}) | (set() if needs_initial else {"d_h_0", "d_c_0"})
                assert made.keys() == full.keys() - absent
                assert all(torch.equal(made[name], full[name]) for name in made)


@each_instruction_set
@each_cell
@pytest.mark.parametrize("absent", [(0,), (1,), (2,), (0, 1), (1, 2), (0, 1, 2)])
def test_absent_gradients_are_zeros(cell, instruction_set, absent):
    problem = Problem(cell, 17, 35, 1, 5, 2)
    layer = problem.call()
    saved = problem.forward(instruction_set=instruction_set)[3]
    cotangents = list(problem.cotangents())
    zeros = list(cotangents)
    for k in absent:
        zeros[k] = None if cotangents[k] is None else torch.zeros_like(cotangents[k])
        cotangents[k] = None
    with fresh_memory_is_nan():
        made, expected = (
            cpu.backward(layer, saved, *d, True, True, 0.0, instruction_set=instruction_set)
            for d in (cotangents, zeros)
        )
    for a, b in zip([*made[:3], *made[3]], [*expected[:3], *expected[3]], strict=True):
        assert a is b is None or torch.equal(a, b)


def random_problem(rng, seed):
    draw = lambda least, most: int(np.exp(rng.uniform(math.log(least), math.log(most + 1))))  # noqa: E731
    cell, B, T, D = str(rng.choice(list(GATES))), draw(1, 70), draw(1, 70), int(rng.integers(1, 3))
    lengths = [int(n) for n in rng.integers(0, T + 1, B)] if rng.random() < 0.2 else None
    return Problem(cell, B, T, draw(1, 40), draw(2, 40), D, lengths, seed)  # gradients of a single weight may cancel


@pytest.mark.sampled(most=20, slow=40)
@pytest.mark.parametrize("seed", range(200))
def test_random_shapes(seed):
    rng = np.random.default_rng(seed)
    problem = random_problem(rng, seed)
    layout, d_layout = map(str, rng.choice(LAYOUTS, 2))
    agrees(problem, layout=layout, d_layout=d_layout)
