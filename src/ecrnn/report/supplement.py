"""What another package may put before a study's own tables; `ecrnn.paper` puts the figures that the paper printed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ecrnn.report.figure import Figure
from ecrnn.report.table import Table


@dataclass(frozen=True)
class Supplement:
    """The first section of a report, in every form.

    Attributes:
        key: key of the section and of its figure, as in "report-reproduction.svg".
        title: title of the section.
        data: a dataclass of plain values, which report.json holds.
        models: those of the study that the tables are about; where these are all, a terminal shows no others.
        tables: in their order.
        long_tables: those that stand in CSV files alone.
        folded: keys of tables that are folded in the page and left away on a terminal.
        notes: lines that a terminal shows under the report.
        footnote: footnote of the tables on a terminal.
        draw: the figure; it is called when the files are written.
    """

    key: str
    title: str
    data: Any
    models: tuple[str, ...]
    tables: tuple[Table, ...]
    long_tables: tuple[Table, ...]
    folded: frozenset[str]
    notes: tuple[str, ...]
    footnote: str
    draw: Callable[[], Figure] = field(compare=False)
