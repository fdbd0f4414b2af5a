"""Brings an image of any shape to height x width: by cutting, by padding, or by stretching. Antialiased bilinear.

- "cut": the largest centred part of the shape height:width, cut at whole pixels. Of an image of w x h pixels it has
  min(w, h * width / height) by min(h, w * height / width) pixels, rounded half up, and begins at half of what is left
  over, rounded down. Cutting at whole pixels is what other programs can repeat exactly.
- "pad": the whole image, as large as it fits in, in the middle; what is left over is black.
- "stretch": the whole image, its sides resized each by itself.
- "cut-half-pixels": as "cut", but at fractions of pixels: what ecrnn did before it had a choice, and what models
  trained then still get.

Of an image that has the shape already all four give the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ecrnn.core.form import Fit

if TYPE_CHECKING:
    from PIL import Image


def fitted(image: Image.Image, height: int, width: int, fit: Fit) -> np.ndarray:
    """``image``, of mode L or RGB, as the module's first lines say: uint8 (height, width, C)."""
    from PIL import Image, ImageOps

    size, bilinear = (width, height), Image.Resampling.BILINEAR
    match fit:
        case "cut":
            result = image.crop(cut_box(*image.size, width, height)).resize(size, bilinear)
        case "pad":
            left, top, right, bottom = pad_box(*image.size, width, height)
            result = Image.new(image.mode, size)
            result.paste(image.resize((right - left, bottom - top), bilinear), (left, top))
        case "stretch":
            result = image.resize(size, bilinear)
        case "cut-half-pixels":
            result = ImageOps.fit(image, size, bilinear)
    return np.array(result, np.uint8).reshape(height, width, -1)


def cut_box(w: int, h: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the part of a w x h image that "cut" resizes to width x height."""
    if w * height > h * width:
        part = max(1, _divided(h * width, height))
        left = (w - part) // 2
        return left, 0, left + part, h
    part = max(1, min(h, _divided(w * height, width)))
    top = (h - part) // 2
    return 0, top, w, top + part


def pad_box(w: int, h: int, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the place in width x height to which "pad" resizes a w x h image."""
    if w * height > h * width:
        part = max(1, _divided(h * width, w))
        top = (height - part) // 2
        return 0, top, width, top + part
    part = max(1, min(width, _divided(w * height, h)))
    left = (width - part) // 2
    return left, 0, left + part, height


def _divided(a: int, b: int) -> int:
    """a / b, rounded half up."""
    return (2 * a + b) // (2 * b)
