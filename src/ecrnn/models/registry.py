"""From a name to a network. The one place where models are made."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.initialisation import initialise
from ecrnn.models import alexnet, lenet5
from ecrnn.models.alexnet import AlexNet
from ecrnn.models.cnn import CNN
from ecrnn.models.crnn import CRNN
from ecrnn.models.ecrnn import ECNN, ECRNN
from ecrnn.models.lenet5 import LeNet5
from ecrnn.models.mlp import MLP
from ecrnn.models.names import MLP_NODES, ModelName, parse

MIN_SIDE, MAX_SIDE = 8, 1024  # pixels
MAX_CLASSES = 100_000
MIN_SIDES = {"lenet5": lenet5.MIN_SIDE, "alexnet": alexnet.MIN_SIDE}  # of families that need larger pictures
_USUAL_IMAGES = {"lenet5": (1, 32, 32), "alexnet": (3, 224, 224)}

_MAKERS: dict[str, Callable[[ModelName, tuple[int, int, int], int], nn.Module]] = {
    "cnn": lambda name, image, classes: CNN(name.nodes, image, classes),
    "ecnn": lambda name, image, classes: ECNN(image, classes),
    "crnn": CRNN,
    "ecrnn": ECRNN,
    "mlp": lambda name, image, classes: MLP(
        name.nodes[0] if name.nodes else MLP_NODES, image, classes, squared=name.form == "squared"
    ),
    "lenet5": lambda name, image, classes: LeNet5(image, classes, historic=name.form == "1998"),
    "alexnet": lambda name, image, classes: AlexNet(image, classes, normalised=name.form == "lrn"),
}


def build(name: str, image: tuple[int, int, int] = (3, 32, 32), classes: int = 10, seed: int = 0) -> nn.Module:
    """Build an image classifier by name, initialised from a seed as Keras would.

    Args:
        name: a model name, for example "ecrnn-bilstm-16", "crnn-lstm-32-32@rows", "cnn-1275" or "lenet5"; see
            `ecrnn.models.names`.
        image: (channels, height, width) of the pictures; 1 or 3 channels, sides from 8 to 1,024 pixels, for `lenet5`
            from 16 and for `alexnet` from 63.
        classes: number of classes, at least 2.
        seed: of the initial weights; the same seed gives the same weights.

    Returns:
        A module from standardised pictures (B, C, H, W), float32, to logits (B, classes).

    Raises:
        EcrnnError: a name outside the grammar (the line names the nearest right one) or a size out of bounds.

    Example:
        >>> import torch
        >>> model = build("crnn-gru-8", image=(1, 16, 16), classes=3)
        >>> model(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 3])
    """
    parsed = parse(name)
    check_sizes(image, classes, name)
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation draws from the global generator
        model = _MAKERS[parsed.family](parsed, image, classes)
    initialise(model, seed)
    return model


def usual_image(name: str) -> tuple[int, int, int]:
    """The (channels, height, width) that the model ``name`` was made for; (3, 32, 32) for the paper's family."""
    return _USUAL_IMAGES.get(parse(name).family, (3, 32, 32))


def check_sizes(image: tuple[int, int, int], classes: int, *models: str) -> None:
    """Raise an EcrnnError unless the picture's (C, H, W) and the number of classes are ones that ``models`` serve."""
    channels, height, width = image
    if channels not in (1, 3):
        raise EcrnnError(f"pictures have 1 or 3 channels, not {channels} (image is channels, height, width)")
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
        raise EcrnnError(f"pictures must be {MIN_SIDE} to {MAX_SIDE} pixels a side, not {height}x{width}")
    for model in models:
        least = MIN_SIDES.get(parse(model).family, MIN_SIDE)
        if min(height, width) < least:
            what = f"{model} takes pictures of {least} pixels a side or more, not {height}x{width}"
            raise EcrnnError(f"{what}; --image-size {least} resizes them")
    if not 2 <= classes <= MAX_CLASSES:
        raise EcrnnError(f"a classifier needs 2 to {MAX_CLASSES:,} classes, not {classes}")
