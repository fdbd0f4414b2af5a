"""Several recurrent layers of the same sizes, each with its own weights ("trials"), in one launch of a Triton kernel.

What ``gpu.py`` is made of: it packs the weights, hands out the memory, launches, and does by torch the products of
matrices that need no loop over the steps. Sequences made here have rows of features, (B, T) or, where the input lies
with its steps outside, (T, B).
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ecrnn.recurrence._gpu_backward import backward_kernel
from ecrnn.recurrence._gpu_forward import forward_kernel

_LANES = 32
_LARGEST_ACCUMULATED = 16  # nodes up to which the gradient of W_hh finds room in registers too


class _Cell(NamedTuple):
    gates: int  # of the weights
    gradients: int  # gates with a gradient of their own
    slots: int  # vectors kept of a step; the last is h before it


_CELLS = {"lstm": _Cell(4, 4, 6), "gru": _Cell(3, 4, 5), "rnn_tanh": _Cell(1, 1, 2), "rnn_relu": _Cell(1, 1, 2)}


class _Sizes(NamedTuple):
    """The sizes of a call, and how samples and steps lie in the sequences made here."""

    cell: str
    N: int  # trials
    B: int
    T: int
    inputs: int
    D: int
    H: int
    time_first: bool

    @property
    def fused(self) -> bool:
        """Whether the kernels read the input themselves."""
        return self.inputs == 1

    @property
    def padded(self) -> int:
        """H as a power of two, from 4 on: the lanes of a sample."""
        return max(4, 1 << (self.H - 1).bit_length())

    @property
    def rows(self) -> tuple[int, int]:
        """How many rows neighbouring samples and neighbouring steps are apart."""
        return (1, self.B) if self.time_first else (self.T, 1)

    @property
    def accumulated(self) -> bool:
        """Whether the backward kernel adds up the gradient of W_hh."""
        return self.H <= _LARGEST_ACCUMULATED

    @property
    def grid(self) -> tuple[int, int, int]:
        return math.ceil(self.B * self.padded / _LANES), self.D, self.N

    def constants(self) -> dict[str, Any]:
        """What the kernels are compiled for, and how they are launched."""
        return {
            "CELL": self.cell,
            "H": self.H,
            "G": _CELLS[self.cell].gates,
            "S": _CELLS[self.cell].slots,
            "P": self.padded,
            "BB": _LANES // self.padded,
            "FUSED": self.fused,
            "num_warps": 1,
        }

    def row(self, with_w_hh: bool) -> int:
        """Numbers that the kernels read, or add up, for a direction of a trial."""
        return _CELLS[self.cell].gates * self.H * (with_w_hh * self.H + 2 + self.fused)

    def by_sample(self, sequence: Tensor) -> Tensor:
        """(..., rows, features) as (..., B, T, features)."""
        outer = (self.T, self.B) if self.time_first else (self.B, self.T)
        apart = sequence.view(*sequence.shape[:-2], *outer, sequence.shape[-1])
        return apart.transpose(-3, -2) if self.time_first else apart

    def by_row(self, sequence: Tensor) -> Tensor:
        """(..., B, T, features) as (..., rows, features), uncopied if it lies so."""
        return (sequence.transpose(-3, -2) if self.time_first else sequence).flatten(-3, -2)


def forward_trials(
    cell: str,
    x: Tensor,
    weights: list[list[Tensor]],
    h_0: Tensor,
    c_0: Tensor | None,
    lengths: Tensor | None,
    want_output: bool,
    keep: bool,
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor]:
    """All steps of N layers; shapes are those of ``gpu.forward`` with N in front.

    Args:
        cell: as in ``Call`` for ``gpu.forward``, one for all.
        x: (N, B, T, I); ``expand`` makes one input serve all.
        weights: a list as in ``Call`` for each of the N layers.
        h_0, c_0: (N, D, B, H).
        lengths: (N, B) or None.
        want_output, keep: as for ``gpu.forward``.

    Returns:
        output (N, B, T, D * H) or None, h_n and c_n (N, D, B, H), and what ``backward_trials`` needs.
    """
    z = _sizes(cell, x, h_0)
    constants = z.constants()
    read, strides = (x, (x.stride(0), 0, *x.stride()[1:3])) if z.fused else _products(x, weights, z)
    new = x.new_empty if lengths is None else x.new_zeros  # steps that no sample has are not gone through
    output = new((z.N, z.B * z.T, z.D * z.H) if want_output else 0)
    saved = new(z.N * z.D * z.B * z.T * constants["S"] * z.H if keep else 0)
    h_n, c_n = torch.empty_like(h_0), None if c_0 is None else torch.empty_like(c_0)
    with _device_of(x):
        forward_kernel[z.grid](
            read,
            _packed(weights, z),
            h_0,
            h_0 if c_0 is None else c_0,
            h_0 if lengths is None else lengths.to(x.device, torch.int32),
            output,
            h_n,
            h_n if c_n is None else c_n,
            saved,
            z.B,
            z.T,
            *strides,
            *z.rows,
            OUTPUT=want_output,
            KEEP=keep,
            LENGTHS=lengths is not None,
            **constants,
        )
    return z.by_sample(output) if want_output else None, h_n, c_n, saved


def backward_trials(
    cell: str,
    x: Tensor,
    weights: list[list[Tensor]],
    h_0: Tensor,
    c_0: Tensor | None,
    lengths: Tensor | None,
    saved: Tensor,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    needs_x: bool,
    needs_initial: bool,
    cutoff: float,
) -> tuple[Tensor | None, Tensor | None, Tensor | None, list[list[Tensor]]]:
    """Gradients of what ``forward_trials`` computes; shapes are those of ``gpu.backward`` with N in front.

    Args:
        cell, x, weights, h_0, c_0, lengths: as given to ``forward_trials``.
        saved: what ``forward_trials`` kept.
        d_output, d_h_n, d_c_n: gradients of outputs and last states; None for zero.
        needs_x, needs_initial, cutoff: as for ``gpu.backward``.

    Returns:
        d_x, d_h_0, d_c_0, None where not wanted, and a list of the weights' gradients for each of the N layers.
    """
    z = _sizes(cell, x, h_0)
    constants = z.constants() | {"K": _CELLS[cell].gradients}
    ends = cutoff > 0 and not needs_initial
    new = x.new_zeros if ends or lengths is not None else x.new_empty  # steps not gone through have no gradient
    with_gates = not (z.fused and z.accumulated)
    d_gates = new((z.N, z.D, z.B * z.T, constants["K"] * z.H) if with_gates else 0)
    d_x_parts = new((z.N, z.D, z.B * z.T, 1) if z.fused and needs_x else 0)
    d_packed = x.new_empty((z.grid[0], z.N, z.D, z.row(z.accumulated)))
    d_h_n = torch.zeros_like(h_0) if d_h_n is None else d_h_n
    d_c_n = torch.zeros_like(h_0) if d_c_n is None and c_0 is not None else d_c_n
    d_h_0, d_c_0 = torch.empty_like(h_0), None if c_0 is None else torch.empty_like(c_0)
    with _device_of(x):
        backward_kernel[z.grid](
            x,
            _packed(weights, z),
            h_0 if lengths is None else lengths.to(x.device, torch.int32),
            saved,
            h_0 if d_output is None else d_output,
            d_h_n,
            h_0 if d_c_n is None else d_c_n,
            d_x_parts,
            d_h_0,
            d_h_0 if d_c_0 is None else d_c_0,
            d_gates,
            d_packed,
            float(cutoff),
            z.B,
            z.T,
            *x.stride()[:3],
            *((0, 0, 0) if d_output is None else d_output.stride()[:3]),
            *z.rows,
            ABOVE=d_output is not None,
            NEEDS_X=needs_x,
            GATES=with_gates,
            ACCUMULATE=z.accumulated,
            CUTOFF=ends,
            LENGTHS=lengths is not None,
            **constants,
        )
    d_x, d_weights = _gradients(x, weights, saved, d_gates, d_x_parts, d_packed, needs_x, z)
    return d_x, d_h_0 if needs_initial else None, d_c_0 if needs_initial else None, d_weights


def _device_of(x: Tensor) -> AbstractContextManager[Any]:
    """Triton launches on the current device."""
    return torch.cuda.device(x.device) if x.is_cuda else nullcontext()


def _sizes(cell: str, x: Tensor, h_0: Tensor) -> _Sizes:
    N, B, T, inputs = x.shape
    return _Sizes(cell, N, B, T, inputs, h_0.shape[1], h_0.shape[3], x.stride(1) < x.stride(2))


def _packed(weights: list[list[Tensor]], z: _Sizes) -> Tensor:
    """(N * D * row,): of each trial and direction w_hh, b_ih, b_hh and, if the kernels read the input, w_ih."""
    order = (1, 2, 3, 0) if z.fused else (1, 2, 3)
    return torch.cat([trial[4 * d + k].reshape(-1) for trial in weights for d in range(z.D) for k in order])


def _input_weights(weights: list[list[Tensor]], z: _Sizes) -> Tensor:
    """(N, D, G * H, I)."""
    w_ih = torch.stack([trial[4 * d] for trial in weights for d in range(z.D)])
    return w_ih.view(z.N, z.D, *w_ih.shape[1:])


def _products(x: Tensor, weights: list[list[Tensor]], z: _Sizes) -> tuple[Tensor, tuple[int, int, int, int]]:
    """W_ih x of all steps (N, rows, D * G * H), and how far trials, directions, samples and steps are apart."""
    products = torch.bmm(z.by_row(x), _input_weights(weights, z).flatten(1, 2).mT)
    width = products.shape[2]
    return products, (z.B * z.T * width, width // z.D, z.rows[0] * width, z.rows[1] * width)


def _gradients(
    x: Tensor,
    weights: list[list[Tensor]],
    saved: Tensor,
    d_gates: Tensor,
    d_x_parts: Tensor,
    d_packed: Tensor,
    needs_x: bool,
    z: _Sizes,
) -> tuple[Tensor | None, list[list[Tensor]]]:
    """d_x and the gradients of the weights, from what the backward kernel left: its programs' parts and d_gates."""
    GH = _CELLS[z.cell].gates * z.H
    d_row = d_packed.sum(0)  # (N, D, row), over the groups of samples, always in the same order
    d_w_hh, d_b_ih, d_b_hh, d_w_ih = torch.split(d_row, [GH * z.H * z.accumulated, GH, GH, GH * z.fused], 2)
    d_x = d_x_parts.sum(1) if z.fused and needs_x else None
    if not z.accumulated:
        h = saved.view(z.N, z.D, z.B * z.T, -1)[..., -z.H :]  # before each step
        d_w_hh = torch.stack([torch.bmm(d_gates[:, d].mT, h[:, d]) for d in range(z.D)], 1)  # (N, D, K * H, H)
        if z.cell == "gru":  # h has its part in m, not in n
            d_w_hh = torch.cat([d_w_hh[:, :, : 2 * z.H], d_w_hh[:, :, 3 * z.H :]], 2)
    if not z.fused:
        of_x = [d_gates[:, d, :, :GH] for d in range(z.D)]
        d_w_ih = torch.stack([torch.bmm(d.mT, z.by_row(x)) for d in of_x], 1)  # (N, D, G * H, I)
        if needs_x:
            w_ih = _input_weights(weights, z)
            d_x = torch.stack([torch.bmm(d, w_ih[:, k]) for k, d in enumerate(of_x)]).sum(0)  # (N, rows, I)
    parts = (d_w_ih, d_w_hh, d_b_ih, d_b_hh)
    d_weights = [
        [part[n, k // 4].reshape(w.shape) for k, (w, part) in enumerate(zip(trial, parts * z.D, strict=True))]
        for n, trial in enumerate(weights)
    ]
    return None if d_x is None else z.by_sample(d_x), d_weights
