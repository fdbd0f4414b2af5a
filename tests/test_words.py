"""Words that no file uses, names that no module has, and files that are named and must be there."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("src", "tests", "docs", "examples", "benchmarks", ".ci", ".github")
SUFFIXES = {"", ".py", ".md", ".cpp", ".hpp", ".yaml", ".yml", ".toml", ".cff", ".j2", ".css", ".svg"}
NAMED_FILE = re.compile(
    r"\b[A-Z]{3,}(?:\.ko)?\.md\b|\b(?:docs|tests|src|examples|benchmarks)/[\w./-]+\.(?:md|py|yaml)\b"
)
TO_GO = {
    r"\bissues? #?\d": "how the work was organised is not the reader's concern",
    r"/work/(?!\w+/data)": "a path of one machine",
    r"(?i)\bpictures?\b": "the field says image",
    r"\bhelp=[\"']Of\b": "a help text begins with the noun",
}
# Names that modules once had, by which nobody finds what is in them: the field has a word for each.
MODULES_TO_GO = {
    *("answers", "blocks", "by_hand", "canvas", "counter", "curves", "flow", "historic", "language", "measured"),
    *("pairs", "picture", "pictures", "prepared", "scored", "single", "sizes", "states", "stock", "store", "utils"),
    *("writer", "writers"),
}
SHARED = {  # names of several modules, and why: whoever opens one knows which it is
    "__init__": "of every package",
    **dict.fromkeys(("data", "facts", "objective", "predictor", "export"), "of every task, and of what tasks build on"),
    **dict.fromkeys(("estimator", "seq2seq", "baselines"), "what tasks share, a level further down"),
    **dict.fromkeys(("figure", "tables"), "of the paper, beside those of every report"),
    **dict.fromkeys(("effective_memory", "gradient_flow"), "what is measured, and the studies of it"),
    **dict.fromkeys(("settings", "tasks", "evaluation"), "one thing, of several packages"),
    "batches": "of a training, and one for checks",
}
COMMANDS = "cli"  # whose modules are called as the commands
HERE = Path(__file__).relative_to(ROOT)
EXCEPT = {  # files, and what they may name
    ".ci/run": "/work/",  # looks for real data there
    "src/ecrnn/models/caption.py": "picture",  # the name of a layer, in the weights of all bundles
    "tests/models/test_caption.py": "picture",
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


def module_faults(source: Path) -> list[str]:
    """The modules below ``source`` that are called as they should not be, or as another one, and stale exceptions."""
    places = sorted(path.relative_to(source) for path in source.rglob("*.py"))
    names = Counter(place.stem for place in places if place.parts[0] != COMMANDS)
    found = []
    for place in places:
        if place.stem in MODULES_TO_GO:
            found.append(f"{place}: a name that is to go")
        if place.stem in sys.stdlib_module_names and not place.stem.startswith("_"):
            found.append(f"{place}: hides a module of the standard library")
        if names[place.stem] > 1 and place.parts[0] != COMMANDS and place.stem not in SHARED:
            found.append(f"{place}: several modules have this name")
    return found


def test_no_file_uses_them() -> None:
    assert faults(ROOT) == []


def test_every_module_has_a_name_of_its_own() -> None:
    source = ROOT / "src" / "ecrnn"
    assert module_faults(source) == []
    names = Counter(path.stem for path in source.rglob("*.py") if path.relative_to(source).parts[0] != COMMANDS)
    assert {name for name in SHARED if names[name] < 2} == set(), "no longer shared"


def test_tests_are_not_called_by_names_to_go() -> None:
    assert [path for name in MODULES_TO_GO for path in (ROOT / "tests").rglob(f"test_{name}.py")] == []


@pytest.mark.parametrize(
    ("modules", "fault"),
    [
        ("models/answers.py", "models/answers.py: a name that is to go"),
        ("report/csv.py", "report/csv.py: hides a module of the standard library"),
        ("data/decoding.py models/decoding.py", "data/decoding.py: several modules have this name"),
        ("cli/bundle.py serving/bundle.py tasks/a/data.py tasks/b/data.py report/csv_file.py", None),
    ],
)
def test_wrong_names_of_modules_are_seen(modules: str, fault: str | None, tmp_path: Path) -> None:
    for place in map(Path, modules.split()):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).touch()
    assert module_faults(tmp_path)[:1] == ([fault] if fault else [])


def test_the_map_of_names_says_todays_names() -> None:
    """The left column of the table in docs/decisions/the-house.md, and the folder that a file stands in."""
    source, gone = ROOT / "src" / "ecrnn", []
    rows = re.findall(
        r"^\| (`.*?) \|", (ROOT / "docs/decisions/the-house.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    for row in rows:
        folders = [source, source / "recurrence", source / "layers"]
        for name in re.findall(r"`([\w/<>.]+\.(?:py|cpp))`", row):
            there = [path for folder in folders for path in folder.glob(name.replace("<task>", "*"))]
            folders += [path.parent for path in there[:1]]
            gone += [] if there else [name]
    assert len(rows) > 60
    assert gone == []


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("see DESIGN.md, section 3", "docs/x.md:1: DESIGN.md"),
        ("as docs/nowhere.md says", "docs/x.md:1: docs/nowhere.md"),
        ("the classics of issue 5", "docs/x.md:1: issue 5"),
        ("in /work/shared", "docs/x.md:1: /work/"),
        ("how a Picture is read", "docs/x.md:1: Picture"),
        ("and pictures of clips", "docs/x.md:1: pictures"),
        ('typer.Option(help="Of every variant.")', 'docs/x.md:1: help="Of'),
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
