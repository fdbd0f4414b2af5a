"""A recurrent layer by the functions that every backend has: a case, its random numbers, and all that comes out of it.

``test_gpu.py`` calls this in its own process and in another one, where Triton interprets: only plain data goes between.
"""

from importlib import import_module
from typing import NamedTuple

import numpy as np
import torch
from oracles import fresh_memory_is_nan

GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}


class Case(NamedTuple):
    """Sizes, what is given and what is asked for."""

    cell: str
    hidden: int
    steps: int
    batch: int
    inputs: int = 1
    directions: int = 1
    lengths: bool = False
    time_first: bool = False
    output: bool = True  # wanted, with a gradient at the steps in ``above``
    above: tuple[int, int] | None = (0, 1000)
    last: bool = True  # a gradient at the last states
    needs_initial: bool = True
    cutoff: float = 0.0
    scale: float = 0.5  # of the weights; small ones forget soon
    nan: bool = False  # in the gradient of the first sample's last h


def problem(case, seed=0):
    """x, weights, h_0, c_0, lengths, d_output, d_h_n, d_c_n as float32 on the CPU, None where the case has none."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=generator)

    B, T, H, G = case.batch, case.steps, case.hidden, GATES[case.cell]
    x = draw(T, B, case.inputs).transpose(0, 1) if case.time_first else draw(B, T, case.inputs)
    shapes = ((G * H, case.inputs), (G * H, H), (G * H,), (G * H,))
    weights = [draw(*shape) * case.scale / shape[-1] ** 0.5 for _ in range(case.directions) for shape in shapes]
    weights = [w * H**0.5 if w.dim() == 1 else w for w in weights]
    states = [draw(case.directions, B, H) for _ in range(4)]
    lengths = torch.randint(1, T + 1, (B,), generator=generator) if case.lengths else None
    d_output = draw(B, T, case.directions * H)
    if case.above is None:
        d_output = None
    else:
        d_output[:, : case.above[0]] = 0
        d_output[:, case.above[1] :] = 0
    if case.nan:
        states[2][0, 0, 0] = torch.nan
    lstm = case.cell == "lstm"
    d_h_n, d_c_n = (states[2], states[3] if lstm else None) if case.last else (None, None)
    return x, weights, states[0], states[1] if lstm else None, lengths, d_output, d_h_n, d_c_n


def everything(backend, case, device="cpu", seed=0):
    """All that the module ``backend`` of ecrnn.recurrence computes, by name, as arrays."""
    module = import_module(f"ecrnn.recurrence.{backend}")
    x, weights, h_0, c_0, lengths, d_output, d_h_n, d_c_n = problem(case, seed)
    x, h_0, c_0, d_output, d_h_n, d_c_n = (
        None if a is None else a.to(device) for a in (x, h_0, c_0, d_output, d_h_n, d_c_n)
    )
    call = (case.cell, x, [w.to(device) for w in weights], h_0, c_0, lengths)
    with fresh_memory_is_nan():
        output, h_n, c_n, saved = module.forward(call, case.output, True)
        d_x, d_h_0, d_c_0, d_weights = module.backward(
            call, saved, d_output, d_h_n, d_c_n, True, case.needs_initial, case.cutoff
        )
        if case.steps <= 5:
            kept_nothing = module.forward(call, case.output, False)
            assert kept_nothing[3].numel() == 0
            assert torch.equal(kept_nothing[1], h_n)
    if case.output:
        assert (output.stride(0) < output.stride(1)) == (x.stride(0) < x.stride(1))
    names = ("w_ih", "w_hh", "b_ih", "b_hh")
    made = {"output": output, "h_n": h_n, "c_n": c_n, "d_x": d_x, "d_h_0": d_h_0, "d_c_0": d_c_0}
    made |= {f"d_{names[k % 4]}_{k // 4}": d for k, d in enumerate(d_weights)}
    return {name: a.detach().cpu().numpy() for name, a in made.items() if a is not None}


def trials_apart(case, number, shared_x, device="cpu"):
    """``everything`` of several trials in one launch and each in its own: two lists of arrays in the same order."""
    gpu = import_module("ecrnn.recurrence.gpu")
    problems = [problem(case, seed) for seed in range(number)]
    if shared_x:
        problems = [(problems[0][0], *p[1:]) for p in problems]

    def move(a):
        if isinstance(a, list):
            return [move(b) for b in a]
        return None if a is None else a.to(device)

    problems = [tuple(move(a) for a in p) for p in problems]

    def together(k):
        return None if problems[0][k] is None else torch.stack([p[k] for p in problems])

    x = problems[0][0].expand(number, -1, -1, -1) if shared_x else together(0)
    given = (case.cell, x, [p[1] for p in problems], together(2), together(3), together(4))
    output, h_n, c_n, saved = gpu.forward_trials(*given, True, True)
    gradients = gpu.backward_trials(*given, saved, together(5), together(6), together(7), True, True, 0.0)
    one_launch, own_launch = [], []
    for n, p in enumerate(problems):
        alone = gpu.forward((case.cell, *p[:5]), True, True)
        d_alone = gpu.backward((case.cell, *p[:5]), alone[3], *p[5:], True, True, 0.0)
        own_launch += [*alone[:3], *d_alone[:3], *d_alone[3]]
        rest = (output, h_n, c_n, *gradients[:3])
        one_launch += [*(None if a is None else a[n] for a in rest), *gradients[3][n]]
    return tuple([np.asarray(a.cpu()) for a in made if a is not None] for made in (one_launch, own_launch))


def check_layer(cell):
    """Compare a whole layer, two deep and in both directions, with the oracle by way of ``backend="triton"``."""
    from ecrnn.recurrence import GRU, LSTM, checking

    kind = {"lstm": LSTM, "gru": GRU}[cell]
    layer = kind(2, 3, 2, bidirectional=True, batch_first=True, backend="triton")
    checking.check(layer, checking.Case(cell, hidden=3, steps=4, batch=3, input=2, layers=2, directions=2))
