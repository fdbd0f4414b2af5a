"""A worker process of `ecrnn.studies.engines.processes`: reads trials, runs them, answers; all in lines of JSON.

When the process that started it is gone its input ends, and it stops as if told by a signal: at the next step, with a
checkpoint.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ecrnn.core import filesystems
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Event, Failed, Finished, Message, Step, to_json
from ecrnn.core.runs import read_settings
from ecrnn.core.standard_streams import open_closed_streams
from ecrnn.data import left_out
from ecrnn.data.example_set import ExampleSet
from ecrnn.models.own_code import load_code
from ecrnn.studies.trials import load, record_failure, run_trial
from ecrnn.training.interruption import Interrupted, Interruption

STEP_SECONDS = 0.2  # between two steps that are sent


def main(study: Path, code: Sequence[Path] = ()) -> None:
    """Serve trials until the input ends; ``code`` are the files of own models that the study's process has run."""
    answers = Answers()
    trials = listen()
    for file in code:
        load_code(file)
    worker = _Worker(study, answers)
    say_nothing_twice()
    while (line := trials.get()) is not None:
        model, repeat = json.loads(line)
        if not worker.run(model, repeat):
            break
    os._exit(0)  # the listening thread may wait for input for ever


class Answers:
    """What a worker says, in lines of JSON on its standard output, which is nobody else's from then on."""

    def __init__(self) -> None:
        open_closed_streams()
        self.file = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)  # nothing else that prints may mix with the answers
        self.step_sent = 0.0

    def send(self, event: Event) -> None:
        """Pass an event on; of steps not every one, and none of a training where whoever listens was stopped.

        A training that waited until it is heard would hold its trial, and do nothing, for as long as the command that
        started it is stopped.
        """
        now = time.monotonic()
        if isinstance(event, Step) and now - self.step_sent < STEP_SECONDS:
            return
        if isinstance(event, Step | Epoch | Message) and not select.select([], [self.file], [], 0)[1]:
            return
        if isinstance(event, Step | Epoch):
            self.step_sent = now
        self._write(to_json(event))

    def stopped(self) -> None:
        """The training under way has written a checkpoint and will not go on here."""
        self._write(json.dumps({"kind": "stopped"}))

    def fatal(self, error: EcrnnError) -> None:
        """No trial of this study can go on here, and why."""
        self._write(json.dumps({"kind": "fatal", "error": str(error)}))

    def _write(self, line: str) -> None:
        try:
            print(line, file=self.file, flush=True)
        except BrokenPipeError:
            os.kill(os.getpid(), signal.SIGTERM)  # nobody listens any more


def say_nothing_twice() -> None:
    """Nothing is warned of that the process which started this one has warned of."""
    for logger in (filesystems.logger, left_out.logger):
        logger.setLevel(logging.ERROR)


def listen() -> queue.SimpleQueue[str | None]:
    """Lines of the input; when it ends, None, and a training under way is told to stop."""
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        lines.put(None)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=read, daemon=True).start()
    return lines


class _Worker:
    def __init__(self, study: Path, answers: Answers) -> None:
        self.study, self.answers = study, answers
        self.settings = read_settings(study)
        self.data: ExampleSet | None = None

    def run(self, model: str, repeat: int) -> bool:
        """Run one trial and say how it ended; False if this worker should leave."""
        try:
            self.data = self.data or load(self.settings)
            with Interruption():  # notes a second signal, as when systemd tells all processes and the command this one
                for event in run_trial(self.data, self.study, self.settings, model, repeat):
                    self.answers.send(event)
        except Interrupted:
            self.answers.stopped()
            return False
        except RunDirectoryError as error:
            self.answers.fatal(error)
            return False
        except Exception as error:  # noqa: BLE001 whatever one trial dies of, the others are run
            self.answers.send(Failed(model, repeat, record_failure(self.study, model, repeat, error)))
            return True
        self.answers.send(Finished(model, repeat))
        return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(file) for file in sys.argv[2:]])
