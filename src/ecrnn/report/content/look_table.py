"""The table of the looks at a study that trained until it was decided."""

from __future__ import annotations

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.formats import MINUS
from ecrnn.report.table import A_AND_B, Cell, Column, Table, text
from ecrnn.stats import Look, Metric, SequentialPair


def looks_table(analysis: Analysis) -> Table:
    """One row a look at a pair; no rows of other studies."""
    decided, metric = analysis.sequential, analysis.metric
    level = formats.level(1 - analysis.comparison.alpha)
    columns = (
        *A_AND_B,
        Column("Repeats", ("repeats",)),
        Column(f"A {MINUS} B ({metric.points})", ("difference",)),
        Column(f"{level} interval", ("low", "high")),
        Column("p", ("p",)),
        Column("p (seq.)", ("p_sequential",)),
        Column("Boundary", ("boundary",)),
        Column("Within", ("boundary_equivalent",)),
        Column("p (equal)", ("p_equivalent",)),
        Column("Then", ("closed",), "left"),
    )
    rows = tuple(_row(pair, look, metric) for pair in (decided.pairs if decided else ()) for look in pair.looks)
    return Table(
        "looks",
        "Looks",
        f"Every look at a pair while it was open; differences in {metric.points}, with repeated intervals. p is the "
        "corrected resampled t test's at this look alone; 'seq.' is the smallest level at which a look so far would "
        "have stopped, before Holm's adjustment, and 'equal' the same for equivalence. 'Boundary' is the difference "
        "that 'better' or 'worse' took at this look, at the level that Holm's procedure left to the pair; 'equivalent' "
        "took one below 'Within', where there is such a difference.",
        columns,
        rows,
        row_headings=2,
    )


def _row(pair: SequentialPair, look: Look, metric: Metric) -> tuple[Cell, ...]:
    then = (pair.verdict if pair.closed == "decided" else pair.closed) or ""
    closed = then if look is pair.looks[-1] else "open"
    return (
        text(pair.model_a),
        text(pair.model_b),
        Cell(str(look.repeats), (look.repeats,)),
        Cell(formats.difference(look.difference, metric), (look.difference,), "strong"),
        Cell(formats.interval(look.low, look.high, metric, signed=True), (look.low, look.high)),
        Cell(formats.p_value(look.p), (look.p,)),
        Cell(formats.p_value(look.p_sequential), (look.p_sequential,)),
        Cell(formats.value(look.boundary, metric), (look.boundary,)),
        Cell(formats.value(look.boundary_equivalent, metric), (look.boundary_equivalent,)),
        Cell(formats.p_value(look.p_equivalent), (look.p_equivalent,)),
        text(closed, pair.verdict or "" if closed != "open" else "muted"),
    )
