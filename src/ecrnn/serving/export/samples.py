"""Examples on which an exported file is compared with its model: real ones where there are any, else synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.text import counted, one_line
from ecrnn.data.downloads import default_cache
from ecrnn.data.image_file import SUFFIXES, read_whole
from ecrnn.serving.examples import spread
from ecrnn.serving.export.exportable import Exportable

MOST = 10
_SEED = 18
_SIDES = ((64, 48), (37, 100), (250, 200), (120, 400), (480, 640))  # height and width of synthetic whole images
_WAVES = 6  # of a synthetic image


@dataclass(frozen=True)
class Samples:
    """Examples, as the predictor takes them.

    Attributes:
        examples: at most `MOST`.
        source: what they are, for people.
        real: they are from a data set, not drawn.
        files: of the examples, where they are images of a folder.
    """

    examples: Sequence[Any]
    source: str
    real: bool
    files: Sequence[Path] = ()

    def whole_images(self) -> list[np.ndarray]:
        """Whole images, uint8 (height, width, 3): the files, and synthetic ones of other shapes."""
        generator = np.random.default_rng(_SEED)
        return [*map(read_whole, self.files), *(synthetic_image(generator, *sides, 3) for sides in _SIDES)]


def samples(form: Exportable, data: str | None, data_dir: Path | None) -> Samples:
    """Some examples of the kind that a model takes.

    Args:
        form: of the model.
        data: a registered data set, a file or a folder; None: the data set that the model was trained on, if it is a
            registered one that needs no download, else synthetic examples.
        data_dir: local copies of registered data sets.

    Raises:
        EcrnnError: ``data`` cannot be read.
    """
    if data is not None:
        return _of_data(form, data, data_dir)
    trained_on = form.model.metrics.get("data")
    if isinstance(trained_on, str) and trained_on in form.model.task.data_sets:  # a bundle names no other files to read
        try:
            return _of_data(form, trained_on, data_dir or default_cache() / "downloads" / trained_on)
        except EcrnnError:
            pass  # it is not here, and is not fetched for this
    drawn = form.synthetic(MOST, np.random.default_rng(_SEED))
    return Samples(drawn, f"{MOST} synthetic {form.noun}", real=False)


def _of_data(form: Exportable, data: str, data_dir: Path | None) -> Samples:
    found = form.model.examples(data, data_dir)
    index = np.array(spread(len(found), MOST))
    files = [Path(data) / found.files[i] for i in index] if found.files else []
    return Samples(
        form.examples(found, index),
        f"{counted(len(index), form.noun)} of {one_line(data)}",
        real=True,
        files=[path for path in files if path.is_file() and path.suffix.lower() in SUFFIXES],
    )


def synthetic_image(generator: np.random.Generator, height: int, width: int, channels: int) -> np.ndarray:
    """An image of random waves with some noise, which has smooth parts and edges as photographs have.

    Args:
        generator: of the draws.
        height, width, channels: of the image.

    Returns:
        uint8 (height, width, channels).
    """
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j][..., None]
    rate, phase = generator.normal(0, 6, (2, _WAVES, channels)), generator.uniform(0, 2 * np.pi, (_WAVES, channels))
    waves = np.sin(rate[0] * y[..., None] + rate[1] * x[..., None] + phase).sum(2)
    values = 128 + 70 * np.tanh(waves) + generator.normal(0, 12, (height, width, channels))
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
