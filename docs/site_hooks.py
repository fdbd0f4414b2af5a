"""What mkdocs does with these pages beyond its own: the reference of commands, decisions, files outside docs/.

Pages link to files of the repository, such as reports in results/. The site has those that a page links to, and what
they link to in turn, so that every link leads somewhere on GitHub and on the site alike.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"(\]\()((?!https?:|#|/|mailto:)[^)#\s]+)")
OUTSIDE = "repository"  # the folder of the site in which files from outside docs/ lie


def on_config(config: Any) -> Any:
    """List the pages of docs/decisions in the navigation, by their titles."""
    pages = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    decisions = [{title(page): f"decisions/{page.name}"} for page in pages]
    config.nav = [{"Decisions": decisions} if "Decisions" in entry else entry for entry in config.nav]
    return config


def on_files(files: Any, config: Any) -> Any:
    """Add the files of the repository that pages link to, and those that these link to."""
    waiting = [ROOT / "docs" / file.src_uri for file in files if file.src_uri.endswith(".md")]
    added: set[str] = set()
    while waiting:
        page = waiting.pop()
        for target in targets(page):
            path = (page.parent / target).resolve()
            inside = path.relative_to(ROOT).as_posix()
            if inside.startswith("docs/") or inside in added or not path.is_file():
                continue
            added.add(inside)
            files.append(File.generated(config, f"{OUTSIDE}/{inside}", abs_src_path=str(path)))
            if path.suffix == ".md":
                waiting.append(path)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links that leave docs/ to the copies on the site, and fill the page of commands."""
    if page.file.src_uri == "reference/commands.md":
        return markdown + commands()
    here = page.file.src_uri
    place = ROOT / here.removeprefix(f"{OUTSIDE}/") if here.startswith(f"{OUTSIDE}/") else ROOT / "docs" / here
    return LINK.sub(lambda match: match[1] + site_link(match[2], place, here), markdown)


def site_link(target: str, place: Path, here: str) -> str:
    """The link of a page to a file, as the site has it."""
    path = (place.parent / target).resolve()
    if not path.is_relative_to(ROOT) or not path.exists():
        return target  # mkdocs says that it is broken
    inside = path.relative_to(ROOT).as_posix()
    there = inside.removeprefix("docs/") if inside.startswith("docs/") else f"{OUTSIDE}/{inside}"
    return posixpath.relpath(there, posixpath.dirname(here) or ".")


def targets(page: Path) -> list[str]:
    """What a page links to, but for other hosts."""
    return [match[1] for match in LINK.findall(page.read_text("utf-8"))]


def title(page: Path) -> str:
    """The first heading of a page."""
    return next(line for line in page.read_text("utf-8").splitlines() if line.startswith("# ")).removeprefix("# ")


def commands() -> str:
    """All commands with their arguments and options, from the definitions that the command line itself has."""
    import typer

    from ecrnn.cli.main import app

    group: Any = typer.main.get_command(app)
    parts = []
    for name, command in group.commands.items():
        subcommands = getattr(command, "commands", {})
        parts.append(section(f"ecrnn {name}", command, 2))
        parts += [section(f"ecrnn {name} {sub}", one, 3) for sub, one in subcommands.items()]
    return "\n".join(parts)


def section(name: str, command: Any, level: int) -> str:
    """One command."""
    lines = [f"{'#' * level} {name}", "", " ".join((command.help or "").split()), ""]
    if example := (command.epilog or "").removeprefix("Example: ").strip():
        lines += ["```", example, "```", ""]
    rows = [row(parameter) for parameter in command.params if parameter.name != "help"]
    if rows:
        lines += ["| | | |", "|---|---|---|", *rows, ""]
    return "\n".join(lines)


def row(parameter: Any) -> str:
    """One argument or option: its spellings, what it takes, what it means."""
    argument = parameter.param_type_name == "argument"
    names = [parameter.metavar or parameter.name.upper()] if argument else [*parameter.opts, *parameter.secondary_opts]
    takes = (
        ""
        if argument or getattr(parameter, "is_flag", False)
        else parameter.metavar or parameter.display_type(None).strip("<>")
    )
    meaning = " ".join((getattr(parameter, "help", "") or "").split()).replace("|", "\\|")
    default = parameter.default
    shown = default not in (None, False, ()) and not callable(default) and "Default" not in meaning
    meaning += f" Default: {default}." if shown else ""
    return f"| {', '.join(f'`{name}`' for name in names)} | {takes} | {meaning} |"
