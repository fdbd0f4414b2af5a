"""What README and docs show is run: the blocks of the tutorial as they stand; every other command must parse."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"^(?:    |\$ )?(ecrnn [^#\n`]*)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    return [match.strip() for match in COMMAND.findall(page.read_text())]


@pytest.mark.slow
def test_the_tutorial_runs_as_it_stands(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial.md"
    lines = [line for block in blocks(page, "sh") for line in block.splitlines()]
    assert len(lines) >= 6
    for line in lines:
        command = [sys.executable, "-m", *shlex.split(line)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    assert (tmp_path / "my-study" / "report" / "report.html").is_file()
    script = "\n".join(blocks(page, "python"))
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "repeats)." in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_shown_parses(page: Path) -> None:
    from ecrnn.cli.main import app

    group = typer.main.get_command(app)
    for line in commands(page):
        name, *arguments = shlex.split(line)[1:] or ["--help"]
        if name.startswith("-"):
            continue
        command = group.commands[name]  # KeyError: the page shows a command that does not exist
        if not any("..." in argument or argument.isupper() for argument in arguments):
            command.make_context(name, arguments, resilient_parsing=False)


def test_the_pages_show_commands() -> None:
    """The two tests above would pass on empty pages."""
    assert len(commands(ROOT / "README.md")) >= 4
    assert len(commands(ROOT / "docs" / "tutorial.md")) >= 8


def test_both_readmes_show_the_same_commands_and_figures() -> None:
    english, korean = ((ROOT / name).read_text() for name in ("README.md", "README.ko.md"))
    fence = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
    assert fence.findall(english) == fence.findall(korean)
    figure = re.compile(r"\d+\.\d\d")
    assert figure.findall(english) == figure.findall(korean)


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
