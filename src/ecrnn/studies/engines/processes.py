"""Trials side by side, in several processes.

Workers are processes of their own (`python -m ecrnn.studies.engines.worker STUDY [CODE...]`), told which trial to run
by a line of JSON and answering in lines of JSON, so a worker that crashes or is killed for memory fails its trial
alone. They inherit the study's lock and stop when this process is gone: a study is never worked on by two.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.events import Event, Failed, Finished, from_plain
from ecrnn.core.gpu_slots import slots
from ecrnn.models.own_code import loaded_files
from ecrnn.studies.engines.protocol import OpenStudy, Trial
from ecrnn.studies.trials import record_failure
from ecrnn.training.interruption import Interrupted, Interruption


class ProcessEngine:
    """The `ecrnn.studies.engines.protocol.Engine` that a study with several jobs has.

    Each worker is served by a thread of this process that hands it one trial at a time.

    Args:
        jobs: workers at the most.
    """

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._forget()

    def _forget(self) -> None:
        """What was before, so that trials can be taken on again."""
        self.waiting: queue.SimpleQueue[Trial] = queue.SimpleQueue()
        self.sent: queue.SimpleQueue[Event | None] = queue.SimpleQueue()  # None: a thread has ended
        self.workers: list[subprocess.Popen[str]] = []
        self.guard = threading.Lock()  # of workers
        self.stopping = self.terminated = False
        self.fatal: str | None = None

    def start(self, study: OpenStudy, trials: Sequence[Trial]) -> None:
        self.study = study
        self._forget()
        for trial in trials:
            self.waiting.put(trial)
        places = slots(study.settings.training.device, min(self.jobs, len(trials)))
        self.threads = [threading.Thread(target=self._serve, args=(place,), daemon=True) for place in places]
        for thread in self.threads:
            thread.start()

    def events(self) -> Generator[Event, None, None]:
        with Interruption() as interruption:
            while any(thread.is_alive() for thread in self.threads) or not self.sent.empty():
                try:
                    event = self.sent.get(timeout=0.1)
                except queue.Empty:
                    event = None
                if event is not None:
                    yield event
                if (interruption.received or self.fatal) and not self.terminated:
                    self.stop()
        if interruption.received:
            raise Interrupted(interruption.received)
        if self.fatal:
            raise RunDirectoryError(self.fatal)

    def stop(self) -> None:
        with self.guard:
            self.stopping = self.terminated = True
            for worker in self.workers:
                if worker.poll() is None:
                    worker.terminate()  # SIGINT would have one that is still starting print a traceback

    def _serve(self, place: Mapping[str, str]) -> None:
        """Hand trials to one worker after another, whose environment says where it computes."""
        worker = None
        try:
            while not self.stopping:
                try:
                    trial = self.waiting.get_nowait()
                except queue.Empty:
                    break
                worker = worker or self._start(place)
                if not self._run(worker, trial):
                    self._end(worker)
                    worker = None
        except RunDirectoryError as error:  # a failure cannot be written down: the disk refuses
            self.fatal, self.stopping = str(error), True
        finally:
            if worker is not None:
                self._end(worker)
            self.sent.put(None)

    def _start(self, place: Mapping[str, str]) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "ecrnn.studies.engines.worker",
                str(self.study.folder),
                *map(str, loaded_files()),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **place},
            pass_fds=(self.study.lock,),
            start_new_session=True,  # Ctrl-C at the terminal comes to this process, which passes it on once
        )
        with self.guard:
            self.workers.append(worker)
            if self.stopping:
                worker.terminate()
        return worker

    def _run(self, worker: subprocess.Popen[str], trial: Trial) -> bool:
        """Hand one trial to a worker and pass on what it says, until it is done; False if the worker is gone then."""
        assert worker.stdin is not None
        assert worker.stdout is not None
        with contextlib.suppress(BrokenPipeError):  # then it is gone, which the end of its output says below
            print(json.dumps(trial), file=worker.stdin, flush=True)
        for line in worker.stdout:
            message = json.loads(line)
            match message["kind"]:
                case "fatal":
                    self.fatal, self.stopping = message["error"], True
                    return False
                case "stopped":
                    if not self.stopping:  # somebody else told the worker
                        self._failed(trial, "the worker was told to stop by a signal")
                    return False
                case _:
                    event = from_plain(message)
                    self.sent.put(event)
                    if isinstance(event, Failed | Finished):
                        return True
        if not self.stopping:
            self._lost(worker, trial)
        return False

    def _failed(self, trial: Trial, reason: str) -> None:
        self.sent.put(Failed(*trial, record_failure(self.study.folder, *trial, RuntimeError(reason))))

    def _lost(self, worker: subprocess.Popen[str], trial: Trial) -> None:
        self._failed(trial, how_it_ended(worker.wait()))

    def _end(self, worker: subprocess.Popen[str]) -> None:
        try:
            worker.communicate(timeout=60)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()


def how_it_ended(status: int) -> str:
    """What the exit status of a worker says, in a line."""
    how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
    hint = ", perhaps for want of memory: fewer --jobs or a smaller --batch-size may help" if status == -9 else ""
    return f"the worker {how}{hint}"
