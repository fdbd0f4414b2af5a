"""The C++ kernels as torch functions: one recurrent layer, forwards and backwards, on float32 tensors on the CPU.

The kernels are in the extension module ``ecrnn.recurrence._cpu``, built from the C++ files beside this one where the
installation found a compiler. They are called with torch's number of threads and give the same bits for any number.

Shapes: B samples, T steps, I inputs, H nodes, D directions, G gates. Cells: "lstm" (gates i, f, g, o), "gru" (r, z, n,
reset after the product), "rnn_tanh", "rnn_relu".
"""

from __future__ import annotations

import importlib
from functools import cache, partial
from types import ModuleType

import torch
from torch import Tensor

from ecrnn.recurrence._call import Call
from ecrnn.recurrence.cpu import buffers
from ecrnn.recurrence.cpu.buffers import release

__all__ = ["available", "backward", "bfloat16_instructions", "forward", "instructions", "release"]


@cache
def _extension() -> ModuleType | None:
    try:
        return importlib.import_module(
            "ecrnn.recurrence._cpu"
        )  # torch, imported above, brings the OpenMP that it shares
    except ModuleNotFoundError:
        return None


def available() -> bool:
    """Whether the extension module was built."""
    return _extension() is not None


def instructions() -> list[str]:
    """Instruction sets that this machine has kernels for, first the one that is used; empty without the extension."""
    extension = _extension()
    return list(extension.instructions()) if extension else []


def bfloat16_instructions() -> str:
    """The instruction set that multiplies bfloat16 here, which is not among ``instructions``; empty where none does."""
    extension = _extension()
    return str(extension.bfloat16_instructions()) if extension else ""


def forward(
    call: Call,
    want_output: bool,
    keep: bool,
    cutoff: float = 0.0,
    keep_gates: bool | None = None,
    instruction_set: str = "",
) -> tuple[Tensor | None, Tensor, Tensor | None, Tensor]:
    """All steps of one layer.

    Args:
        call: the layer.
        want_output: whether the states of all steps are wanted, or the last ones alone.
        keep: whether ``backward`` will be called.
        cutoff: what ``backward`` will be given, from which follows whether it pays to keep the gates.
        keep_gates: with ``keep``, whether to keep the gates too, or None to let the shape decide. They need T/K times
            the memory of the states and spare ``backward`` to compute them anew.
        instruction_set: one of ``instructions()``, or ``bfloat16_instructions()``; the first of them by default.

    Returns:
        output (B, T, D*H), its memory time-first where x's is, or None; h_n and c_n (D, B, H), c_n None unless lstm;
        and what ``backward`` needs: the states before every K-th step, K between 4 and 32, that is D*B*H*T/K floats,
        twice that for an LSTM; with ``keep_gates`` 4*D*B*H*T more (D*B*H*T for an RNN). B is rounded up to whole tiles.

    Raises:
        ValueError: shapes or strides do not fit.
        TypeError: another dtype or device.
    """
    extension = _extension()
    assert extension is not None, "the extension is not built"
    cell, x, _, h_0, c_0, _ = call
    (B, T, inputs), (D, _, H) = x.shape, h_0.shape
    h_n = torch.empty_like(h_0)
    c_n = None if c_0 is None else torch.empty_like(c_0)
    output = _like(x, D * H) if want_output else None
    floats = 0
    if keep:
        size = partial(extension.saved_size, cell, B, T, inputs, H, D, instructions=instruction_set)
        if keep_gates is None:
            keep_gates = _gates_pay(cutoff, want_output, inputs, H) and size(True) <= buffers.MOST_KEPT
        floats = size(keep_gates)
    saved = _memory((floats,), (1,))
    kept = saved if keep else None
    extension.forward(*call, output, h_n, c_n, kept, torch.get_num_threads(), instruction_set)
    return output, h_n, c_n, saved


def backward(
    call: Call,
    saved: Tensor,
    d_output: Tensor | None,
    d_h_n: Tensor | None,
    d_c_n: Tensor | None,
    needs_x: bool,
    needs_initial: bool,
    cutoff: float,
    instruction_set: str = "",
) -> tuple[Tensor | None, Tensor | None, Tensor | None, list[Tensor]]:
    """Back-propagation through time of ``forward``, whose arguments come again.

    Args:
        call, instruction_set: as ``forward`` had them.
        saved: what ``forward`` gave.
        d_output: gradient of the output, (B, T, D*H), or None for zero.
        d_h_n: gradient of h_n, (D, B, H), or None for zero.
        d_c_n: the same of c_n.
        needs_x: whether the gradient of x is wanted.
        needs_initial: whether those of h_0 and c_0 are.
        cutoff: 0 goes through all steps. Above 0 the pass over a tile of samples ends, once d_output is zero at all
            steps that are left, where max(|dh|, |dc|) is at most ``cutoff`` times the largest that it has been; what is
            left is taken as 0. Not applied where ``needs_initial``.

    Returns:
        d_x (B, T, I) or None, d_h_0 and d_c_0 or None, and the gradients of the weights, in their order.

    Raises:
        ValueError: shapes or strides do not fit.
        TypeError: another dtype or device.
    """
    extension = _extension()
    assert extension is not None, "the extension is not built"
    _, x, weights, h_0, c_0, _ = call
    d_x = _like(x, x.shape[2]) if needs_x else None
    d_h_0 = torch.empty_like(h_0) if needs_initial else None
    d_c_0 = torch.empty_like(c_0) if needs_initial and c_0 is not None else None
    d_weights = [torch.empty_like(w) for w in weights]
    extension.backward(
        *call,
        saved,
        d_output if d_output is None or d_output.stride(2) == 1 else d_output.contiguous(),
        None if d_h_n is None else d_h_n.contiguous(),
        None if d_c_n is None else d_c_n.contiguous(),
        d_x,
        d_h_0,
        d_c_0,
        d_weights,
        0.0 if needs_initial else cutoff,
        torch.get_num_threads(),
        instruction_set,
    )
    return d_x, d_h_0, d_c_0, d_weights


def _gates_pay(cutoff: float, want_output: bool, inputs: int, hidden: int) -> bool:
    """Whether to keep the gates of all steps, rather than to compute them anew in the backward pass.

    Measured on two threads: it pays from 16 nodes on (some percent of both passes, a fifth at 32), if all steps will be
    visited. That is certain without a cutoff and likely for wide layers with outputs. It also pays where the inputs
    take as much memory and make most of the work. It never pays in memory that is fresh on every call.
    """
    together = inputs + hidden
    return (cutoff == 0 and together > 16) or inputs >= 4 * hidden or (want_output and together >= 96)


def _memory(shape: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """A dense tensor to be written."""
    extension = _extension()
    assert extension is not None, "the extension is not built"
    return buffers.empty(shape, strides, extension.prefer_large_pages)


def _like(x: Tensor, features: int) -> Tensor:
    """Memory for (B, T, features), time-first where x's is."""
    B, T, _ = x.shape
    time_first = x.stride(0) < x.stride(1)
    return _memory((B, T, features), (features, B * features, 1) if time_first else (T * features, features, 1))
