"""Memory of large tensors that is kept for the next call, and used again only where certainly nobody can see it.

Fresh memory comes from the operating system page by page, which for sequences takes longer than to compute them. So the
storage of a large tensor is kept beside the tensor. It is free again when nothing else refers to it: no tensor, view,
array, graph or storage object, in C++ or in Python. Three things make that certain:

* whatever reaches the memory does so through the storage and holds a reference to it, in C++ or to its Python object,
  or holds a weak reference to that object; all three are looked at;
* what replaces a storage's memory in place (sharing it with another process, resizing it, copying it on writing)
  changes its address or size; such a storage is forgotten;
* before its memory is written to, it is moved to a new storage, so that who held a weak reference of C++ finds nothing.

Where torch lacks one of the functions that this takes, every tensor gets fresh memory. Nothing is locked: whoever wants
a storage takes it out of the list first, so that a fork or a signal at any point leaves no lock behind.
"""

from __future__ import annotations

import itertools
import math
import sys
import weakref
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

__all__ = ["empty", "release"]

WORTH_KEEPING = 1 << 15  # floats: 128 KiB, from where glibc asks the system for fresh pages
MOST_KEPT = 1 << 27  # floats in all: 512 MiB
MOST_STORAGES = 256  # to look through them all is still nothing beside a call

_FLOAT = 4  # bytes

_Storage: Any = torch.UntypedStorage  # whose methods have no types

_CAN_KEEP = hasattr(_Storage, "_swap_data_ptr_") and hasattr(torch._C, "_storage_Use_Count")


class _Kept:
    """A storage, and where its memory was when it was handed out."""

    def __init__(self, storage: torch.UntypedStorage, floats: int) -> None:
        self.storage, self.floats, self.address = storage, floats, storage.data_ptr()

    def references(self) -> tuple[int, int]:
        """How many there are from Python and from C++."""
        return sys.getrefcount(self.storage), torch._C._storage_Use_Count(self.storage._cdata)

    def unused(self) -> bool:
        return self.references() == _alone()

    def lost(self) -> bool:
        """Whether it will never serve again: its memory is another, or somebody can get at it without a reference."""
        return (
            self.storage.nbytes() != _FLOAT * self.floats
            or self.storage.data_ptr() != self.address
            or weakref.getweakrefcount(self.storage) > 0
        )


@cache
def _alone() -> tuple[int, int]:
    """The references to a storage that nobody but its `_Kept` refers to."""
    return _Kept(_Storage(_FLOAT, device="cpu"), 1).references()


_kept: list[_Kept] = []
_turn = itertools.count()  # of looking for what is lost


def release() -> None:
    """Give back the memory that is kept for the next call, at most 512 MiB."""
    _kept.clear()


def empty(shape: tuple[int, ...], strides: tuple[int, ...], prefer_large_pages: Callable[[Tensor], Any]) -> Tensor:
    """A dense float32 tensor on the CPU to be written, large ones in memory that is kept.

    Args:
        shape, strides: in floats.
        prefer_large_pages: called with fresh large memory; pages of 2 MiB are fewer to ask for, and are found faster.
    """
    floats = math.prod(shape)
    fills = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    fill = torch.are_deterministic_algorithms_enabled() and fills
    if fill or floats < WORTH_KEEPING:
        return torch.empty_strided(shape, strides, dtype=torch.float32, device="cpu")
    storage = _take(floats)
    fresh = storage is None
    if storage is None:
        storage = _Storage(_FLOAT * floats, device="cpu")
    if _CAN_KEEP and floats <= MOST_KEPT:
        _kept.append(_Kept(storage, floats))
        _let_go(fresh)
    # not a view, which autograd would not let users change in place
    tensor = torch.empty(0, dtype=torch.float32, device="cpu").set_(storage, 0, shape, strides)
    if fresh:
        prefer_large_pages(tensor.as_strided((floats,), (1,)))
    return tensor


def _take(floats: int) -> torch.UntypedStorage | None:
    """Memory of that size that nobody can see, in a new storage."""
    for kept in reversed(_kept.copy()):  # what was written last is still in the caches
        if kept.floats != floats:
            continue
        if kept.lost():
            _forget(kept)
        elif kept.unused() and _forget(kept):
            storage = _Storage(0, device="cpu")
            storage._swap_data_ptr_(kept.storage)
            return storage
    return None


def _forget(kept: _Kept) -> bool:
    """Take it out of the list; False where another thread has done so."""
    try:
        _kept.remove(kept)
    except ValueError:
        return False
    return True


def _let_go(grown: bool) -> None:
    """Forget what is lost, two at a time in turn, and the oldest of what is too much where there is one more."""
    kept = _kept.copy()
    start = 2 * next(_turn) % len(kept) if kept else 0
    for each in kept[start : start + 2]:
        if each.lost():
            _forget(each)
    total = sum(each.floats for each in kept) if grown else 0
    for number, oldest in enumerate(kept):
        if not grown or (total <= MOST_KEPT and len(kept) - number <= MOST_STORAGES):
            break
        _forget(oldest)
        total -= oldest.floats
