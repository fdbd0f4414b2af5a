"""A trained image classifier in use: images in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.predictions import Predictions
from ecrnn.data.image_file import MAX_PIXELS, read_image
from ecrnn.data.image_set import ImageSet, to_uint8
from ecrnn.explain.explanation import Explanation, explain_image
from ecrnn.models.fusion import fuse
from ecrnn.models.inference import check_finite, predict_logits, softmax
from ecrnn.serving.predictor import Judged, Predictor, example_name, true_labels
from ecrnn.tasks.image_classification import images as reader


class ImagePredictor(Predictor):
    """A trained image classifier.

    Attributes:
        description, processor, metrics, task, device, classes, image: see `ecrnn.serving.predictor.Predictor`.
        network: the torch module, in float32, in evaluation mode. Predictions come from a copy of it that was fused
            when this was made; changes of ``network`` do not reach them.
    """

    def prepare(self) -> None:
        self._fused = fuse(self.network)

    def examples(self, data: str, data_dir: Path | None = None) -> ImageSet:
        channels, height, width = self.image
        return reader.load(data, data_dir=data_dir, image_size=(height, width), channels=channels, fit=self.fit)

    def judge(self, data: ImageSet, index: np.ndarray) -> Judged:
        label = true_labels(self.classes, data, index)
        with self.naming(example_name(data, index, "image")):
            return Judged(Predictions(index, label, self.logits_at(data.images, index)))

    def look(self, data: ImageSet, place: int) -> tuple[str, np.ndarray | None]:
        return super().look(data, place)[0], data.images[place]

    def predict(self, images: Sequence[str | Path] | np.ndarray) -> np.ndarray:
        """The most probable class of each image, by name.

        Args:
            images: paths of image files, or an array as `predict_proba` takes it.

        Returns:
            Array of str (n,).
        """
        return np.asarray(self.classes)[self.predict_proba(images).argmax(axis=1)]

    def predict_proba(self, images: Sequence[str | Path] | np.ndarray) -> np.ndarray:
        """Probabilities of the classes.

        Args:
            images: paths of image files of any size; or an array (n, H, W) or (n, H, W, C) of the network's own
                size, uint8 or floats between 0 and 1.

        Returns:
            float64 (n, classes), each row sums to 1.

        Raises:
            DataError: a file cannot be read as an image, or the array has another shape or type.
        """
        return softmax(self.logits(images))

    def logits(self, images: Sequence[str | Path] | np.ndarray) -> np.ndarray:
        """The network's output before the softmax, float32 (n, classes), for images as `predict_proba` takes them."""
        if isinstance(images, str | Path):
            raise DataError(f"images should be a list of files or an array, not one path ({images}); write [path]")
        if isinstance(images, np.ndarray):
            pixels = to_uint8(images)
        elif len(images) == 0:
            return np.zeros((0, len(self.classes)), np.float32)
        else:
            pixels = np.stack([self.open(path) for path in images])
        paths = None if isinstance(images, np.ndarray) else images
        with self.naming(lambda row: f"image {row}" if paths is None else str(paths[row])):
            return self.logits_at(pixels, np.arange(len(pixels)))

    def explain(self, image: str | Path | np.ndarray, **options: Any) -> Explanation:
        """Why the model says what it says of one image: maps with tests, feature maps, gates, steps.

        Args:
            image: path of an image file of any size, or uint8 (H, W, C) of the network's own.
            options: those of `ecrnn.explain.explanation.explain_image`: ``target`` and ``against``, names of classes;
                ``methods``, some of "cam", "ig" and "occlusion"; ``integral_steps``, ``seed``, ``name``.

        Raises:
            DataError: a file that cannot be read, or an array of another shape or type.
            EcrnnError: as of `explain_image`.
        """
        if isinstance(image, np.ndarray):
            pixels = to_uint8(image[None])[0]
            channels, height, width = self.image
            if pixels.shape != (height, width, channels):
                found = "x".join(map(str, pixels.shape))
                raise DataError(f"the image is {found}, the model takes {height}x{width}x{channels}")
        else:
            pixels = self.open(image)
            options.setdefault("name", str(image))
        return explain_image(self.network, self.standardise, pixels, self.classes, **options)

    def open(self, path: str | Path | bytes, most_pixels: int = MAX_PIXELS) -> np.ndarray:
        """An image file, or the bytes of one, in the form that the network takes, uint8 (H, W, C).

        Raises:
            DataError: it cannot be read, or has more than ``most_pixels``.
        """
        return read_image(path, self.image, self.fit, most_pixels)

    def answers(self, inputs: Sequence[np.ndarray]) -> np.ndarray:
        return softmax(self.logits_at(np.stack(inputs), np.arange(len(inputs))))

    def logits_at(self, images: np.ndarray, index: np.ndarray) -> np.ndarray:
        """The network's output for some of many images, float32 (n, classes).

        Args:
            images: uint8 (N, H, W, C), of the network's own size.
            index: int64 (n,), which of them, in any order.

        Raises:
            DataError: the images have another size.
            NotFiniteError: the network's output is not finite.
        """
        return check_finite(predict_logits(self._fused, images, index, self.standardise))
