"""The embedded data set: 1,797 handwritten digits, 8x8, that come with scikit-learn.

Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI repository, 1998.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.core.events import Progress, silent
from ecrnn.data.image_set import RawImages


@dataclass(frozen=True)
class DigitsSource:
    """Needs no file and no network; ``data_dir`` and ``cache`` are not looked at."""

    name: str = "digits"
    size: tuple[int, int] = (32, 32)  # see `sources.Source`

    def load(self, data_dir: Path | None, cache: Path, progress: Progress = silent) -> RawImages:
        """The images at their own size, 8x8; values 0..16 are scaled to 0..255 and rounded."""
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]  # (1797, 8, 8, 1)
        classes = tuple(str(name) for name in digits.target_names)
        return RawImages(images, digits.target.astype(np.int64), classes, len(images))
