"""The lengths of the sequences of a batch: whole numbers from 1 to the number of steps, or an error that says so."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ecrnn.core.errors import EcrnnError

_WHOLE = (
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.uint16,
    torch.uint32,
    torch.uint64,
)


def as_lengths(lengths: Any) -> Tensor:
    """The lengths of a user as int64 (B,) on the CPU.

    Args:
        lengths: whole numbers: a tensor or array of any integer type on any device, or a sequence, as a list.

    Raises:
        EcrnnError: if they are something else; fractions and truth values are not taken for numbers of steps.
    """
    numbers = lengths
    if not isinstance(numbers, Tensor):
        if hasattr(numbers, "__array__") and not isinstance(numbers, np.generic):
            numbers = np.asarray(numbers).tolist()
        if isinstance(numbers, str | bytes) or not isinstance(numbers, Sequence):
            raise _not_whole(lengths)
        try:
            numbers = torch.tensor([_whole(n) for n in numbers], dtype=torch.int64, device="cpu")
        except (TypeError, ValueError, OverflowError, RuntimeError):
            raise _not_whole(lengths) from None
    if numbers.dtype not in _WHOLE or numbers.device.type == "meta" or numbers.layout != torch.strided:
        raise _not_whole(lengths)
    return numbers.to("cpu", torch.int64)


def check_lengths(lengths: Tensor, batch: int, steps: int) -> None:
    """Raise an EcrnnError unless ``lengths`` holds the number of steps of every sample of the batch."""
    if lengths.dtype != torch.int64 or lengths.device.type != "cpu":
        raise EcrnnError(f"lengths must be int64 on the CPU, got {lengths.dtype} on {lengths.device} (recurrence)")
    if lengths.shape != (batch,):
        shape = tuple(lengths.shape)
        raise EcrnnError(f"lengths must be of shape ({batch},), one for each sample, got {shape} (recurrence)")
    if not batch:
        return
    least, largest = int(lengths.min()), int(lengths.max())
    if least < 1 or largest > steps:
        raise EcrnnError(f"lengths must be from 1 to {steps}, got {least} to {largest} (recurrence)")


def _whole(number: Any) -> int:
    if isinstance(number, bool) or getattr(number, "dtype", None) in (torch.bool, np.bool_):
        raise TypeError
    return index(number)


def _not_whole(lengths: Any) -> EcrnnError:
    if isinstance(lengths, Tensor):
        what = f"{str(lengths.dtype).removeprefix('torch.')} on {lengths.device}"
    elif isinstance(lengths, np.ndarray):
        what = f"an array of {lengths.dtype}"
    else:
        what = " ".join(repr(lengths).split())
        what = what if len(what) <= 60 else f"{what[:57]}..."
    kinds = "in a tensor, array, list or tuple"
    return EcrnnError(f"lengths must be whole numbers, one for each sample, {kinds}, got {what} (recurrence)")
