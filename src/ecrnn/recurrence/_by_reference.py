"""The oracle as a backend: ``reference.py`` in NumPy float64 behind the interface that all backends have.

Slow and exact, for tests and for a second opinion. It keeps nothing for the backward pass but computes the forward pass
again, and always goes back through all steps, whatever ``cutoff`` says.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecrnn.recurrence._call import Call
from ecrnn.recurrence._cells import Array, Weights
from ecrnn.recurrence.reference import CELLS


def forward(
    call: Call, want_output: bool, keep: bool, cutoff: float = 0.0
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor]:
    """Output, last states and an empty tensor instead of what other backends keep."""
    cell, x, weights, h_0, c_0, lengths = call
    initial = _states(h_0, c_0)
    output = np.zeros((*x.shape[:2], h_0.shape[0] * h_0.shape[2]))
    last = [np.empty(h_0.shape) for _ in initial]
    for rows, direction, columns, sequence in _parts(x, lengths, h_0):
        s_0 = tuple(s[direction, rows] for s in initial)
        part, s_n, _ = CELLS[cell].forward(sequence, s_0, _weights(weights, direction))
        output[rows, : part.shape[1], columns] = _flip(part, direction)
        for kept, s in zip(last, s_n, strict=True):
            kept[direction, rows] = s
    h_n, c_n = (*(_tensor(s, x) for s in last), None)[:2]
    assert h_n is not None
    return _like_order(_tensor(output, x), x) if want_output else None, h_n, c_n, x.new_empty(0)


def backward(
    call: Call,
    saved: Tensor,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    needs_x: bool,
    needs_initial: bool,
    cutoff: float,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, list[Tensor]]:
    """Gradients of the inputs, the initial states and the weights."""
    cell, x, weights, h_0, c_0, lengths = call
    initial = _states(h_0, c_0)
    d_above = np.zeros((*x.shape[:2], h_0.shape[0] * h_0.shape[2])) if d_output is None else _array(d_output)
    d_last = [np.zeros(h_0.shape) if d is None else _array(d) for d in (d_h_n, d_c_n)[: len(initial)]]
    d_x = np.zeros(x.shape)
    d_initial = [np.empty(h_0.shape) for _ in initial]
    d_weights = [np.zeros(w.shape) for w in weights]
    for rows, direction, columns, sequence in _parts(x, lengths, h_0):
        s_0 = tuple(s[direction, rows] for s in initial)
        cache = CELLS[cell].forward(sequence, s_0, _weights(weights, direction))[2]
        d_part = _flip(d_above[rows, : sequence.shape[1], columns], direction)
        d_sequence, d_s_0, d_each = CELLS[cell].backward(d_part, tuple(d[direction, rows] for d in d_last), cache)
        d_x[rows, : sequence.shape[1]] += _flip(d_sequence, direction)
        for kept, d in zip(d_initial, d_s_0, strict=True):
            kept[direction, rows] = d
        for k, d in enumerate(d_each):
            d_weights[4 * direction + k] += d
    d_h_0, d_c_0 = (*(_tensor(d, x) for d in d_initial), None)[:2] if needs_initial else (None, None)
    return (
        _like_order(_tensor(d_x, x), x) if needs_x else None,
        d_h_0,
        d_c_0,
        [_tensor(d, x) for d in d_weights],
    )


def _parts(x: Tensor, lengths: Tensor | None, h_0: Tensor) -> Iterator[tuple[NDArray[np.intp], int, slice, Array]]:
    """Samples of one length in one direction: rows, direction, columns of the output, and (rows, length, I) as read."""
    batch, steps = x.shape[:2]
    nodes = h_0.shape[2]
    n = np.full(batch, steps) if lengths is None else lengths.numpy()
    values = _array(x)
    for length in np.unique(n):
        rows = np.flatnonzero(n == length)
        for direction in range(h_0.shape[0]):
            columns = slice(direction * nodes, (direction + 1) * nodes)
            yield rows, direction, columns, _flip(values[rows, :length], direction)


def _weights(weights: list[Tensor], direction: int) -> Weights:
    return Weights(*(_array(w) for w in weights[4 * direction : 4 * direction + 4]))


def _states(h_0: Tensor, c_0: Tensor | None) -> list[Array]:
    return [_array(s) for s in (h_0, c_0) if s is not None]


def _flip(sequence: Array, direction: int) -> Array:
    return sequence[:, ::-1] if direction else sequence


def _like_order(sequence: Tensor, x: Tensor) -> Tensor:
    """(B, T, features) in memory time first where ``x`` is."""
    return sequence.transpose(0, 1).contiguous().transpose(0, 1) if x.stride(0) < x.stride(1) else sequence


def _array(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()


def _tensor(array: Array, like: Tensor) -> Tensor:
    return torch.tensor(array, dtype=like.dtype, device=like.device)
