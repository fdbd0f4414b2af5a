"""`ecrnn predict` where no bundle is named: which path is a bundle, and what is said. With one: test_train.py."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from ecrnn.serving import pretrained

SAID = "ecrnn: no bundle is named, so 'cifar10' answers, a pretrained cnn that knows [red] é, b b, c\n"


@pytest.fixture
def installed(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The bundle of these tests as the pretrained one, and an empty folder to work in."""
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path / "pretrained")
    shutil.copytree(bundle, tmp_path / "pretrained" / "cifar10")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def files(out: str) -> list[str]:
    return [Path(json.loads(line)["file"]).name for line in out.splitlines()]


def test_a_picture_alone(call: Any, installed: Path, bundle: Path, pictures: Path) -> None:
    picture = pictures / "c" / "0 [b].png"
    done = call("predict", picture, "--json")
    assert (done.status, done.err) == (0, SAID)
    assert done.out == call("predict", bundle, picture, "--json").out


@pytest.mark.parametrize("others", [0, 1])
def test_folders_and_pictures(call: Any, installed: Path, pictures: Path, others: int) -> None:
    done = call("predict", pictures / "c", *[pictures / "b b" / "0 [b].png"] * others, "--json")
    assert (done.status, done.err) == (0, SAID)
    assert len(files(done.out)) == 12 + others


def test_a_folder_of_folders_alone(call: Any, installed: Path, pictures: Path) -> None:
    done = call("predict", pictures, "--json")
    assert (done.status, done.err, len(files(done.out))) == (0, SAID, 36)


def test_a_picture_without_a_suffix(call: Any, installed: Path, pictures: Path) -> None:
    shutil.copy(pictures / "c" / "0 [b].png", "picture")
    assert call("predict", "picture", "--json").err == SAID


def test_by_name(call: Any, installed: Path, pictures: Path) -> None:
    done = call("predict", "cifar10", pictures / "c", "--json")
    assert (done.status, done.err, len(files(done.out))) == (0, "", 12)
    done = call("evaluate", "cifar10", pictures, "--json")
    assert (done.status, json.loads(done.out)["model"]) == (0, "cnn")


def test_a_bundle_that_holds_pictures_is_a_bundle(call: Any, installed: Path, bundle: Path, pictures: Path) -> None:
    shutil.copytree(bundle, "mine.png")
    shutil.copy(pictures / "c" / "0 [b].png", "mine.png")
    done = call("predict", "mine.png", pictures / "c", "--json")
    assert (done.status, done.err, len(files(done.out))) == (0, "", 12)


WRONG = [  # words, status, lines
    ("cifar10", 2, "predict wants FILE-OR-FOLDER..., as in: ecrnn predict"),
    ("none.png", 1, "there is no file or folder none.png"),
    ("none", 1, "there is no file or folder none"),
    ("none {picture}", 1, "there is no folder none; a bundle is what 'ecrnn train"),
    ("empty", 1, "empty holds no pictures"),
    ("empty {picture}", 1, "empty is not a bundle: bundle.json is missing"),
    ("text.txt {picture}", 1, "there is no folder text.txt; a bundle is what 'ecrnn train"),
]


@pytest.mark.parametrize(("words", "status", "line"), WRONG, ids=[words for words, *_ in WRONG])
def test_what_is_neither(call: Any, installed: Path, pictures: Path, words: str, status: int, line: str) -> None:
    Path("empty").mkdir()
    Path("text.txt").write_text("text")
    picture = str(pictures / "c" / "0 [b].png")
    done = call("predict", *(picture if word == "{picture}" else word for word in words.split()))
    assert (done.status, done.out) == (status, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"ecrnn: {line}")


def test_a_missing_picture_among_others(call: Any, installed: Path, pictures: Path) -> None:
    done = call("predict", "none.png", pictures / "c" / "0 [b].png", "--json")
    assert (done.status, files(done.out), done.err) == (1, ["none.png", "0 [b].png"], SAID)
    assert json.loads(done.out.splitlines()[0])["error"] == "there is no file or folder none.png"


def test_nothing_installed(call: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    done = call("predict", pictures / "c")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("ecrnn: no pretrained model is installed with ecrnn; name a bundle")
