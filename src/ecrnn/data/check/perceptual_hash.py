"""The perceptual hash of an image (pHash): 64 bits that stay when it is saved, scaled or lit a little differently.

An image in grey is resized to 32x32; of its discrete cosine transform (type II) the 8x8 lowest frequencies are compared
with their median, row by row (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010). Bits
are those of the package ImageHash's `phash`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32  # pixels
_BITS = 8  # frequencies a side
_FLAT = 2.0  # levels of 255: below this deviation the hash is noise
_MIRROR = (-1.0) ** np.arange(_BITS)  # odd frequencies change their sign when left and right are swapped


class Look(NamedTuple):
    """The hash of an image and of its mirror image, and whether it has too little contrast for one."""

    hash: int
    mirrored: int
    flat: bool


def small_grey(image: Image.Image) -> np.ndarray:
    """An image of any size as 32x32 grey values: uint8."""
    from PIL import Image

    grey = image if image.mode == "L" else image.convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def look(small: np.ndarray) -> Look:
    """The hashes of 32x32 grey values."""
    from scipy.fft import dctn

    if small.std() < _FLAT:
        return Look(0, 0, True)
    low = dctn(small.astype(np.float64), type=2)[:_BITS, :_BITS]
    return Look(_hash(low), _hash(low * _MIRROR), False)


def _hash(low: np.ndarray) -> int:
    return int.from_bytes(np.packbits(low > np.median(low)).tobytes(), "big")
