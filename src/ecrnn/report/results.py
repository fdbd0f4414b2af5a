"""The plain data of a report: what every output needs, computed once in analyse.py and drawn elsewhere.

Accuracies and differences are fractions, times are seconds. `plain` turns any of it into what JSON can hold.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Literal

from ecrnn.stats import Comparison, Summary


@dataclass(frozen=True)
class ModelRow:
    """One model: its scores at the last epoch, what it costs, and its best epoch, which is optimistic.

    ``scores`` belong to ``repeats`` one to one. ``parameters`` are counted as the paper counts them,
    ``multiply_adds`` are of one picture; ``seconds`` (of training), ``steps`` and ``best_accuracy`` are means
    over the trials.
    """

    model: str
    repeats: tuple[int, ...]
    scores: tuple[float, ...]
    summary: Summary
    parameters: int | None
    trainable: int | None
    multiply_adds: int | None
    seconds: float | None
    total_seconds: float | None
    steps: float | None
    best_accuracy: float | None


@dataclass(frozen=True)
class TrialRow:
    """One finished trial."""

    model: str
    repeat: int
    accuracy: float
    best_accuracy: float | None
    best_epoch: int | None
    seconds: float | None
    device: str
    precision: str
    threads: int | None
    finished: str


@dataclass(frozen=True)
class Curve:
    """One quantity of one model after each epoch: mean and range over the repeats."""

    model: str
    quantity: Literal["train_accuracy", "validation_accuracy", "train_loss", "validation_loss"]
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class ClassScore:
    """One class: pictures of it, pictures given it, and right ones; shares are None where there are no
    pictures."""

    name: str
    n: int
    given: int
    right: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class ConfusedPair:
    """Pictures of one class taken for another; ``share`` is of all pictures of the true class."""

    true: str
    given: str
    n: int
    share: float


@dataclass(frozen=True)
class Confusion:
    """Rows are true classes, columns given ones; summed over the repeats of a model."""

    model: str
    counts: tuple[tuple[int, ...], ...]
    classes: tuple[ClassScore, ...]
    most_confused: tuple[ConfusedPair, ...]


@dataclass(frozen=True)
class FairnessLine:
    """One thing that a fair comparison holds equal, or must say is not."""

    what: str
    status: Literal["same", "differs", "note"]
    text: str


@dataclass(frozen=True)
class MissingTrial:
    """A trial without a valid result."""

    model: str
    repeat: int
    state: str
    reason: str


@dataclass(frozen=True)
class Analysis:
    """Everything a report shows. ``headline`` is the answer in a sentence, ``certainty`` how sure it is."""

    title: str
    headline: str
    certainty: str
    warnings: tuple[str, ...]
    data: str
    classes: tuple[str, ...]
    settings: dict[str, Any]
    folders: tuple[str, ...]
    planned: int
    comparison: Comparison
    models: tuple[ModelRow, ...]
    trials: tuple[TrialRow, ...]
    curves: tuple[Curve, ...]
    confusions: tuple[Confusion, ...]
    fairness: tuple[FairnessLine, ...]
    missing: tuple[MissingTrial, ...]
    paper_warning: str
    environment: dict[str, str]
    command: str
    finished: str  # when the last trial ended, ISO; so the same runs give the same report

    @property
    def best(self) -> ModelRow:
        """The model with the highest mean accuracy; the first of equals."""
        return max(self.models, key=lambda row: row.summary.mean)

    @property
    def fixed_test(self) -> bool:
        """Whether all repeats were scored on the data set's own test images."""
        return self.comparison.fixed_test

    @property
    def pictures(self) -> str:
        """What the scored pictures are called."""
        return "test" if self.fixed_test else "validation"


def plain(value: Any) -> Any:
    """``value`` as nested dicts, lists, texts and finite numbers; what is not finite becomes None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
