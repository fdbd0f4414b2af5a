"""Errors of the machine that a trial ran on, and not of the trial: another machine may well train it."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

import torch

from ecrnn.core.errors import EcrnnError

_KINDS = (MemoryError, OSError, BrokenExecutor, torch.OutOfMemoryError, torch.AcceleratorError)
_SIGNS = ("can't allocate memory", "cannot allocate memory", "out of memory", "no space left", "cuda error")


def is_of_machine(error: BaseException) -> bool:
    """Whether an error is one of memory, of a disk, of a GPU or of a process that was killed.

    torch has no class of its own for some of them, so the text of a RuntimeError is looked at. An `EcrnnError` is what
    it came of.
    """
    if isinstance(error, EcrnnError):
        return error.__cause__ is not None and is_of_machine(error.__cause__)
    if isinstance(error, RuntimeError) and any(sign in str(error).lower() for sign in _SIGNS):
        return True
    return isinstance(error, _KINDS)
