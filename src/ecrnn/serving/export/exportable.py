"""What a task says of its models so that they can be exported: a module, its inputs, and examples to compare it by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.models.inference import Standardise
from ecrnn.serving.predictor import Predictor

Model = TypeVar("Model", bound=Predictor)
Axes = Mapping[int, str]
BATCH: Axes = {0: "batch"}


class Exportable(ABC, Generic[Model]):
    """How the models of one task are exported; a class made of it is the ``export`` of the task's row.

    An example is what one answer is about, in the form in which the predictor takes it: an image, a text.

    Args:
        model: in use, on the CPU.

    Attributes:
        inputs: names of the inputs in the order of the module's, each with the names of its axes of any size, by place.
        outputs: likewise of the outputs.
        noun: what examples are called, in the plural.
        page: how the HTML page shows an answer: "classes", "text", or "" where there is no page for the task.
    """

    inputs: ClassVar[Mapping[str, Axes]]
    outputs: ClassVar[Mapping[str, Axes]] = {"probabilities": BATCH, "logits": BATCH}
    noun: ClassVar[str]
    page: ClassVar[str] = ""

    def __init__(self, model: Model) -> None:
        self.model = model

    @abstractmethod
    def module(self) -> nn.Module:
        """From the inputs to the outputs, with all preprocessing that ONNX can say."""

    @abstractmethod
    def examples(self, data: Any, index: np.ndarray) -> list[Any]:
        """The examples ``index`` of ``data``, which the predictor's `examples` gave."""

    @abstractmethod
    def synthetic(self, n: int, generator: np.random.Generator) -> list[Any]:
        """``n`` examples of the kind that the model takes, drawn where none of its data are at hand."""

    @abstractmethod
    def collate(self, examples: Sequence[Any]) -> tuple[np.ndarray, ...]:
        """The inputs for a batch of examples, in the order of ``inputs``."""

    @abstractmethod
    def answers(self, examples: Sequence[Any]) -> dict[str, np.ndarray]:
        """What the predictor itself says of examples: the outputs by name, as the exported file should give them."""

    def image_graph(self) -> str:
        """What stands before the module where the input is a whole image, as text of ONNX.

        A graph from ``image``, uint8 (1, height, width, 3), upright RGB of any size, to the module's inputs.

        Raises:
            EcrnnError: the models of the task take no whole image, or this one not by a rule that ONNX can say.
        """
        raise EcrnnError(f"a model for {self.model.task.name} takes no whole images; export it with --input pixels")

    def of_image(self, image: np.ndarray) -> np.ndarray:
        """An example from a whole image, uint8 (height, width, 3), by the predictor's own rule; of the same tasks."""
        raise NotImplementedError

    def preprocessing(self) -> dict[str, Any]:
        """What the file does with its input, plain data for JSON."""
        return {}

    def more_metadata(self) -> dict[str, str]:
        """What a program that runs the file needs beside its preprocessing and the class names."""
        return {}


class StandardisedClassifier(nn.Module):
    """uint8 images (B, H, W, C), or clips (B, T, H, W, C), to probabilities and logits (B, classes).

    Args:
        standardise: the processor's.
        network: the trained one.
    """

    def __init__(self, standardise: Standardise, network: nn.Module) -> None:
        super().__init__()
        self.standardise, self.network = standardise, network

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(self.standardise(pixels))
        return torch.softmax(logits, 1), logits


class SequenceClassifier(nn.Module):
    """Sequences (B, T, ...) and their lengths (B,) to probabilities and logits (B, classes).

    Args:
        network: takes both.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, sequences: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network(sequences, lengths)
        return torch.softmax(logits, 1), logits
