"""What the tests of core share: a finished trial, and small disks."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from core.trials import make_trial


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """A finished trial of cnn, repeat 2."""
    return make_trial(tmp_path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB; skipped where mounting is not permitted."""
    place = tmp_path / "disk"
    place.mkdir()
    _mount("-t", "tmpfs", "-o", "size=64k", "ecrnn-tests", str(place))
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def read_only_disk(small_disk: Path) -> Path:
    """The same, holding `old.txt`, mounted read-only."""
    (small_disk / "old.txt").write_text("old")
    _mount("-o", "remount,ro", str(small_disk))
    return small_disk


def _mount(*arguments: str) -> None:
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
