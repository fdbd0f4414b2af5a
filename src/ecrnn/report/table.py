"""What a table is: rows of cells that every output sets in its own way.

A cell has a text for people and the values behind it for machines, so a CSV file holds full precision and an
interval is two columns there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Value = str | int | float | None


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


A_AND_B = (Column("A", ("model_a",), "left"), Column("B", ("model_b",), "left"))


def pair_table(
    pairs: Iterable[tuple[str, str]],
    *,
    key: str,
    title: str,
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[Cell]],
) -> Table:
    """A table with a row for each pair of models; a pair whose row has no cells is left out."""
    filled = tuple((text(a), text(b), *cells) for (a, b), cells in zip(pairs, rows, strict=True) if cells)
    return Table(key, title, caption, (*A_AND_B, *columns), filled, row_headings=2)
