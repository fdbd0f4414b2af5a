"""One trained model of a task without classes on data: its metric with an interval, other metrics, and some
examples to look at. With classes: evaluation.py.

The intervals are of sampling examples like these. They say nothing about training again: for that there is a study.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from ecrnn.core.errors import DataError
from ecrnn.core.predictions import Example
from ecrnn.core.tasks import TASKS
from ecrnn.report import formats
from ecrnn.report.analysis.evaluation import EVALUATION_WARNING
from ecrnn.stats import METRICS, Interval, Metric, metric_interval

_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class MetricResult:
    """One metric over all examples, with its interval; ``score`` holds values, not percent."""

    metric: Metric
    score: Interval

    @property
    def interval(self) -> str:
        """The interval in words."""
        ends = formats.interval(self.score.low, self.score.high, self.metric)
        return f"{formats.level(self.score.level)} interval {ends}"


@dataclass(frozen=True)
class MetricEvaluation:
    """One trained model on ``n`` examples of a ``task``; the first of the ``figures`` is the task's own metric.

    ``facts`` are other things to know, such as how texts were searched for. ``trained_on``, ``left_out`` and
    ``files_left_out`` are as of `ecrnn.report.analysis.evaluation.Evaluation`.
    """

    task: str
    model: str
    data: str
    n: int
    n_note: str
    figures: tuple[MetricResult, ...]
    facts: Mapping[str, str]
    examples: tuple[Example, ...]
    headline: str
    warning: str
    trained_on: int | None = None
    left_out: int = 0
    files_left_out: Mapping[str, int] = field(default_factory=dict)


def evaluate_scores(
    statistics: ArrayLike,
    *,
    task: str,
    model: str,
    data: str,
    n_note: str = "",
    others: Sequence[tuple[Metric, ArrayLike]] = (),
    facts: Mapping[str, str] | None = None,
    examples: Sequence[Example] = (),
    trained_on: int | None = None,
    left_out: int = 0,
    files_left_out: Mapping[str, int] | None = None,
    seed: int = 0,
) -> MetricEvaluation:
    """Judge a model by the statistics of its examples.

    Args:
        statistics: (n, k), those of the task's metric, one row an example.
        task: a name in `ecrnn.core.tasks.TASKS`, of a task without classes.
        model: what to call the model.
        data: what to call the data.
        n_note: which examples these are, such as "the test part"; may be empty.
        others: other metrics, each with its own (n, k) statistics of the same examples, such as `WER`.
        facts: other things to know, by what they are called, such as sacreBLEU's signature.
        examples: some to look at, in the order in which they are shown.
        trained_on, left_out, files_left_out: as `MetricEvaluation` has them.
        seed: seed of the bootstraps.

    Raises:
        EcrnnError: statistics that are not the metric's.
        DataError: an example's image is not PNG, or other metrics have other numbers of examples.
    """
    metric, noun = METRICS[TASKS[task].metric], TASKS[task].examples
    rows = metric.checked(statistics)
    for other, statistics_of_other in others:
        if (n := len(other.checked(statistics_of_other))) != len(rows):
            raise DataError(f"{other.title} is of {n} {noun}, not of {len(rows)}")
    for example in examples:
        if example.image is not None and not example.image.startswith(_PNG):
            raise DataError(f"the image of {example.input!r} is not a PNG file")
    figures = tuple(MetricResult(m, metric_interval(values, m, seed=seed)) for m, values in ((metric, rows), *others))
    return MetricEvaluation(
        task=task,
        model=model,
        data=data,
        n=len(rows),
        n_note=n_note,
        figures=figures,
        facts=dict(facts or {}),
        examples=tuple(examples),
        headline=f"{model} on {formats.plural(len(rows), formats.one(noun))} of {data}: "
        f"{formats.titled(figures[0].score.estimate, metric)} ({figures[0].interval}).",
        warning=EVALUATION_WARNING.format(examples=noun),
        trained_on=trained_on,
        left_out=left_out,
        files_left_out=dict(files_left_out or {}),
    )
