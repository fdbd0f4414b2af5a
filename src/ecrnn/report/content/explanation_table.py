"""The table of the maps of one explained image: what each test says of them."""

from __future__ import annotations

from ecrnn.explain.explanation import Explanation, Map
from ecrnn.report.formats import MINUS, NOTHING
from ecrnn.report.table import Cell, Column, Table, text

TITLE = "How far the maps can be trusted"


def maps_table(explanation: Explanation, number: int = 1) -> Table:
    """One row a map; ``number`` is that of the image on its page."""
    return Table(
        f"maps-{number}",
        TITLE,
        "Rank correlation: of the map with those of networks with shuffled weights; above 0.5 the map does not depend "
        "on what was learnt. Deletion and insertion: mean probability of the class while the pixels that count most "
        "are blurred first, or brought back first, and the same for the map moved elsewhere; deletion should be below, "
        "insertion above. Completeness error: what the sum of the map misses of the difference that it explains.",
        (
            Column("Map", ("map",), "left"),
            Column("Tests", ("tests",), "left"),
            Column("Rank correlation", ("rank_correlation",)),
            Column("Deletion", ("deletion",)),
            Column("Map moved", ("deletion_moved",)),
            Column("Insertion", ("insertion",)),
            Column("Map moved", ("insertion_moved",)),
            Column("Completeness error", ("completeness_error",)),
        ),
        tuple(_row(one) for one in explanation.maps),
    )


def _row(one: Map) -> tuple[Cell, ...]:
    error = one.attribution.completeness_error
    numbers = (
        one.randomisation.all_random,
        one.deletion.area,
        one.deletion.moved_area,
        one.insertion.area,
        one.insertion.moved_area,
    )
    return (
        text(one.title),
        text("failed" if one.faults else "passed", "worse" if one.faults else "better"),
        *(Cell(f"{value:.2f}".replace("-", MINUS), (value,)) for value in numbers),
        Cell(NOTHING if error is None else _percent(error), (error,)),
    )


def _percent(share: float) -> str:
    if share < 0.0001:
        return "< 0.01 %"
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"
