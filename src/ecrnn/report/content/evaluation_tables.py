"""The tables of one evaluated model: classes, calibration and operating points, or its metrics and some examples."""

from __future__ import annotations

from ecrnn.core.tasks import TASKS
from ecrnn.report import formats
from ecrnn.report.analysis.evaluation import Evaluation
from ecrnn.report.analysis.metric_evaluation import MetricEvaluation
from ecrnn.report.table import Cell, Column, Table, text
from ecrnn.stats import Calibration, Interval

_LONG = 240  # characters of a text on a terminal


def _share(interval: Interval | None) -> tuple[Cell, Cell]:
    """A share in percent, and its interval."""
    if interval is None:
        return Cell(formats.NOTHING, (None,)), Cell(formats.NOTHING, (None, None))
    ends = formats.interval(interval.low, interval.high)
    return Cell(formats.percent(interval.estimate), (interval.estimate,)), Cell(ends, (interval.low, interval.high))


def _share_columns(title: str, name: str) -> tuple[Column, Column]:
    return Column(f"{title} (%)", (name,)), Column("95 % interval", (f"{name}_low", f"{name}_high"))


def class_table(evaluation: Evaluation) -> Table:
    """One row a class."""
    return Table(
        "classes",
        "Classes",
        f"Recall is the share of a class's {evaluation.examples} that got it, precision the share of the "
        f"{evaluation.examples} given a class that are of it, each with Wilson's 95 % interval. F1 is their harmonic "
        "mean; its interval is Wilson's of the share that is right among all that are of the class or given it.",
        (
            Column("Class", ("class",), "left"),
            Column(formats.capital(evaluation.examples), (evaluation.examples,)),
            *_share_columns("Recall", "recall"),
            *_share_columns("Precision", "precision"),
            *_share_columns("F1", "f1"),
        ),
        tuple(
            (
                text(result.name),
                Cell(formats.count(result.n), (result.n,)),
                *_share(result.recall),
                *_share(result.precision),
                *_share(result.f1),
            )
            for result in evaluation.classes
        ),
    )


def averages_table(evaluation: Evaluation) -> Table:
    """The means over the classes."""
    found = evaluation.averages
    return Table(
        "averages",
        "Averages over the classes",
        f"Each class counts once, however many {evaluation.examples} it has; the intervals are a bootstrap's, "
        "which are too narrow where there are hardly any errors.",
        (Column("Average", ("average",), "left"), *_share_columns("Value", "value")),
        (
            (text("Balanced accuracy (macro recall)"), *_share(found.balanced_accuracy)),
            (text("Macro precision"), *_share(found.macro_precision)),
            (text("Macro F1"), *_share(found.macro_f1)),
        ),
    )


def calibration_table(evaluation: Evaluation) -> Table:
    """How far confidence and accuracy are apart, as it is and with a fitted temperature."""

    def row(name: str, temperature: str, found: Calibration, cross_entropy: float) -> tuple[Cell, ...]:
        return (
            text(name),
            text(temperature),
            Cell(formats.percent(found.ece), (found.ece,), "strong"),
            Cell(
                f"{formats.percent(found.expected_ece)} (95 %: below {formats.percent(found.expected_ece_high)})",
                (found.expected_ece, found.expected_ece_high),
            ),
            Cell(formats.percent(found.confidence), (found.confidence,)),
            Cell(formats.percent(found.accuracy), (found.accuracy,)),
            Cell(formats.number(cross_entropy, 4), (cross_entropy,)),
        )

    rows = [row("as it is", f"{evaluation.temperature:g}", evaluation.calibration, evaluation.cross_entropy)]
    if (fitted := evaluation.fitted) is not None:
        halves = f"{fitted.halves[0]:.3f}, {fitted.halves[1]:.3f}"
        rows.append(row("fitted", halves, fitted.calibration, fitted.cross_entropy))
    bins = len(evaluation.calibration.bins)
    return Table(
        "calibration",
        "Calibration",
        "Confidence is the probability of the most probable class. ECE, the expected calibration error, is the mean of "
        f"|accuracy - confidence| over {bins} bins of equal width from 0 to 1, weighted by their "
        f"{evaluation.examples}. It is above 0 by chance too: a perfectly calibrated model with these confidences "
        "would show the value beside it.",
        (
            Column("Probabilities", ("probabilities",), "left"),
            Column("Temperature", ("temperature",)),
            Column("ECE (%)", ("ece",)),
            Column("Of a calibrated model (%)", ("expected_ece", "expected_ece_high")),
            Column("Mean confidence (%)", ("confidence",)),
            Column("Accuracy (%)", ("accuracy",)),
            Column("Cross-entropy (nats)", ("cross_entropy",)),
        ),
        tuple(rows),
    )


def temperature_line(evaluation: Evaluation) -> str:
    """What to do with a fitted temperature; "" where none was fitted."""
    if evaluation.fitted is None:
        return ""
    return (
        f"Fitted: each half of the {evaluation.examples} has the temperature that was fitted on the other half. For "
        f"other {evaluation.examples} take that of all of these: --temperature {evaluation.fitted.all:.4g}"
    )


def points_table(evaluation: Evaluation) -> Table | None:
    """What some thresholds do; None where the model has not two classes."""
    two = evaluation.two_classes
    if two is None:
        return None
    curve = two.curve
    return Table(
        "points",
        "Thresholds",
        f"An example is called {two.positive} where that has at least this probability. {two.positive} is of "
        f"{curve.positives:,} {evaluation.examples}, {curve.negatives:,} are not; area under the ROC curve "
        f"{_area(curve.auc)}, average precision {_area(curve.average_precision)}. A threshold that was "
        f"chosen on these {evaluation.examples} looks better on them than on others: choose it on some, and judge it "
        "with --threshold on others. Youden's J is recall + specificity - 1.",
        (
            Column("Threshold", ("threshold",)),
            Column("Which", ("why",), "left"),
            *_share_columns("Recall", "recall"),
            *_share_columns("Specificity", "specificity"),
            *_share_columns("Precision", "precision"),
            Column("F1 (%)", ("f1",)),
            Column("Missed", ("false_negatives",)),
            Column("False alarms", ("false_positives",)),
        ),
        tuple(
            (
                Cell(f"{point.threshold:.4g}", (point.threshold,)),
                text(point.why, "strong" if point.why == "chosen" else ""),
                *_share(point.recall),
                *_share(point.specificity),
                *_share(point.precision),
                Cell(formats.percent(point.f1), (point.f1,)),
                Cell(formats.count(point.false_negatives), (point.false_negatives,)),
                Cell(formats.count(point.false_positives), (point.false_positives,)),
            )
            for point in two.points
        ),
    )


def _area(area: Interval) -> str:
    return f"{area.estimate:.4f} (95 % interval {area.low:.4f} to {area.high:.4f})"


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
