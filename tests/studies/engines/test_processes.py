"""studies/engine/processes: the bits of one process, and a worker's death is its trial's alone."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from core.lines import one_line
from studies.small import MODELS, Study, of_trainings, predictions, settings
from training.forks import INTERRUPTED, Forks

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.events import Epoch, Event, Failed, Finished, Step
from ecrnn.core.runs import locked, read_failure
from ecrnn.studies.engines import processes
from ecrnn.studies.engines.processes import ProcessEngine
from ecrnn.studies.engines.protocol import OpenStudy


@pytest.mark.slow
def test_two_jobs_give_the_bits_of_one(study: Study, left_alone: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    outcome = study.run(tmp_path, jobs=2, models=MODELS[::-1], progress=events.append)
    assert sorted(outcome.trained) == sorted(predictions(left_alone))
    assert predictions(tmp_path) == predictions(left_alone)
    epochs = [(event.label, event.epoch) for event in events if isinstance(event, Epoch)]
    assert sorted(epochs) == [(f"{model}, repeat {r}", n) for model in MODELS for r in range(2) for n in (1, 2)]
    finished = [(event.model, event.repeat) for event in events if isinstance(event, Finished)]
    assert sorted(finished) == sorted(outcome.trained)


@pytest.mark.slow
def test_killed_workers(study: Study, left_alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One killed, one told to stop by somebody else: two trials fail, two do not, and the next call finishes."""
    fates = {("cnn", 0): signal.SIGKILL, ("ecnn", 0): signal.SIGTERM}
    pids: dict[str, int] = {}
    run = ProcessEngine._run

    def watched(self, worker, trial):
        pids[f"{trial[0]}, repeat {trial[1]}"] = worker.pid
        return run(self, worker, trial)

    def progress(event: Step | Epoch) -> None:
        model, _, repeat = event.label.partition(", repeat ")
        if number := fates.pop((model, int(repeat)), None):
            os.kill(pids[event.label], number)

    monkeypatch.setattr(ProcessEngine, "_run", watched)
    outcome = study.run(tmp_path, jobs=2, progress=of_trainings(progress), training={"epochs": 20})
    assert not fates
    assert set(outcome.failed) == {("cnn", 0), ("ecnn", 0)}
    assert "killed by SIGKILL" in outcome.failed["cnn", 0]
    assert "memory" in outcome.failed["cnn", 0]
    assert "told to stop" in outcome.failed["ecnn", 0]
    assert read_failure(tmp_path, "cnn", 0) == outcome.failed["cnn", 0]
    assert set(outcome.trained) == {("cnn", 1), ("ecnn", 1)}
    again = study.run(tmp_path, training={"epochs": 20})
    assert set(again.trained) == {("cnn", 0), ("ecnn", 0)}
    assert not list(tmp_path.rglob("error.json"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGKILL", "SIGINT"])
def test_the_parent_is_killed(forks: Forks, study: Study, tmp_path: Path, name: str) -> None:
    """Its workers leave by themselves, the lock is free, and the study continued gives the bits of one left alone."""
    training = {"epochs": 15, "checkpoint_seconds": 0.1}
    out, alone = tmp_path / "run", tmp_path / "alone"
    arguments = {"data": study.data, "training": training, "repeats": 1}
    status = forks("studies.small:run", ticks=3, signals=(name,), out=str(out), jobs=2, **arguments)
    assert status == (-signal.SIGKILL if name == "SIGKILL" else INTERRUPTED)
    with locked(out, patience=60):
        finished = len(list(out.rglob("manifest.json")))
    assert finished < 2
    assert not list(out.rglob("error.json"))
    study.run(out, training=training, repeats=1)
    study.run(alone, training=training, repeats=1)
    assert predictions(out, repeats=1) == predictions(alone, repeats=1)


STUB = """
import json, os, signal, sys, time
def say(kind, **more):
    print(json.dumps({"kind": kind, **more}), flush=True)
for line in sys.stdin:
    model, repeat = json.loads(line)
    with open(sys.argv[1] + "/asked", "a") as file:
        file.write(f"{model} {repeat}\\n")
    if model == "where":
        open(f"{sys.argv[1]}/where-{repeat}", "w").write(
            os.environ.get("CUDA_VISIBLE_DEVICES", "") + os.environ.get("ECRNN_TRIALS_PER_GPU", "")
        )
        while len([name for name in os.listdir(sys.argv[1]) if name.startswith("where")]) < 3: time.sleep(0.01)
    if model == "crash": sys.exit(3)
    if model == "killed": os.kill(os.getpid(), signal.SIGKILL)
    if model == "failed": say("failed", model=model, repeat=repeat, error="it failed"); continue
    if model == "fatal": say("fatal", error="disk full"); sys.exit()
    if model == "stopped": say("stopped"); time.sleep(0.3); sys.exit()
    if model == "slow": time.sleep(600)
    say("step", label=model, step=1, steps=2, epoch=1, epochs=1)
    say("finished", model=model, repeat=repeat)
"""


def no_study(folder: Path, lock: int, device: str = "cpu") -> OpenStudy:
    """One of which only the folder, the lock and the device are looked at."""
    return OpenStudy(folder, settings("any", training={"device": device}), None, lock)  # type: ignore[arg-type]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """``stub(models, jobs)`` with workers that only speak the protocol; gives what failed, and the labels of steps."""
    (tmp_path / "stub.py").write_text(STUB)
    real = processes.subprocess.Popen
    started = []

    def popen(command, **more):
        started.append(real([sys.executable, str(tmp_path / "stub.py"), str(tmp_path)], **more))
        return started[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", popen)

    def run(models: list[str], jobs: int = 1, device: str = "cpu"):
        events: list[Event] = []
        try:
            with locked(tmp_path / "study") as lock:
                engine = ProcessEngine(jobs)
                engine.start(
                    no_study(tmp_path / "study", lock, device), [(m, number) for number, m in enumerate(models)]
                )
                events += engine.events()
        finally:
            assert all(worker.poll() is not None for worker in started), "a worker is left"
        asked = (tmp_path / "asked").read_text().splitlines()
        assert sorted(asked) == sorted(f"{model} {number}" for number, model in enumerate(models))
        failed = {(event.model, event.repeat): event.error for event in events if isinstance(event, Failed)}
        finished = {(event.model, event.repeat) for event in events if isinstance(event, Finished)}
        assert failed.keys() | finished == {(model, number) for number, model in enumerate(models)}
        assert len(failed) + len(finished) == len(models)
        return failed, [event.label for event in events if isinstance(event, Step)]

    run.started = started
    return run


@pytest.mark.parametrize(
    ("bad", "line"),
    [
        ("crash", "the worker ended with status 3"),
        ("killed", "killed by SIGKILL"),
        ("failed", "it failed"),
        ("stopped", "told to stop"),
    ],
)
def test_one_bad_trial(stub, bad: str, line: str) -> None:
    failed, labels = stub(["a", bad, "b", bad, "c"])
    assert set(failed) == {(bad, 1), (bad, 3)}
    assert all(line in text for text in failed.values())
    assert labels == ["a", "b", "c"]
    assert len(stub.started) == (1 if bad == "failed" else 3)


def test_side_by_side(stub) -> None:
    failed, labels = stub([f"m{number}" for number in range(20)], jobs=3)
    assert not failed
    assert sorted(labels) == sorted(f"m{number}" for number in range(20))
    assert len(stub.started) <= 3


def test_workers_have_the_gpus_in_turn(stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two; each worker sees its own and knows how many share it."""
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "a,b")
    stub(["where"] * 3, jobs=3, device="cuda")
    assert sorted((tmp_path / f"where-{number}").read_text() for number in range(3)) == ["a2", "a2", "b1"]


def test_a_disk_that_refuses_stops_all(stub) -> None:
    """The one that is in the middle of a long trial too."""
    with one_line(RunDirectoryError, "disk full"):
        stub(["slow", "fatal"], jobs=2)


def test_a_failure_that_cannot_be_written_down_stops_all(stub, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> str:
        raise RunDirectoryError("disk full")

    monkeypatch.setattr(processes, "record_failure", full)
    with one_line(RunDirectoryError, "disk full"):
        stub(["slow", "crash"], jobs=2)


@pytest.mark.slow
def test_workers_do_not_import_from_where_they_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A file queue.py in the user's folder is not the standard library's, and what a model's file prints no answer."""
    (tmp_path / "queue.py").write_text("raise SystemExit('imported the wrong queue')")
    (tmp_path / "model.py").write_text(
        "from torch import nn\nimport ecrnn\nprint('from a model')\n"
        "@ecrnn.register('talking', task='image-classification')\n"
        "class Talking(nn.Module):\n    def __init__(self, spec): ...\n"
    )
    monkeypatch.setattr("ecrnn.studies.engines.processes.loaded_files", lambda: [tmp_path / "model.py"])
    monkeypatch.chdir(tmp_path)
    with locked(tmp_path / "study") as lock:
        engine = ProcessEngine(1)
        engine.start(no_study(tmp_path / "study", lock), [])
        worker = engine._start({})
        worker.wait(timeout=120)
        answers, _ = worker.communicate()
    assert answers == ""
    assert "study.yaml" in (said := capfd.readouterr().err)  # there is none: the worker came that far
    assert "wrong queue" not in said
    assert "from a model" in said
