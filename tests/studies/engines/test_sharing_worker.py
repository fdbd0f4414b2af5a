"""studies/engines/sharing_worker: the bits of one process; an error, a lost lease, a signal each end a trial well."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import pytest
import torch
from core.lines import one_line
from studies.small import Study, predictions

from ecrnn.core.attempts import WORK
from ecrnn.core.errors import EcrnnError, RunDirectoryError, TrainingError
from ecrnn.core.events import Event, Failed, Finished, Message, Step
from ecrnn.core.leases import DIED, Leases
from ecrnn.core.runs import read_failure
from ecrnn.studies.engines import sharing_worker
from ecrnn.studies.engines.sharing_worker import _Worker
from ecrnn.studies.outcome import Outcome
from ecrnn.studies.study import run_study
from ecrnn.training.interruption import Interruption

ASKED: dict[str, Any] = {"code": [], "lease": 60.0, "wait": False, "most": None, "only": None, "places": {}}


class Answers:
    """What a worker says; ``act`` is called with its steps."""

    def __init__(self, act: Callable[[Step], object] = lambda step: None) -> None:
        self.events: list[Event] = []
        self.act, self.was_stopped = act, False

    def send(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Step):
            self.act(event)

    def stopped(self) -> None:
        self.was_stopped = True

    def ended(self) -> list[Event]:
        return [event for event in self.events if isinstance(event, Finished | Failed | Message)]


@pytest.fixture
def written(study: Study, tmp_path: Path) -> Path:
    """A study that is written and not trained."""
    outcome = run_study(study.settings(), tmp_path / "run", engine="none")
    assert outcome == Outcome()
    return tmp_path / "run"


def work(study: Path, answers: Answers, **asked: Any) -> None:
    with Interruption() as interruption:
        _Worker(study, ASKED | asked, answers).run(interruption)  # type: ignore[arg-type]


def test_it_gives_the_bits_and_files_of_a_study_trained_in_one_process(
    written: Path, left_alone: Path, study: Study
) -> None:
    """And what was left half done by another engine goes on."""
    answers = Answers()
    work(written, answers)
    assert answers.ended() == [Finished(model, repeat) for repeat in range(2) for model in ("cnn", "ecnn")]
    assert predictions(written) == predictions(left_alone)
    assert {path.relative_to(written) for path in written.rglob("*")} == {
        path.relative_to(left_alone) for path in left_alone.rglob("*")
    }
    assert len(study.run(written).found) == 4  # whole, as the one-machine engine sees it


def test_an_error_is_its_trials_alone_and_a_lease_that_is_lost_ends_the_training(
    written: Path, left_alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = sharing_worker.run_trial

    def run(data: Any, root: Path, settings: Any, model: str, repeat: int) -> Any:
        if (model, repeat) == ("ecnn", 0):
            raise TrainingError("loss is not finite")
        return real(data, root, settings, model, repeat)

    def take_over(step: Step) -> None:
        if step.label == "cnn, repeat 1" and step.step == 3:
            (written / WORK / "cnn.1.2").touch()  # of another worker
            time.sleep(0.3)  # for the next sign of life

    monkeypatch.setattr(sharing_worker, "run_trial", run)
    answers = Answers(take_over)
    work(written, answers, lease=0.4)
    said = answers.ended()
    assert said[:2] == [Finished("cnn", 0), Failed("ecnn", 0, "loss is not finite")]
    assert isinstance(said[2], Message)
    assert said[2].text.startswith("cnn, repeat 1 went to another worker")
    assert said[3:] == [Finished("ecnn", 1)]
    assert read_failure(written, "ecnn", 0) == "loss is not finite"
    assert not list((written / WORK).glob("cnn.1.1.*.folder"))
    assert not (written / "cnn" / "repeat-1").exists()


def test_a_signal_leaves_a_checkpoint_in_the_trials_place(written: Path, study: Study, left_alone: Path) -> None:
    answers = Answers(lambda step: signal.raise_signal(signal.SIGTERM) if step.step == 7 else None)
    work(written, answers)
    assert answers.was_stopped
    assert answers.ended() == []
    assert list((written / "cnn" / "repeat-0" / "checkpoint").iterdir())
    assert len(study.run(written).trained) == 4
    assert predictions(written) == predictions(left_alone)
    assert not (written / WORK).exists()


def test_a_signal_before_the_first_step_is_heard(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker whose time is over while it prepares a trial would train it to its end."""
    real = sharing_worker.run_trial

    def prepares(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(sharing_worker, "run_trial", prepares)
    answers = Answers()
    work(written, answers)
    assert answers.was_stopped
    assert [event for event in answers.events if isinstance(event, Step)] == answers.events[:1]
    assert list((written / "cnn" / "repeat-0" / "checkpoint").iterdir())


def test_a_study_that_is_moved_ends_it_and_goes_on_in_its_new_place(
    written: Path, tmp_path: Path, left_alone: Path
) -> None:
    """Nothing is made anew where it was, neither by the training that loses its folder nor by the next trial."""
    new = tmp_path / "moved"
    with one_line(RunDirectoryError, f"{written} is no longer there: it was moved or deleted; its new place, given to"):
        work(written, Answers(lambda step: step.step == 7 and os.rename(written, new)), lease=1.0)
    assert not written.exists()
    work(new, Answers(), lease=0.4, wait=True)
    assert predictions(new) == predictions(left_alone)


def test_a_disk_that_refuses_ends_it_and_leaves_the_trial_to_others(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> Any:
        raise RunDirectoryError("cannot write: no space left on the disk")

    monkeypatch.setattr(sharing_worker, "run_trial", full)
    with pytest.raises(RunDirectoryError, match="no space left"):
        work(written, Answers())
    assert not list(written.rglob("error.json"))
    assert not list((written / WORK).glob("*.folder"))


@pytest.mark.parametrize(
    "fault",
    [
        MemoryError("no room"),
        OSError(28, "No space left on device"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory"),
        BrokenProcessPool("a child process terminated abruptly"),
    ],
)
def test_a_fault_of_the_machine_is_an_attempt_and_no_failure(
    written: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    """The process ends, since its memory may be damaged; the claim says why, and the folder lies there for the next."""

    def broken(*_: object) -> Any:
        raise fault

    monkeypatch.setattr(sharing_worker, "run_trial", broken)
    answers = Answers()
    with pytest.raises(sharing_worker.MachineFault):
        work(written, answers)
    said, *more = answers.events
    assert more == []
    assert isinstance(said, Message)
    assert said.text.startswith(f"cnn, repeat 0 was interrupted: {type(fault).__name__}: ")
    claim = Leases(written / WORK).read("cnn.0", 1)
    assert claim is not None
    assert (claim.ended, f"cnn, repeat 0 was interrupted: {claim.reason}") == (DIED, said.text)
    assert not list(written.rglob("error.json"))
    assert len(list((written / WORK).glob("cnn.0.1.*.folder"))) == 1


def test_a_machine_without_the_gpu_of_the_study_fails_none_of_its_trials(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    run_study(study.settings(training={"device": "cuda"}), tmp_path / "run", engine="none")
    with one_line(EcrnnError, f"{tmp_path / 'run'} trains on GPUs, and torch finds no CUDA device on this machine"):
        work(tmp_path / "run", Answers())
    assert not list(tmp_path.rglob("error.json"))
    assert not (tmp_path / "run" / WORK).exists()
