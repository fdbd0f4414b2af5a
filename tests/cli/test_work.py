"""cli/work: what it says, and its status."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from studies.slurm_programs import install

from ecrnn.cli.options import WrongCall
from ecrnn.cli.work import seconds_of
from ecrnn.core.runs import locked


@pytest.mark.parametrize(
    ("time", "seconds"), [("3h50m", 13_800), ("45m", 2700), ("90s", 90), ("1d12h", 129_600), (" 2H ", 7200)]
)
def test_times(time: str, seconds: float) -> None:
    assert seconds_of(time) == seconds


@pytest.mark.parametrize("time", ["", "0m", "3", "h", "1.5h", "50m3h", "-1h", "4000d"])
def test_what_is_no_time(time: str) -> None:
    with pytest.raises(WrongCall, match="--for wants a time as in 3h50m"):
        seconds_of(time)


def test_a_study_is_written_worked_on_and_shown(call: Any, images: Path, tmp_path: Path) -> None:
    """By a real worker; a model that fails is said, left alone, and tried again when asked."""
    out = tmp_path / "study"
    options = ("--models", "mlp-4", "--repeats", 1, "--image-size", 8, "--epochs", 1, "--threads", 1, "-o", out)
    done = call("compare", images, *options, "--engine", "none")
    assert (done.status, done.err) == (0, "")
    assert done.out == f"{out}: 0 of 1 trials are finished; 'ecrnn work {out}' trains the others.\n"
    assert json.loads(call("compare", images, *options, "--engine", "none", "--json").out)["planned"] == 1
    assert f"No worker has a trial; 'ecrnn work {out}' trains" in call("status", out).out

    claim = {"host": "[/red]\x1b[2J", "since": "[bold]\n"}  # of a folder from anywhere
    (out / ".work").mkdir()
    (out / ".work" / "mlp-4.0.1").write_text(json.dumps(claim))
    shown = call("status", out).out
    assert "[/red]\\x1b[2J, 0" in shown
    assert "[bold]\\n" in shown
    shutil.rmtree(out / ".work")

    (out / "mlp-4" / "repeat-0").mkdir(parents=True)
    (out / "mlp-4" / "repeat-0" / "error.json").write_text('{"error": "no luck"}')
    assert "mlp-4, repeat 0 failed: no luck" in call("status", out).out
    done = call("work", out, "--retry", "--json")
    assert done.status == 0, done.err
    plain = json.loads(done.out)
    assert plain["trained"] == [{"model": "mlp-4", "repeat": 0}]
    assert (plain["planned"], plain["finished"], plain["left"], plain["failed"]) == (1, 1, 0, [])

    shown = call("status", out)
    assert (shown.status, shown.err) == (0, "")
    assert (
        shown.out
        == f"{out}: 1 of 1 trials are finished\nNothing is left to be trained; 'ecrnn report {out}' compares.\n"
    )
    assert json.loads(call("status", out, "--json").out)["decided"] is True


def test_wrong_calls(call: Any, tmp_path: Path) -> None:
    assert call("work", tmp_path).err.startswith(f"ecrnn: {tmp_path} is not a run directory")
    assert call("status", tmp_path).status == 1
    assert call("work", tmp_path, "--for", "soon").status == 2
    done = call("compare", "digits", "mnist", "--engine", "none")
    assert (done.status, done.err) == (
        2,
        "ecrnn: --engine none is of one DATA; name one after another, with an --out each\n",
    )
    assert call("compare", "digits", "--ray-address", "auto").err == "ecrnn: --ray-address is for --engine ray\n"
    assert call("compare", "digits", "--collect").err == "ecrnn: --collect is for --engine ray\n"
    assert "did you mean 'none'?" in call("compare", "digits", "--engine", "nnoe", "-o", tmp_path / "x").err


def test_an_array_of_workers_is_submitted(
    call: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command returns at once, and given again submits nothing that is there."""
    install(tmp_path, monkeypatch)
    out = tmp_path / "study"
    options = ("--models", "mlp-4", "--repeats", 3, "--image-size", 8, "-o", out)
    command = ("compare", images, *options, "--engine", "slurm")
    shown = call(*command, "--dry-run", "--sbatch", "--partition=long")
    assert (shown.status, shown.err) == (0, "")
    assert "#SBATCH --array=1-3\n" in shown.out
    assert not out.exists()
    done = call(*command, "--workers", 2)
    assert (done.status, done.err) == (0, "")
    assert "3 trials left to train; 2 workers submitted as job 4711, 0 in the queue before" in done.out
    with locked(out, shared=True):  # as a worker does: the study is not written again under it
        again = call(*command, "--workers", 2)
    assert "3 trials left to train, 2 workers in the queue; nothing was submitted" in again.out
    assert "ecrnn" not in again.err
    assert json.loads(call(*command, "--workers", 3, "--json").out)["workers"] == 1
    more = call(*command, "--repeats", 4)
    line = f"ecrnn: {out}: workers are in the queue, so more models or repeats were not added; repeat this later\n"
    assert (more.status, more.err) == (1, line)
    assert call(*command, "--sbatch", "long").status == 2
    done = call("compare", images, *options, "--dry-run")
    assert (done.status, done.err) == (2, "ecrnn: --sbatch and --dry-run are for --engine slurm\n")
    assert call("compare", "digits", images, "--dry-run").err == done.err
    done = call("compare", images, *options, "--workers", 3)
    line = "ecrnn: --workers is for --engine slurm; --jobs is the number of trials side by side\n"
    assert (done.status, done.err) == (2, line)


def test_what_an_engine_needs_is_looked_for_before_a_study_is_written(
    call: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    command = ("compare", images, "--models", "majority", "--repeats", 1, "--image-size", 8, "-o", out, "--engine")
    monkeypatch.setitem(sys.modules, "ray", None)
    done = call(*command, "ray")
    assert (done.status, done.err) == (1, "ecrnn: --engine ray needs the package ray; pip install 'ecrnn[ray]'\n")
    monkeypatch.setenv("PATH", "/nowhere")
    assert "there is no squeue here" in call(*command, "slurm").err
    assert not out.exists()
    assert call(*command, "here").status == 0
    done = call(*command, "slurm")  # of which nothing is left
    assert (done.status, done.err) == (0, "")
    assert "0 trials left to train, 0 workers in the queue; nothing was submitted" in done.out
