"""Loads a bundle as the predictor of its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from ecrnn.models.own_code import load_code
from ecrnn.models.processor import Processor
from ecrnn.serving.bundle import Description, read_bundle, read_trained_on
from ecrnn.serving.predictor import Predictor
from ecrnn.serving.pretrained import find


def in_use(
    description: Description, processor: Processor, network: nn.Module, metrics: dict[str, Any], device: str = "auto"
) -> Predictor:
    """The model of a bundle's parts; the arguments are the attributes of `Predictor`."""
    predictor: type[Predictor] = processor.task.code("predictor")
    return predictor(description, processor, network, metrics, device)


def load(bundle: str | Path, device: str = "auto", *, code: str | Path | None = None) -> Any:
    """Load a trained model from its bundle.

    Args:
        bundle: the folder that `ecrnn train`, `ecrnn.train` or `ecrnn bundle` left, while a training goes on in it or
            was stopped the best model so far; or, where there is no folder of
            that name, the name of a pretrained model that comes with ecrnn: "cifar10", a classifier of photographs
            into the ten classes of CIFAR-10.
        device: "auto", "cpu" or "cuda".
        code: the file of a model of your own, which is run; a bundle of such a model is not loaded without it.

    Returns:
        A `Predictor` with the methods of its task, such as `ImagePredictor`: see `ecrnn.tasks`
        and the ``predictor`` of its folder.

    Raises:
        BundleError: the folder is not a bundle, or is damaged or foreign; one line says what is wrong.

    Examples:
        >>> import ecrnn
        >>> classifier = ecrnn.train("digits", "cnn", "digits-cnn", image_size=8, epochs=1)
        >>> import numpy as np
        >>> ecrnn.load("digits-cnn").predict(np.zeros((1, 8, 8, 1), np.uint8)).shape
        (1,)
    """
    if code is not None:
        load_code(code)
    folder = find(bundle)
    model = in_use(*read_bundle(folder), device)
    model.trained_on = read_trained_on(folder)
    return model
