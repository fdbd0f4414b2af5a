"""Cells: the value, or a line with row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.scores import cells
from ecrnn.scores.score_table import Table


def table(cell: Any) -> Table:
    return Table("t.csv", {"score": [cell]}, [7])


@pytest.mark.parametrize(
    ("cell", "value"), [("0.5", 0.5), (" 1e-3 ", 0.001), (".5", 0.5), (3, 3.0), (np.float64(2), 2)]
)
def test_numbers(cell: Any, value: float) -> None:
    assert cells.number(table(cell), 0, "score") == value


@pytest.mark.parametrize(
    ("cell", "fault"),
    [
        ("", "is empty; a number belongs there"),
        (None, "is empty; a number belongs there"),
        ("NaN", "is NaN; a number belongs there"),
        (float("nan"), "is nan; a number belongs there"),
        ("inf", ": 'inf' is no number"),
        (float("inf"), ": 'inf' is no number"),
        ("1e999", ": '1e999' is no number"),
        ("1_000", ": '1_000' is no number"),
        ("٣", ": '٣' is no number"),
        (True, ": 'True' is no number"),
        ("0,83", ": '0,83' is no number; a decimal point belongs there, no comma"),
        ("83.1%", ": '83.1%' is no number; --percent reads scores in percent, without the sign"),
        ("\x1b[31m", ": '\\x1b[31m' is no number"),
    ],
)
def test_what_is_no_number(cell: Any, fault: str) -> None:
    with pytest.raises(EcrnnError) as caught:
        cells.number(table(cell), 0, "score")
    line = f"t.csv, row 7, column 'score'{'' if fault.startswith(':') else ' '}{fault}"
    assert str(caught.value) == line


def test_whole_numbers_names_and_flags() -> None:
    assert cells.whole(table("3.0"), 0, "score") == 3
    for cell, fault in (("3.5", "3.5 is no whole number"), ("-1", "-1 is below 0"), ("1e300", "is no whole number")):
        with pytest.raises(EcrnnError, match=fault):
            cells.whole(table(cell), 0, "score")
    assert [cells.name(table(cell), 0, "score") for cell in (" a ", 3.0, 2.5, "none", float("inf"))] == [
        *("a", "3", "2.5", "none", "inf")
    ]
    for cell, fault in ((" ", "is empty; a name"), (None, "is empty; a name"), ("x" * 201, "has 201 characters")):
        with pytest.raises(EcrnnError, match=fault):
            cells.name(table(cell), 0, "score")
    assert [cells.flag(table(cell), 0, "score") for cell in ("1", 0, True, "False", 1.0)] == [1, 0, 1, 0, 1]
    with pytest.raises(EcrnnError, match=r"'2' is neither 1 \(right\) nor 0 \(wrong\)"):
        cells.flag(table("2"), 0, "score")
