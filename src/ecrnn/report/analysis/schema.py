"""The plain data of a report, which report.json holds: what every output needs, computed once in analyse.py.

Scores and differences are values of the task's metric (fractions for accuracy), times are seconds. `plain` turns any of
it into what JSON can hold.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

from ecrnn.core.tasks import default
from ecrnn.report.supplement import Supplement
from ecrnn.stats import ACCURACY, Comparison, Metric, SeedAndSplit, SequentialComparison, Summary

# What JSON without these keys is of, and what they are left out for: as reports of image classifiers always were.
_LEFT_OUT = {
    "task": default().name,
    "metric": ACCURACY.name,
    "examples": default().examples,
    "class_scores": (),
    "epoch_scores": (),
    "plan": None,
    "sequential": None,
    "contrasts": (),
    "variation": (),
    "trainings": None,
    "chosen_after": False,
}
OF_CONTRASTS = ("score_epochs ", "rope ")  # how choices begin, in `Plan.chosen_after`, that contrasts rest on too
_SCORE, _BEST = {"key": "{}"}, {"key": "best_{}"}  # of the metric: "accuracy" and "best_accuracy" in JSON


@dataclass(frozen=True)
class ModelRow:
    """One model: its scores, what it costs, and its best epoch, which is optimistic.

    ``scores`` belong to ``repeats`` one to one. ``parameters`` are counted as the paper counts them,
    ``multiply_adds`` are of one example; ``seconds`` (of training), ``steps`` and ``best_score`` are means
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
    best_score: float | None = field(metadata=_BEST)


@dataclass(frozen=True)
class ScoreRow:
    """One model by one of the scores of `ecrnn.stats.CLASS_SCORES`; no summary where a repeat has no such score."""

    model: str
    name: str
    scores: tuple[float | None, ...]
    summary: Summary | None


@dataclass(frozen=True)
class TrialRow:
    """One finished trial. ``epoch_scores`` are those of the epochs whose mean the score is, if there are several."""

    model: str
    repeat: int
    score: float = field(metadata=_SCORE)
    best_score: float | None = field(metadata=_BEST)
    best_epoch: int | None
    seconds: float | None
    device: str
    precision: str
    threads: int | None
    finished: str
    split: str = field(metadata={"key": None})
    epoch_scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Curve:
    """One quantity of one model after each epoch: mean and range over the repeats.

    ``trials`` has a line for each training, None where an epoch is missing; report.json does not hold them.
    ``quantity`` is as in metrics.jsonl, "train_" or "validation_" and "loss" or the name of the task's metric.
    """

    model: str
    quantity: str
    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    trials: tuple[tuple[float | None, ...], ...] = field(default=(), metadata={"key": None})


@dataclass(frozen=True)
class ClassScore:
    """One class: images of it, images given it, and right ones; shares are None where there are no
    images."""

    name: str
    n: int
    given: int
    right: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True)
class ConfusedPair:
    """Images of one class taken for another; ``share`` is of all images of the true class."""

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
class Subject:
    """What the scores of a report are of, in the words that its outputs need; report.json does not hold them.

    Attributes:
        metric: by which the models are compared.
        metric_of_epochs: the one that is known after every epoch; None where the trainings are not known.
        examples: what the scored examples are called, in the plural: "images".
        part: the part of the data that is scored: "test" or "validation".
        moment: moment of a training at which it is scored: "after the last epoch"; "" where that is not known.
        epochs: whose mean the score of a training is; 1 where it is the last one's.
        facts: what stands at the top of the page, each with its name.
        again: what the page says of the command.
        source: the last line of the page: what the report is made from. In both, commands and names of files stand
            between backticks.
    """

    metric: Metric
    metric_of_epochs: Metric | None
    examples: str
    part: str
    moment: str
    facts: tuple[tuple[str, str], ...]
    again: str
    source: str
    epochs: int = 1

    @property
    def mean_of_epochs(self) -> str:
        """What must be said of a score that is a mean: "mean of the last 3 epochs"; "" of the last epoch's."""
        return f"mean of the last {self.epochs} epochs" if self.epochs > 1 else ""

    @property
    def scored(self) -> str:
        """What is scored: "validation images"."""
        return f"{self.part} {self.examples}"


@dataclass(frozen=True)
class Plan:
    """What was written down before the first training of a study, and how far the report keeps to it.

    Attributes:
        metric, score_epochs, baseline, pairs, rope, repeats: as in `ecrnn.core.config.StudySettings`; no baseline and
            no pairs: all pairs. The rope is in values of the metric.
        repeats_now: repeats of the study today, which somebody may have raised.
        chosen_after: what the report compares in another way, a phrase each.
        unfinished: trainings that the plan waits for; until there are none, no verdict is given.
    """

    metric: str
    score_epochs: int
    baseline: str | None
    pairs: tuple[tuple[str, str], ...] | None
    rope: float
    repeats: int
    repeats_now: int
    chosen_after: tuple[str, ...]
    unfinished: int


@dataclass(frozen=True)
class Variation:
    """What the score of a model, or with ``model_b`` the difference of a pair, varies with."""

    model_a: str
    model_b: str | None
    found: SeedAndSplit


@dataclass(frozen=True)
class Analysis:
    """Everything a report shows. ``headline`` is the answer in a sentence, ``certainty`` how sure it is.

    ``class_scores`` has all scores of classifiers, and is empty in reports of studies that name none beforehand.
    ``variation`` is of studies that train each split several times. ``task`` is a name in `ecrnn.core.tasks.TASKS`, ""
    for scores from elsewhere; ``classes`` and ``confusions`` are empty where it has no classes, ``curves`` where the
    trainings are not known.
    """

    title: str
    headline: str
    certainty: str
    warnings: tuple[str, ...]
    task: str
    data: str
    classes: tuple[str, ...]
    settings: dict[str, Any]
    folders: tuple[str, ...]
    planned: int
    comparison: Comparison
    models: tuple[ModelRow, ...]
    class_scores: tuple[ScoreRow, ...]
    trials: tuple[TrialRow, ...]
    curves: tuple[Curve, ...]
    confusions: tuple[Confusion, ...]
    fairness: tuple[FairnessLine, ...]
    missing: tuple[MissingTrial, ...]
    paper_warning: str
    supplement: Supplement | None = field(metadata={"key": "reproduction"})
    environment: dict[str, str]
    command: str
    finished: str  # when the last trial ended, ISO; so the same runs give the same report
    subject: Subject = field(metadata={"key": None})
    plan: Plan | None = None  # None where nothing is known of one
    variation: tuple[Variation, ...] = ()
    sequential: SequentialComparison | None = None  # the looks of a study that trained until it was decided

    @property
    def interim(self) -> bool:
        """Whether planned trainings are not finished, so that no verdict is given."""
        return self.plan is not None and self.plan.unfinished > 0

    @property
    def chosen_after(self) -> bool:
        """Whether something that the verdicts rest on was chosen after the results."""
        return self.plan is not None and bool(self.plan.chosen_after)

    @property
    def contrasts_chosen_after(self) -> bool:
        """Whether the score or the region of equivalence, on which contrasts rest too, was chosen after the results."""
        return self.plan is not None and any(choice.startswith(OF_CONTRASTS) for choice in self.plan.chosen_after)

    @property
    def last_epoch_alone(self) -> str:
        """What must be said of figures of single examples, which are of the last epoch, where the score is a mean."""
        return " Of the last epoch alone." if self.subject.epochs > 1 else ""

    @property
    def metric(self) -> Metric:
        """By which the models are compared."""
        return self.subject.metric

    @property
    def metric_of_epochs(self) -> Metric | None:
        """The one that is known after every epoch; None where the trainings are not known."""
        return self.subject.metric_of_epochs

    @property
    def best(self) -> ModelRow:
        """The model with the best mean score; the first of equals."""
        return best_row(self.models, self.metric)

    @property
    def fixed_test(self) -> bool:
        """Whether all repeats were scored on the data set's own test examples."""
        return self.comparison.fixed_test

    @property
    def examples(self) -> str:
        """What the examples are called, in the plural: "images"."""
        return self.subject.examples

    @property
    def test_name(self) -> str:
        """What the verdicts are by: "corrected resampled t"."""
        return test_name(self.comparison, self.examples)

    @property
    def part(self) -> str:
        """The part of the data that is scored: "test" or "validation"."""
        return self.subject.part

    @property
    def scored(self) -> str:
        """What is scored: "validation images"."""
        return self.subject.scored

    @property
    def when_scored(self) -> str:
        """What is scored, and when: "on the validation images after the last epoch"."""
        return f"on the {self.scored} {self.subject.moment}".rstrip()


def best_row(rows: Sequence[ModelRow], metric: Metric) -> ModelRow:
    """The model with the best mean score; the first of equals."""
    return max(rows, key=lambda row: row.summary.mean if metric.higher_is_better else -row.summary.mean)


def scored_part(comparison: Comparison) -> str:
    """The part of the data that is scored: "test" or "validation"."""
    return "test" if comparison.fixed_test else "validation"


def test_name(comparison: Comparison, examples: str) -> str:
    """What the verdicts are by: "corrected resampled t", or "crossed t over seeds and images" of ``examples``."""
    return f"crossed t over seeds and {examples}" if comparison.fixed_test else "corrected resampled t"


def plain(value: Any, metric: str = ACCURACY.name) -> Any:
    """``value`` as nested dicts, lists, texts and finite numbers; what is not finite becomes None.

    Scores of trials are named by the metric: the one of an `Analysis`, or else ``metric``.
    """
    if isinstance(value, Supplement):
        return plain(value.data, metric)
    if is_dataclass(value) and not isinstance(value, type):
        metric = value.comparison.metric if isinstance(value, Analysis) else metric
        keys = {item.name: item.metadata.get("key", item.name) for item in fields(value)}
        named = {key.format(metric): getattr(value, name) for name, key in keys.items() if key is not None}
        kept = {key: inner for key, inner in named.items() if key not in _LEFT_OUT or inner != _LEFT_OUT[key]}
        return {key: plain(inner, metric) for key, inner in kept.items()}
    if isinstance(value, dict):
        return {str(key): plain(inner, metric) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner, metric) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
