"""Input checks shared by all statistics."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError


def vector(name: str, values: ArrayLike, at_least: int = 1) -> NDArray[np.float64]:
    """``values`` as a float64 vector of at least ``at_least`` finite numbers.

    Raises:
        EcrnnError: they are not one-dimensional, too few, or not finite.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise EcrnnError(f"{name} must be one-dimensional, got shape {array.shape}")
    if array.size < at_least:
        raise EcrnnError(f"{name} must hold at least {at_least} values, got {array.size}")
    if not np.isfinite(array).all():
        raise EcrnnError(f"{name} must be finite, got {int((~np.isfinite(array)).sum())} NaN or infinite values")
    return array


def correctness(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """``values`` as a vector of zeros and ones (right or wrong, one an image)."""
    array = vector(name, values)
    if not is_binary(array):
        raise EcrnnError(f"{name} must be correctness, true or false for each image, got other values")
    return array


def is_binary(array: NDArray[np.float64]) -> bool:
    """Whether every value is 0 or 1."""
    return bool(((array == 0) | (array == 1)).all())


def share(name: str, value: float) -> float:
    """``value``, strictly between 0 and 1: a confidence level, an alpha, a power."""
    if not 0 < value < 1:
        raise EcrnnError(f"{name} must lie strictly between 0 and 1, got {value}")
    return float(value)


def not_negative(name: str, value: float) -> float:
    """``value``, finite and zero or above."""
    if not (math.isfinite(value) and value >= 0):
        raise EcrnnError(f"{name} must be zero or above, got {value}")
    return float(value)


def positive(name: str, value: float) -> float:
    """``value``, finite and above zero."""
    if not (math.isfinite(value) and value > 0):
        raise EcrnnError(f"{name} must be above zero, got {value}")
    return float(value)


def whole(name: str, value: float, at_least: int = 1) -> int:
    """``value``, a whole number of at least ``at_least``; nothing is cut off."""
    if count(name, value, at_least) != int(value):
        raise EcrnnError(f"{name} must be a whole number, got {value}")
    return int(value)


def count(name: str, value: float, at_least: int = 1) -> float:
    """``value``, finite and at least ``at_least``. Fractions pass: the mean size of unequal folds is one."""
    if not (math.isfinite(value) and value >= at_least):
        raise EcrnnError(f"{name} must be at least {at_least}, got {value}")
    return value
