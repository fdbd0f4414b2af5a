"""The Triton backend: recurrent layers on an NVIDIA card, one launch for all steps, directions and trials.

``forward`` and ``backward`` are one layer in one or two directions, as every backend has them; ``forward_trials`` and
``backward_trials`` (in ``_gpu_trials.py``) are several such layers of the same sizes with weights of their own, in the
same launches. The kernels are in ``_gpu_forward.py`` and ``_gpu_backward.py``, what they have in common and how they
use the card in ``_gpu_tiles.py``. All arithmetic is float32; where products of matrices are left to torch (inputs of
more than one feature, gradients of weights above 16 nodes) its float32_matmul_precision, by default exact, holds.

Memory kept for the backward pass, in floats a sample, step and direction: 6 H (LSTM), 5 H (GRU), 2 H (RNN).

Importing this module needs triton. The variable TRITON_INTERPRET=1, set before triton is imported, runs the kernels in
Python on the CPU: slowly, to test their logic.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ecrnn.recurrence._call import Call
from ecrnn.recurrence._gpu_tiles import INTERPRETED
from ecrnn.recurrence._gpu_trials import backward_trials, forward_trials

__all__ = ["LARGEST_HIDDEN", "backward", "backward_trials", "forward", "forward_trials", "obstacle"]

LARGEST_HIDDEN = 32  # W_hh of an LSTM then takes 128 of a lane's 255 registers


def obstacle(shape: Any) -> str | None:
    """Why the kernels cannot serve, in a few words; None if they can.

    Args:
        shape: with ``hidden``, the number of nodes, and ``device``, the type of the layer's device.
    """
    if torch.version.hip:
        return "it is written for NVIDIA's cards"
    if shape.hidden > LARGEST_HIDDEN:
        return f"it keeps the weights in registers, which hold up to {LARGEST_HIDDEN} nodes, not {shape.hidden}"
    if shape.device != "cuda" and not INTERPRETED.value:
        return f"the layer is on {shape.device}"
    return None


def forward(
    call: Call, want_output: bool, keep: bool, cutoff: float = 0.0
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor]:
    """All steps of a layer, D = 1 or 2 directions.

    Args:
        call: the layer, in float32.
        want_output: whether the outputs of all steps are wanted.
        keep: whether a backward pass will come.
        cutoff: what it will be given; nothing here depends on it.

    Returns:
        output (B, T, D * H) or None, in x's order in memory; h_n and c_n (D, B, H), c_n None unless the cell is an
        LSTM; what ``backward`` needs, without elements unless ``keep``.
    """
    output, h_n, c_n, saved = forward_trials(*_one_trial(call), want_output, keep)
    return None if output is None else output[0], h_n[0], None if c_n is None else c_n[0], saved


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
    """Gradients of what ``forward`` computes.

    Args:
        call: as for ``forward``.
        saved: what ``forward`` kept.
        d_output, d_h_n, d_c_n: gradients of the outputs, the last dimension contiguous, and of the last states,
            contiguous; None for zero.
        needs_x, needs_initial: whether the gradients of ``x`` and of the initial states are wanted.
        cutoff: a group of samples goes no further back once no more gradient comes from above and its largest one,
            looked at every 16 steps, is under ``cutoff`` times the largest so far. 0, or ``needs_initial``: never.

    Returns:
        d_x, d_h_0, d_c_0, None where not wanted, and the gradients of the weights.
    """
    d_x, d_h_0, d_c_0, d_weights = backward_trials(
        *_one_trial(call),
        saved,
        None if d_output is None else d_output[None],
        None if d_h_n is None else d_h_n[None],
        None if d_c_n is None else d_c_n[None],
        needs_x,
        needs_initial,
        cutoff,
    )
    d_x, d_h_0, d_c_0 = (None if d is None else d[0] for d in (d_x, d_h_0, d_c_0))
    return d_x, d_h_0, d_c_0, d_weights[0]


def _one_trial(call: Call) -> tuple[str, Tensor, list[list[Tensor]], Tensor, Tensor | None, Tensor | None]:
    """The first arguments of ``forward_trials`` and ``backward_trials`` for one layer."""
    cell, x, weights, h_0, c_0, lengths = call
    c_0, lengths = (None if tensor is None else tensor[None] for tensor in (c_0, lengths))
    return cell, x[None], [weights], h_0[None], c_0, lengths
