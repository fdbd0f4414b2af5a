"""The report on a terminal: the finding, the models, the comparisons, what is missing. The rest is in the files.

A table that is too wide for the terminal leaves out its least needed columns rather than breaking words.
"""

from __future__ import annotations

import fnmatch
from dataclasses import replace
from typing import TYPE_CHECKING

from ecrnn.report import pair_tables, tables
from ecrnn.report.reproduction_tables import MARKS, reproduction_tables
from ecrnn.report.results import Analysis
from ecrnn.report.table import Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

_MANY_PAIRS = 12
_SPARED = ("best_epoch_*_optimistic", "minimum", "maximum", "repeats", "parameters", "sd", "seconds_a_trial")
_SENTENCES = ("reason", "input", "expected", "output")  # columns that break where they must
_LAYERS = "paper-table-1"  # the same in every study of the paper's; it stands in the files
_GAP = 2  # between columns
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


def rich_table(table: Table, width: int | None = None) -> RichTable:
    """One table for a `rich` console, in at most ``width`` characters if that can be; no text in it is markup."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    table = table if width is None else _narrowed(table, width)
    drawn = RichTable(
        title=Text(table.title, style="bold"),
        box=box.SIMPLE_HEAD,
        title_justify="left",
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for i, column in enumerate(table.columns):
        exact = None if column.names[0] in _SENTENCES else _width(table, i)
        drawn.add_column(Text(column.title), justify=column.align, overflow="fold", width=exact)
    for row in table.rows:
        drawn.add_row(*(Text(cell.text, style=_STYLES.get(cell.mark, "")) for cell in row))
    return drawn


def _narrowed(table: Table, width: int) -> Table:
    """``table`` without the columns that can be spared, until it fits or nothing more can go."""
    for name in _SPARED:
        widths = [_width(table, i) for i in range(len(table.columns))]
        if sum(widths) + _GAP * (len(widths) - 1) <= width:
            break
        keep = [i for i, column in enumerate(table.columns) if not fnmatch.filter(column.names, name)]
        columns = tuple(table.columns[i] for i in keep)
        table = replace(table, columns=columns, rows=tuple(tuple(row[i] for i in keep) for row in table.rows))
    return table


def _width(table: Table, i: int) -> int:
    """The least width of a column: its cells whole, its heading broken between words."""
    return max(map(len, (*table.columns[i].title.split(), *(row[i].text for row in table.rows))))


def print_report(analysis: Analysis, console: Console) -> None:
    """Print on ``console`` what a user wants to see of ``analysis`` after a study; `write_report` writes the rest."""
    from rich.text import Text

    console.print()
    console.print(Text(analysis.headline, style="bold"))
    console.print(Text(analysis.certainty, style="dim"))
    console.print()
    if analysis.reproduction:
        for table in reproduction_tables(analysis.reproduction):
            if table.key != _LAYERS:
                console.print(rich_table(table, console.width))
        console.print(Text(f"{MARKS}. Verdicts are the corrected test's; the files say more.", style="dim"))
    if not analysis.reproduction or len(analysis.models) > len(analysis.reproduction.models):
        console.print(rich_table(tables.models_table(analysis), console.width))
    pairs = pair_tables.pairs_table(analysis)
    if pairs.rows and not (analysis.reproduction and analysis.comparison.baseline is None):
        shown = pairs.rows[:_MANY_PAIRS]
        console.print(rich_table(replace(pairs, rows=shown), console.width))
        if len(shown) < len(pairs.rows):
            rest = len(pairs.rows) - len(shown)
            console.print(Text(f"and {rest} more pairs in the files of the report; --baseline MODEL shortens the list"))
    for extra in (pair_tables.fixed_test_table(analysis), tables.missing_table(analysis)):
        if extra.rows:
            console.print(rich_table(extra, console.width))
    departed = analysis.reproduction.departures if analysis.reproduction else ()
    for line in (*departed, *analysis.warnings):
        console.print(Text(f"note: {line}", style="yellow"))
