"""The tables of a report as plain rows, made once; terminal, Markdown, LaTeX, CSV and HTML only set them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis, ClassScore, TrialRow
from ecrnn.report.content.effects_table import effects_table
from ecrnn.report.content.look_table import looks_table
from ecrnn.report.content.pair_tables import (
    contrasts_table,
    crossed_table,
    evidence_table,
    fixed_test_table,
    pairs_table,
    paper_table,
    power_table,
)
from ecrnn.report.content.variation_table import variation_table
from ecrnn.report.table import Cell, Column, Table, text
from ecrnn.stats import metric_named

MOST_MISSING = 500  # rows, where a study has only begun
MANY_CLASSES = 20  # above, no matrices, and only the hardest classes

_MODEL = Column("Model", ("model",), "left")


def models_table(analysis: Analysis) -> Table:
    """One row a model: its score over the repeats, its size and its time."""
    level = formats.level(analysis.models[0].summary.level)
    metric, title = analysis.metric, formats.capital(analysis.metric.title)
    heading, trained = partial(formats.heading, unit=metric.unit), analysis.metric_of_epochs is not None
    best = f" The best epoch is picked on the same {analysis.examples} and is optimistic; it enters no test."
    return Table(
        "models",
        "Models",
        f"{title} {analysis.when_scored}, over the repeats. {_interval(analysis)}"
        + (best if _best_epoch(analysis) else "")
        + ("" if metric.higher_is_better else " Lower is better."),
        (
            _MODEL,
            Column("Repeats", ("repeats",)),
            Column(heading("Mean"), ("mean",)),
            Column(f"SD ({metric.points})", ("sd",)),
            Column(heading(f"{level} interval"), ("low", "high")),
            Column(heading("Min"), ("minimum",)),
            Column(heading("Max"), ("maximum",)),
            *_best_epoch(analysis),
            *([Column("Parameters", ("parameters",)), Column("Time a trial", ("seconds_a_trial",))] if trained else []),
        ),
        tuple(
            (
                text(row.model),
                Cell(str(row.summary.n), (row.summary.n,)),
                Cell(formats.value(row.summary.mean, metric), (row.summary.mean,), "strong"),
                Cell(formats.value(row.summary.sd, metric), (row.summary.sd,)),
                Cell(formats.interval(row.summary.low, row.summary.high, metric), (row.summary.low, row.summary.high)),
                Cell(formats.value(row.summary.minimum, metric), (row.summary.minimum,)),
                Cell(formats.value(row.summary.maximum, metric), (row.summary.maximum,)),
                *_best(row.best_score, analysis),
                *(
                    [
                        Cell(formats.count(row.parameters), (row.parameters,)),
                        Cell(formats.duration(row.seconds), (row.seconds,)),
                    ]
                    if trained
                    else []
                ),
            )
            for row in analysis.models
        ),
    )


def _interval(analysis: Analysis) -> str:
    """What the interval of a model is over."""
    if not analysis.fixed_test:
        return "The interval is corrected for overlapping splits (Nadeau and Bengio, 2003)."
    examples = analysis.examples
    return f"The interval is over seeds and test {examples}, the training {examples} staying as they are."


def scores_table(analysis: Analysis) -> Table:
    """One row a model: the mean of each score of a classifier, of which one was named beforehand."""
    chosen, rows = analysis.metric, analysis.class_scores
    names = list(dict.fromkeys(row.name for row in rows))
    summaries = {(row.model, row.name): row.summary for row in rows}

    def cell(model: str, name: str) -> Cell:
        summary, metric = summaries.get((model, name)), metric_named(name)
        if summary is None:
            return Cell(formats.NOTHING, (None, None))
        spread = "" if summary.sd is None else f" \N{PLUS-MINUS SIGN} {formats.value(summary.sd, metric)}"
        mark = "strong" if name == chosen.name else ""
        return Cell(formats.value(summary.mean, metric) + spread, (summary.mean, summary.sd), mark)

    named = "before the first training" if analysis.metric_of_epochs else "when the table was judged"
    return Table(
        "scores",
        "All scores",
        f"Mean and SD over the repeats, in percent, {analysis.when_scored}. The verdicts are on "
        f"{chosen.title}, which was named {named}; the others are shown and not tested. Macro F1 is "
        "the mean over the classes that occur, balanced accuracy the mean recall, AUC the mean area under the ROC "
        "curves of one class against the others.",
        (_MODEL, *(Column(formats.capital(metric_named(n).title), (n, f"{n}_sd")) for n in names)),
        tuple((text(row.model), *(cell(row.model, name) for name in names)) for row in analysis.models if rows),
    )


def _best_epoch(analysis: Analysis) -> tuple[Column, ...]:
    """The column of the best epoch, where the metric is known after every epoch."""
    metric = analysis.metric
    if metric is not analysis.metric_of_epochs:
        return ()
    title = f"{formats.heading('Best epoch', metric.unit)}, optimistic"
    return (Column(title, (f"best_epoch_{metric.name}_optimistic",)),)


def _best(score: float | None, analysis: Analysis) -> tuple[Cell, ...]:
    """The cell of `_best_epoch`."""
    if analysis.metric is not analysis.metric_of_epochs:
        return ()
    return (Cell(formats.value(score, analysis.metric), (score,), "muted"),)


def cost_table(analysis: Analysis) -> Table:
    """Size, work and time; no rows where the trainings are not known."""
    rows = analysis.models if analysis.metric_of_epochs else ()
    return Table(
        "cost",
        "Cost",
        "Parameters are counted as in the paper (four values a batch-normalised channel, one bias a recurrent gate); "
        f"multiply-adds are of one {formats.one(analysis.examples)}; times are of training alone on the machine named "
        "below.",
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
            for row in rows
        ),
    )


def classes_table(analysis: Analysis, most: int | None = None) -> Table:
    """One row a class: accuracy of each model on its examples, all repeats together. ``most``: only the
    hardest."""
    scores = {confusion.model: confusion.classes for confusion in analysis.confusions}
    order = list(range(len(analysis.classes)))
    examples = analysis.examples
    caption = f"Share of the {examples} of a class that got it (recall), all repeats together."
    if most is not None and len(order) > most:
        order = sorted(order, key=lambda c: _mean_recall([classes[c] for classes in scores.values()]))[:most]
        caption += f" The {most} hardest of {len(analysis.classes)} classes, hardest first."
    caption += analysis.last_epoch_alone
    numbers = [max(classes[c].n for classes in scores.values()) for c in range(len(analysis.classes))]
    return Table(
        "classes",
        "Accuracy of each class",
        caption,
        (
            Column("Class", ("class",), "left"),
            Column(formats.capital(examples), (examples,)),
            *(Column(f"{model} (%)", (model,)) for model in scores),
        ),
        tuple(
            (
                text(analysis.classes[c]),
                Cell(formats.count(numbers[c]), (numbers[c],)),
                *(Cell(formats.percent(classes[c].recall), (classes[c].recall,)) for classes in scores.values()),
            )
            for c in order
        ),
    )


def _mean_recall(scores: Sequence[ClassScore]) -> float:
    known = [score.recall for score in scores if score.recall is not None]
    return sum(known) / len(known) if known else 2.0  # a class without images is not hard


def confused_table(analysis: Analysis, most: int = 5) -> Table:
    """The most confused pairs of classes of each model."""
    examples = analysis.examples
    return Table(
        "confused",
        "Most confused classes",
        f"Which class is taken for which, the {most} most frequent of each model, all repeats together; the "
        f"share is of the {examples} of the true class.{analysis.last_epoch_alone}",
        (
            _MODEL,
            Column("True class", ("true",), "left"),
            Column("Taken for", ("given",), "left"),
            Column(formats.capital(examples), (examples,)),
            Column("Share (%)", ("share",)),
        ),
        tuple(
            (
                text(confusion.model),
                text(pair.true),
                text(pair.given),
                Cell(formats.count(pair.n), (pair.n,)),
                Cell(formats.percent(pair.share), (pair.share,)),
            )
            for confusion in analysis.confusions
            for pair in confusion.most_confused[:most]
        ),
    )


def trials_table(analysis: Analysis) -> Table:
    """One row a finished trial; `ecrnn judge` reads its CSV file."""
    metric, title, sizes = analysis.metric, formats.capital(analysis.metric.title), analysis.comparison
    trained = analysis.metric_of_epochs is not None
    of_training = (
        Column("Best epoch", ("best_epoch",)),
        Column("Time", ("seconds",)),
        Column("Device", ("device",), "left"),
        Column("Precision", ("precision",), "left"),
        Column("Threads", ("threads",)),
        Column("Finished", ("finished",), "left"),
    )
    columns = (
        _MODEL,
        Column("Repeat", ("repeat",)),
        Column(formats.heading(title, "" if metric.unit in title else metric.unit), (metric.name,)),
        Column("Split", ("split",), "left"),
        Column("Train", ("n_train",)),
        Column(formats.capital(analysis.part), ("n_test",)),
        *_best_epoch(analysis),
    )
    rows = tuple(
        (
            text(row.model),
            Cell(str(row.repeat), (row.repeat,)),
            Cell(formats.value(row.score, metric), (row.score,)),
            text(row.split),
            Cell(formats.count(sizes.n_train), (sizes.n_train,)),
            Cell(formats.count(sizes.n_test), (sizes.n_test,)),
            *_best(row.best_score, analysis),
            *(_training(row) if trained else ()),
        )
        for row in analysis.trials
    )
    best = ", and the best epoch, which is optimistic" if _best_epoch(analysis) else ""
    caption = f"{title} {analysis.when_scored}{best}. Sizes are those of the correction, the mean over the repeats."
    return Table("trials", "Every trial", caption, (*columns, *(of_training if trained else ())), rows, row_headings=2)


def _training(row: TrialRow) -> tuple[Cell, ...]:
    """How a trial was trained."""
    return (
        Cell(formats.count(row.best_epoch), (row.best_epoch,)),
        Cell(formats.duration(row.seconds), (row.seconds,)),
        text(row.device),
        text(row.precision),
        Cell(formats.count(row.threads), (row.threads,)),
        Cell(formats.moment(row.finished), (row.finished,)),
    )


def fairness_table(analysis: Analysis) -> Table:
    """What was held equal."""
    columns = (
        Column("What", ("what",), "left"),
        Column("Status", ("status",), "left"),
        Column("How", ("how",), "left"),
    )
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
        (text(trial.model), Cell(str(trial.repeat), (trial.repeat,)), text(trial.state), text(trial.reason))
        for trial in analysis.missing[:MOST_MISSING]
    )
    planned = formats.plural(analysis.planned, "planned trial")
    caption = f"{len(analysis.missing)} of {planned} without a valid result."
    if len(analysis.missing) > MOST_MISSING:
        caption += f" The first {MOST_MISSING}; all are in report.json."
    return Table("missing", "Missing trials", caption, columns, rows, row_headings=2)


def verdict_words(analysis: Analysis) -> tuple[tuple[str, str], ...]:
    """Each verdict with what it means here."""
    alpha, metric = f"{analysis.comparison.alpha:g}", analysis.metric
    rope = formats.rope(analysis.comparison.rope, metric)
    ways = ("higher", "lower") if metric.higher_is_better else ("lower", "higher")
    none = "Fewer than 3 repeats are shared: nothing is claimed."
    if analysis.interim:
        none = "Planned trainings are not finished: nothing is claimed before."
    p = "Holm-adjusted p" if analysis.sequential is None else "Holm-adjusted sequential p"
    return (
        ("better", f"A scores {ways[0]}, and the {p} of the {analysis.test_name} test is below {alpha}."),
        ("worse", f"A scores {ways[1]}, and the {p} is below {alpha}."),
        (
            "equivalent",
            f"The true difference is shown to lie within {rope}, too small to matter: the {p} of two one-sided tests "
            f"is below {alpha}. This holds even when the other p is small.",
        ),
        (
            "undecided",
            "Neither is shown. This is not evidence that the two are equal: more repeats or data may tell.",
        ),
        ("no verdict", none),
    )


def report_tables(analysis: Analysis, *, every: bool = False) -> tuple[Table, ...]:
    """The tables that have rows, in the order of a report; ``every`` adds those that are long."""
    many = None if every or len(analysis.classes) <= MANY_CLASSES else MANY_CLASSES
    first = analysis.supplement
    tables = [
        *(first.tables if first else ()),
        *(first.long_tables if first and every else ()),
        models_table(analysis),
        scores_table(analysis),
        contrasts_table(analysis),
        pairs_table(analysis),
        looks_table(analysis),
        fixed_test_table(analysis),
        evidence_table(analysis),
        crossed_table(analysis),
        power_table(analysis),
        variation_table(analysis),
        paper_table(analysis),
        classes_table(analysis, many),
        confused_table(analysis),
        cost_table(analysis),
        fairness_table(analysis),
        missing_table(analysis),
        *([effects_table(analysis), trials_table(analysis)] if every else []),
    ]
    return tuple(table for table in tables if table.rows)
