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


def test_a_image_alone(call: Any, installed: Path, bundle: Path, images: Path) -> None:
    image = images / "c" / "0 [b].png"
    done = call("predict", image, "--json")
    assert (done.status, done.err) == (0, SAID)
    assert done.out == call("predict", bundle, image, "--json").out


@pytest.mark.parametrize("others", [0, 1])
def test_folders_and_images(call: Any, installed: Path, images: Path, others: int) -> None:
    done = call("predict", images / "c", *[images / "b b" / "0 [b].png"] * others, "--json")
    assert (done.status, done.err) == (0, SAID)
    assert len(files(done.out)) == 12 + others


def test_a_folder_of_folders_alone(call: Any, installed: Path, images: Path) -> None:
    done = call("predict", images, "--json")
    assert (done.status, done.err, len(files(done.out))) == (0, SAID, 36)


def test_a_image_without_a_suffix(call: Any, installed: Path, images: Path) -> None:
    shutil.copy(images / "c" / "0 [b].png", "image")
    assert call("predict", "image", "--json").err == SAID


def test_by_name(call: Any, installed: Path, images: Path) -> None:
    done = call("predict", "cifar10", images / "c", "--json")
    assert (done.status, done.err, len(files(done.out))) == (0, "", 12)
    done = call("evaluate", "cifar10", images, "--json")
    assert (done.status, json.loads(done.out)["model"]) == (0, "cnn")


def test_a_bundle_that_holds_images_is_a_bundle(call: Any, installed: Path, bundle: Path, images: Path) -> None:
    shutil.copytree(bundle, "mine.png")
    shutil.copy(images / "c" / "0 [b].png", "mine.png")
    done = call("predict", "mine.png", images / "c", "--json")
    assert (done.status, done.err, len(files(done.out))) == (0, "", 12)


WRONG = [  # words, status, lines
    ("cifar10", 2, "predict wants FILE-OR-FOLDER..., as in: ecrnn predict"),
    ("none.png", 1, "there is no file or folder none.png"),
    ("none", 1, "there is no file or folder none"),
    ("none {image}", 1, "there is no folder none; a bundle is what 'ecrnn train"),
    ("empty", 1, "empty holds no images"),
    ("empty {image}", 1, "empty is not a bundle: bundle.json is missing"),
    ("text.txt {image}", 1, "there is no folder text.txt; a bundle is what 'ecrnn train"),
]


@pytest.mark.parametrize(("words", "status", "line"), WRONG, ids=[words for words, *_ in WRONG])
def test_what_is_neither(call: Any, installed: Path, images: Path, words: str, status: int, line: str) -> None:
    Path("empty").mkdir()
    Path("text.txt").write_text("text")
    image = str(images / "c" / "0 [b].png")
    done = call("predict", *(image if word == "{image}" else word for word in words.split()))
    assert (done.status, done.out) == (status, "")
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"ecrnn: {line}")


def test_a_missing_image_among_others(call: Any, installed: Path, images: Path) -> None:
    done = call("predict", "none.png", images / "c" / "0 [b].png", "--json")
    assert (done.status, files(done.out), done.err) == (1, ["none.png", "0 [b].png"], SAID)
    assert json.loads(done.out.splitlines()[0])["error"] == "there is no file or folder none.png"


def test_nothing_installed(call: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "FOLDER", tmp_path)
    done = call("predict", images / "c")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("ecrnn: no pretrained model is installed with ecrnn; name a bundle")
