"""What commands print: lines and tables for people, which nothing in a name can disturb, and JSON for machines."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from ecrnn.core.text import json_text, printable

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

UNLIMITED = 1_000_000  # characters of a line, where the output is no terminal


def say(line: str) -> None:
    """Print a line for people on the standard output."""
    typer.echo(printable(line))


def complain(line: str) -> None:
    """Print a line for people on the standard error, as from ecrnn."""
    print(f"ecrnn: {printable(line)}", file=sys.stderr)


def say_json(value: Any, indent: int | None = 2) -> None:
    """Print a value as JSON for machines."""
    typer.echo(json_text(value, indent))


def terminal() -> bool:
    """Whether the standard output is a terminal, which has a width."""
    return sys.stdout is not None and sys.stdout.isatty()


def console() -> Console:
    """The standard output for tables: as wide as the terminal, and without any width in a pipe or a file."""
    from rich.console import Console

    return Console(width=None if terminal() else UNLIMITED)


def show(table: RenderableType) -> None:
    """Print a table in its full width: a terminal that is narrower wraps lines, but no word in the table is broken."""
    out = console()
    wanted = out.measure(table, options=out.options.update(width=UNLIMITED)).maximum
    out.print(table, width=max(out.width, wanted), crop=False)
