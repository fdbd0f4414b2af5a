"""From a name to a network. The one place where models are made."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ecrnn.core import tasks
from ecrnn.layers.initialisation import initialise
from ecrnn.models.alexnet import AlexNet
from ecrnn.models.caption import Captioner
from ecrnn.models.charlm import CharLM
from ecrnn.models.cnn import CNN
from ecrnn.models.crnn import CRNN
from ecrnn.models.ecrnn import ECNN, ECRNN
from ecrnn.models.frames import FramesRNN
from ecrnn.models.lenet5 import LeNet5
from ecrnn.models.mlp import MLP
from ecrnn.models.names import parse, task
from ecrnn.models.ocr import Reader
from ecrnn.models.parallel import Parallel
from ecrnn.models.rows import RowsRNN, RowsRNNThenCNN
from ecrnn.models.sentiment import Sentiment, SentimentCNN, SentimentParallel
from ecrnn.models.sizes import Sizes, check, needed
from ecrnn.models.translate import Translator

Make = Callable[..., nn.Module]


#: By family, or by family and form where these have classes of their own. Each takes the name taken apart and the sizes
#: that its task needs, in the order of `sizes.NEEDS`.
_MAKERS: dict[str, Make] = {
    "cnn": lambda name, image, classes: CNN(name.nodes, image, classes),
    "ecnn": lambda name, image, classes: ECNN(image, classes),
    "crnn": CRNN,
    "ecrnn": ECRNN,
    "mlp": lambda name, image, classes: MLP(name.nodes[0], image, classes, squared=name.form == "squared"),
    "lenet5": lambda name, image, classes: LeNet5(image, classes, historic=name.form == "1998"),
    "alexnet": lambda name, image, classes: AlexNet(image, classes, normalised=name.form == "lrn"),
    "rows": RowsRNN,
    "rows-cnn": RowsRNNThenCNN,
    "parallel": Parallel,
    "frames": FramesRNN,
    "charlm": CharLM,
    "sentiment": Sentiment,
    "sentiment-cnn": SentimentCNN,
    "sentiment-parallel": SentimentParallel,
    "translate": Translator,
    "caption": Captioner,
    "ocr": Reader,
}


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
        image: (channels, height, width) of the pictures; 1 or 3 channels, sides from 8 to 1,024 pixels, for `lenet5`
            from 16 and for `alexnet` from 63. Default (3, 32, 32) for image classifiers.
        classes: number of classes, at least 2. Default 10 for image classifiers.
        seed: of the initial weights; the same seed gives the same weights.
        tokens: ids of the vocabulary of models that read or write text, at least 5.
        source_tokens: ids of the vocabulary that `translate` reads; ``tokens`` are those that it writes.
        frames: of a clip, for `frames`, from 2 to 1,024.

    Returns:
        A module; of an image classifier from standardised pictures (B, C, H, W), float32, to logits (B, classes). What
        the others take and give is said in their classes.

    Raises:
        EcrnnError: a name outside the grammar (the line names the nearest right one), a size that the model needs is
            missing, or one is out of bounds. Sizes that a model does not need are checked and not used.

    Example:
        >>> import torch
        >>> model = build("crnn-gru-8", image=(1, 16, 16), classes=3)
        >>> model(torch.zeros(2, 1, 16, 16)).shape
        torch.Size([2, 3])
    """
    if task(name) == tasks.IMAGE_CLASSIFICATION.name:
        image, classes = image or (3, 32, 32), 10 if classes is None else classes
    return make(name, Sizes(image, classes, tokens, source_tokens, frames), seed)


def make(name: str, sizes: Sizes, seed: int = 0) -> nn.Module:
    """The model ``name`` for data of these sizes, initialised from ``seed``.

    Raises:
        EcrnnError: as `build`, which has no defaults here.
    """
    parsed = parse(name)
    check(sizes, name)
    maker = _MAKERS.get(f"{parsed.family}-{parsed.form}") or _MAKERS[parsed.family]
    with torch.random.fork_rng(devices=[]):  # torch's own initialisation draws from the global generator
        model = maker(parsed, *needed(sizes, name))
    initialise(model, seed)
    return model
