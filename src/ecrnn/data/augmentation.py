"""Augmentation of training images, where each image's draw is a function of (seed, epoch, index) alone.

An image looks the same whatever batch it comes in, so a resumed run and one with another batch size see the
same images. `draw` gives the pixels of flips and crops as indices, `augment` takes them; `colours`, `rotations`,
`holes` and `shares` give the numbers with which `ecrnn.training.image_augmentation` does the others.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ecrnn.core.augmentations import KINDS
from ecrnn.core.errors import DataError
from ecrnn.data import counter_rng

PAD = {"crop": 4, "shift": 2}  # pixels of reflected border that are cut from; 4 is usual for 32x32 images
MOVES = {"flip", "mirror", *PAD}
COLOUR = 0.3  # brightness, contrast and saturation are each multiplied by 1 - this to 1 + this
ANGLE = 15.0  # degrees, the largest rotation either way
MIXUP = 0.2  # both parameters of the beta distribution
GREY = (0.299, 0.587, 0.114)  # of red, green and blue, ITU-R 601


def draw(
    indices: np.ndarray, seed: int, epoch: int, *, kinds: Collection[str], height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Which row and which column of the image each output pixel comes from.

    "flip": mirrored left to right with probability 1/2. "mirror": in every second epoch, half of the images in even
    and the others in odd ones, so that two epochs show both sides of all. "crop" and "shift": padded by `PAD` pixels
    reflected at the edge (the edge itself is not repeated) and cut at one of 9 x 9 or 5 x 5 places, all equally likely;
    alone for what has another meaning mirrored, such as digits. Source of "mirror": Jordan, 94% on CIFAR-10 in 3.29
    seconds on a single GPU, 2024.

    Args:
        indices: integers (B,), each image's index in the image set.
        kinds: of `ecrnn.core.augmentations`; others than these four are not done here.
        height, width: of the images.

    Returns:
        rows int64 (B, H) and columns int64 (B, W): output pixel (i, j) of image b is input pixel
        (rows[b, i], columns[b, j]). In torch, with ``b = torch.arange(B)``:
        ``images[b[:, None, None], rows[:, :, None], columns[:, None, :]]``.

    Raises:
        DataError: images with a side of `PAD` pixels or less.
    """
    batch = len(indices)
    rows = np.broadcast_to(np.arange(height), (batch, height))
    columns = np.broadcast_to(np.arange(width), (batch, width))
    bits = counter_rng.hashed((counter_rng.AUGMENT, seed, epoch), np.asarray(indices))
    for kind in set(PAD) & set(kinds):
        pad = PAD[kind]
        if min(height, width) <= pad:
            raise DataError(f"augmentation {kind} needs images larger than {pad}x{pad}, not {height}x{width}")
        places = np.uint64(2 * pad + 1)
        downwards = ((bits & np.uint64(2**31 - 1)) * places >> np.uint64(31)).astype(np.int64) - pad
        across = (((bits >> np.uint64(31)) & np.uint64(2**31 - 1)) * places >> np.uint64(31)).astype(np.int64) - pad
        rows = _reflect(rows + downwards[:, None], height)
        columns = _reflect(columns + across[:, None], width)
    if "mirror" in kinds:
        bits = counter_rng.hashed((counter_rng.AUGMENT, seed), np.asarray(indices)) ^ np.uint64(epoch % 2 << 63)
    elif "flip" not in kinds:
        return rows, columns
    mirrored = (bits >> np.uint64(63)).astype(bool)
    return rows, np.where(mirrored[:, None], columns[:, ::-1], columns)


def _reflect(position: np.ndarray, size: int) -> np.ndarray:
    """Positions beyond 0..size-1 (by less than size) mirrored at the edge: -1 becomes 1."""
    return (size - 1) - np.abs((size - 1) - np.abs(position))


def augment(images: np.ndarray, indices: np.ndarray, seed: int, epoch: int, kinds: Collection[str]) -> np.ndarray:
    """The images mirrored and cropped as this epoch shows them.

    Args:
        images: uint8 (B, H, W, C).
        indices: integers (B,), each image's index in the image set.
        kinds: as of `draw`.

    Returns:
        uint8 (B, H, W, C); ``images`` itself where no kind does so, else a new array.

    Raises:
        DataError: as in `draw`.
    """
    batch, height, width, channels = images.shape
    if not MOVES & set(kinds):
        return images
    rows, columns = draw(indices, seed, epoch, kinds=kinds, height=height, width=width)
    first = np.arange(batch)[:, None] * height + rows  # (B, H), the row's number in the flattened batch
    flat = first[:, :, None] * width + columns[:, None, :]  # (B, H, W)
    return np.ascontiguousarray(images).reshape(-1, channels)[flat]


def colours(
    images: np.ndarray, indices: np.ndarray, seed: int, epoch: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Brightness, contrast and saturation, one after another, as one sum for each image.

    With grey(x) the grey of a pixel and m the mean grey of an image, saturation s makes s x + (1 - s) grey(x) of a
    pixel, brightness b multiplies it, and contrast c makes c x + (1 - c) b m of that. s, b and c are uniform between
    1 - `COLOUR` and 1 + `COLOUR`. Grey images have no saturation.

    Args:
        images: uint8 (B, H, W, C), as flips and crops have left them.

    Returns:
        float64 (B,) each: factors of a pixel and of its grey, and what is added.
    """
    saturation, brightness, contrast = (1 + COLOUR * (2 * u - 1) for u in _uniform("colour", indices, seed, epoch, 3))
    pixels = images.shape[1] * images.shape[2]
    means = images.sum(axis=(1, 2), dtype=np.int64) / pixels  # (B, C), of whole numbers: exact in any order
    mean = means @ np.array(GREY) if images.shape[3] == 3 else means[:, 0]
    if images.shape[3] != 3:
        saturation = np.ones_like(saturation)
    both = contrast * brightness
    return both * saturation, both * (1 - saturation), (1 - contrast) * brightness * mean


def rotations(indices: np.ndarray, seed: int, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Cosine and sine, float64 (B,), of each image's angle, uniform between -`ANGLE` and `ANGLE` degrees."""
    (u,) = _uniform("rotate", indices, seed, epoch, 1)
    angle = np.deg2rad(ANGLE * (2 * u - 1))
    return np.cos(angle), np.sin(angle)


def holes(indices: np.ndarray, seed: int, epoch: int, height: int, width: int) -> np.ndarray:
    """Which pixels of each image are cut out: bool (B, H, W).

    A square of half the shorter side, its middle at any pixel with equal probability, so that a part of it may lie
    outside. Source: DeVries and Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.
    """
    side = min(height, width) // 2
    place = zip(_uniform("cutout", indices, seed, epoch, 2), (height, width), strict=True)
    down, across = ((u * size).astype(np.int64)[:, None] - side // 2 for u, size in place)  # where it begins
    rows, columns = np.arange(height) - down, np.arange(width) - across
    return ((rows >= 0) & (rows < side))[:, :, None] & ((columns >= 0) & (columns < side))[:, None, :]


def shares(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """The share that each image has of its mixture with another one: float64 (B,), from 0.5 to 1.

    The larger one of p and 1 - p, with p of the beta distribution with parameters `MIXUP`. Source: Zhang et al.,
    "mixup: Beyond empirical risk minimization", ICLR 2018.
    """
    from scipy.special import betaincinv

    (u,) = _uniform("mixup", indices, seed, epoch, 1)
    share: np.ndarray = betaincinv(MIXUP, MIXUP, u)
    return np.maximum(share, 1 - share)


def _uniform(kind: str, indices: np.ndarray, seed: int, epoch: int, n: int) -> list[np.ndarray]:
    """``n`` arrays (B,) of numbers from 0 to 1, below 1, float64, of a stream that only ``kind`` has."""
    keys = (counter_rng.AUGMENT, seed, epoch, KINDS.index(kind))
    return [(counter_rng.hashed((*keys, i), indices) >> np.uint64(11)) * 2.0**-53 for i in range(n)]
