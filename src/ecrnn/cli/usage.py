"""What typer says of a wrong command line, said as the rest of ecrnn says it: one line, with the nearest right name."""

from __future__ import annotations

from typing import Any

from ecrnn.core.errors import nearest, unknown_name


def sentence(error: Exception, group: Any) -> str:
    """One line for a usage error.

    Args:
        error: typer's, or click's under older versions of typer; they are told apart by what they say.
        group: the command `ecrnn` itself, for the names of its commands.
    """
    line = " ".join(str(error.format_message()).split())  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    command = context.command if context else group
    path = context.command_path if context else "ecrnn"
    name = path.rpartition(" ")[2]
    if line.startswith("No such command"):
        return str(unknown_name("command", _quoted(line), getattr(command, "commands", group.commands)))
    if line.startswith("No such option"):
        return _unknown_option(str(getattr(error, "option_name", "")), command, path)
    if line.startswith("Missing argument"):
        example = (command.epilog or "").removeprefix("Example: ")
        return f"{name} wants {_quoted(line)}" + (f", as in: {example}" if example else "")
    if line.startswith("Invalid value for "):
        fault = line.partition(": ")[2]
        return f"{_quoted(line).split(' / ')[0]}: {fault[:1].lower()}{fault[1:]}{_given(error)}"
    if line.startswith("Got unexpected extra argument"):
        extra = line.partition(" (")[2].removeprefix("s) (").rstrip(")")
        line = f"unexpected argument {extra}"
    return f"{line[:1].lower()}{line[1:].rstrip('.')}; {path} --help shows what it takes"


def _quoted(line: str) -> str:
    return line.split("'")[1] if line.count("'") > 1 else line


def _unknown_option(name: str, command: Any, path: str) -> str:
    known = [spelling for parameter in command.params for spelling in parameter.opts if spelling.startswith("-")]
    close = nearest(name, known) if name.startswith("--") else None
    return f"unknown option '{name}'" + (f", did you mean '{close}'?" if close else f"; {path} --help lists them")


def _given(error: Exception) -> str:
    """The value that was refused, where pydantic, which newer versions of typer ask, remembers it."""
    errors = getattr(error.__cause__ or error.__context__, "errors", None)
    return f", not '{errors()[0]['input']}'" if errors else ""
