"""Standardisation: subtract the mean of the training images and divide by their standard deviation.

The paper takes one mean and one deviation over everything ("global"); one per channel is offered too. Both
come exactly from histograms, in integers, so they do not depend on the order of the images or the number of
threads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from ecrnn.core.errors import BundleError, DataError, unknown_name
from ecrnn.core.form import FIT_BEFORE, Fit

MODES = ("global", "per-channel")
_SMALLEST_STD = 1e-6  # of values 0..255: no data set that fits a disk has a smaller one, other than 0


@dataclass(frozen=True)
class Preprocessing:
    """What is done to an image before a model sees it.

    Attributes:
        image: (C, H, W) that the model takes.
        mean, std: in units of 0..255; one value for all channels, or C values. The population's deviation
            (ddof 0).
        fit: how an image of another shape is brought to this one, see `fitting`.
    """

    image: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    fit: Fit = "cut"

    def apply(self, images: np.ndarray) -> np.ndarray:
        """``(images - mean) / std`` with channels first; the oracle that other implementations are compared
        with.

        Args:
            images: uint8 (B, H, W, C).

        Returns:
            float32 (B, C, H, W), contiguous.

        Raises:
            DataError: images of another size or type than `image` says.
        """
        channels, height, width = self.image
        if images.dtype != np.uint8 or images.shape[1:] != (height, width, channels):
            raise DataError(
                f"images are {images.dtype} of shape {images.shape}, "
                f"but should be uint8 (B, {height}, {width}, {channels})"
            )
        x = np.ascontiguousarray(images.transpose(0, 3, 1, 2)).astype(np.float32)  # (B, C, H, W)
        mean, std = (np.asarray(v, np.float32).reshape(-1, 1, 1) for v in (self.mean, self.std))
        return (x - mean) / std

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, which `from_dict` takes back; ``fit`` is not named where it is `FIT_BEFORE`."""
        plain: dict[str, Any] = {"image": list(self.image), "mean": list(self.mean), "std": list(self.std)}
        return plain if self.fit == FIT_BEFORE else {**plain, "fit": self.fit}

    @classmethod
    def from_dict(cls, value: Any) -> Preprocessing:
        """From plain data that is not trusted.

        Raises:
            BundleError: anything but image [C, H, W] with C 1 or 3 and sides 1..4096, and as many means
                (0..255) as deviations (above 0, finite), one or C of each; and ``fit``, if at all, one of its values.
        """
        if not isinstance(value, Mapping) or set(value) - {"fit"} != {"image", "mean", "std"}:
            raise BundleError("preprocessing should hold exactly image, mean, std and fit")
        image, mean, std = (value[k] for k in ("image", "mean", "std"))
        if not _is_list(image, int, 3) or image[0] not in (1, 3) or not all(1 <= s <= 4096 for s in image[1:]):
            raise BundleError("preprocessing: image should be [C, H, W] with C 1 or 3 and H, W from 1 to 4096")
        if not any(_is_list(mean, (int, float), k) and _is_list(std, (int, float), k) for k in (1, image[0])):
            raise BundleError(f"preprocessing: mean and std should hold one number each, or {image[0]}")
        if not all(0 <= v <= 255 for v in mean):
            raise BundleError("preprocessing: a mean does not lie in 0..255")
        if not all(_SMALLEST_STD <= v <= 255 for v in std):
            raise BundleError(f"preprocessing: a standard deviation does not lie in {_SMALLEST_STD}..255")
        named = value.get("fit", FIT_BEFORE)
        fit: Fit | None = next((known for known in get_args(Fit) if known == named), None)
        if fit is None:
            raise BundleError(f"preprocessing: fit should be one of {', '.join(get_args(Fit))}, not {named!r:.40}")
        return cls((image[0], image[1], image[2]), tuple(map(float, mean)), tuple(map(float, std)), fit)


def _is_list(value: Any, kinds: type | tuple[type, ...], length: int) -> bool:
    if not isinstance(value, list | tuple) or len(value) != length:
        return False
    return all(isinstance(v, kinds) and not isinstance(v, bool) for v in value)


def fit(images: np.ndarray, indices: np.ndarray, mode: str = "global") -> Preprocessing:
    """Mean and deviation of the images at ``indices``, exact.

    A channel that is constant while others are not gets deviation 1, so it becomes 0 everywhere.

    Args:
        images: uint8 (N, H, W, C); may be a memory map, it is read in pieces.
        indices: integers (n,), the training images.
        mode: "global" (one mean and deviation over all pixels and channels, the paper's) or "per-channel".

    Raises:
        UnknownNameError: another mode.
        DataError: no images, or every pixel of them has the same value.
    """
    if mode not in MODES:
        raise unknown_name("preprocessing", mode, MODES)
    if len(indices) == 0:
        raise DataError("there are no training images to compute mean and standard deviation from")
    counts = channel_histograms(images, indices)
    groups = [counts.sum(axis=0)] if mode == "global" else list(counts)
    moments = [_moments(group) for group in groups]
    if all(std == 0 for _, std in moments):
        raise DataError("all pixels of the training images have the same value, there is nothing to learn from")
    mean = tuple(m for m, _ in moments)
    std = tuple(s if s > 0 else 1.0 for _, s in moments)
    _, height, width, channels = images.shape
    return Preprocessing((channels, height, width), mean, std)


def channel_histograms(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """How often each value 0..255 occurs in each channel: int64 (C, 256), over the images at ``indices``."""
    channels = images.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    step = max(1, 2**22 // images[0].nbytes)
    for start in range(0, len(indices), step):
        chunk = images[indices[start : start + step]]  # (b, H, W, C)
        for c in range(channels):
            counts[c] += np.bincount(chunk[..., c].ravel(), minlength=256)
    return counts


def _moments(counts: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of the values 0..255 with these counts, in exact integers until the end."""
    pairs = [(value, int(count)) for value, count in enumerate(counts)]
    n = sum(count for _, count in pairs)
    total = sum(value * count for value, count in pairs)
    squares = sum(value * value * count for value, count in pairs)
    return total / n, math.sqrt((n * squares - total * total) / n**2)
