"""The tables of a report of a search for recipes."""

from __future__ import annotations

from ecrnn.core.search_space import shown
from ecrnn.core.text import json_text
from ecrnn.report import formats
from ecrnn.report.analysis.analyse_tuning import PointRow, TunedModel, TuningAnalysis
from ecrnn.report.table import Cell, Column, Table, text

_MODEL = Column("Model", ("model",), "left")


def tuning_tables(analysis: TuningAnalysis, *, every: bool = False) -> list[Table]:
    """All tables with something in them; ``every`` with the long ones, in CSV files and folded in the page."""
    tables = [recipes_table(analysis), crossings_table(analysis)]
    if every:
        tables += [points_table(analysis), curves_table(analysis)]
    return [table for table in tables if table.rows]


def recipes_table(analysis: TuningAnalysis) -> Table:
    """One row a model: its best recipe, what it scored, and what the search took."""
    metric = analysis.metric
    heading = formats.heading("Best", metric.unit)
    return Table(
        "recipes",
        "Best recipe of each model",
        f"Settings that differ from those of all models, of the best of {analysis.budget} points, by {metric.title} on "
        f"{analysis.n_validation:,} {analysis.examples} after training on {analysis.n_train:,}; and the first point, "
        "which is the training without a search. The best of several is optimistic. At the edge: settings in an outer "
        "tenth of their range, beyond which a better value may lie.",
        (
            _MODEL,
            Column("Recipe", ("recipe",), "left"),
            Column("Point", ("point",)),
            Column(heading, ("best",)),
            Column(formats.heading("Untuned", metric.unit), ("untuned",)),
            Column(f"Gain ({metric.points})", ("gain",)),
            Column("At the edge", ("edges",), "left"),
            Column("Finished", ("finished",)),
            Column("Failed", ("failed",)),
            Column("Search", ("seconds",)),
        ),
        tuple(_recipe_row(of, analysis) for of in analysis.models),
    )


def _recipe_row(of: TunedModel, analysis: TuningAnalysis) -> tuple[Cell, ...]:
    metric = analysis.metric
    sign = 1 if metric.higher_is_better else -1
    gain = None if of.score is None or of.untuned is None else sign * (of.score - of.untuned)
    recipe = "fitted by scikit-learn" if of.fitted else formats.NOTHING if of.number is None else shown(of.recipe)
    return (
        text(of.model),
        Cell(recipe, (json_text(of.recipe),)),
        Cell(formats.count(of.number), (of.number,)),
        Cell(formats.value(of.score, metric), (of.score,), "strong"),
        Cell(formats.value(of.untuned, metric), (of.untuned,)),
        Cell(formats.difference(gain, metric), (gain,)),
        Cell(", ".join(of.edges) or formats.NOTHING, (" ".join(of.edges),), "worse" if of.edges else ""),
        Cell(str(of.finished), (of.finished,)),
        Cell(str(of.failed), (of.failed,)),
        Cell(formats.duration(of.seconds), (of.seconds,)),
    )


def crossings_table(analysis: TuningAnalysis) -> Table:
    """One row for each place where the curves of two models cross."""
    return Table(
        "crossings",
        "Where the ranking turns with the budget",
        "From so many points on, the expected best of the one model is above that of the other, and with fewer below.",
        (Column("Points", ("n",)), Column("Ahead", ("ahead",), "left"), Column("Behind", ("behind",), "left")),
        tuple((Cell(str(at.n), (at.n,)), text(at.better), text(at.worse)) for at in analysis.crossings),
        row_headings=0,
    )


def points_table(analysis: TuningAnalysis) -> Table:
    """One row for each point of each model."""
    metric = analysis.metric
    return Table(
        "points",
        "All points",
        "Point 0 is the training without a search."
        + (" The others are the same for every model." if analysis.search == "same" else ""),
        (
            _MODEL,
            Column("Point", ("point",)),
            *(Column(name, (name,)) for name in analysis.space),
            Column(formats.heading(formats.capital(metric.title), metric.unit), ("score",)),
            Column("Training", ("seconds",)),
            Column("State", ("state",), "left"),
        ),
        tuple(_point_row(row, analysis) for row in analysis.points),
        row_headings=2,
    )


def _point_row(row: PointRow, analysis: TuningAnalysis) -> tuple[Cell, ...]:
    state = "finished" if row.score is not None else f"failed: {row.error}" if row.error else "not finished"
    values = [row.point.get(name) for name in analysis.space]
    return (
        text(row.model),
        Cell(str(row.number), (row.number,)),
        *(Cell(formats.NOTHING if value is None else _value(value), (value,)) for value in values),
        Cell(formats.value(row.score, analysis.metric), (row.score,)),
        Cell(formats.duration(row.seconds), (row.seconds,)),
        text(state, "worse" if row.error else ""),
    )


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def curves_table(analysis: TuningAnalysis) -> Table:
    """One row for each model and number of points: the best that may be expected."""
    metric = analysis.metric
    rows = []
    for of in analysis.searched:
        band = of.best_of_n
        for n, mean in enumerate(of.curve, 1):
            low, high = (band.low[n - 1], band.high[n - 1]) if band else (None, None)
            interval = Cell(formats.interval(low, high, metric), (low, high))
            rows.append((text(of.model), Cell(str(n), (n,)), Cell(formats.value(mean, metric), (mean,)), interval))
    return Table(
        "best-of-n",
        "Expected best of n points",
        CURVE_CAPTION if analysis.search == "same" else IN_ORDER_CAPTION,
        (
            _MODEL,
            Column("Points", ("n",)),
            Column(formats.heading("Best", metric.unit), ("best",)),
            Column("95 % interval", ("low", "high")),
        ),
        tuple(rows),
        row_headings=2,
    )


CURVE_CAPTION = (
    "Mean of the best over all choices of n of the points, without replacement; the band is a bootstrap over the "
    "points. Where two curves cross, the ranking depends on how much is searched."
)
IN_ORDER_CAPTION = (
    "Best of the first n points, in the order in which the search tried them; each depends on those before it, so "
    "there is no expectation over orders and no band."
)
