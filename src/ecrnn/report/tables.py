"""The tables of a report as plain rows, made once; terminal, Markdown, LaTeX, CSV and HTML only set them.

A cell has a text for people and the values behind it for machines, so a CSV file holds full precision and an interval
is two columns there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from ecrnn.report import formats
from ecrnn.report.formats import MINUS, NOTHING
from ecrnn.report.results import Analysis, ClassScore
from ecrnn.stats import Interval, Pair

Value = str | int | float | None
MANY_CLASSES = 20  # above, no matrices, and only the hardest classes


class Cell(NamedTuple):
    """What is shown, what it stands for (one value for each name of its column), and a mark for style."""

    text: str
    values: tuple[Value, ...]
    mark: str = ""


class Column(NamedTuple):
    """A heading, the names of its values in CSV, and on which side the text stands."""

    title: str
    names: tuple[str, ...]
    align: Literal["left", "right"] = "right"


@dataclass(frozen=True)
class Table:
    """``key`` is its name in files and anchors; the first ``row_headings`` columns name the row.

    ``note`` is a warning that must stand wherever the table does.
    """

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    row_headings: int = 1
    note: str = ""


def text(value: str, mark: str = "") -> Cell:
    """A cell of words."""
    return Cell(value, (value,), mark)


def _level(level: float) -> str:
    return f"{100 * level:g} %"


_MODEL = Column("Model", ("model",), "left")
_A_AND_B = (Column("A", ("model_a",), "left"), Column("B", ("model_b",), "left"))


def models_table(analysis: Analysis) -> Table:
    """One row a model: what DESIGN, section 8, asks first."""
    level = _level(analysis.models[0].summary.level)
    what = analysis.pictures
    return Table(
        "models",
        "Models",
        f"Accuracy on the {what} pictures after the last epoch, over the repeats. The interval is corrected for "
        "overlapping splits (Nadeau and Bengio, 2003). The best epoch is picked on the same pictures and is "
        "optimistic; it enters no test.",
        (
            _MODEL,
            Column("Repeats", ("repeats",)),
            Column("Mean (%)", ("mean",)),
            Column("SD (points)", ("sd",)),
            Column(f"{level} interval (%)", ("low", "high")),
            Column("Min (%)", ("minimum",)),
            Column("Max (%)", ("maximum",)),
            Column("Best epoch (%), optimistic", ("best_epoch_accuracy_optimistic",)),
            Column("Parameters", ("parameters",)),
            Column("Time a trial", ("seconds_a_trial",)),
        ),
        tuple(
            (
                text(row.model),
                Cell(str(row.summary.n), (row.summary.n,)),
                Cell(formats.percent(row.summary.mean), (row.summary.mean,), "strong"),
                Cell(formats.spread(row.summary.sd), (row.summary.sd,)),
                Cell(formats.interval(row.summary.low, row.summary.high), (row.summary.low, row.summary.high)),
                Cell(formats.percent(row.summary.minimum), (row.summary.minimum,)),
                Cell(formats.percent(row.summary.maximum), (row.summary.maximum,)),
                Cell(formats.percent(row.best_accuracy), (row.best_accuracy,), "muted"),
                Cell(formats.count(row.parameters), (row.parameters,)),
                Cell(formats.duration(row.seconds), (row.seconds,)),
            )
            for row in analysis.models
        ),
    )


def _pair_table(
    analysis: Analysis, key: str, title: str, caption: str, columns: Sequence[Column], rows: Sequence[Sequence[Cell]]
) -> Table:
    names = [(text(pair.model_a), text(pair.model_b)) for pair in analysis.comparison.pairs]
    filled = tuple((*own, *cells) for own, cells in zip(names, rows, strict=True) if cells)
    return Table(key, title, caption, (*_A_AND_B, *columns), filled, row_headings=2)


def pairs_table(analysis: Analysis) -> Table:
    """One row a pair: difference, interval, p, verdict."""
    comparison = analysis.comparison
    level = _level(1 - comparison.alpha)
    return _pair_table(
        analysis,
        "pairs",
        "Comparisons",
        f"Difference A {MINUS} B in points, on the repeats that both have finished: corrected resampled t test, p "
        "adjusted by Holm over all pairs. The verdict is said of A.",
        (
            Column("Repeats", ("repeats",)),
            Column(f"A {MINUS} B (points)", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
            Column("p (Holm)", ("p_holm",)),
            Column("Verdict on A", ("verdict",), "left"),
        ),
        [
            (
                Cell(str(len(pair.repeats)), (len(pair.repeats),)),
                Cell(formats.points(pair.difference), (pair.difference,), "strong"),
                Cell(
                    formats.interval(pair.test.low, pair.test.high, signed=True) if pair.test else NOTHING,
                    (pair.test.low, pair.test.high) if pair.test else (None, None),
                ),
                Cell(formats.p_value(pair.p_holm), (pair.p_holm,)),
                Cell(pair.verdict or "no verdict", (pair.verdict,), pair.verdict or "none"),
            )
            for pair in comparison.pairs
        ],
    )


def evidence_table(analysis: Analysis) -> Table:
    """One row a pair: what the verdict rests on."""
    rope = f"{100 * analysis.comparison.rope:g}"
    return _pair_table(
        analysis,
        "evidence",
        "Evidence behind the verdicts",
        "SD is of the differences between repeats; t and p are the corrected resampled t test's, before Holm's "
        "adjustment. P(A beats B) is the share of repeats in which A scores higher, ties counted half, with a "
        "bootstrap interval. The last three columns are the Bayesian correlated t test's probabilities that A is worse "
        f"by more than {rope} points, within {rope} points of B, and better by more than {rope} points.",
        (
            Column("SD (points)", ("sd_difference",)),
            Column("t", ("t",)),
            Column("df", ("degrees_of_freedom",)),
            Column("p", ("p",)),
            Column("P(A beats B)", ("probability_a_beats_b",)),
            Column("interval", ("probability_low", "probability_high")),
            Column("P(worse)", ("posterior_worse",)),
            Column("P(equivalent)", ("posterior_equivalent",)),
            Column("P(better)", ("posterior_better",)),
        ),
        [_evidence(pair) for pair in analysis.comparison.pairs],
    )


def _evidence(pair: Pair) -> tuple[Cell, ...]:
    test, chance, posterior = pair.test, pair.probability, pair.posterior
    if test is None or chance is None or posterior is None:
        return ()
    ends = f"{formats.probability(chance.low)} to {formats.probability(chance.high)}"
    return (
        Cell(formats.spread(test.sd), (test.sd,)),
        Cell(formats.number(test.statistic), (test.statistic,)),
        Cell(str(test.degrees_of_freedom), (test.degrees_of_freedom,)),
        Cell(formats.p_value(test.p), (test.p,)),
        Cell(formats.probability(chance.estimate), (chance.estimate,)),
        Cell(ends, (chance.low, chance.high)),
        Cell(formats.probability(posterior.worse), (posterior.worse,)),
        Cell(formats.probability(posterior.equivalent), (posterior.equivalent,)),
        Cell(formats.probability(posterior.better), (posterior.better,)),
    )


def fixed_test_table(analysis: Analysis) -> Table:
    """One trained model each on a fixed test set: McNemar and a bootstrap over the pictures."""
    level = _level(1 - analysis.comparison.alpha)
    rows: list[tuple[Cell, ...]] = []
    for pair in analysis.comparison.pairs:
        exact, interval = pair.mcnemar, pair.image_interval
        if exact is None or interval is None:
            rows.append(())
            continue
        rows.append(
            (
                Cell(formats.points(interval.estimate), (interval.estimate,), "strong"),
                Cell(formats.interval(interval.low, interval.high, signed=True), (interval.low, interval.high)),
                Cell(formats.count(exact.only_a), (exact.only_a,)),
                Cell(formats.count(exact.only_b), (exact.only_b,)),
                Cell(formats.p_value(exact.p), (exact.p,)),
            )
        )
    return _pair_table(
        analysis,
        "test-set",
        "On the fixed test set",
        "One trained model each on the same test pictures: bootstrap interval over the pictures and McNemar's exact "
        "test. They tell these trained models apart and say nothing about training again.",
        (
            Column(f"A {MINUS} B (points)", ("difference",)),
            Column(f"{level} interval", ("low", "high")),
            Column("Only A right", ("only_a_right",)),
            Column("Only B right", ("only_b_right",)),
            Column("p (McNemar)", ("p_mcnemar",)),
        ),
        rows,
    )


def power_table(analysis: Analysis) -> Table:
    """What the study could have shown, and what the observed difference needs."""
    rows: list[tuple[Cell, ...]] = []
    for pair in analysis.comparison.pairs:
        if pair.test is None:
            rows.append(())
            continue
        needed = formats.count(pair.repeats_needed) if pair.repeats_needed else "more data, not more repeats"
        rows.append(
            (
                Cell(str(len(pair.repeats)), (len(pair.repeats),)),
                Cell(formats.points(pair.difference), (pair.difference,)),
                Cell(formats.percent(pair.smallest_detectable), (pair.smallest_detectable,)),
                Cell(needed, (pair.repeats_needed,)),
            )
        )
    return _pair_table(
        analysis,
        "power",
        "What this study could show",
        "The smallest true difference found with probability 0.8 by as many repeats, and the repeats that a true "
        "difference as large as the observed one would need. Repeats split the same data again, so beyond some point "
        "more of them do not help.",
        (
            Column("Repeats", ("repeats",)),
            Column(f"Observed A {MINUS} B (points)", ("difference",)),
            Column("Smallest detectable (points)", ("smallest_detectable",)),
            Column("Repeats needed", ("repeats_needed",)),
        ),
        rows,
    )


def paper_table(analysis: Analysis) -> Table:
    """The paper's image-level test with its stars and the warning that goes with it."""
    rows: list[tuple[Cell, ...]] = []
    for pair in analysis.comparison.pairs:
        test = pair.image_test
        rows.append(
            (
                Cell(formats.points(test.difference) + test.stars, (test.difference, test.stars)),
                Cell(formats.number(test.z), (test.z,)),
                Cell(formats.p_value(test.p), (test.p,)),
                Cell(formats.count(test.n), (test.n,)),
            )
            if test
            else ()
        )
    table = _pair_table(
        analysis,
        "paper",
        "As in the paper",
        "The paper's image-level test: * p < .05, ** p < .005, *** p < .0001. Too optimistic, see the warning.",
        (
            Column(f"A {MINUS} B (points)", ("difference", "stars")),
            Column("z", ("z",)),
            Column("p", ("p",)),
            Column("Pictures, all repeats", ("pictures",)),
        ),
        rows,
    )
    return replace(table, note=analysis.paper_warning)


def cost_table(analysis: Analysis) -> Table:
    """Size, work and time."""
    return Table(
        "cost",
        "Cost",
        "Parameters are counted as in the paper (four values a batch-normalised channel, one bias a recurrent gate); "
        "multiply-adds are of one picture; times are of training alone on the machine named below.",
        (
            _MODEL,
            Column("Parameters", ("parameters",)),
            Column("Trainable", ("trainable",)),
            Column("Multiply-adds", ("multiply_adds",)),
            Column("Optimizer steps", ("steps",)),
            Column("Time a trial", ("seconds_a_trial",)),
            Column("Time, all trials", ("seconds_total",)),
        ),
        tuple(
            (
                text(row.model),
                Cell(formats.count(row.parameters), (row.parameters,)),
                Cell(formats.count(row.trainable), (row.trainable,)),
                Cell(formats.count(row.multiply_adds), (row.multiply_adds,)),
                Cell(formats.count(row.steps), (row.steps,)),
                Cell(formats.duration(row.seconds), (row.seconds,)),
                Cell(formats.duration(row.total_seconds), (row.total_seconds,)),
            )
            for row in analysis.models
        ),
    )


def classes_table(analysis: Analysis, most: int | None = None) -> Table:
    """One row a class: accuracy of each model on its pictures, all repeats together. ``most``: only the hardest."""
    scores = {own.model: own.classes for own in analysis.confusions}
    order = list(range(len(analysis.classes)))
    caption = "Share of the pictures of a class that got it (recall), all repeats together."
    if most is not None and len(order) > most:
        order = sorted(order, key=lambda c: _mean_recall([own[c] for own in scores.values()]))[:most]
        caption += f" The {most} hardest of {len(analysis.classes)} classes, hardest first."
    pictures = [max(own[c].n for own in scores.values()) for c in range(len(analysis.classes))]
    return Table(
        "classes",
        "Accuracy of each class",
        caption,
        (
            Column("Class", ("class",), "left"),
            Column("Pictures", ("pictures",)),
            *(Column(f"{model} (%)", (model,)) for model in scores),
        ),
        tuple(
            (
                text(analysis.classes[c]),
                Cell(formats.count(pictures[c]), (pictures[c],)),
                *(Cell(formats.percent(own[c].recall), (own[c].recall,)) for own in scores.values()),
            )
            for c in order
        ),
    )


def _mean_recall(scores: Sequence[ClassScore]) -> float:
    known = [score.recall for score in scores if score.recall is not None]
    return sum(known) / len(known) if known else 2.0  # a class without pictures is not hard


def confused_table(analysis: Analysis, most: int = 5) -> Table:
    """The most confused pairs of classes of each model."""
    return Table(
        "confused",
        "Most confused classes",
        f"Which class is taken for which, the {most} most frequent of each model, all repeats together; the share is of "
        "the pictures of the true class.",
        (
            _MODEL,
            Column("True class", ("true",), "left"),
            Column("Taken for", ("given",), "left"),
            Column("Pictures", ("pictures",)),
            Column("Share (%)", ("share",)),
        ),
        tuple(
            (
                text(own.model),
                text(pair.true),
                text(pair.given),
                Cell(formats.count(pair.n), (pair.n,)),
                Cell(formats.percent(pair.share), (pair.share,)),
            )
            for own in analysis.confusions
            for pair in own.most_confused[:most]
        ),
    )


def trials_table(analysis: Analysis) -> Table:
    """One row a finished trial."""
    return Table(
        "trials",
        "Every trial",
        f"Accuracy on the {analysis.pictures} pictures after the last epoch, and the best epoch, which is optimistic.",
        (
            _MODEL,
            Column("Repeat", ("repeat",)),
            Column("Accuracy (%)", ("accuracy",)),
            Column("Best epoch (%), optimistic", ("best_epoch_accuracy_optimistic",)),
            Column("Best epoch", ("best_epoch",)),
            Column("Time", ("seconds",)),
            Column("Device", ("device",), "left"),
            Column("Precision", ("precision",), "left"),
            Column("Threads", ("threads",)),
            Column("Finished", ("finished",), "left"),
        ),
        tuple(
            (
                text(row.model),
                Cell(str(row.repeat), (row.repeat,)),
                Cell(formats.percent(row.accuracy), (row.accuracy,)),
                Cell(formats.percent(row.best_accuracy), (row.best_accuracy,), "muted"),
                Cell(formats.count(row.best_epoch), (row.best_epoch,)),
                Cell(formats.duration(row.seconds), (row.seconds,)),
                text(row.device),
                text(row.precision),
                Cell(formats.count(row.threads), (row.threads,)),
                text(row.finished),
            )
            for row in analysis.trials
        ),
        row_headings=2,
    )


def fairness_table(analysis: Analysis) -> Table:
    """What was held equal."""
    columns = (Column("What", ("what",), "left"), Column("Status", ("status",), "left"), Column("How", ("how",), "left"))
    rows = tuple((text(line.what), text(line.status, line.status), text(line.text)) for line in analysis.fairness)
    caption = "What was the same for all models, what differs, and which choices were made on which data."
    return Table("fairness", "Fairness", caption, columns, rows)


def missing_table(analysis: Analysis) -> Table:
    """What has no valid result; no rows when all is there."""
    columns = (
        _MODEL,
        Column("Repeat", ("repeat",)),
        Column("State", ("state",), "left"),
        Column("Reason", ("reason",), "left"),
    )
    rows = tuple(
        (text(own.model), Cell(str(own.repeat), (own.repeat,)), text(own.state), text(own.reason))
        for own in analysis.missing
    )
    caption = f"{len(analysis.missing)} of {formats.plural(analysis.planned, 'planned trial')} without a valid result."
    return Table("missing", "Missing trials", caption, columns, rows, row_headings=2)


def verdict_words(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Each verdict with what it means here."""
    alpha, rope = f"{analysis.comparison.alpha:g}", f"{100 * analysis.comparison.rope:g}"
    return (
        ("better", f"A scores higher, and the Holm-adjusted p of the corrected resampled t test is below {alpha}."),
        ("worse", f"A scores lower, and the Holm-adjusted p is below {alpha}."),
        (
            "equivalent",
            f"With a probability of at least 0.95 the true difference lies within {rope} points, too small to matter; "
            "this holds even when p is small.",
        ),
        ("undecided", "Neither is shown. This is not evidence that the two are equal: more repeats or data may tell."),
        ("no verdict", "Fewer than 3 repeats are shared: nothing is claimed."),
    )


def proportion(interval: Interval) -> str:
    """A share with its interval, in percent."""
    ends = formats.interval(interval.low, interval.high)
    return f"{formats.percent(interval.estimate)} % ({_level(interval.level)} interval {ends})"


def report_tables(analysis: Analysis, *, every: bool = False) -> tuple[Table, ...]:
    """The tables that have rows, in the order of a report; ``every`` adds those that are long."""
    many = None if every or len(analysis.classes) <= MANY_CLASSES else MANY_CLASSES
    tables = [
        models_table(analysis),
        pairs_table(analysis),
        fixed_test_table(analysis),
        evidence_table(analysis),
        power_table(analysis),
        paper_table(analysis),
        classes_table(analysis, many),
        confused_table(analysis),
        cost_table(analysis),
        fairness_table(analysis),
        missing_table(analysis),
        *([trials_table(analysis)] if every else []),
    ]
    return tuple(table for table in tables if table.rows)
