"""One prediction of `ecrnn predict`, and what the predictions of a model are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Prediction:
    """What a model says of one image or text.

    Attributes:
        input: path of the image, or the text.
        error: why there is no prediction; then the rest is empty.
        probabilities: float64 (classes,) of a classifier.
        text: what a model that writes has written.
    """

    input: str
    error: str = ""
    probabilities: np.ndarray | None = None
    text: str = ""

    @classmethod
    def of(cls, asked: str, answer: np.ndarray | str) -> Prediction:
        """What a model answered to ``asked``: probabilities of its classes, or a text."""
        return cls(asked, text=answer) if isinstance(answer, str) else cls(asked, probabilities=answer)


@dataclass(frozen=True)
class Shape:
    """What the predictions of a model are called.

    Attributes:
        input: "file" or "text".
        output: "prediction" of a classifier, or what a model writes: "caption", "text", "translation".
        classes: names of a classifier's classes, in the order of the probabilities.
        top: most classes that a table or a line of JSON has.
        least: probability below which an answer is rejected; None: none is.
    """

    input: str
    output: str = "prediction"
    classes: tuple[str, ...] = ()
    top: int = 3
    least: float | None = None

    def rejects(self, prediction: Prediction) -> bool:
        """Whether the model had better not answer."""
        sure = prediction.probabilities
        return self.least is not None and sure is not None and float(sure.max()) < self.least

    def best(self, prediction: Prediction) -> list[tuple[str, float]]:
        """The most probable classes with their probabilities."""
        assert prediction.probabilities is not None
        order = (-prediction.probabilities).argsort(kind="stable")[: self.top]
        return [(self.classes[k], float(prediction.probabilities[k])) for k in order]


def lead_names(shape: Shape) -> list[str]:
    """The names of the columns before those of the classes."""
    return [shape.input, shape.output, *(["rejected"] if shape.least is not None and shape.classes else [])]


def class_columns(shape: Shape, lead: list[str]) -> list[str]:
    """The names of the classes' columns, which differ from all of ``lead``."""
    return [f"{name} (class)" if name in lead else name for name in shape.classes]
