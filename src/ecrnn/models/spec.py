"""The sizes of a network's inputs and outputs, and their bounds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.models.family import MAX_SIDE, MIN_SIDE
from ecrnn.models.names import ModelName

MIN_LINE, MAX_LINE = 4, 4096  # pixels; the width of an image of a line of text
MAX_CLASSES = 100_000
MIN_TOKENS, MAX_TOKENS = 5, 100_000  # four ids mean no text: padding, unknown, begin and end
MIN_FRAMES, MAX_FRAMES = 2, 1024
MAX_FEATURES = 4096
_MEANING = {
    "image": "channels, height and width of the images",
    "classes": "the number of classes",
    "tokens": "the number of ids in the vocabulary",
    "source_tokens": "the number of ids in the vocabulary of the sentences to be translated",
    "frames": "the number of frames of a clip",
    "features": "the number of values a step",
}


@dataclass(frozen=True)
class InputSpec:
    """Sizes of a data set; None where it has no such size.

    Attributes:
        image: (channels, height, width) of the images or frames, in pixels; of lines of text the usual width.
        classes: number of classes.
        tokens: ids of the vocabulary that a model reads, or writes where it translates.
        source_tokens: ids of the vocabulary of the sentences to be translated.
        frames: of a clip.
        features: values a step of a numeric sequence.
    """

    image: tuple[int, int, int] | None = None
    classes: int | None = None
    tokens: int | None = None
    source_tokens: int | None = None
    frames: int | None = None
    features: int | None = None

    def take(self, *fields: str, model: ModelName | str = "the model") -> tuple[Any, ...]:
        """The values of some fields, in this order.

        Raises:
            EcrnnError: one is None; the line says that ``model`` needs it.
        """
        for name in fields:
            if getattr(self, name) is None:
                raise EcrnnError(f"{model} needs {name}, {_MEANING[name]}")
        return tuple(getattr(self, name) for name in fields)


def usual(model: ModelName) -> InputSpec:
    """The sizes that the model was made for, as an example of its size and work; the paper's for its family."""
    return InputSpec(**{**model.task.usual, **model.row.usual})


def check(spec: InputSpec, *models: ModelName) -> None:
    """Raise an EcrnnError unless every size is within bounds and ``models`` have all that they need of them."""
    for model in models:
        spec.take(*model.task.inputs, model=model)
    if spec.image is not None:
        _check_image(spec.image, models)
    if spec.classes is not None and not 2 <= spec.classes <= MAX_CLASSES:
        raise EcrnnError(f"a classifier needs 2 to {MAX_CLASSES:,} classes, not {spec.classes}")
    for tokens in (spec.source_tokens, spec.tokens):
        if tokens is not None and not MIN_TOKENS <= tokens <= MAX_TOKENS:
            raise EcrnnError(f"a vocabulary has {MIN_TOKENS} to {MAX_TOKENS:,} ids, not {tokens}")
    if spec.features is not None and not 1 <= spec.features <= MAX_FEATURES:
        raise EcrnnError(f"a step has 1 to {MAX_FEATURES:,} values, not {spec.features}")
    if spec.frames is not None and not MIN_FRAMES <= spec.frames <= MAX_FRAMES:
        raise EcrnnError(f"a clip has {MIN_FRAMES} to {MAX_FRAMES:,} frames, not {spec.frames}")


def _check_image(image: tuple[int, int, int], models: tuple[ModelName, ...]) -> None:
    channels, height, width = image
    if channels not in (1, 3):
        raise EcrnnError(f"images have 1 or 3 channels, not {channels} (image is channels, height, width)")
    if models and all(model.task.any_width for model in models):
        if not (MIN_SIDE <= height <= MAX_SIDE and MIN_LINE <= width <= MAX_LINE):
            bounds = f"{MIN_SIDE} to {MAX_SIDE} pixels high and {MIN_LINE} to {MAX_LINE} wide"
            raise EcrnnError(f"lines of text must be {bounds}, not {height}x{width} (height x width)")
        return
    if min(height, width) < MIN_SIDE or max(height, width) > MAX_SIDE:
        raise EcrnnError(f"images must be {MIN_SIDE} to {MAX_SIDE} pixels a side, not {height}x{width}")
    for model in models:
        least = model.row.min_side
        if min(height, width) < least:
            what = f"{model} takes images of {least} pixels a side or more, not {height}x{width}"
            raise EcrnnError(f"{what}; --image-size {least} resizes them")
