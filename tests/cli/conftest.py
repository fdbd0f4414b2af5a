"""What the tests of the commands share: calls in this process, images, a bundle, a study, small disks."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from unittest.mock import patch

import numpy as np
import pytest
import typer
from PIL import Image
from report.undrawn import leave_undrawn

from ecrnn.cli.main import main

TINY = ("--image-size", "8", "--epochs", "1", "--batch-size", "512", "--threads", "1")
CLASSES = ("[red] é", "b b", "c")


@dataclass(frozen=True)
class Done:
    """What a command left: its status and all it said."""

    status: int
    out: str
    err: str


Call = Callable[..., Done]

commands_of = functools.cache(typer.main.get_command)  # some 50 ms, in each call


@pytest.fixture(autouse=True)
def _quick_reports(undrawn: None) -> None:
    """What is in figures is for tests/report."""


def call_main(*arguments: object, screen: TextIO | None = None) -> Done:
    """`ecrnn ARGUMENTS` in this process, its output on ``screen`` if there is one."""
    out, err = io.StringIO(), io.StringIO()
    with (
        patch.object(typer.main, "get_command", commands_of),
        contextlib.redirect_stdout(screen or out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as left,
    ):
        main([str(argument) for argument in arguments])
    return Done(int(left.value.code or 0), out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def call() -> Call:
    return call_main


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Options for a training of a second."""
    return TINY


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three easy classes, 12 images each, with names that ask for trouble."""
    folder = tmp_path_factory.mktemp("data") / "my images é"
    draw = np.random.default_rng(0)
    for colour, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = draw.integers(0, 80, (14, 12, 3), dtype=np.uint8)
            pixels[..., colour] += 150
            Image.fromarray(pixels).save(folder / name / f"{number} [b].png")
    return folder


@pytest.fixture(scope="session")
def bundle(images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on `images` by the command."""
    folder = tmp_path_factory.mktemp("bundles") / "of images"
    options = ("--image-size", 8, "--epochs", 4, "--batch-size", 8, "--threads", 1, "--split", "0.6")
    done = call_main("train", images, "--model", "cnn", *options, "-o", folder)
    assert done.status == 0, done.err
    return folder


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two models and two repeats on digits, made by the command. Not to be written to."""
    folder = tmp_path_factory.mktemp("studies") / "digits"
    with pytest.MonkeyPatch.context() as patched:
        leave_undrawn(patched)
        done = call_main("compare", "digits", "--models", "cnn,ecnn", "--repeats", "2", *TINY, "-o", folder)
    assert done.status == 0, done.err
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`disk(options)` mounts a file system of its own, and again with other options; skips where it cannot."""
    place = tmp_path / "disk"
    mounted = False

    def mount(options: str) -> Path:
        nonlocal mounted
        place.mkdir(exist_ok=True)
        _mount("-t", "tmpfs", "-o", options, "ecrnn-tests", str(place)) if not mounted else _mount(
            "-o", f"remount,{options}", str(place)
        )
        mounted = True
        return place

    yield mount
    if mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _mount(*arguments: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
