"""The tables of a check of a folder of images: what was found, the splits, the classes."""

from __future__ import annotations

from ecrnn.core.text import counted
from ecrnn.data.check.findings import KINDS, Check
from ecrnn.report.formats import count
from ecrnn.report.table import Cell, Column, Table, text


def headline(check: Check) -> str:
    """Whether a training would begin, and if not why."""
    if check.would_train:
        return "A training would begin"
    more = f" (and {counted(len(check.refusals) - 1, 'more reasons')})" if len(check.refusals) > 1 else ""
    return f"A training would not begin: {check.refusals[0]}{more}"


def kinds_table(check: Check) -> Table:
    """How often each kind was found, and what it means."""
    rows = tuple(
        (text(kind), text(KINDS[kind].severity), Cell(count(number), (number,)), text(KINDS[kind].meaning))
        for kind, number in check.counts().items()
    )
    left = (Column("Found", ("kind",), "left"), Column("Severity", ("severity",), "left"))
    columns = (*left, Column("How often", ("count",)), Column("What it is", ("meaning",), "left"))
    return Table("findings", "What was found", "What stops a training is an error.", columns, rows)


def splits_table(check: Check) -> Table:
    """The splits that would be used, and how many held-out images are copies of some that train."""
    rows = tuple(
        (text(row.name), *(Cell(count(n), (n,)) for n in (row.train, row.held_out, row.exact, row.near)))
        for row in check.splits
    )
    columns = (
        Column("Split", ("split",), "left"),
        Column("Train", ("train",)),
        Column("Held out", ("held_out",)),
        Column("Same", ("exact",)),
        Column("Alike", ("near",)),
    )
    return Table(
        "splits",
        "Splits",
        "Held-out images that are the same as one that trains, and further ones that look like one.",
        columns,
        rows,
    )


def classes_table(check: Check) -> Table:
    """The classes: images and their sides."""
    rows = tuple(
        (
            text(row.name),
            Cell(count(row.images), (row.images,)),
            Cell(count(row.unreadable), (row.unreadable,)),
            Cell(_sides(row.widths), row.widths),
            Cell(_sides(row.heights), row.heights),
        )
        for row in check.classes
    )
    columns = (
        Column("Class", ("class",), "left"),
        Column("Images", ("images",)),
        Column("Unreadable", ("unreadable",)),
        Column("Width", ("width_low", "width_median", "width_high")),
        Column("Height", ("height_low", "height_median", "height_high")),
    )
    return Table("classes", "Classes", "Sides in pixels: smallest, median, largest.", columns, rows)


def _sides(sides: tuple[int, int, int]) -> str:
    low, median, high = sides
    return str(median) if low == high else f"{low} / {median} / {high}"
