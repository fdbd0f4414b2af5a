"""The report on a terminal: the finding, the models, the comparisons, what is missing. The rest is in the
files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ecrnn.report import pair_tables, tables
from ecrnn.report.results import Analysis
from ecrnn.report.table import Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

_MANY_PAIRS = 12
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


def rich_table(table: Table) -> RichTable:
    """One table for a `rich` console; no text in it is markup."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(title=Text(table.title, style="bold"), box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for i, column in enumerate(table.columns):
        names_row = i < table.row_headings
        drawn.add_column(Text(column.title), justify=column.align, overflow="fold", no_wrap=names_row)
    for row in table.rows:
        drawn.add_row(*(Text(cell.text, style=_STYLES.get(cell.mark, "")) for cell in row))
    return drawn


def print_report(analysis: Analysis, console: Console) -> None:
    """Print on ``console`` what a user wants to see of ``analysis`` after a study; `write_report` writes the rest."""
    from rich.text import Text

    console.print()
    console.print(Text(analysis.headline, style="bold"))
    console.print(Text(analysis.certainty, style="dim"))
    console.print()
    console.print(rich_table(tables.models_table(analysis)))
    pairs = pair_tables.pairs_table(analysis)
    if pairs.rows:
        shown = pairs.rows[:_MANY_PAIRS]
        console.print(rich_table(replace(pairs, rows=shown)))
        if len(shown) < len(pairs.rows):
            rest = len(pairs.rows) - len(shown)
            console.print(Text(f"and {rest} more pairs in the files of the report; --baseline MODEL shortens the list"))
    for extra in (pair_tables.fixed_test_table(analysis), tables.missing_table(analysis)):
        if extra.rows:
            console.print(rich_table(extra))
    for line in analysis.warnings:
        console.print(Text(f"note: {line}", style="yellow"))
