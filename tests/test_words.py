"""Words that no file uses, and files that are named and must be there: source, tests, pages and workflows alike."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", ".ci", ".github")
SUFFIXES = {"", ".py", ".md", ".cpp", ".hpp", ".yaml", ".yml", ".toml", ".cff", ".j2", ".css"}
NAMED_FILE = re.compile(
    r"\b[A-Z]{3,}(?:\.ko)?\.md\b|\b(?:docs|tests|src|examples|benchmarks)/[\w./-]+\.(?:md|py|yaml)\b"
)
TO_GO = {
    r"\bissues? #?\d": "how the work was organised is not the reader's concern",
    r"/work/(?!\w+/data)": "a path of one machine",
}
HERE = Path(__file__).relative_to(ROOT)
EXCEPT = {  # files, and what they may name
    ".ci/run": "/work/",  # looks for real data there
    "docs/decisions/the-house.md": "",  # the map from old names to new ones
    "docs/how-to/built-in-family.md": "allconv.py",  # is about to be written
    "tests/test_docs.py": "allconv.py",
}


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """The files of the repository that people read, by their place, and their text."""
    paths = [path for folder in FOLDERS for path in sorted((root / folder).rglob("*")) if path.suffix in SUFFIXES]
    for path in [*paths, *sorted(root.glob("*.md")), *sorted(root.glob("*.cff"))]:
        place = path.relative_to(root)
        if path.is_file() and "__pycache__" not in place.parts and place != HERE:
            yield place.as_posix(), path.read_text(encoding="utf-8")


def faults(root: Path) -> list[str]:
    """The places of words that are to go, and of names of files that are not there."""
    found = []
    for place, text in texts(root):
        for number, line in enumerate(text.splitlines(), 1):
            names = [name for name in NAMED_FILE.findall(line) if not (root / name).exists()]
            words = [match[0] for word in TO_GO if (match := re.search(word, line))]
            excused = EXCEPT.get(place)
            found += [f"{place}:{number}: {what}" for what in names + words if excused is None or excused not in what]
    return found


def test_no_file_uses_them() -> None:
    assert faults(ROOT) == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("see DESIGN.md, section 3", "docs/x.md:1: DESIGN.md"),
        ("as docs/nowhere.md says", "docs/x.md:1: docs/nowhere.md"),
        ("the classics of issue 5", "docs/x.md:1: issue 5"),
        ("in /work/shared", "docs/x.md:1: /work/"),
    ],
)
def test_they_are_seen(line: str, fault: str, tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "x.md").write_text(line + "\n")
    assert faults(tmp_path) == [fault]


def test_what_is_there_is_let_through(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "x.md").write_text("docs/x.md and /work/shared/data; an issue, 5 of them\n")
    assert faults(tmp_path) == []
