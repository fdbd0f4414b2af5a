"""A set of labelled images in memory, with its fingerprint, and how arrays become one.

Images are uint8 arrays (N, H, W, C); nothing is standardised here (see `preprocessing`) and nothing is split
(`splits`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.spelling import nfc
from ecrnn.data.example_set import LabelledSet
from ecrnn.data.groups import with_groups
from ecrnn.data.keys import Keys, of_images


class RawImages(NamedTuple):
    """What a source hands over, checked: the fields are those of `ImageSet`."""

    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    n_train: int


@dataclass(frozen=True)
class ImageSet(LabelledSet):
    """Labelled images, all of one size. Attributes are those of `LabelledSet`, and:

    Attributes:
        images: uint8 (N, H, W, C), C 1 or 3; may be a read-only np.memmap. Not to be written to.
    """

    images: np.ndarray

    def keys(self) -> Keys:
        """By which each example is recognised."""
        return of_images(self.images)

    @property
    def height(self) -> int:
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        return int(self.images.shape[2])

    @property
    def channels(self) -> int:
        return int(self.images.shape[3])

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W), as models and preprocessing take it."""
        return self.channels, self.height, self.width


def make_image_set(
    name: str,
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    *,
    n_train: int | None = None,
    n_validation: int = 0,
    files: Sequence[str] = (),
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
    bad_files: Mapping[str, str] | None = None,
    groups: np.ndarray | None = None,
) -> ImageSet:
    """An `ImageSet` with its fingerprint; for this package's readers, which have checked what they pass."""
    assert images.dtype == np.uint8
    assert images.ndim == 4
    assert images.shape[3] in (1, 3)
    assert labels.dtype == np.int64
    assert labels.shape == (len(images),)
    assert not files or len(files) == len(images)
    n_train = len(images) if n_train is None else n_train
    assert 0 <= n_validation < max(1, n_train)
    digest = fingerprint(images, labels, classes, n_train, n_validation)
    data = ImageSet(
        images,
        labels=labels,
        classes=tuple(classes),
        name=name,
        n_train=n_train,
        n_validation=n_validation,
        fingerprint=digest,
        files=tuple(files),
        left_out=dict(left_out or {}),
        notes=tuple(notes),
        bad_files=dict(bad_files or {}),
    )
    return data if groups is None else with_groups(data, groups)


def fingerprint(
    images: np.ndarray, labels: np.ndarray, classes: Sequence[str], n_train: int, n_validation: int = 0
) -> str:
    """SHA-256 over shape, n_train, n_validation, classes, labels and the bytes of the images, read in pieces."""
    validation = (int(n_validation),) if n_validation else ()
    header = repr((tuple(int(s) for s in images.shape), int(n_train), [str(c) for c in classes], *validation))
    digest = hashlib.sha256(header.encode())
    digest.update(np.ascontiguousarray(labels, dtype="<i8").data)
    step = max(1, 2**24 // max(1, images[0].nbytes)) if len(images) else 1
    for start in range(0, len(images), step):
        digest.update(np.ascontiguousarray(images[start : start + step]).data)
    return digest.hexdigest()


def checked_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    """(height, width) of a side or of both, or DataError; None stays None."""
    if image_size is None:
        return None
    size = tuple(image_size) if isinstance(image_size, tuple | list) else (image_size, image_size)
    if len(size) != 2 or not all(isinstance(s, int) and 1 <= s <= 4096 for s in size):
        raise DataError(f"image size is {image_size}, but should be one or two whole numbers from 1 to 4096")
    return size[0], size[1]


def from_arrays(X: Any, y: Any, name: str = "arrays") -> ImageSet:
    """An `ImageSet` from arrays, for scikit-learn's conventions.

    Args:
        X: images as `to_uint8` takes them.
        y: one label an image, (N,), of any sortable type; classes are the sorted different labels, as text.

    Raises:
        DataError: shapes, types or values are not as said.
    """
    images = to_uint8(X)
    y = np.asarray(y)
    if y.ndim != 1 or len(y) != len(images):
        raise DataError(f"y has shape {y.shape}, but should hold one label for each of the {len(images)} images")
    if len(y) == 0:
        raise DataError("X and y hold no images")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise DataError("y holds labels that are not finite (NaN or infinity)")
    try:
        values, labels = np.unique(y, return_inverse=True)
    except TypeError as error:
        raise DataError("y mixes labels that cannot be sorted, such as text and numbers; use one type") from error
    classes = tuple(nfc(str(v)) for v in values.tolist())
    if len(set(classes)) < len(classes):
        raise DataError("y holds different labels that read the same as text; use one type")
    return make_image_set(name, images, labels.astype(np.int64), classes)


def to_uint8(X: Any) -> np.ndarray:
    """Images as uint8 (N, H, W, C).

    Args:
        X: (N, H, W) or (N, H, W, C) with C 1 or 3. Whole numbers are taken as they are and must lie in
            0..255; floats must lie in 0..1, and are multiplied by 255 and rounded; booleans become 0 and 255.
            Other ranges are refused rather than guessed at, because a guess would differ between training and
            prediction.

    Raises:
        DataError: another shape, type or range, or NaN.
    """
    X = np.asarray(X)
    if X.ndim == 3:
        X = X[..., None]
    if X.ndim != 4 or X.shape[3] not in (1, 3) or 0 in X.shape[1:]:
        first = X.ndim == 4 and X.shape[1] in (1, 3)
        hint = "; channels go last: X.transpose(0, 2, 3, 1)" if first else ""
        raise DataError(f"X has shape {X.shape}, but should be (N, H, W) or (N, H, W, C) with C 1 or 3{hint}")
    if X.dtype == np.uint8 or X.size == 0:
        return X.astype(np.uint8, copy=False)
    if X.dtype == np.bool_:
        return X.astype(np.uint8) * np.uint8(255)
    if X.dtype.kind not in "iuf":
        raise DataError(f"X is of type {X.dtype}, but pixels are uint8, whole numbers in 0..255 or floats in 0..1")
    low, high = X.min(), X.max()
    if X.dtype.kind in "iu":
        if low < 0 or high > 255:
            raise DataError(f"X holds whole numbers from {low} to {high}, but pixels lie in 0..255")
        return X.astype(np.uint8)
    if not (low >= 0 and high <= 1):  # NaN is caught here too
        raise DataError(
            f"X holds floats from {low:g} to {high:g}, but they should lie in 0..1; scale them, or give uint8"
        )
    return np.rint(X * 255).astype(np.uint8)
