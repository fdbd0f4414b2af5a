"""The base of predictors: a trained model in use, whatever its task."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import nn

from ecrnn.core.devices import resolve_device
from ecrnn.core.errors import DataError, EcrnnError, NotFiniteError
from ecrnn.core.form import Fit
from ecrnn.core.predictions import AnyPredictions, Example
from ecrnn.core.spelling import nfc
from ecrnn.core.tasks import Task
from ecrnn.data.example_set import ExampleSet, LabelledSet
from ecrnn.models.inference import Standardise
from ecrnn.models.processor import Processor
from ecrnn.serving.bundle import Description
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.stats.metrics import METRICS, Metric

Answers = np.ndarray | list[str]  # probabilities of classes, float64 (n, classes), or a text an input


class Judged(NamedTuple):
    """A model's predictions for examples: what the metric needs, and the texts it wrote, where its task is to write."""

    predictions: AnyPredictions
    written: list[str] | None = None

    @property
    def texts(self) -> list[str]:
        """``written``, of a model that writes."""
        assert self.written is not None
        return self.written


class Beside(NamedTuple):
    """What an evaluation shows beside the task's metric.

    ``figures`` are other metrics with the statistics of each example; ``facts`` are texts by what they are called.
    """

    figures: Sequence[tuple[Metric, np.ndarray]] = ()
    facts: Mapping[str, str] = MappingProxyType({})
    examples: Iterable[Example] = ()


class Predictor(ABC):
    """A trained model; `ecrnn.load` gives one of the classes made of it.

    Attributes:
        description: what `bundle.json` says.
        processor: standardisation, vocabularies, lengths.
        network: the torch module, in float32, in evaluation mode.
        metrics: what was measured when the bundle was made, from `metrics.json`.
        task: what it does and how it is judged.
        device: where it computes.
        trained_on: keys of the examples of its training; None where its bundle has none.
    """

    trained_on: TrainedOn | None = None

    def __init__(
        self,
        description: Description,
        processor: Processor,
        network: nn.Module,
        metrics: dict[str, Any],
        device: str = "auto",
    ) -> None:
        self.description, self.processor, self.metrics = description, processor, metrics
        self.task: Task = processor.task
        self.device = resolve_device(device)
        self.network = network.to(device=self.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
        self.prepare()

    def prepare(self) -> None:  # noqa: B027 - most tasks need nothing
        """Make what the predictions of a task need besides; the constructor calls it once, last.

        Raises:
            BundleError: a part of the processor that only the task can check is not as it should be.
        """

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the probabilities; () where the task has none."""
        return self.processor.classes

    @property
    def image(self) -> tuple[int, int, int]:
        """(channels, height, width) of the images or frames that the network takes, where its task has any."""
        assert self.processor.preprocessing is not None
        return self.processor.preprocessing.image

    @property
    def fit(self) -> Fit:
        """How an image of another shape is brought to `image`, where its task has any."""
        assert self.processor.preprocessing is not None
        return self.processor.preprocessing.fit

    @cached_property
    def standardise(self) -> Standardise:
        """The standardisation of images or frames as a module on the device, where the task has any."""
        return self.processor.standardise().to(self.device)

    @abstractmethod
    def examples(self, data: str, data_dir: Path | None = None) -> Any:
        """The examples of a registered data set, a file or a folder, in the form that this model takes.

        Raises:
            DataError: missing, damaged or of another task.
        """

    def search(self, width: int) -> None:
        """Take a beam search of ``width`` hypotheses from now on; 1 for the greedy one.

        Raises:
            EcrnnError: the model does not write, or a width out of bounds.
        """
        if width != 1:
            raise EcrnnError(f"a beam search is for models that write texts, not for {self.task.name}")

    @contextlib.contextmanager
    def naming(self, example: Callable[[int], str]) -> Iterator[None]:
        """Name the model and the example in errors of outputs that are not finite; ``example`` names a row."""
        try:
            yield
        except NotFiniteError as error:
            raise NotFiniteError(error.row, self.description.model, example(error.row)) from error

    @abstractmethod
    def judge(self, data: Any, index: np.ndarray) -> Judged:
        """The model's predictions for the examples ``index`` of ``data``, which `examples` gave."""

    def beside(self, data: Any, index: np.ndarray, judged: Judged) -> Beside:
        """What an evaluation shows beside the metric; arguments as of `judge`, which gave ``judged``."""
        return Beside()

    def look(self, data: Any, place: int) -> tuple[str, np.ndarray | None]:
        """What the example at a place of ``data`` is called, and an image of it, uint8 (H, W, C), where it has one."""
        return example_name(data, np.array([place]), self.task.examples.removesuffix("s"))(0), None

    def alone(self, judged: Judged, place: int) -> float:
        """The metric of one of the examples judged alone."""
        return METRICS[self.task.metric].value(judged.predictions.statistics[place : place + 1])


@runtime_checkable
class ReadsTexts(Protocol):
    """A predictor of a task that reads texts."""

    def answers(self, inputs: Sequence[str]) -> Answers:
        """What the model says of texts."""


@runtime_checkable
class ReadsFiles(Protocol):
    """A predictor of a task that reads images or other files."""

    def open(self, path: str | Path) -> Any:
        """A file in the form that `answers` takes.

        Raises:
            DataError: the file cannot be read.
        """

    def answers(self, inputs: Sequence[Any]) -> Answers:
        """What the model says of files as `open` gives them."""

    def naming(self, example: Callable[[int], str]) -> contextlib.AbstractContextManager[None]:
        """As of `Predictor`."""


@runtime_checkable
class Explains(ReadsFiles, Protocol):
    """A predictor that says why its model says what it says."""

    def explain(self, image: Any, **options: Any) -> Any:
        """An `ecrnn.explain.explanation.Explanation` of a file or of what `open` gives."""


@runtime_checkable
class Generates(Protocol):
    """A predictor whose model writes on."""

    def generate(
        self,
        prompt: str = ...,
        length: int = ...,
        *,
        temperature: float = ...,
        top_k: int | None = ...,
        seed: int | None = ...,
    ) -> Iterator[str]:
        """The characters that go on from ``prompt``, one after another as they are drawn."""


def example_name(data: ExampleSet, index: np.ndarray, noun: str) -> Callable[[int], str]:
    """What to call the example at a row of ``index``: its file, or its number in the data."""

    def name(row: int) -> str:
        return str(data.files[index[row]]) if data.files else f"{noun} {index[row]} of {data.name}"

    return name


def true_labels(classes: tuple[str, ...], data: LabelledSet, index: np.ndarray) -> np.ndarray:
    """The classes of the examples ``index`` of ``data`` in the order of a model's ``classes``, int64 (n,).

    Raises:
        DataError: the data has a class that the model does not know.
    """
    exact = {name: number for number, name in enumerate(classes)}
    known = {nfc(name): number for name, number in exact.items()} | exact
    names = [name if name in exact else nfc(name) for name in data.classes]
    foreign = [name for name in names if name not in known]
    if foreign:
        listed = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
        raise DataError(f"{data.name} has a class '{foreign[0]}' that the model does not know: {listed}")
    return np.array([known[name] for name in names], np.int64)[data.labels[index]]


def has_test_part(data: ExampleSet) -> bool:
    """Whether a data set has a test part of its own."""
    return data.n_train < len(data)


def short(text: str, most: int = 60) -> str:
    """The beginning of a text, to name it in an error."""
    return text if len(text) <= most else f"{text[:most]}\N{HORIZONTAL ELLIPSIS}"


def check_list(texts: Any, what: str) -> None:
    """Raise a DataError where one text or path was given for a list of them."""
    if isinstance(texts, str | Path):
        raise DataError(f"{what} should be a list, not one of them; write [...] around it")
