"""ecrnn.recurrence.cpu gives the same bits for any number of threads and on every call, and writes nowhere else."""

import numpy as np
import pytest
import torch
from recurrence.cpu.problems import Problem, built, each_cell, each_instruction_set

from ecrnn.recurrence import cpu

pytestmark = [built, pytest.mark.sampled()]


@pytest.fixture
def threads():
    """Sets torch's number of threads, and puts it back."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# enough work that threads are woken: more than 2^19 multiply-adds
@pytest.mark.sampled(cover=1)
@each_instruction_set
@each_cell
@pytest.mark.parametrize("keep_gates", [False, True])
@pytest.mark.parametrize("lengths", [False, True])
def test_any_number_of_threads(cell, instruction_set, keep_gates, lengths, threads):
    problem = Problem(cell, B=97, T=70, I=1, H=13, D=2, lengths=[k % 71 for k in range(97)] if lengths else None)
    options = {"instruction_set": instruction_set, "keep_gates": keep_gates}
    threads(1)
    expected = problem.actual(**options)
    for n in (2, 3, 5, 1):
        threads(n)
        assert same(problem.actual(**options), expected), n


@each_instruction_set
@each_cell
@pytest.mark.parametrize("batch", [1, 7, 15])
def test_few_samples_on_any_number_of_threads(cell, instruction_set, batch, threads):
    problem = Problem(cell, B=batch, T=300, I=3, H=40, D=2)
    made = []
    for n in (1, 2, 3, 5, 1):
        threads(n)
        made.append(problem.forward(True, False, instruction_set=instruction_set)[0])
    assert all(torch.equal(output, made[0]) for output in made)


@each_instruction_set
@each_cell
@pytest.mark.parametrize("cutoff", [0.0, 1e-3])
def test_cutoff_on_any_number_of_threads(cell, instruction_set, cutoff, threads):
    problem = Problem(cell, B=70, T=150, I=1, H=8)
    problem.d_output[:, 20:] = 0
    saved = problem.forward(instruction_set=instruction_set)[3]
    made = []
    for n in (1, 2, 5):
        threads(n)
        made.append(problem.backward(saved, True, False, cutoff, instruction_set=instruction_set))
    assert all(same(gradients, made[0]) for gradients in made)


@each_instruction_set
@each_cell
def test_order_in_memory_changes_no_bit(cell, instruction_set):
    problem = Problem(cell, B=21, T=19, I=4, H=7, D=2)
    expected = problem.actual(instruction_set=instruction_set)
    assert same(problem.actual("time", "wide", instruction_set=instruction_set), expected)


@pytest.mark.sampled(most=2)
@each_instruction_set
@pytest.mark.parametrize("layout", ["batch", "time"])
@pytest.mark.parametrize("H", [32, 40])
def test_large_outputs_are_those_of_fewer_samples(instruction_set, layout, H):
    """From a million floats on, whole lines are streamed past the caches; rows of 40 floats are not always lines."""
    large, small = (Problem("lstm", B, T=512, I=1, H=H, D=1) for B in (66, 34))
    assert large.B * large.T * H >= 2**20 > small.B * small.T * H
    layer = large.call(layout)
    h_0, c_0 = (state[:, :34].contiguous() for state in (layer.h_0, layer.c_0))
    few = layer._replace(x=layer.x[:34], h_0=h_0, c_0=c_0)
    output, expected = (cpu.forward(call, True, False, instruction_set=instruction_set)[0] for call in (layer, few))
    assert torch.equal(output[:34], expected)
    assert output.isfinite().all()


@pytest.mark.sampled(most=2)
@each_instruction_set
@pytest.mark.parametrize("inputs", [32, 40])
def test_zeros_of_a_large_gradient_are_those_of_fewer_samples(instruction_set, inputs):
    """From a million floats on the zeros of steps left out are streamed where rows are whole lines."""
    problems = [Problem("lstm", B, T=512, I=inputs, H=16, D=2) for B in (66, 34)]
    assert problems[0].x.size >= 2**20 > problems[1].x.size
    for name in ("x", "d_output"):
        setattr(problems[1], name, getattr(problems[0], name)[:34])
    made = []
    for problem in problems:
        problem.initial, problem.d_last = (
            tuple(s[:, : problem.B].copy() for s in states) for states in (problems[0].initial, problems[0].d_last)
        )
        problem.d_output = np.zeros_like(problem.d_output)
        saved = problem.forward(instruction_set=instruction_set)[3]
        for _ in range(2):  # the second time in the memory of the first, which holds what must not stay
            d_x = problem.backward(saved, True, False, 1e-8, instruction_set=instruction_set)["d_x"]
            made.append(d_x[:32].clone())  # whole tiles, which end alike
            d_x.fill_(torch.nan)
            del d_x
    assert (made[0][:, 200:300] == 0).all()
    assert all(torch.equal(d_x, made[0]) for d_x in made)


EDGE, MARK = 64, -12345.0


class Guarded:
    """Fresh memory between two edges of marks, filled with NaN."""

    def __init__(self, *shape: int, order: tuple[int, ...] | None = None):
        order = order or tuple(range(len(shape)))
        size = torch.Size(shape).numel()
        self.memory = torch.full((size + 2 * EDGE,), MARK)
        inside = self.memory[EDGE:-EDGE].fill_(torch.nan).view([shape[k] for k in order])
        self.tensor = inside.permute(*(order.index(k) for k in range(len(shape))))

    def holds(self) -> bool:
        edges = torch.cat([self.memory[:EDGE], self.memory[-EDGE:]])
        return bool((edges == MARK).all() and self.tensor.isfinite().all())


@each_instruction_set
@each_cell
@pytest.mark.parametrize("gates", [False, True])
@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
@pytest.mark.parametrize("size", [(1, 1, 1, 1), (3, 5, 2, 3), (17, 33, 1, 5), (33, 7, 17, 17), (16, 9, 16, 16)])
def test_nothing_is_written_beside(cell, instruction_set, gates, order, size):
    """Through the extension itself, with buffers between marks."""
    extension = pytest.importorskip("ecrnn.recurrence._cpu")
    (B, T, I, H), D = size, 2  # noqa: E741
    problem = Problem(cell, B, T, I, H, D)
    given = problem.call("time" if order[0] else "batch")
    states, sequence = (D, B, H), (B, T, D * H)
    output, h_n, d_x, d_h_0 = (
        Guarded(*sequence, order=order),
        Guarded(*states),
        Guarded(B, T, I, order=order),
        Guarded(*states),
    )
    c_n, d_c_0 = (Guarded(*states) if cell == "lstm" else None for _ in range(2))
    saved = Guarded(extension.saved_size(cell, B, T, I, H, D, gates, instruction_set))
    d_weights = [Guarded(*w.shape) for w in given[2]]
    of = lambda guarded: None if guarded is None else guarded.tensor  # noqa: E731
    extension.forward(*given, of(output), of(h_n), of(c_n), of(saved), 1, instruction_set)
    assert all(g.holds() for g in (output, h_n, saved))
    assert c_n is None or c_n.holds()
    kept = saved.tensor.clone()
    gradients = of(d_x), of(d_h_0), of(d_c_0), [of(g) for g in d_weights]
    extension.backward(*given, of(saved), *problem.cotangents(), *gradients, 0.0, 1, instruction_set)
    assert all(g.holds() for g in (d_x, d_h_0, saved, *d_weights))
    assert d_c_0 is None or d_c_0.holds()
    assert torch.equal(saved.tensor, kept)


@each_cell
def test_inputs_are_left_as_they_are(cell):
    problem = Problem(cell, B=19, T=20, I=2, H=5, D=2, lengths=[k + 1 for k in range(19)])
    x, states, d_output = problem.x.copy(), [h.copy() for h in problem.initial], problem.d_output.copy()
    weights = [w.copy() for w in problem.weights.values()]
    problem.actual()
    assert (problem.x == x).all()
    assert (problem.d_output == d_output).all()
    assert all((a == b).all() for a, b in zip(problem.initial, states, strict=True))
    assert all((a == b).all() for a, b in zip(problem.weights.values(), weights, strict=True))


def test_the_first_instruction_set_is_the_default():
    problem = Problem("lstm", B=17, T=9, I=2, H=5)
    assert same(problem.actual(), problem.actual(instruction_set=cpu.instructions()[0]))
