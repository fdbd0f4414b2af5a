"""Errors of a wrong command line in one line, with the nearest right name, as all errors of ecrnn are."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

from ecrnn.core.errors import nearest, unknown_name


class Group(TyperGroup):
    """A group of commands that names the nearest one to a command that it does not have."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise unknown_name("command", args[0], self.commands)
        return super().resolve_command(ctx, args)


def sentence(error: Any) -> str:
    """One line for a usage error.

    Args:
        error: typer's, or click's under older versions of typer; the classes have the same names and attributes.
    """
    path = error.ctx.command_path if error.ctx else "ecrnn"
    match type(error).__name__:
        case "NoSuchOption":
            return _unknown_option(error.option_name, error.ctx.command, path)
        case "MissingParameter":
            example = (error.ctx.command.epilog or "").removeprefix("Example: ")
            return f"{error.ctx.info_name} wants {error.param.metavar}" + (f", as in: {example}" if example else "")
        case "BadParameter":
            return f"{error.param.opts[0]}: {error.message[:1].lower()}{error.message[1:]}{_value(error)}"
    message = " ".join(error.format_message().split()).rstrip(".")
    return f"{message[:1].lower()}{message[1:]}; {path} --help shows what it takes"


def _unknown_option(name: str, command: Any, path: str) -> str:
    known = [spelling for parameter in command.params for spelling in parameter.opts if spelling.startswith("-")]
    close = nearest(name, known) if name.startswith("--") else None
    return f"unknown option '{name}'" + (f", did you mean '{close}'?" if close else f"; {path} --help lists them")


def _value(error: Any) -> str:
    """The value that was refused, where pydantic, which newer versions of typer ask, remembers it."""
    errors = getattr(error.__cause__ or error.__context__, "errors", None)
    return f", not '{errors()[0]['input']}'" if errors else ""
