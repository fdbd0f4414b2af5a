"""Builds a network from its name; the one place where networks are built."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import default
from ecrnn.layers.initialisation import initialise
from ecrnn.models.names import ModelName, parse
from ecrnn.models.spec import InputSpec, check


def build(
    name: str,
    image: tuple[int, int, int] | None = None,
    classes: int | None = None,
    seed: int = 0,
    *,
    tokens: int | None = None,
    source_tokens: int | None = None,
    frames: int | None = None,
) -> nn.Module:
    """Build a model by name, initialised from a seed as Keras would.

    Args:
        name: a model name, for example "ecrnn-bilstm-16", "crnn-lstm-32-32@rows", "cnn-1275", "lenet5", "charlm" or
            "translate-attention"; see `ecrnn.models.names`.
        image: (channels, height, width) of the images; 1 or 3 channels, sides from 8 to 1,024 pixels, for `lenet5`
            from 16 and for `alexnet` from 63. Default (3, 32, 32) for image classifiers.
        classes: number of classes, at least 2. Default 10 for image classifiers.
        seed: of the initial weights; the same seed gives the same weights.
        tokens: ids of the vocabulary of models that read or write text, at least 5.
        source_tokens: ids of the vocabulary that `translate` reads; ``tokens`` are those that it writes.
        frames: of a clip, for `frames`, from 2 to 1,024.

    Returns:
        A module; of an image classifier from standardised images (B, C, H, W), float32, to logits (B, classes). What
        the others take and give is said in their classes.

    Raises:
        EcrnnError: a name outside the grammar (the line names the nearest valid one), a size that the model needs is
            missing, or one is out of bounds. Sizes that a model does not need are checked and not used.

    Examples:
        >>> import torch
        >>> model = build("crnn-gru-8", image=(1, 16, 16), classes=3)
        >>> model(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 3])
    """
    model = parse(name)
    if model.task == default():
        usual = default().usual
        image, classes = image or usual["image"], usual["classes"] if classes is None else classes
    return make(model, InputSpec(image, classes, tokens, source_tokens, frames), seed)


def make(name: ModelName, spec: InputSpec, seed: int = 0) -> nn.Module:
    """The model ``name`` for data of these sizes, initialised from ``seed``.

    Raises:
        EcrnnError: a size that the model needs is missing, or one is out of bounds; or it is no network.
    """
    check(spec, name)
    check_network(name)
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation draws from the global generator
        if name.row.source is None:
            network = _construct(name, spec)
            initialise(network, seed)
        else:
            torch.default_generator.manual_seed(seed)
            network = _construct(name, spec)
    return network


def check_network(name: ModelName) -> None:
    """Raise an EcrnnError for the name of a model that is no network but a classifier of scikit-learn."""
    if name.row.estimator:
        raise EcrnnError(f"{name} is a classifier of scikit-learn, not a network; it takes part in compare alone")


def _construct(name: ModelName, spec: InputSpec) -> nn.Module:
    builder = name.row.builder
    with_name = {"name": name} if "name" in inspect.signature(builder).parameters else {}
    network = builder(spec=spec, **with_name, **dict(name.options))
    if not isinstance(network, nn.Module):
        raise EcrnnError(f"model '{name}': it gives {type(network).__name__}, and should give a torch.nn.Module")
    return network
