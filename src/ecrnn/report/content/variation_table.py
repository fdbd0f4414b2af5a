"""What a score varies with, of studies that train each split several times: one row a model, then one a pair."""

from __future__ import annotations

import math

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis, Variation
from ecrnn.report.formats import MINUS, NOTHING
from ecrnn.report.table import Cell, Column, Table, text
from ecrnn.stats import Interval, Metric


def variation_table(analysis: Analysis) -> Table:
    """No rows where each split was trained once."""
    metric, examples, rows = analysis.metric, analysis.examples, analysis.variation
    level = formats.level(1 - analysis.comparison.alpha)
    known = bool(rows) and rows[0].found.images is not None
    parts = [f"Test {examples}"] if known else []
    shares = ["seed", f"training {examples}", f"test {examples}"] if known else ["seed", "split"]
    splits = f"{rows[0].found.splits} splits with {rows[0].found.seeds} trainings each" if rows else ""
    caption = (
        f"Standard deviation of the score of one training, in {metric.points}, by analysis of variance of {splits}. "
        f"Seed: trainings on one split. Split: what its {'training and test ' if known else ''}{examples} add"
        + (
            f", of which the test {examples} are what two trainings share through those that both score. "
            if known
            else ". "
        )
        + "An estimate below 0 is 0. Intervals take splits as independent: chi squared for the seed, modified "
        "large-sample limits for the split. Few splits leave them wide."
    )
    return Table(
        "variation",
        "What varies",
        caption,
        (
            Column("Of", ("of",), "left"),
            Column("One training", ("sd",)),
            *(
                column
                for name in ("Seed", "Split", *parts)
                for column in (
                    Column(name, (f"sd_{name.split()[0].lower()}",)),
                    Column(
                        f"{level} interval", tuple(f"sd_{name.split()[0].lower()}_{end}" for end in ("low", "high"))
                    ),
                )
            ),
            *(Column(f"{formats.capital(share)} (%)", (f"share_{share.split()[0]}",)) for share in shares),
        ),
        tuple(_row(row, metric) for row in rows),
    )


def _row(row: Variation, metric: Metric) -> tuple[Cell, ...]:
    found, name = row.found, row.model_a if row.model_b is None else f"{row.model_a} {MINUS} {row.model_b}"
    parts = [found.seed.estimate, found.split.estimate]
    if found.images is not None and found.training is not None:
        parts = [found.seed.estimate, found.training.estimate, found.images.estimate]
    shares = [part / found.total if found.total else None for part in parts]
    intervals = [found.seed, found.split, *([found.images] if found.images is not None else [])]
    return (
        text(name),
        _sd(found.total, metric),
        *(cell for interval in intervals for cell in _deviation(interval, metric)),
        *(Cell(formats.percent(share) if share is not None else NOTHING, (share,)) for share in shares),
    )


def _sd(variance: float, metric: Metric) -> Cell:
    return Cell(formats.value(math.sqrt(variance), metric), (math.sqrt(variance),))


def _deviation(interval: Interval, metric: Metric) -> tuple[Cell, Cell]:
    low, high = math.sqrt(interval.low), math.sqrt(interval.high)
    return _sd(interval.estimate, metric), Cell(formats.interval(low, high, metric), (low, high))
