"""A trained image classifier in use: pictures in, classes and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ecrnn.core.devices import resolve_device
from ecrnn.core.errors import DataError
from ecrnn.data.folder import read_picture
from ecrnn.data.images import to_uint8
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.fusion import fuse
from ecrnn.models.inference import Standardise, predict_logits, softmax
from ecrnn.serving.bundle import Description, read_bundle, read_metrics
from ecrnn.serving.pretrained import find


class Classifier:
    """What `ecrnn.load` gives.

    Attributes:
        description: model name, classes, preprocessing.
        network: the torch module, in float32, in evaluation mode. Predictions come from a copy of it that was fused
            when this was made; changes of ``network`` do not reach them.
        classes: names of the classes, in the order of the probabilities.
        image: (channels, height, width) the network takes; picture files are brought to it.
        metrics: what was measured when the bundle was made, from `metrics.json`.
    """

    def __init__(
        self, description: Description, network: nn.Module, metrics: dict[str, Any], device: str = "auto"
    ) -> None:
        self.description, self.metrics = description, metrics
        self.classes = description.classes
        preprocessing = Preprocessing.from_dict(description.preprocessing)
        self.image = preprocessing.image
        device = resolve_device(device)
        self.network = network.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.standardise = Standardise(preprocessing).to(device)
        self._fused = fuse(self.network)

    def predict(self, pictures: Sequence[str | Path] | np.ndarray) -> np.ndarray:
        """The most probable class of each picture, by name.

        Args:
            pictures: paths of picture files, or an array as `predict_proba` takes it.

        Returns:
            Array of str (n,).
        """
        return np.asarray(self.classes)[self.predict_proba(pictures).argmax(axis=1)]

    def predict_proba(self, pictures: Sequence[str | Path] | np.ndarray) -> np.ndarray:
        """Probabilities of the classes.

        Args:
            pictures: paths of picture files of any size; or an array (n, H, W) or (n, H, W, C) of the network's own
                size, uint8 or floats between 0 and 1.

        Returns:
            float64 (n, classes), each row sums to 1.

        Raises:
            DataError: a file cannot be read as a picture, or the array has another shape or type.
        """
        return softmax(self.logits(pictures))

    def logits(self, pictures: Sequence[str | Path] | np.ndarray) -> np.ndarray:
        """The network's output before the softmax, float32 (n, classes), for pictures as `predict_proba` takes them."""
        if isinstance(pictures, str | Path):
            raise DataError(f"pictures should be a list of files or an array, not one path ({pictures}); write [path]")
        if isinstance(pictures, np.ndarray):
            images = to_uint8(pictures)
        elif len(pictures) == 0:
            return np.zeros((0, len(self.classes)), np.float32)
        else:
            images = np.stack([read_picture(path, self.image) for path in pictures])
        return self.logits_at(images, np.arange(len(images)))

    def logits_at(self, images: np.ndarray, index: np.ndarray) -> np.ndarray:
        """The network's output for some of many pictures, float32 (n, classes).

        Args:
            images: uint8 (N, H, W, C), of the network's own size.
            index: int64 (n,), which of them, in any order.

        Raises:
            DataError: the pictures have another size.
        """
        return predict_logits(self._fused, images, index, self.standardise)


def load(bundle: str | Path, device: str = "auto") -> Classifier:
    """Load a trained model from its bundle.

    Args:
        bundle: the folder that `ecrnn train`, `ecrnn.train` or `ecrnn bundle` left; or, where there is no folder of
            that name, the name of an installed pretrained model: "cifar10", a classifier of photographs
            into the ten classes of CIFAR-10.
        device: "auto", "cpu" or "cuda".

    Raises:
        BundleError: the folder is not a bundle, or is damaged or foreign; one line says what is wrong.

    Example:
        >>> import ecrnn
        >>> classifier = ecrnn.train("digits", "cnn", "digits-cnn", epochs=2)
        >>> ecrnn.load("digits-cnn").predict(np.zeros((1, 32, 32, 1), np.uint8)).shape
        (1,)
    """
    folder = find(bundle)
    description, network = read_bundle(folder)
    return Classifier(description, network, read_metrics(folder), device)
