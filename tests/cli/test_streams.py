"""cli/streams: standard streams that are closed, full or without a reader, in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

TRAIN = "train digits --model mlp-4 --image-size 8 --epochs 1 --threads 1 -o model"
HELP = "summary --help"
FULL = "ecrnn: cannot write the output: No space left on device\n"

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")


def shell(folder: Path, words: str, streams: str, unbuffered: bool = False) -> tuple[int, str, str]:
    """`ecrnn WORDS STREAMS` as a shell runs it: the status, and what came to the two streams."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    if unbuffered:
        environment["PYTHONUNBUFFERED"] = "1"
    command = f'"{sys.executable}" -m ecrnn {words} {streams}'
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", pytest.param("2>/dev/full", marks=needs_full)])
def test_a_training_whose_streams_cannot_be_used(tmp_path: Path, streams: str) -> None:
    status, out, err = shell(tmp_path, TRAIN, streams)
    assert (status, err) == (0, "")
    assert ("Use it: ecrnn predict model" in out) == (">&-" not in streams)
    assert (tmp_path / "model" / "bundle.json").is_file()
    assert (tmp_path / "model" / "model.safetensors").stat().st_size > 1000


@pytest.mark.slow
@needs_full
def test_remarks_that_cannot_be_written(tmp_path: Path) -> None:
    """Such as that no bundle was named."""
    Image.new("RGB", (32, 32)).save(tmp_path / "black.png")
    status, out, err = shell(tmp_path, "predict black.png missing.png", "2>/dev/full")
    assert (status, err) == (1, "")  # 1 for the file that is missing
    assert "black.png" in out


@pytest.mark.slow
def test_an_error_has_its_status_though_nobody_hears_it(tmp_path: Path) -> None:
    assert shell(tmp_path, "train nonsense --model mlp-4 -o model", "2>&-") == (2, "", "")


def test_a_closed_output(tmp_path: Path) -> None:
    assert shell(tmp_path, HELP, ">&-") == (0, "", "")


@pytest.mark.sampled(most=1)
@needs_full
@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_full_output(tmp_path: Path, unbuffered: bool) -> None:
    assert shell(tmp_path, HELP, ">/dev/full", unbuffered) == (1, "", FULL)


@needs_full
def test_both_full(tmp_path: Path) -> None:
    assert shell(tmp_path, "--version", ">/dev/full 2>/dev/full") == (1, "", "")


def test_an_output_open_for_reading_only(tmp_path: Path) -> None:
    assert shell(tmp_path, "--version", "1</dev/null") == (
        1,
        "",
        "ecrnn: cannot write the output: Bad file descriptor\n",
    )


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(("words", "broken", "status"), [("--version", "stdout", 141), ("train nothing", "stderr", 2)])
def test_a_reader_that_has_gone_before(words: str, broken: str, status: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, broken: writing}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        [sys.executable, "-m", "ecrnn", *words.split()], **streams, text=True, env=environment, timeout=120
    )  # type: ignore[call-overload]
    os.close(writing)
    assert done.returncode == status
    assert not done.stdout
    assert not done.stderr
