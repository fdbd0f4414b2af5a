"""A worker process of `ecrnn work`: takes trials of a study that nobody has, until there are none; answers in JSON.

It claims a trial only when it is ready to train, shows its signs of life itself, and puts the trial into its place
itself: nothing hangs on the process that started it, which shows what happens and starts another one where this one
dies. When that process is gone, or at SIGTERM, it writes a checkpoint, puts back what it has begun, and leaves.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Failed, Finished, Message
from ecrnn.core.files import folder_chosen_by
from ecrnn.core.leases import BEATS
from ecrnn.core.runs import locked, read_settings
from ecrnn.core.text import printable
from ecrnn.data.example_set import ExampleSet
from ecrnn.models.own_code import load_code
from ecrnn.studies.engines.worker import Answers, listen, say_nothing_twice
from ecrnn.studies.machine_faults import is_of_machine
from ecrnn.studies.shared_trials import CHOSEN_BY, Attempt, SharedTrials
from ecrnn.studies.trials import load, run_trial
from ecrnn.training.interruption import Interrupted, Interruption

MAX_PAUSE = 5.0  # seconds between two looks for a trial that has become free


class _Lost(Exception):
    """Another worker has taken over the trial under way."""


class MachineFault(Exception):
    """This process had better not go on: memory, a GPU or a disk of the machine has failed a trial."""


def main(study: Path, asked: dict[str, Any]) -> None:
    """Train what nobody else trains.

    Args:
        study: the study's folder.
        asked: "code", files of own models; "lease", seconds; "wait", whether to wait for trials that others have;
            "places", settings that say where the data lies on this machine; "most", trials to train, or None; "only",
            the one trial to train, or None.
    """
    answers = Answers()
    listen()
    say_nothing_twice()
    try:
        for file in asked["code"]:
            load_code(file)
        with folder_chosen_by(CHOSEN_BY), locked(study, shared=True):
            worker = _Worker(study, asked, answers)  # while it reads the data a signal ends it at once
            with Interruption() as interruption:
                worker.run(interruption)
    except EcrnnError as error:
        answers.fatal(error)
    except MachineFault:
        os._exit(1)  # and the process that started this one starts another, with memory of its own
    os._exit(0)  # the listening thread may wait for input for ever


class _Worker:
    def __init__(self, study: Path, asked: dict[str, Any], answers: Answers) -> None:
        self.answers, self.asked = answers, asked
        self.settings = read_settings(study)
        if self.settings.training.device == "cuda" and not torch.cuda.is_available():  # or every trial fails here
            raise EcrnnError(f"{study} trains on GPUs, and torch finds no CUDA device on this machine")
        only = asked["only"] and (asked["only"][0], asked["only"][1])
        self.trials = SharedTrials(study, self.settings, asked["lease"], only=only)
        self.data = _data(self.settings, asked["places"])

    def run(self, interruption: Interruption) -> None:
        """Train until nothing is left, or this worker is told to leave."""
        trained = 0
        while not interruption.received and trained != self.asked["most"]:
            attempt = self.trials.take()
            if attempt is not None:
                if not self._train(attempt):
                    self.answers.stopped()
                    break
                trained += 1
            elif not self.asked["wait"] or not self.trials.needed():
                self.trials.sweep()
                break
            else:
                self._pause(interruption)

    def _pause(self, interruption: Interruption) -> None:
        until = time.monotonic() + min(MAX_PAUSE, self.trials.leases.lease / BEATS)
        while not interruption.received and time.monotonic() < until:
            time.sleep(0.05)

    def _train(self, attempt: Attempt) -> bool:
        """Train one trial and put it into its place; False if this worker should leave."""
        model, repeat = attempt.trial
        try:
            with attempt.lease.signs():
                self._events(attempt)
        except _Lost:
            self._lose(attempt)
        except Interrupted:
            if attempt.lease.sign():
                self.trials.leave(attempt)
            else:
                self._lose(attempt)
            return False
        except Exception as error:
            if not attempt.lease.sign():  # such as a folder that another worker has renamed
                self._lose(attempt)
            elif isinstance(error, RunDirectoryError):
                self.trials.leave(attempt)
                raise
            elif is_of_machine(error):
                line = printable(f"{type(error).__name__}: {error}".splitlines()[0])
                self.trials.lose(attempt, line)
                label = self.settings.label(model, repeat)
                self.answers.send(Message(f"{label} was interrupted: {line}"))
                raise MachineFault from error
            else:
                self.answers.send(Failed(model, repeat, self.trials.fail(attempt, error)))
        else:
            self.trials.publish(attempt)
            if attempt.trial in self.trials.finished:
                self.answers.send(Finished(model, repeat))
        return True

    def _events(self, attempt: Attempt) -> None:
        with closing(run_trial(self.data, attempt.root, self.settings, *attempt.trial)) as events:
            for event in events:
                self.answers.send(event)
                if attempt.lease.lost:
                    raise _Lost

    def _lose(self, attempt: Attempt) -> None:
        self.trials.give_up(attempt)
        self.trials.check_there()
        label = self.settings.label(*attempt.trial)
        self.answers.send(Message(f"{label} went to another worker: this one showed no sign of life for too long"))


def _data(settings: StudySettings, places: dict[str, str]) -> ExampleSet:
    """The examples, from where they lie on this machine; that they are the study's, their fingerprint says."""
    return load(settings.model_copy(update=places))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
