"""`ecrnn predict` with models that read or write texts: what it takes, what it prints, what it refuses."""

from __future__ import annotations

import csv
import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_tasks import TINY, untrained

from ecrnn.cli import predict_texts
from ecrnn.models.names import parse
from ecrnn.serving.bundle import write_bundle

TASKS = ("text-classification", "translation", "captioning", "transcription", "clip-classification")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any]]:
    """By task a bundle with an untrained network, and the model in it."""
    bundles = {}
    for task in TASKS:
        folder = tmp_path_factory.mktemp(task)
        model, _ = untrained(task, folder)
        (folder / "bundle").mkdir()
        write_bundle(folder / "bundle", model.network, parse(TINY[task].model), model.processor, {}, "card\n")
        bundles[task] = folder / "bundle", model
    return bundles


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_texts_of_the_command_line_and_of_files(call: Any, made: dict, tmp_path: Path) -> None:
    bundle, model = made["translation"]
    (tmp_path / "a.txt").write_bytes("\ufeffred dog\r\n\r\n  blue cat  \n".encode())
    done = call("predict", bundle, "--text", "cat sits", tmp_path / "a.txt", "--text", "dog runs", "--json")
    assert (done.status, done.err) == (0, "")
    texts = ["cat sits", "dog runs", "red dog", "blue cat"]
    wanted = [{"text": text, "translation": own} for text, own in zip(texts, model.translate(texts), strict=True)]
    assert rows(done.out) == wanted


def test_the_standard_input(call: Any, made: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, model = made["text-classification"]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"red dog\nblue cat\n")))
    done = call("predict", bundle, "-", "--json", "--top", 1)
    assert (done.status, done.err) == (0, "")
    proba = model.predict_proba(["red dog", "blue cat"])
    best = [[{"class": model.classes[row.argmax()], "probability": float(row.max())}] for row in proba]
    assert rows(done.out) == [
        {"text": "red dog", "classes": best[0]},
        {"text": "blue cat", "classes": best[1]},
    ]


def test_many_texts_come_in_order(call: Any, made: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_texts, "BATCH", 4)
    lines = [f"red {'dog ' * (k % 3)}runs {k}" for k in range(11)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    done = call("predict", made["text-classification"][0], tmp_path / "a.txt", "--json")
    assert [row["text"] for row in rows(done.out)] == lines


def test_images_and_a_file_that_is_none(call: Any, made: dict, tmp_path: Path) -> None:
    for task, key, folder in (("captioning", "caption", "captioned/images"), ("transcription", "text", "lines")):
        bundle, model = made[task]
        place = bundle.parent / folder
        files = sorted(path for path in place.iterdir())
        (tmp_path / "no.png").write_text("no image")
        done = call("predict", bundle, files[0], tmp_path / "no.png", tmp_path / "none.png", files[1], "--json")
        assert done.status == 1
        found = {row["file"]: row for row in rows(done.out)}
        answers = (model.caption if task == "captioning" else model.read)(files[:2])
        assert [found[str(file)][key] for file in files[:2]] == answers
        assert "no.png" in found[str(tmp_path / "no.png")]["error"]
        assert found[str(tmp_path / "none.png")]["error"].startswith("there is no file or folder")
        done = call("predict", bundle, place, "--format", "csv")
        assert (done.status, done.err) == (0, "")
        assert len(list(csv.reader(io.StringIO(done.out)))) == 1 + len(files)


def test_table_and_csv(call: Any, made: dict) -> None:
    bundle, model = made["translation"]
    (translation,) = model.translate(["red dog"])
    assert translation  # the network writes something
    done = call("predict", bundle, "--text", "red dog", "--format", "csv")
    assert list(csv.reader(io.StringIO(done.out))) == [["text", "translation"], ["red dog", translation]]
    done = call("predict", bundle, "--text", "red dog")
    assert done.status == 0
    assert "red dog" in done.out
    assert translation in done.out
    bundle, model = made["text-classification"]
    done = call("predict", bundle, "--text", "red dog", "--format", "csv", "--top", "9")
    head, row = csv.reader(io.StringIO(done.out))
    assert head == ["text", "prediction", *model.classes]
    shares = model.predict_proba(["red dog"])[0]
    assert row[:2] == ["red dog", model.classes[shares.argmax()]]
    assert [float(cell) for cell in row[2:]] == shares.tolist(), "exact"


def test_a_beam(call: Any, made: dict) -> None:
    bundle, model = made["translation"]
    done = call("predict", bundle, "--text", "red dog", "--beam", 3, "--json")
    try:
        model.search(3)
        assert rows(done.out) == [{"text": "red dog", "translation": model.translate(["red dog"])[0]}]
    finally:
        model.search(1)


def test_a_line_without_end(call: Any, made: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predict_texts, "LONGEST", 20)
    (tmp_path / "long.txt").write_text("red dog\n" + 21 * "x")
    done = call("predict", made["translation"][0], tmp_path / "long.txt", "--json")
    assert done.status == 1
    assert [set(row) for row in rows(done.out)] == [{"text", "translation"}, {"file", "error"}]
    assert "a line is longer than 20 bytes" in done.out


WRONG = [  # bundle, words, status, line
    ("captioning", "--text x", 2, "--text is not for captioning, which takes images"),
    ("transcription", "", 2, "predict wants FILE-OR-FOLDER..., as in: ecrnn predict "),
    ("translation", "", 2, "predict wants FILE... or --text, as in: ecrnn predict "),
    ("text-classification", "--text x --beam 2", 2, "a beam search is for models that write texts, not for text-class"),
    ("translation", "--text x --beam 1001", 2, "--beam: "),
    ("clip-classification", "clips.npz", 2, "predict is not for clip-classification, which "),
    ("translation", "none.txt", 1, "cannot read none.txt as text: No such file or directory"),
    ("translation", ".", 1, "cannot read . as text: Is a directory"),
    ("translation", "{image}", 1, "as text: it is not UTF-8"),
    ("text-classification", "--text x --format jsn", 2, "unknown format 'jsn', did you mean 'jsonl'?"),
]


@pytest.mark.parametrize(("task", "words", "status", "line"), WRONG)
def test_wrong_calls(call: Any, made: dict, task: str, words: str, status: int, line: str) -> None:
    image = made["captioning"][0].parent / "captioned" / "images" / "0.png"
    done = call("predict", made[task][0], *words.format(image=image).split())
    assert (done.status, done.out) == (status, "")
    assert line in done.err
    assert done.err.count("\n") == 1


def test_a_text_needs_a_bundle_that_is_there(call: Any) -> None:
    done = call("predict", "none", "--text", "x")
    assert (done.status, done.out) == (1, "")
    assert "there is no folder none; a bundle is what 'ecrnn train" in done.err


def test_a_heading_is_named(call: Any, made: dict, tmp_path: Path) -> None:
    for first, told in {"text": True, "Label\tText": True, "red": False}.items():
        (tmp_path / "a.txt").write_text(f"{first}\nred dog\n")
        done = call("predict", made["text-classification"][0], tmp_path / "a.txt", "--json")
        assert len(rows(done.out)) == 2
        assert ("looks like a heading" in done.err) == told


def test_a_predictor_without_methods_for_its_inputs_is_one_line(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = untrained("clip-classification", tmp_path)
    model.task = replace(model.task, reads="files")
    monkeypatch.setattr("ecrnn.serving.load.load", lambda *_: model)
    done = call("predict", "bundle", "clip.npz")
    assert (done.status, done.err) == (
        1,
        "ecrnn: the predictor of clip-classification has no method to read files one by one\n",
    )
