"""Standardisation of numeric sequences: mean and deviation of each value of a step, over all steps that train."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecrnn.core.errors import BundleError
from ecrnn.tasks.sequence_classification.sequence_set import MOST_FEATURES, SequenceSet


@dataclass(frozen=True)
class Scaling:
    """``mean`` and ``deviation``, float64 (C,); the deviation of a value that is always the same is 1."""

    mean: np.ndarray
    deviation: np.ndarray

    def __call__(self, sequence: np.ndarray) -> np.ndarray:
        """A sequence (T, C), standardised, float32."""
        scaled: np.ndarray = ((sequence - self.mean) / self.deviation).astype(np.float32)
        return scaled

    def to_plain(self) -> dict[str, Any]:
        """Plain data for JSON, with the number of values a step."""
        return {"features": len(self.mean), "mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any] | None) -> Scaling:
        """What `to_plain` gave, from a bundle that may come from anywhere.

        Raises:
            BundleError: anything else.
        """
        plain = plain or {}
        parts: list[Any] = [plain.get("mean"), plain.get("deviation")]
        for part in parts:
            valid = isinstance(part, list) and 1 <= len(part) <= MOST_FEATURES
            if not valid or not all(type(value) in (int, float) and math.isfinite(value) for value in part):
                raise BundleError("scaling should hold a mean and a deviation for each value of a step")
        mean, deviation = np.array(parts[0], np.float64), np.array(parts[1], np.float64)
        if not len(mean) == len(deviation) == plain.get("features") or not (deviation > 0).all():
            raise BundleError("scaling should hold as many deviations, above 0, as means")
        return cls(mean, deviation)


def fit(data: SequenceSet, index: np.ndarray) -> Scaling:
    """The scaling of the sequences ``index``."""
    values = np.concatenate([data[i] for i in index]).astype(np.float64)
    mean, deviation = values.mean(0), values.std(0)
    return Scaling(mean, np.where(deviation > 1e-12 * np.maximum(1, np.abs(mean)), deviation, 1.0))
