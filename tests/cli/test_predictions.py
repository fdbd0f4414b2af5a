"""What `ecrnn predict` prints and writes: whole names in tables, exact CSV, files, and terminals of any width."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import pty
import re
import shutil
import struct
import termios
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_tasks import TINY, untrained

from ecrnn.cli.predicted import Prediction, Shape
from ecrnn.cli.predictions import write
from ecrnn.core.tasks import TASKS
from ecrnn.models.names import parse
from ecrnn.serving.bundle import write_bundle

ROW = np.array([0.1 + 0.2, 1e-17, 0.7 - 1e-17])


def written(tmp_path: Path, style: str, *inputs: str, classes: tuple[str, ...] = ("a", "b", "c")) -> str:
    out = tmp_path / "out"
    shape = Shape("file", classes=classes)
    assert write((Prediction(one, probabilities=ROW) for one in inputs), shape, style, out).failed == 0
    return out.read_text()


def test_csv_has_a_row_an_image_and_a_column_a_class(tmp_path: Path) -> None:
    names = ["a,b.png", 'a "b".png', "two\nlines.png", "한국.png"]
    head, *rows = csv.reader(io.StringIO(written(tmp_path, "csv", *names), newline=""))
    assert head == ["file", "prediction", "a", "b", "c"]
    assert [row[:2] for row in rows] == [[name, "c"] for name in names]
    assert all([float(cell) for cell in row[2:]] == ROW.tolist() for row in rows)


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1.png", "@sum", "\tx", "＝1", "  =1", "\u2009@x"])
def test_no_cell_is_a_formula(tmp_path: Path, name: str) -> None:
    head, row = csv.reader(io.StringIO(written(tmp_path, "csv", name, classes=(name, "file", "c"))))
    assert head == ["file", "prediction", f"'{name}", "file (class)", "c"]
    assert row[0] == f"'{name}"


def test_an_image_that_cannot_be_read_is_a_row_without_an_answer(
    call: Any, bundle: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    done = call("predict", bundle, tmp_path / "gone.png", tmp_path / "bad.png", images / "c", "--format", "csv")
    head, gone, bad, *others = csv.reader(io.StringIO(done.out))
    empty = [""] * (len(head) - 1)
    assert (gone, bad) == ([str(tmp_path / "gone.png"), *empty], [str(tmp_path / "bad.png"), *empty])
    assert [all(row) for row in others] == [True] * len(others) != []
    assert (done.status, done.err.count("\n")) == (1, 2)


@pytest.mark.parametrize("style", ["csv", "table"])
def test_nothing_in_a_name_is_obeyed(tmp_path: Path, style: str) -> None:
    name = "\x1b[31m[red]:smile:\u202e\udce9.png"
    text = written(tmp_path, style, name, classes=("\x1b]0;x\x07", "b", "c"))
    assert "\\x1b[31m[red]:smile:\\u202e\\xe9.png" in text
    assert not set(text) & {"\x1b", "\x07", "\u202e"}


def test_json_lines_are_exact(tmp_path: Path) -> None:
    name = "\x1b[31m\u202e\udce9\n.png"
    text = written(tmp_path, "jsonl", name)
    assert json.loads(text)["file"] == name
    assert text.count("\n") == 1
    assert "\u202e" not in text


def test_a_table_in_a_file_has_a_line_an_image(tmp_path: Path) -> None:
    names = ["x" * 300 + ".png", "a\nb.png", "c.png"]
    lines = [line for line in written(tmp_path, "table", *names).splitlines() if ".png" in line]
    assert [line.split()[0] for line in lines] == [names[0], "a\\nb.png", "c.png"]


def test_out_is_written_whole_and_its_name_chooses_the_format(
    call: Any, bundle: Path, images: Path, tmp_path: Path
) -> None:
    for name, first in {"a.csv": "file,prediction,", "b.jsonl": '{"file": ', "c.txt": "file "}.items():
        done = call("predict", bundle, images / "c", "-o", tmp_path / name)
        assert (done.status, done.err) == (0, "")
        assert done.out == f"12 predictions in {tmp_path / name}\n"
        assert (tmp_path / name).read_text().lstrip().startswith(first)
    done = call("predict", bundle, images / "c", "--format", "jsonl", "--out", tmp_path / "d.csv")
    assert len([json.loads(line) for line in (tmp_path / "d.csv").read_text().splitlines()]) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.jsonl", "c.txt", "d.csv"]


def test_out_is_no_folder_and_no_input(call: Any, bundle: Path, images: Path, tmp_path: Path) -> None:
    shutil.copy(images / "c" / "0 [b].png", tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    for out, line in ((tmp_path, "is a folder"), (tmp_path / "a.png", "is one of the inputs")):
        for given in (tmp_path, tmp_path / "a.png"):
            done = call("predict", bundle, given, "--out", out)
            assert (done.status, done.out) == (2, "")
            assert line in done.err
    assert (tmp_path / "a.png").read_bytes() == before
    mine = tmp_path / "bundle"
    shutil.copytree(bundle, mine)
    for name in ("model.safetensors", "README.md"):
        done = call("predict", mine, tmp_path / "a.png", "--out", mine / name)
        assert (done.status, "is a file of the bundle" in done.err) == (2, True)
        assert (mine / name).read_bytes() == (bundle / name).read_bytes()


def on_terminal(columns: int, call: Any, *words: object) -> list[str]:
    """The lines that a command prints on a terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    parts: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # the other end is closed
            while part := os.read(ours, 65536):
                parts.append(part)

    reader = threading.Thread(target=read)
    reader.start()
    with pytest.MonkeyPatch.context() as patch, open(theirs, "w", buffering=1) as screen:
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("TERM", "xterm")
        assert call(*words, screen=screen).status == 0
    reader.join()
    os.close(ours)
    return re.sub(r"\x1b\[[\d;]*m", "", b"".join(parts).decode()).splitlines()


def test_a_narrow_terminal_folds_names_and_cuts_none(call: Any, bundle: Path, images: Path, tmp_path: Path) -> None:
    name = "IMG_2026_" + "0123456789" * 8 + ".png"
    shutil.copy(images / "c" / "0 [b].png", tmp_path / name)
    lines = on_terminal(40, call, "predict", bundle, tmp_path / name)
    assert max(map(len, lines)) <= 40
    assert "…" not in "".join(lines)
    column = lines[1].index("classes")
    assert str(tmp_path / name) == "".join(line[: column - 1].strip() for line in lines[3:])


@pytest.mark.parametrize("columns", [30, pytest.param(60, marks=pytest.mark.slow)])
def test_column_heads_of_a_report_are_whole_words_at_any_width(
    call: Any, study: Path, tmp_path: Path, columns: int
) -> None:
    shutil.copytree(study, tmp_path / "study")
    text = "\n".join(on_terminal(columns, call, "report", tmp_path / "study"))
    for word in ("Mean", "interval", "Verdict"):
        assert word in text


@pytest.fixture(scope="module", params=TASKS)
def broken(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """A task, a bundle of it with finite but huge weights, and its data."""
    task, folder = request.param, tmp_path_factory.mktemp("broken")
    model, _ = untrained(task, folder)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.fill_(3e38)
    (folder / "bundle").mkdir()
    write_bundle(folder / "bundle", model.network, parse(TINY[task].model), model.processor, {}, "card\n")
    data = folder / "again"
    data.mkdir()
    return task, folder / "bundle", TINY[task].write(data)


@pytest.mark.sampled(most=2)
def test_outputs_that_are_not_finite_are_one_line(call: Any, broken: tuple[str, Path, Path], tmp_path: Path) -> None:
    task, bundle, data = broken
    calls = [["evaluate", bundle, data, *more] for more in ([], ["--json"], ["--out", tmp_path / "page"])]
    if task == "next-token":
        calls += [["generate", bundle, "--length", 5], ["generate", bundle, "--length", 5, "--json"]]
    elif task != "clip-classification":
        images = data / "images" if task == "captioning" else data
        given = ["--text", "red dog"] if task in ("text-classification", "translation") else [images]
        more = [*(["--format", style] for style in ("table", "csv", "jsonl")), ["--out", tmp_path / "a.csv"]]
        calls += [["predict", bundle, *given, *options] for options in more]
        calls += [["predict", bundle, *given, "--beam", 2]] * (task in ("translation", "captioning", "transcription"))
    for words in calls:
        done = call(*words)
        assert done.status == 1, words
        assert done.err.count("\n") == 1, done.err
        assert f"the outputs of {TINY[task].model} for " in done.err
        assert "are not finite" in done.err
        assert done.out.count("\n") <= 1, "at most the head of a table"
    assert list(tmp_path.iterdir()) == []
