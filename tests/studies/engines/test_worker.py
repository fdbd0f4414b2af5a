"""studies/engines/worker: what a worker says while nobody listens."""

from __future__ import annotations

import json
import os
import threading

from ecrnn.core.events import Epoch, Finished, Message
from ecrnn.studies.engines.worker import Answers


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
