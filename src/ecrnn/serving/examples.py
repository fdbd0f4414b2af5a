"""Examples to look at, spread evenly over those that a model was judged on."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

IMAGES, TEXTS = 24, 6  # that are shown at most


def spread(count: int, most: int = IMAGES) -> list[int]:
    """At most ``most`` places among ``count``, spread evenly, with the first and the last."""
    return np.linspace(0, count - 1, min(count, most)).astype(int).tolist()


def png(image: np.ndarray) -> bytes:
    """An image, uint8 (H, W) or (H, W, 3), as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(file, "PNG")
    return file.getvalue()
