"""A stranger's task in a package of its own: `counting`, whether a row of numbers is long or short, in all commands.

The package is that of docs/how-to/own-task.md. Everything is done as a user does it, in processes that find it by its
entry points.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from configparser import ConfigParser
from pathlib import Path

import numpy as np
import pytest
from commands import Commands

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "own-task.md"
BLOCK = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```', re.MULTILINE | re.DOTALL)
BAD = {
    "ecrnn.tasks": {"broken": "counting.nowhere:TASK", "misnamed": "counting.facts:TASK"},
    "ecrnn.models": {"astray": "counting.astray", "lost": "counting.lost"},
}
Ecrnn = Callable[..., "subprocess.CompletedProcess[str]"]
ASTRAY = 'import ecrnn\n\n\n@ecrnn.register("{}", task="{}")\ndef build(spec): ...\n'


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package installed in it."""
    folder = tmp_path_factory.mktemp("foreign")
    package, facts = folder / "counting", folder / "counting-1.dist-info"
    package.mkdir()
    facts.mkdir()
    files = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))
    groups = tomllib.loads(files.pop("pyproject.toml"))["project"]["entry-points"]
    files |= {
        f"counting/{name}.py": ASTRAY.format(name, task) for name, task in (("astray", "broken"), ("lost", "misnamed"))
    }
    for name, code in {**files, "counting/__init__.py": ""}.items():
        (folder / name).write_text(code, encoding="utf-8")
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1\n")
    entries = ConfigParser()
    entries.read_dict({group: {**groups[group], **BAD[group]} for group in groups})
    with (facts / "entry_points.txt").open("w") as file:
        entries.write(file)
    return folder


@pytest.fixture(scope="module")
def folder(alone: Path, ecrnn: Ecrnn) -> Path:
    """The same with a study of two repeats in two processes."""
    done = ecrnn("compare rows --models tally,tally+width=2 --repeats 2 --jobs 2 --threads 1 -o study", alone)
    assert done.returncode == 0, done.stderr
    return alone


@pytest.fixture(scope="module")
def ecrnn(commands: Commands) -> Ecrnn:
    """A command in a folder whose package is found."""

    def run(words: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
        return commands("ecrnn", *words.split(), *more, folder=folder, PYTHONPATH=str(folder))

    return run


@pytest.mark.slow
def test_one_process_has_the_bits_of_two(folder: Path, ecrnn: Ecrnn) -> None:
    done = ecrnn("compare rows --models tally,tally+width=2 --repeats 2 --threads 1 -o alone", folder)
    assert done.returncode == 0, done.stderr
    found = {}
    for study in ("study", "alone"):
        paths = sorted((folder / study).rglob("predictions.npz"))
        assert len(paths) == 4
        found[study] = [np.load(path)["logits"].tolist() for path in paths]
    assert found["study"] == found["alone"]


@pytest.mark.slow
def test_its_report(folder: Path, ecrnn: Ecrnn) -> None:
    done = ecrnn("report study", folder)
    assert done.returncode == 0, done.stderr
    report = (folder / "study" / "report" / "report.md").read_text()
    assert "36 validation rows" in report
    assert json.loads((folder / "study" / "report" / "report.json").read_text())["task"] == "counting"


@pytest.mark.slow
def test_it_is_trained_judged_and_used(folder: Path, ecrnn: Ecrnn) -> None:
    words = "train rows --model tally+width=3 --epochs 12 --threads 1 -o bundle"
    done = ecrnn(words, folder)
    assert done.returncode == 0, done.stderr
    assert "Use it: ecrnn predict bundle --text '1 2 3'" in done.stderr + done.stdout
    card = (folder / "bundle" / "README.md").read_text()
    assert "A counter trained with" in card
    assert "multiply-adds a row of 32 numbers" in card
    (folder / "mine.txt").write_text("short: 1 2\nlong: 1 2 3 4 5 6 7\nshort: 3\nlong: 9 8 7 6 5 4 3 2\n")
    judged = ecrnn("evaluate bundle mine.txt --json", folder)
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout)["accuracy"]["estimate"] == 1
    predicted = ecrnn("predict bundle --json --top 1", folder, "--text", "5 5 5 5 5 5 5 5", "--text", "5")
    assert predicted.returncode == 0, predicted.stderr
    best = [json.loads(line)["classes"][0]["class"] for line in predicted.stdout.splitlines()]
    assert best == ["long", "short"]
    bundled = ecrnn("bundle study --model tally -o kept", folder)
    assert bundled.returncode == 0, bundled.stderr


@pytest.mark.slow
def test_its_gradients(alone: Path, ecrnn: Ecrnn) -> None:
    assert ecrnn("gradcheck tally", alone).returncode == 0


NAMES = """
from ecrnn.core.errors import EcrnnError
from ecrnn.models.names import parse
for model in ("astray", "lost", "mlp-4"):
    try:
        print(parse(model).task.name)
    except EcrnnError as error:
        print(error)
"""


def test_a_task_that_cannot_be_imported_is_one_line(alone: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(alone)}
    done = subprocess.run([sys.executable, "-c", NAMES], capture_output=True, text=True, env=environment)
    broken, misnamed, *right = done.stdout.splitlines()
    missing = "ModuleNotFoundError: No module named 'counting.nowhere'"
    assert f"task 'broken' of counting (counting.nowhere:TASK) cannot be imported: {missing}" in broken
    assert "should be an ecrnn.core.tasks.Task named 'misnamed', not a task named 'counting'" in misnamed
    assert right == ["image-classification"]


SETTINGS = {
    "form.longst=9": "unknown configuration key 'longst', did you mean 'longest'?",
    "form.longest=1000": "longest: input should be less than or equal to 100, not 1000",
    "frames=4": "frames: it is for clip-classification, not for counting",
}
COMMANDS = """
import sys
from ecrnn.cli.main import main
compares = [["compare", "rows", "--models", "tally", "--set", setting, "-o", "none"] for setting in sys.argv[1:]]
for command in ["summary", "tally", "--json"], *compares:
    try:
        main(command)
    except SystemExit as left:
        print(left.code)
"""


def test_its_table_and_its_settings(alone: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(alone)}
    command = [sys.executable, "-c", COMMANDS, *SETTINGS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=alone, env=environment)
    *table, summary, first, second, third = done.stdout.splitlines()
    assert (summary, first, second, third) == ("0", "2", "2", "2"), done.stderr
    assert json.loads("".join(table))["trainable"] == 14 * 4 + 5 * 2 + 2
    for line, said in zip(SETTINGS.values(), done.stderr.splitlines(), strict=True):
        assert line in said
    assert not (alone / "none").exists()
