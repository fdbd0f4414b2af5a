"""The report on a terminal: the finding, the models, the comparisons, what is missing. The rest is in the files.

A table that is too wide for the terminal leaves out its least needed columns, or turns, rather than breaking words.
"""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING

from ecrnn.core.text import counted, printable
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.content import pair_tables, tables
from ecrnn.report.content.variation_table import variation_table
from ecrnn.report.table import Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.text import Text

_MANY_PAIRS = 12
_SPARED = ("best_epoch_*_optimistic", "minimum", "maximum", "repeats", "parameters", "sd", "seconds_a_trial")
_SENTENCES = ("reason", "input", "expected", "output")  # columns that break where they must
_GAP = 2  # between columns, and on both sides of all
_STYLES = {
    "strong": "bold",
    "muted": "dim",
    "better": "bold green",
    "worse": "bold red",
    "equivalent": "cyan",
    "undecided": "yellow",
    "none": "dim",
    "differs": "yellow",
}


def words(text: str, style: str = "") -> Text:
    """``text`` for a `rich` console: no part of it is markup, nothing in it is obeyed by the terminal."""
    from rich.text import Text

    return Text(printable(text), style=style)


def rich_table(table: Table, width: int | None = None) -> RenderableType:
    """One table for a `rich` console, in at most ``width`` characters; None for any width.

    Where it is too wide, the columns that are needed least are left out; where that is not enough, each row becomes a
    few lines, a column a line. No word is broken unless it is longer than a line.
    """
    from rich import box
    from rich.table import Table as RichTable

    if width is not None:
        table = _narrowed(table, width)
        if _full_width(table) > width:
            return _records(table)
    drawn = RichTable(
        title=words(table.title, "bold"),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(table.columns):
        least = _width(table, i)
        exact = None if column.names[0] in _SENTENCES else least
        drawn.add_column(words(column.title), justify=column.align, overflow="fold", width=exact, min_width=least)
    for row in table.rows:
        drawn.add_row(*(words(cell.text, _STYLES.get(cell.mark, "")) for cell in row))
    return drawn


def _records(table: Table) -> RenderableType:
    """The rows one below the other: what names a row on a line, then each column with its heading."""
    from rich.console import Group
    from rich.table import Table as RichTable

    parts: list[RenderableType] = [words(table.title, "bold"), ""]
    for row in table.rows:
        first, rest = row[: table.row_headings], row[table.row_headings :]
        parts.append(words(", ".join(cell.text for cell in first), "bold"))
        grid = RichTable.grid(padding=(0, 0, 0, 2), pad_edge=True)
        grid.add_column(overflow="fold")
        grid.add_column(overflow="fold")
        for column, cell in zip(table.columns[table.row_headings :], rest, strict=True):
            grid.add_row(words(column.title), words(cell.text, _STYLES.get(cell.mark, "")))
        parts += [grid, ""]
    return Group(*parts)


def _narrowed(table: Table, width: int) -> Table:
    """``table`` without the columns that can be spared, until it fits or nothing more can go."""
    for name in _SPARED:
        if _full_width(table) <= width:
            break
        keep = [i for i, column in enumerate(table.columns) if not fnmatch.filter(column.names, name)]
        columns = tuple(table.columns[i] for i in keep)
        table = replace(table, columns=columns, rows=tuple(tuple(row[i] for i in keep) for row in table.rows))
    return table


def _full_width(table: Table) -> int:
    """What a table takes at least, its sentences broken between words."""
    return sum(_width(table, i) for i in range(len(table.columns))) + _GAP * len(table.columns)


def _width(table: Table, i: int) -> int:
    """The least width of a column: its cells whole, or broken between words where they are sentences; its heading
    broken between words."""
    from rich.cells import cell_len

    cells = [printable(row[i].text) for row in table.rows]
    if table.columns[i].names[0] in _SENTENCES:
        cells = [word for cell in cells for word in cell.split()]
    return max(map(cell_len, (*table.columns[i].title.split(), *cells)), default=1)


def print_report(analysis: Analysis, console: Console) -> None:
    """Print on ``console`` what a user wants to see of ``analysis`` after a study; `write_report` writes the rest."""
    console.print()
    console.print(words(analysis.headline, "bold"))
    console.print(words(analysis.certainty, "dim"))
    console.print()
    first = analysis.supplement
    if first:
        for table in first.tables:
            if table.key not in first.folded:
                console.print(rich_table(table, console.width))
        console.print(words(first.footnote, "dim"))
    if not first or len(analysis.models) > len(first.models):
        console.print(rich_table(tables.models_table(analysis), console.width))
    if analysis.class_scores and analysis.metric is not analysis.metric_of_epochs:
        console.print(rich_table(tables.scores_table(analysis), console.width))
    contrasts = pair_tables.contrasts_table(analysis)
    if contrasts.rows:
        console.print(rich_table(contrasts, console.width))
    if not (first and analysis.comparison.baseline is None):
        _print_pairs(pair_tables.pairs_table(analysis), console)
    if analysis.comparison.named_difference is not None:
        _print_pairs(pair_tables.power_table(analysis), console)
    for extra in (
        pair_tables.fixed_test_table(analysis),
        variation_table(analysis),
        tables.missing_table(analysis),
    ):
        if extra.rows:
            console.print(rich_table(extra, console.width))
    for line in (*(first.notes if first else ()), *analysis.warnings):
        console.print(words(f"note: {line}", "yellow"))


def _print_pairs(table: Table, console: Console) -> None:
    """Print the first rows of a table with a row a pair."""
    if not table.rows:
        return
    shown = table.rows[:_MANY_PAIRS]
    console.print(rich_table(replace(table, rows=shown), console.width))
    if len(shown) < len(table.rows):
        more = counted(len(table.rows) - len(shown), "more pairs")
        console.print(words(f"and {more} in the report's files; --baseline MODEL shortens the list"))
