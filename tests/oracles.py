"""Helpers of the tests: one comparison of everything, central differences, memory that shows what was not written.

``compare`` looks at all tensors before it fails and says which are off, where and by how much. The table of tolerances
and the two ways to compute a recurrent layer are those of ecrnn.recurrence.checking, which `ecrnn bench` uses too.
torch is imported only by the helpers that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from ecrnn.recurrence.checking import by_layer as recurrence_by_torch
from ecrnn.recurrence.checking import by_reference as recurrence_by_reference
from ecrnn.recurrence.checking import faults, tolerance

__all__ = [
    "central_differences",
    "compare",
    "fresh_memory_is_nan",
    "recurrence_by_reference",
    "recurrence_by_torch",
    "tolerance",
]


def compare(expected: Mapping[str, Any], actual: Mapping[str, Any], tolerance: float) -> None:
    """Fail unless every tensor of ``actual`` is within ``tolerance`` of the one of that name in ``expected``.

    The error of a tensor is its largest absolute difference divided by the largest absolute value expected
    in it (or by 1 where all is zero). Missing and additional names, other shapes, values that are not finite
    and a comparison of nothing are failures too. Arrays, torch tensors and numbers are taken.
    """
    assert expected, "nothing to compare"
    if found := faults(expected, actual, tolerance):
        raise AssertionError(f"{len(found)} of {len(expected)} tensors are off:\n" + "\n".join(found))


def central_differences(
    loss: Callable[[], float], arrays: Mapping[str, np.ndarray], step: float = 1e-5
) -> dict[str, np.ndarray]:
    """Gradients of ``loss`` by (E(w + e) - E(w - e)) / (2 e), for every number in ``arrays``.

    The float64 arrays are changed in place while ``loss`` is called, and put back.
    """
    gradients = {}
    for name, array in arrays.items():
        assert array.dtype == np.float64, f"{name} is {array.dtype}"
        gradients[name] = np.empty_like(array)
        for at in np.ndindex(array.shape):
            kept = array[at]
            array[at] = kept + step
            above = loss()
            array[at] = kept - step
            gradients[name][at] = (above - loss()) / (2 * step)
            array[at] = kept
    return gradients


@contextmanager
def fresh_memory_is_nan() -> Iterator[None]:
    """Inside, torch fills memory that it hands out with NaN, so that an output never written is seen."""
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]
