"""A disk with no room, a run directory that is read-only: one line, nothing lost, and the same command finishes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Disk = Callable[[str], Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def check_one_line(done: Any, sentence: str) -> None:
    errors = [line for line in done.err.splitlines() if line.startswith("ecrnn: ")]
    assert done.status == 1, done.err
    assert len(errors) == 1, done.err
    assert done.err.splitlines()[-1] == errors[0]
    assert "Traceback" not in done.err
    assert sentence in errors[0]
    assert done.out == ""


def test_compare_on_a_full_disk_keeps_what_is_finished(call: Any, study: Path, disk: Disk, tiny: tuple) -> None:
    place = disk("size=64m")
    mine = shutil.copytree(study, place / "study")
    before = contents(mine)
    used = (
        shutil.disk_usage(place).used // 2**20 + 3
    )  # room for a checkpoint of 392,330 parameters, but not for a trial
    disk(f"size={used}m")
    command = ("compare", "digits", "--models", "cnn,ecnn", "--repeats", "3", *tiny, "--out", mine)
    done = call(*command)
    check_one_line(done, "no space left on the disk; free some and give the same command again, finished work is kept")
    after = contents(mine)
    grown = {str(mine / "study.yaml"), str(mine / "environment.json")}
    assert {name: after[name] for name in before.keys() - grown} == {
        name: before[name] for name in before.keys() - grown
    }
    assert not (mine / "cnn" / "repeat-2" / "manifest.json").exists()
    assert not [name for name in after if name.endswith(".tmp")]

    disk("size=64m")
    done = call(*command)
    assert done.status == 0, done.err
    assert "4 of 6 trials are finished already" in done.err
    assert (mine / "ecnn" / "repeat-2" / "manifest.json").is_file()


def test_train_on_a_full_disk_finishes_with_resume(call: Any, disk: Disk, tiny: tuple) -> None:
    out = disk("size=1m") / "bundle"
    command = ("train", "digits", "--model", "cnn", *tiny, "-o", out)
    check_one_line(call(*command), "no space left on the disk")
    assert not (out / "bundle.json").exists()
    disk("size=64m")
    done = call(*command, "--resume")
    assert done.status == 0, done.err
    assert call("evaluate", out, "digits", "--json").status == 0


def test_report_on_a_full_disk_leaves_the_old_report(call: Any, study: Path, disk: Disk) -> None:
    place = disk("size=64m")
    mine = shutil.copytree(study, place / "study")
    before = contents(mine)
    (place / "ballast").write_bytes(bytes(shutil.disk_usage(place).free))
    check_one_line(call("report", mine, "--baseline", "cnn"), "no space left on the disk")
    assert contents(mine) == before
    (place / "ballast").unlink()
    assert call("report", mine, "--baseline", "cnn").status == 0
    assert json.loads((mine / "report" / "report.json").read_text())["comparison"]["baseline"] == "cnn"


def test_evaluate_on_a_full_disk(call: Any, bundle: Path, images: Path, disk: Disk) -> None:
    out = disk("size=8k") / "evaluation"
    check_one_line(call("evaluate", bundle, images, "--out", out), "no space left on the disk")
    assert not (out / "evaluation.html").exists()
    disk("size=4m")
    assert call("evaluate", bundle, images, "--out", out).status == 0
    assert (out / "evaluation.html").is_file()


def test_a_read_only_run_directory(call: Any, study: Path, bundle: Path, images: Path, disk: Disk, tiny: tuple) -> None:
    place = disk("size=64m")
    mine = shutil.copytree(study, place / "study")
    before = contents(place)
    disk("ro,size=64m")
    advice = "the file system is read-only; choose another folder with --out"
    command = ("compare", "digits", "--models", "cnn,ecnn", "--repeats", "3", *tiny, "--out", mine)
    check_one_line(call(*command), advice)
    check_one_line(call("compare", "digits", "--models", "cnn", *tiny, "--out", place / "new"), advice)
    check_one_line(call("report", mine), advice)
    check_one_line(call("train", "digits", "--model", "cnn", *tiny, "-o", place / "new"), advice)
    check_one_line(call("evaluate", bundle, images, "--out", place / "new"), advice)
    assert contents(place) == before
    disk("rw,size=64m")
    assert call("report", mine).status == 0


REFUSING = """
import errno, fcntl, os, stat
real = os.fsync
def fsync(handle):
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    real(handle)
def refuse(number):
    def call(*arguments, **options):
        raise OSError(number, os.strerror(number))
    return call
os.fsync, fcntl.flock = fsync, refuse(errno.ENOLCK)
os.chmod = os.fchmod = refuse(errno.EPERM)
os.link = refuse(errno.ENOTSUP)
"""


@pytest.mark.slow
def test_a_file_system_that_lacks_calls(tmp_path: Path) -> None:
    """No flushing of folders, locks, permissions or hard links: two workers work there, and each thing is said once."""
    (tmp_path / "sitecustomize.py").write_text(REFUSING, encoding="utf-8")
    options = ("--image-size", "8", "--epochs", "1", "--threads", "1", "--jobs", "2")
    command = ("compare", "digits", "--models", "mlp-4,mlp-8", "--repeats", "1", *options, "--out", "study")
    done = subprocess.run(
        [sys.executable, "-m", "ecrnn", *command],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "study" / "report" / "report.html").is_file()
    said = sorted(line for line in done.stderr.splitlines() if "the file system" in line)
    assert said == [
        "the file system of study cannot flush folders; a loss of power may undo a last write",
        "the file system of study has no locks; run only one command in a folder at a time",
    ]
