"""The tables of one evaluated model: its classes, or its metrics and some examples."""

from __future__ import annotations

from ecrnn.core.tasks import TASKS
from ecrnn.report import formats
from ecrnn.report.analysis.evaluation import Evaluation
from ecrnn.report.analysis.metric_evaluation import MetricEvaluation
from ecrnn.report.table import Cell, Column, Table, text
from ecrnn.stats import Interval

_LONG = 240  # characters of a text on a terminal


def class_table(evaluation: Evaluation) -> Table:
    """One row a class."""

    def share(interval: Interval | None) -> tuple[Cell, Cell]:
        if interval is None:
            return Cell(formats.NOTHING, (None,)), Cell(formats.NOTHING, (None, None))
        ends = formats.interval(interval.low, interval.high)
        return Cell(formats.percent(interval.estimate), (interval.estimate,)), Cell(ends, (interval.low, interval.high))

    return Table(
        "classes",
        "Classes",
        f"Recall is the share of a class's {evaluation.examples} that got it, precision the share of the "
        f"{evaluation.examples} given a class that are of it, each with Wilson's 95 % interval.",
        (
            Column("Class", ("class",), "left"),
            Column(formats.capital(evaluation.examples), (evaluation.examples,)),
            Column("Recall (%)", ("recall",)),
            Column("95 % interval", ("recall_low", "recall_high")),
            Column("Precision (%)", ("precision",)),
            Column("95 % interval", ("precision_low", "precision_high")),
        ),
        tuple(
            (
                text(result.name),
                Cell(formats.count(result.n), (result.n,)),
                *share(result.recall),
                *share(result.precision),
            )
            for result in evaluation.classes
        ),
    )


def confused_table(evaluation: Evaluation, most: int = 10) -> Table:
    """The most confused pairs of classes; no rows when nothing was confused."""
    return Table(
        "confused",
        "Most confused classes",
        f"Which class is taken for which; the share is of the {evaluation.examples} of the true class.",
        (
            Column("True class", ("true",), "left"),
            Column("Taken for", ("given",), "left"),
            Column(formats.capital(evaluation.examples), (evaluation.examples,)),
            Column("Share (%)", ("share",)),
        ),
        tuple(
            (
                text(pair.true),
                text(pair.given),
                Cell(formats.count(pair.n), (pair.n,)),
                Cell(formats.percent(pair.share), (pair.share,)),
            )
            for pair in evaluation.confusion.most_confused[:most]
        ),
        row_headings=2,
    )


def figures_table(evaluation: MetricEvaluation) -> Table:
    """One row a metric."""
    return Table(
        "figures",
        "Figures",
        f"Each over all {TASKS[evaluation.task].examples}. The intervals are a bootstrap's; of what is right or wrong, "
        "Wilson's.",
        (
            Column("Metric", ("metric",), "left"),
            Column("Value", ("value",)),
            Column(f"{formats.level(evaluation.figures[0].score.level)} interval", ("low", "high")),
            Column("Better", ("better",), "left"),
        ),
        tuple(
            (
                text(formats.capital(figure.metric.title)),
                Cell(figure.metric.measured(figure.score.estimate), (figure.score.estimate,), "strong"),
                Cell(
                    formats.interval(figure.score.low, figure.score.high, figure.metric),
                    (figure.score.low, figure.score.high),
                ),
                text("higher" if figure.metric.higher_is_better else "lower"),
            )
            for figure in evaluation.figures
        ),
    )


def examples_table(evaluation: MetricEvaluation, most: int | None = None) -> Table:
    """One row an example, without images; ``most``: only the first, and long texts cut.

    A last column has the examples' scores, where they have some: BLEU is a figure of many.
    """
    metric, shown = evaluation.figures[0].metric, evaluation.examples[:most]
    with_scores = any(example.score is not None for example in shown)
    score = Column(formats.heading(formats.capital(metric.title), metric.unit), (metric.name,))

    def words(content: str) -> Cell:
        line = " ".join(content.split())
        cut = f"{line[:_LONG]}\N{HORIZONTAL ELLIPSIS}" if most is not None and len(line) > _LONG else line
        return Cell(cut, (content,))

    return Table(
        "examples",
        "Examples",
        f"{len(shown):,} of {formats.plural(evaluation.n, formats.one(TASKS[evaluation.task].examples))}.",
        (
            Column("Input", ("input",), "left"),
            Column("Expected", ("expected",), "left"),
            Column("Given", ("output",), "left"),
            *([score] if with_scores else []),
        ),
        tuple(
            (
                words(example.input),
                words(" | ".join(example.expected)),
                words(example.given),
                *([Cell(formats.value(example.score, metric), (example.score,))] if with_scores else []),
            )
            for example in shown
        ),
    )
