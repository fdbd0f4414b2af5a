"""Bundles of every task: what is loaded answers as before, and what is missing or hostile is said in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from serving.older import to_format_1
from tiny_tasks import TINY, untrained

from ecrnn.core.errors import BundleError
from ecrnn.core.tasks import TASKS
from ecrnn.models.names import parse
from ecrnn.serving.bundle import write_bundle
from ecrnn.serving.load import load
from ecrnn.serving.predictor import Predictor


def write(task: str, folder: Path, **changes: Any) -> tuple[Predictor, Any]:
    """A bundle of ``task`` in ``folder``; the model that it is of, and its data."""
    folder.mkdir()
    model, data = untrained(task, folder.parent, **changes)
    write_bundle(folder, model.network, parse(TINY[task].model), model.processor, {}, "card\n")
    return model, data


OTHER_TOKENS: list[tuple[str, dict[str, Any]]] = [
    ("translation", {"tokens": "subwords", "vocabulary": 300}),
    ("text-classification", {"tokens": "bytes"}),
    ("captioning", {"tokens": "characters", "length": 30}),
]


@pytest.mark.parametrize(("task", "changes"), [*((task, {}) for task in TASKS), *OTHER_TOKENS])
def test_the_same_class_and_the_same_answers(task: str, changes: dict[str, Any], tmp_path: Path) -> None:
    model, data = write(task, tmp_path / "bundle", **changes)
    loaded = load(tmp_path / "bundle", "cpu")
    assert type(loaded) is type(model)
    assert loaded.processor == model.processor
    assert loaded.task is TASKS[task]
    index = np.arange(5)
    before, after = model.judge(data, index), loaded.judge(data, index)
    np.testing.assert_array_equal(before.predictions.statistics, after.predictions.statistics)
    assert before.written == after.written
    assert (before.written is None) == (task in ("next-token",) or TASKS[task].classes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "bundle"
    write("translation", folder)
    return folder


def described(**changes: Any) -> Callable[[Path], None]:
    """Changes of bundle.json; None takes a key away."""

    def spoil(folder: Path) -> None:
        to_format_1(folder, **changes)

    return spoil


def vocabulary(text: str | bytes) -> Callable[[Path], None]:
    content = text if isinstance(text, bytes) else text.encode()

    def spoil(folder: Path) -> None:
        (folder / "source-vocabulary.json").write_bytes(content)
        to_format_1(folder)

    return spoil


def listed(*tokens: Any) -> Callable[[Path], None]:
    return vocabulary(json.dumps({"kind": "words", "tokens": tokens}))


def link(folder: Path) -> None:
    (folder / "vocabulary.json").rename(folder.parent / "elsewhere.json")
    (folder / "vocabulary.json").symlink_to(folder.parent / "elsewhere.json")


SPOILT: dict[str, tuple[Callable[[Path], None], str]] = {
    "vocabulary missing": (lambda f: (f / "vocabulary.json").unlink(), "/vocabulary.json: No such file"),
    "source missing": (lambda f: (f / "source-vocabulary.json").unlink(), "source-vocabulary.json: No such file"),
    "vocabulary outside": (link, "vocabulary.json points out of"),
    "no JSON": (vocabulary("{"), "vocabulary.json is not valid JSON"),
    "deep JSON": (vocabulary("[" * 10**5), "vocabulary.json is not valid JSON"),
    "no UTF-8": (vocabulary(b"\xff\xfe"), "is not a text file in UTF-8"),
    "no object": (vocabulary("[]"), "vocabulary.json should hold an object"),
    "another kind": (vocabulary('{"kind": "characters", "tokens": ["a"]}'), "is not of the kind 'words'"),
    "a token twice": (listed("a", "b", "a", "c", "d", "e"), "holds 'a' twice"),
    "no word": (listed("a", "two words"), "holds 'two words', which is not one of words"),
    "not text": (listed("a", 5), "holds 5, which is not one of words"),
    "fewer tokens": (listed("a", "b"), "'source_words.weight' should be float32 of shape [6, 256]"),
    "another task": (described(task="captioning"), "captioning needs exactly preprocessing, vocabulary, length"),
    "no task": (described(task="chess"), "task 'chess' is not known; known are image-classification"),
    "another model": (described(model="charlm-gru-8"), "charlm-gru-8 is for next-token, not for translation"),
    "no model": (described(model="transformer"), "unknown model 'transformer'"),
    "classes": (described(classes=["a", "b"]), "translation has no classes"),
    "no length": (described(length=None), "translation needs exactly vocabulary, source_vocabulary, length"),
    "length 0": (described(length=0), "length should be a whole number from 1 to 1048576, not 0"),
    "huge length": (described(length=2**30), "length should be a whole number from 1 to 1048576"),
    "frames too": (described(frames=4), "translation needs exactly"),
    "a path": (described(vocabulary="../../etc/passwd"), "../../etc/passwd"),
    "another key": (described(code="print()"), "unknown configuration key 'code'"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt(whole: Path, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(whole, tmp_path / "bundle"))
    spoil, line = SPOILT[name]
    spoil(folder)
    with one_line(BundleError, line):
        load(folder, "cpu")


def test_a_vocabulary_is_not_read_beyond_its_bound(whole: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("ecrnn.serving.bundle.MAX_VOCABULARY", 20)
    with one_line(BundleError, "is larger than"):
        load(whole, "cpu")


@pytest.mark.parametrize("changes", [{"mean": [0.0]}, {"deviation": [0.0, 1.0, 1.0]}, {"mean": "0"}, {"features": 9}])
def test_what_a_task_keeps_is_checked_when_a_bundle_is_loaded(tmp_path: Path, changes: dict[str, Any]) -> None:
    model, _ = write("sequence-classification", tmp_path / "bundle")
    to_format_1(tmp_path / "bundle", extra={**model.processor.extra, **changes})
    with one_line(BundleError, "should"):
        load(tmp_path / "bundle", "cpu")
