"""What only a process of its own shows: Ctrl-C and going on, a terminal, a reader that leaves, odd encodings."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lanes import seldom

ECRNN = (sys.executable, "-m", "ecrnn")
BUFFERED = {
    name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"
}  # with it, Python hides EPIPE
EPOCHS = 6
SHORT = ("--image-size", "8", "--epochs", str(EPOCHS), "--batch-size", "128", "--threads", "1")


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [*ECRNN, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=120)


def interrupted(number: int, until: Callable[[], bool], *arguments: object) -> subprocess.CompletedProcess[str]:
    """The command, sent a signal when ``until`` holds."""
    command = [*ECRNN, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not until():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def epochs(metrics: Path) -> int:
    return len(metrics.read_text().splitlines()) if metrics.is_file() else 0


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=[pytest.mark.slow, seldom])])
def test_ctrl_c_in_a_study_and_the_same_command_finishes(call: Any, tmp_path: Path, jobs: int) -> None:
    out = tmp_path / "study"
    begun = out / "cnn" / "repeat-0" / "metrics.jsonl"
    command = ("compare", "digits", "--models", "cnn,majority", "--repeats", 1, *SHORT, "--out", out, "--jobs", jobs)
    done = interrupted(signal.SIGINT, lambda: epochs(begun) >= 2, *command)
    assert done.returncode == 130, done.stderr
    assert done.stderr.splitlines()[-1] == "ecrnn: stopped by SIGINT; the same command with the same folder goes on"
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    finished = epochs(begun)
    assert 2 <= finished < EPOCHS
    assert not (out / "cnn" / "repeat-0" / "manifest.json").exists()

    again = call(*command)
    assert again.status == 0, again.err
    shown = [int(n) for n in re.findall(rf"^cnn, repeat 0: epoch (\d+) of {EPOCHS}", again.err, re.MULTILINE)]
    assert shown == list(range(finished + 1, EPOCHS + 1))  # it did not begin again
    assert [json.loads(line)["epoch"] for line in begun.read_text().splitlines()] == list(range(1, EPOCHS + 1))
    assert (out / "majority" / "repeat-0" / "manifest.json").exists()


@pytest.mark.slow
def test_kill_in_a_training_and_resume_ends_with_the_same_bits(call: Any, tmp_path: Path) -> None:
    out, whole = tmp_path / "stopped", tmp_path / "whole"
    command = ("train", "digits", "--model", "cnn", *SHORT, "--keep", "last", "-o", out)
    done = interrupted(signal.SIGTERM, lambda: epochs(out / "metrics.jsonl") >= 2, *command)
    assert (done.returncode, done.stdout) == (143, ""), done.stderr
    assert done.stderr.splitlines()[-1] == "ecrnn: stopped by SIGTERM; --resume goes on with it"
    assert not (out / "bundle.json").exists()
    refused = call(*command)
    assert refused.status == 1
    assert "holds an unfinished training; add --resume to go on" in refused.err
    assert call(*command, "--resume").status == 0
    assert call("train", "digits", "--model", "cnn", *SHORT, "--keep", "last", "-o", whole).status == 0
    assert (out / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def on_terminal(columns: int, *arguments: object) -> tuple[int, list[str]]:
    """The command on a terminal of its own; its status and the lines it drew, in order, without colours."""
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        plain = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        os.execve(sys.executable, [*ECRNN, *map(str, arguments)], {**plain, "TERM": "xterm-256color"})
    drawn = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        drawn += piece
    os.close(terminal)
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn.decode(errors="replace"))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, [line.rstrip() for line in re.split(r"[\r\n]+", text) if line.strip()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*use of (fork|pty).*:DeprecationWarning")
@pytest.mark.parametrize("columns", [100, pytest.param(44, marks=seldom)])
def test_a_terminal_shows_bars_with_the_time_left(tmp_path: Path, columns: int) -> None:
    options = ("--image-size", 8, "--epochs", 3, "--batch-size", 128, "--threads", 1)
    command = ("compare", "digits", "--models", "cnn", "--repeats", 2, *options, "--out", tmp_path / "study")
    status, lines = on_terminal(columns, *command)
    assert status == 0, lines[-5:]
    own = [line for line in lines if line.startswith("cnn, repeat 0 ")]
    everything = [line for line in lines if line.startswith("all trials")]
    assert any(re.search(r"\b2/3 accuracy \d\d\.\d % .*\d:\d\d:\d\d$", line) for line in own), own
    assert any(re.search(r"\d:\d\d:\d\d$", line) for line in everything)
    assert max(len(line) for line in own + everything) <= columns, own + everything
    assert ("━" in "".join(own)) == (columns == 100)


def test_without_a_terminal_progress_is_plain_lines(call: Any, tmp_path: Path) -> None:
    options = ("--image-size", 8, "--epochs", 2, "--batch-size", 512, "--threads", 1)
    done = call("compare", "digits", "--models", "cnn", "--repeats", 2, *options, "--out", tmp_path / "study")
    assert done.status == 0, done.err
    lines = done.err.splitlines()
    assert len(lines) == 4
    form = r"cnn, repeat \d: epoch \d of 2, validation accuracy \d+\.\d\d %, \d+ s(, about .* left)?"
    assert all(re.fullmatch(form, line) for line in lines), lines
    assert "about" in lines[1]
    assert "about" not in lines[3]
    assert "\x1b" not in done.out + done.err


@pytest.mark.slow
def test_a_reader_that_leaves_ends_the_command_quietly(bundle: Path, images: Path) -> None:
    """As `ecrnn ... | head -1` does; the output is longer than what a pipe holds."""
    for form in ("table", "csv"):
        command = [*ECRNN, *map(str, ("predict", bundle, *[images] * 30, "--format", form))]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=BUFFERED
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 141


@pytest.mark.slow
def test_progress_without_a_reader_stops_the_training_with_a_checkpoint(tmp_path: Path) -> None:
    """As `ecrnn ... 2>&1 | head -1` does."""
    out = tmp_path / "study"
    command = [*ECRNN, "compare", "digits", "--models", "cnn", "--repeats", "1", *SHORT, "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait(timeout=60)
    assert process.returncode == 143
    assert not (out / "cnn" / "repeat-0" / "error.json").exists()
    assert list((out / "cnn" / "repeat-0" / "checkpoint").iterdir())


@pytest.mark.slow
def test_names_that_the_encoding_does_not_have(
    bundle: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = b"caf\xe9.png"
    monkeypatch.chdir(tmp_path)
    Path(os.fsdecode(odd)).write_bytes((images / "c" / "0 [b].png").read_bytes())
    for form in ("table", "jsonl"):
        done = run("predict", bundle, os.fsdecode(odd), "--format", form, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert "caf" in done.stdout
    assert os.fsencode(json.loads(done.stdout)["file"]) == odd
