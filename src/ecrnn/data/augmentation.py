"""Flips and crops of training images, where each image's draw is a function of (seed, epoch, index) alone.

An image looks the same whatever batch it comes in, so a resumed run and one with another batch size see the
same images. `draw` gives the pixels to take as indices, for use on a device; `augment` takes them with
NumPy.
"""

from __future__ import annotations

import numpy as np

from ecrnn.core.errors import DataError, unknown_name
from ecrnn.data import counter_rng

KINDS = ("none", "flip", "crop", "flip-crop")
PAD = 4  # pixels of reflected border from which the crops cut; the usual choice for 32x32 images


def check_kind(kind: str) -> str:
    """``kind`` itself, or UnknownNameError with the nearest of `KINDS`."""
    if kind not in KINDS:
        raise unknown_name("augmentation", kind, KINDS)
    return kind


def draw(
    indices: np.ndarray, seed: int, epoch: int, *, kind: str, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which row and which column of the image each output pixel comes from.

    "flip": mirrored left to right with probability 1/2. "crop", for what has another meaning mirrored, such
    as digits: padded by `PAD` pixels reflected at the edge (the edge itself is not repeated) and cut at one of
    9 x 9 places, all equally likely. "flip-crop": both.

    Args:
        indices: integers (B,), each image's index in the image set.
        kind: one of `KINDS`.
        height, width: of the images.

    Returns:
        rows int64 (B, H) and columns int64 (B, W): output pixel (i, j) of image b is input pixel
        (rows[b, i], columns[b, j]). In torch, with ``b = torch.arange(B)``:
        ``images[b[:, None, None], rows[:, :, None], columns[:, None, :]]``.

    Raises:
        UnknownNameError: another kind.
        DataError: a crop of images with a side of `PAD` pixels or less.
    """
    check_kind(kind)
    batch = len(indices)
    rows = np.broadcast_to(np.arange(height), (batch, height))
    columns = np.broadcast_to(np.arange(width), (batch, width))
    if kind == "none":
        return rows, columns
    bits = counter_rng.hashed((counter_rng.AUGMENT, seed, epoch), np.asarray(indices))
    if kind != "flip":
        if min(height, width) <= PAD:
            raise DataError(f"augmentation {kind} needs images larger than {PAD}x{PAD}, not {height}x{width}")
        places = np.uint64(2 * PAD + 1)
        downwards = ((bits & np.uint64(2**31 - 1)) * places >> np.uint64(31)).astype(np.int64) - PAD
        across = (((bits >> np.uint64(31)) & np.uint64(2**31 - 1)) * places >> np.uint64(31)).astype(np.int64) - PAD
        rows = _reflect(rows + downwards[:, None], height)
        columns = _reflect(columns + across[:, None], width)
    if kind == "crop":
        return rows, columns
    flip = (bits >> np.uint64(63)).astype(bool)
    return rows, np.where(flip[:, None], columns[:, ::-1], columns)


def _reflect(position: np.ndarray, size: int) -> np.ndarray:
    """Positions beyond 0..size-1 (by less than size) mirrored at the edge: -1 becomes 1."""
    return (size - 1) - np.abs((size - 1) - np.abs(position))


def augment(images: np.ndarray, indices: np.ndarray, seed: int, epoch: int, kind: str) -> np.ndarray:
    """The images as this epoch shows them.

    Args:
        images: uint8 (B, H, W, C).
        indices: integers (B,), each image's index in the image set.

    Returns:
        uint8 (B, H, W, C); ``images`` itself for kind "none", else a new array.

    Raises:
        UnknownNameError, DataError: as in `draw`.
    """
    batch, height, width, channels = images.shape
    if check_kind(kind) == "none":
        return images
    rows, columns = draw(indices, seed, epoch, kind=kind, height=height, width=width)
    first = np.arange(batch)[:, None] * height + rows  # (B, H), the row's number in the flattened batch
    flat = first[:, :, None] * width + columns[:, None, :]  # (B, H, W)
    return np.ascontiguousarray(images).reshape(-1, channels)[flat]
