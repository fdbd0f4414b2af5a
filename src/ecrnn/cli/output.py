"""What commands print: lines and tables for people, which nothing in a name can disturb, and JSON for machines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from ecrnn.core.text import counted, json_text, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

    from ecrnn.report import AcrossReport, Report, TuningReport

UNLIMITED = 1_000_000  # characters of a line, where the output is no terminal


def say(line: str) -> None:
    """Print a line for people on the standard output."""
    typer.echo(printable(line))


def complain(line: str) -> None:
    """Print a line for people on the standard error, as from ecrnn."""
    remark(f"ecrnn: {printable(line)}")


def remark(line: str) -> None:
    """Write a line to the standard error, in one piece: the ranks of a training share it."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def say_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON for machines."""
    typer.echo(json_text(value, indent))


def complain_of_failures(lines: Sequence[str], again: str = "the same command") -> int:
    """Say how many trials failed, and why the first one. Gives the status of the command.

    Args:
        lines: one a trial.
        again: what tries them again.
    """
    if lines:
        complain(f"{counted(len(lines), 'trials')} failed, {again} tries again: {lines[0]}")
    return 1 if lines else 0


def show_report(
    report: Report | AcrossReport | TuningReport, print_analysis: Callable[..., None], *, as_json: bool
) -> None:
    """Print a report that was written, and say where it lies.

    Args:
        report: with its files.
        print_analysis: of `ecrnn.report`, for such a report.
        as_json: print its report.json alone.
    """
    if as_json:
        typer.echo(report.paths["report.json"].read_text(encoding="utf-8"), nl=False)
        return
    print_analysis(report.analysis, console())
    say(f"Report: {report.paths['report.html']}, with Markdown, LaTeX, CSV and JSON beside it")


def terminal() -> bool:
    """Whether the standard output is a terminal, which has a width."""
    return sys.stdout is not None and sys.stdout.isatty()


def console() -> Console:
    """The standard output for tables: as wide as the terminal, and without any width in a pipe or a file."""
    from rich.console import Console

    return Console(width=None if terminal() else UNLIMITED, markup=False, emoji=False)


def show(table: Table) -> None:
    """Print a table. A narrow terminal wraps its cells between words; where that is not enough, each row becomes
    several lines, one per column."""
    from rich.cells import cell_len

    out = console()
    for column in table.columns:
        texts = [str(column.header), *map(str, column.cells)]
        column.min_width = max(map(cell_len, texts if column.no_wrap else " ".join(texts).split()), default=1)
        column.overflow = "fold"
    table.padding, table.pad_edge = (0, 1, 0, 0), False
    least = 2 + sum((column.min_width or 0) + 2 for column in table.columns)  # with edges and what is between
    out.print(table if least <= out.width else _records(table))


def _records(table: Table) -> RenderableType:
    """The rows of ``table`` one below the other: each cell behind its heading, in lines of any length."""
    from rich.text import Text

    rows = zip(*(column.cells for column in table.columns), strict=True)
    headings = [str(column.header) for column in table.columns]
    parts = [str(table.title)] if table.title else []
    for row in rows:
        lines = [
            f"{heading}: {cell}" if heading else str(cell) for heading, cell in zip(headings, row, strict=True) if cell
        ]
        parts.append("\n  ".join(lines))
    return Text("\n".join(parts))
