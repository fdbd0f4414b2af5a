"""studies/work: workers that die, that are told to stop, and that find something wrong; and a few that are real."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from lanes import EVERY_CASE
from studies.small import Study, predictions, settings

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Event, Finished, Message, Waiting
from ecrnn.core.files import make_folder
from ecrnn.core.runs import locked, write_settings
from ecrnn.studies import work as module
from ecrnn.studies.study import run_study
from ecrnn.studies.work import Work, work
from ecrnn.training.interruption import Interrupted

ROOT = Path(__file__).parents[2]

# What a worker does at its n-th start, by a line of the file "fates".
STUB = """
import json, os, signal, sys, time
place = sys.argv[1]
with open(place + "/starts", "a") as file:
    file.write(sys.argv[2] + "\\n")
number = len(open(place + "/starts").readlines())
with open(place + "/gpus", "a") as file:
    file.write(f"{os.environ.get('CUDA_VISIBLE_DEVICES')} of {os.environ.get('ECRNN_TRIALS_PER_GPU')}\\n")
fate = open(place + "/fates").read().split()[number - 1]
def say(kind, **more):
    print(json.dumps({"kind": kind, **more}), flush=True)
if fate == "crash": sys.exit(3)
if fate == "fault": say("message", text="interrupted: MemoryError"); sys.exit(1)
if fate in ("dies", "dies-quietly"):
    os.makedirs(place + "/.work", exist_ok=True)
    with open(place + "/.work/cnn.0.1", "w") as file:
        file.write(json.dumps({"token": "a0", "host": os.uname().nodename, "pid": os.getpid()}) + "\\n")
    os.kill(os.getpid(), signal.SIGKILL)
if fate == "fatal": say("fatal", error="the data is not here"); sys.exit()
if fate == "slow":
    signal.signal(signal.SIGTERM, lambda *_: (say("stopped"), sys.exit()))
    say("message", text="slow")
    time.sleep(600)
os.makedirs(place + "/cnn/repeat-0", exist_ok=True)
open(place + "/cnn/repeat-0/manifest.json", "w").write("{}")
say("finished", model="cnn", repeat=0)
"""


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Work, list[Event]]]:
    """``stub(fates, **options)`` works on a study of one trial with workers that have these fates, in their order."""
    place = make_folder(tmp_path / "study")
    write_settings(place, settings("any", models=("cnn",), repeats=1))
    (tmp_path / "stub.py").write_text(STUB)
    real, started = module.subprocess.Popen, []

    def popen(command: list[str], **more: Any) -> Any:
        started.append(real([sys.executable, str(tmp_path / "stub.py"), *command[4:]], **more))
        return started[-1]

    monkeypatch.setattr(module.subprocess, "Popen", popen)

    def run(*fates: str, act: Callable[[Event], object] = lambda event: None, **options: Any) -> Any:
        (place / "fates").write_text(" ".join(fates))
        events: list[Event] = []

        def progress(event: Event) -> None:
            events.append(event)
            act(event)

        try:
            return work(place, progress=progress, **options), events
        finally:
            assert len(started) == len(fates)
            assert all(worker.poll() is not None for worker in started), "a worker is left"

    return run


def test_one_that_dies_is_replaced_and_nobody_waits_for_its_claim(stub: Any, tmp_path: Path) -> None:
    done, events = stub("dies", "finishes")
    assert done == Work([("cnn", 0)], finished=1, planned=1, left=0)
    assert events[0] == Waiting(1)
    assert events[1:] == [
        Message(
            "cnn, repeat 0 was interrupted: the worker was killed by SIGKILL, perhaps for want of memory: fewer --jobs "
            "or a smaller --batch-size may help"
        ),
        Finished("cnn", 0),
    ]
    assert '"ended": "died"' in (tmp_path / "study" / ".work" / "cnn.0.1").read_text()


def test_one_after_another_whose_machine_has_a_fault_is_no_end(stub: Any) -> None:
    """What fails a trial is the count of its attempts, and that the folder keeps."""
    done, _ = stub("fault", "fault", "fault", "finishes")
    assert done.finished == 1


def test_workers_that_die_before_they_have_begun(stub: Any) -> None:
    with one_line(RunDirectoryError, "the worker ended with status 3, 3 times before it had begun a trial"):
        stub("crash", "crash", "crash")


def test_what_one_finds_wrong_stops_all(stub: Any) -> None:
    with one_line(RunDirectoryError, "the data is not here"):
        stub("fatal")


def test_trials_that_share_a_gpu(stub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with one_line(EcrnnError, "trials per GPU are for the device cuda, and these trials run on 'cpu'; take --jobs"):
        stub(trials_per_gpu=2)
    write_settings(tmp_path / "study", settings("any", models=("cnn",), repeats=1, training={"device": "cuda"}))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    stub("finishes", "finishes", trials_per_gpu=2)
    assert (tmp_path / "study" / "gpus").read_text() == "7 of 2\n" * 2


def test_the_time_is_over(stub: Any) -> None:
    begin = time.monotonic()
    done, _ = stub("slow", seconds=1.0)
    assert time.monotonic() - begin < 60
    assert (done.in_time, done.left, done.trained) == (False, 1, [])


def test_a_signal_is_passed_on_and_said(stub: Any) -> None:
    def tell(event: Event) -> None:
        if isinstance(event, Message):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted) as stopped:
        stub("slow", act=tell)
    assert stopped.value.signal == signal.SIGTERM
    assert str(stopped.value).endswith("checkpoints are written, and any worker goes on with them")


@pytest.mark.usefixtures("no_code")
def test_what_workers_are_told(stub: Any, tmp_path: Path) -> None:
    stub("finishes", lease=7.0, wait=False, most=2, data="/elsewhere", data_dir=tmp_path)
    asked = json.loads((tmp_path / "study" / "starts").read_text())
    places = {"data": "/elsewhere", "data_dir": str(tmp_path)}
    assert asked == {"code": [], "lease": 7.0, "wait": False, "most": 2, "only": None, "places": places}


def test_a_command_that_holds_the_study_alone_and_workers_exclude_each_other(tmp_path: Path) -> None:
    busy = one_line(RunDirectoryError, "another process works in")
    with locked(tmp_path, shared=True), locked(tmp_path, patience=0, shared=True), busy:
        locked(tmp_path, patience=0).__enter__()
    with locked(tmp_path), one_line(RunDirectoryError, "another process works in"):
        locked(tmp_path, patience=0, shared=True).__enter__()


def test_wrong_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with one_line(RunDirectoryError, "is not a run directory"):
        work(tmp_path)
    with one_line(EcrnnError, "jobs must be 1 or more"):
        work(tmp_path, jobs=0)
    write_settings(tmp_path, settings("any"))

    def refuse(path: Path) -> int:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("ecrnn.core.runs.open_lock_file", refuse)
    with one_line(RunDirectoryError, "choose another folder with --out of 'ecrnn compare'"):  # work itself has no --out
        work(tmp_path)


@pytest.mark.slow
def test_two_of_them_give_the_bits_of_one(study: Study, left_alone: Path, tmp_path: Path) -> None:
    """What random signals do to two of them: benchmarks/worker_kills.py, of which a part is run below."""
    run_study(study.settings(), tmp_path / "run", engine="none")
    other = threading.Thread(target=lambda: done.append(work(tmp_path / "run", lease=2.0)))
    done: list[Work] = []
    other.start()
    done.append(work(tmp_path / "run", lease=2.0))
    other.join()
    assert sorted(trial for one in done for trial in one.trained) == sorted(predictions(left_alone))
    assert [(one.finished, one.left, one.failed) for one in done] == [(4, 0, {})] * 2
    assert predictions(tmp_path / "run") == predictions(left_alone)
    assert not (tmp_path / "run" / ".work").exists()


@pytest.mark.slow
def test_a_study_that_trains_until_it_is_decided(study: Study, tmp_path: Path) -> None:
    """Its looks depend on what is finished alone, so workers decide as one process does."""
    options = {
        "models": ("mlp-4", "majority"),
        "repeats": 6,
        "sequential": {"looks": [3, 6]},
        "training": {"epochs": 1},
    }
    run_study(study.settings(**options), tmp_path / "run", engine="none")
    alone = study.run(tmp_path / "alone", **options)
    done = work(tmp_path / "run", jobs=2)
    assert sorted(done.trained) == sorted(alone.trained)
    assert done.left == 0
    assert done.planned == 12


@pytest.mark.slow
def test_workers_that_are_killed_stopped_and_continued_at_random() -> None:
    signals = 10 if EVERY_CASE else 5
    command = [sys.executable, str(ROOT / "benchmarks" / "worker_kills.py"), "--signals", str(signals), "--seed", "2"]
    done = subprocess.run([*command, "--repeats", "3", "--pause", "3"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["signals"]["SIGSTOP"] == found["signals"]["SIGCONT"] > 0
    assert sum(found["signals"].values()) >= signals
