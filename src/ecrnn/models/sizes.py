"""The sizes of a data set that a model is built for: which a model needs, which are usual, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecrnn.core import tasks
from ecrnn.core.errors import EcrnnError
from ecrnn.models import alexnet, lenet5
from ecrnn.models.names import parse, task

MIN_SIDE, MAX_SIDE = 8, 1024  # pixels
MIN_SIDES = {"lenet5": lenet5.MIN_SIDE, "alexnet": alexnet.MIN_SIDE}  # of families that need larger pictures
MIN_LINE, MAX_LINE = 4, 4096  # pixels; the width of a picture of a line of text
MAX_CLASSES = 100_000
MIN_TOKENS, MAX_TOKENS = 5, 100_000  # four ids mean no text: padding, unknown, begin and end
MIN_FRAMES, MAX_FRAMES = 2, 1024


@dataclass(frozen=True)
class Sizes:
    """Sizes of a data set; None where it has no such size.

    Attributes:
        image: (channels, height, width) of the pictures or frames, in pixels; of lines of text the usual width.
        classes: number of classes.
        tokens: ids of the vocabulary that a model reads, or writes where it translates.
        source_tokens: ids of the vocabulary of the sentences to be translated.
        frames: of a clip.
    """

    image: tuple[int, int, int] | None = None
    classes: int | None = None
    tokens: int | None = None
    source_tokens: int | None = None
    frames: int | None = None


#: Which sizes the models of a task need, in the order in which their constructors take them.
NEEDS: dict[str, tuple[str, ...]] = {
    tasks.IMAGE_CLASSIFICATION.name: ("image", "classes"),
    tasks.CLIP_CLASSIFICATION.name: ("frames", "image", "classes"),
    tasks.TEXT_CLASSIFICATION.name: ("tokens", "classes"),
    tasks.NEXT_TOKEN.name: ("tokens",),
    tasks.TRANSLATION.name: ("source_tokens", "tokens"),
    tasks.CAPTIONING.name: ("image", "tokens"),
    tasks.TRANSCRIPTION.name: ("image", "tokens"),
}
_MEANING = {
    "image": "channels, height and width of the pictures",
    "classes": "the number of classes",
    "tokens": "the number of ids in the vocabulary",
    "source_tokens": "the number of ids in the vocabulary of the sentences to be translated",
    "frames": "the number of frames of a clip",
}
_USUAL = {  # of the data set by which a family is checked, see SYSTEMS.md
    "lenet5": Sizes((1, 32, 32), 10),
    "alexnet": Sizes((3, 224, 224), 1000),
    "frames": Sizes((1, 32, 32), 5, frames=8),
    "charlm": Sizes(tokens=69),
    "sentiment": Sizes(classes=2, tokens=10_000),
    "translate": Sizes(tokens=8000, source_tokens=8000),
    "caption": Sizes((3, 96, 96), tokens=4000),
    "ocr": Sizes((1, 32, 128), tokens=40),
}


def usual(model: str) -> Sizes:
    """The sizes that the model was made for, as an example of its size and work; the paper's for its family."""
    return _USUAL.get(parse(model).family, Sizes((3, 32, 32), 10))


def needed(sizes: Sizes, model: str) -> tuple[Any, ...]:
    """Those of ``sizes`` that ``model`` needs, in the order of `NEEDS`.

    Raises:
        EcrnnError: one is missing.
    """
    for key in NEEDS[task(model)]:
        if getattr(sizes, key) is None:
            raise EcrnnError(f"{model} needs {key}, {_MEANING[key]}")
    return tuple(getattr(sizes, key) for key in NEEDS[task(model)])


def check(sizes: Sizes, *models: str) -> None:
    """Raise an EcrnnError unless every size given is within bounds and ``models`` have all that they need of them."""
    for model in models:
        needed(sizes, model)
    if sizes.image is not None:
        _check_image(sizes.image, models)
    if sizes.classes is not None and not 2 <= sizes.classes <= MAX_CLASSES:
        raise EcrnnError(f"a classifier needs 2 to {MAX_CLASSES:,} classes, not {sizes.classes}")
    for tokens in (sizes.source_tokens, sizes.tokens):
        if tokens is not None and not MIN_TOKENS <= tokens <= MAX_TOKENS:
            raise EcrnnError(f"a vocabulary has {MIN_TOKENS} to {MAX_TOKENS:,} ids, not {tokens}")
    if sizes.frames is not None and not MIN_FRAMES <= sizes.frames <= MAX_FRAMES:
        raise EcrnnError(f"a clip has {MIN_FRAMES} to {MAX_FRAMES:,} frames, not {sizes.frames}")


def _check_image(image: tuple[int, int, int], models: tuple[str, ...]) -> None:
    channels, height, width = image
    if channels not in (1, 3):
        raise EcrnnError(f"pictures have 1 or 3 channels, not {channels} (image is channels, height, width)")
    if models and all(task(model) == tasks.TRANSCRIPTION.name for model in models):
        if not (MIN_SIDE <= height <= MAX_SIDE and MIN_LINE <= width <= MAX_LINE):
            bounds = f"{MIN_SIDE} to {MAX_SIDE} pixels high and {MIN_LINE} to {MAX_LINE} wide"
            raise EcrnnError(f"lines of text must be {bounds}, not {height}x{width} (height x width)")
        return
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
        raise EcrnnError(f"pictures must be {MIN_SIDE} to {MAX_SIDE} pixels a side, not {height}x{width}")
    for model in models:
        least = MIN_SIDES.get(parse(model).family, MIN_SIDE)
        if min(height, width) < least:
            what = f"{model} takes pictures of {least} pixels a side or more, not {height}x{width}"
            raise EcrnnError(f"{what}; --image-size {least} resizes them")
