"""studies/engines/worker: what a worker says while nobody listens; and what it does at signals."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from studies.small import Study

from ecrnn.core.events import Epoch, Event, Finished, Message, Step
from ecrnn.studies.engines.worker import Answers, _Worker
from ecrnn.studies.study import run_study


def test_a_training_does_not_wait_for_a_command_that_was_stopped() -> None:
    """Whose pipe is full: its epochs are left out until it listens again."""
    read, write = os.pipe()
    answers = object.__new__(Answers)  # without taking this process's standard output
    answers.step_sent = 0.0
    with open(read, "rb", buffering=0) as listener, open(write, "w") as answers.file:
        os.set_blocking(write, False)
        full = 0
        while full < 2**20:
            try:
                full += os.write(write, b"\n" * 512)
            except BlockingIOError:
                break
        os.set_blocking(write, True)
        epoch = Epoch("cnn, repeat 0", 5, 5, 1, 2, {"seconds": 1.0})
        training = threading.Thread(target=lambda: [answers.send(event) for event in (epoch, Message("so far"))])
        training.start()
        training.join(timeout=10)
        waited = training.is_alive()  # asked before the pipe is read, which ends the waiting
        while full:
            full -= len(listener.read(full))
        answers.send(Finished("cnn", 0))
        answers.send(epoch)
        training.join()
        heard = [json.loads(line)["kind"] for line in listener.read(4096).splitlines()]
    assert not waited
    assert heard == ["finished", "epoch"]


def test_a_signal_that_comes_twice_leaves_a_checkpoint(study: Study, tmp_path: Path) -> None:
    """As where systemd, or scancel, tells every process of a command, and the command its workers."""
    run_study(study.settings(), tmp_path / "run", engine="none")
    said: list[str] = []

    def send(event: Event) -> None:
        if isinstance(event, Step) and event.step == 3:
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)

    answers: Any = SimpleNamespace(send=send, stopped=lambda: said.append("stopped"), fatal=pytest.fail)
    before = signal.signal(signal.SIGTERM, lambda *_: said.append("killed"))
    try:
        assert not _Worker(tmp_path / "run", answers).run("cnn", 0)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert said == ["stopped"]
    assert list((tmp_path / "run" / "cnn" / "repeat-0" / "checkpoint").iterdir())
