"""What a table is: rows of cells that every output sets in its own way.

A cell has a text for people and the values behind it for machines, so a CSV file holds full precision and an
interval is two columns there.
"""

from __future__ import annotations

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
