"""Calls torch's recurrent layers with arguments that only this package's take: lengths, and last states alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from ecrnn.recurrence._lengths import check_lengths


def call_torchs(
    layer: Callable[..., tuple[Any, Any]],
    batch_first: bool,
    input: Tensor | PackedSequence,
    hx: Any,
    lengths: Tensor | None,
    want_output: bool,
) -> tuple[Any, Any]:
    """Call ``layer``, which is torch's; ``lengths`` by packing."""
    steps, batch = sizes(input, batch_first)
    if lengths is not None:
        check_lengths(lengths, batch or 0, steps)
    if lengths is not None and batch and isinstance(input, Tensor):
        packed = pack_padded_sequence(input, lengths, batch_first, enforce_sorted=False)
        output, last = layer(packed, hx)
        output, _ = pad_packed_sequence(output, batch_first, total_length=steps)
    else:
        output, last = layer(input, hx)
    if want_output:
        return output, last
    if isinstance(output, PackedSequence):
        return None, last
    return output[:, :0] if batch_first and output.dim() == 3 else output[:0], last


def sizes(input: Tensor | PackedSequence, batch_first: bool) -> tuple[int, int | None]:
    """Steps and samples; no samples for a single sequence."""
    if isinstance(input, PackedSequence):
        return len(input.batch_sizes), int(input.batch_sizes[0])
    if input.dim() != 3:
        return input.size(0) if input.dim() else 0, None
    return (input.size(1), input.size(0)) if batch_first else (input.size(0), input.size(1))
