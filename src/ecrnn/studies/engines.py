"""Engines: trials run one after another in this process, or side by side in several.

Workers are processes of their own (`python -m ecrnn.studies.worker STUDY`), told which trial to run by a line of JSON
and answering in lines of JSON, so a worker that crashes or is killed for memory fails its trial alone. They inherit the
study's lock and stop when this process is gone: a study is never worked on by two.
"""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.progress import Progress, Tick
from ecrnn.data.splits import Examples
from ecrnn.studies.trials import record_failure, run_trial
from ecrnn.training.interruption import Interrupted, Interruption

Trial = tuple[str, int]  # model, repeat
Failed = Callable[[Trial, str], None]


def run_here(
    data: Examples, study: Path, settings: StudySettings, trials: Iterable[Trial], progress: Progress, failed: Failed
) -> None:
    """Run ``trials`` one after another in this process. A trial that fails is recorded and reported, the rest goes on.

    Raises:
        RunDirectoryError: the disk refuses; what is finished is kept.
        Interrupted: by a signal.
    """
    for model, repeat in trials:
        try:
            run_trial(data, study, settings, model, repeat, progress)
        except (Interrupted, RunDirectoryError):
            raise
        except Exception as error:  # noqa: BLE001 whatever one trial dies of, the others are run
            failed((model, repeat), record_failure(study, model, repeat, error))


def run_in_processes(
    study: Path, lock: int, trials: Iterable[Trial], jobs: int, progress: Progress, failed: Failed
) -> None:
    """Run ``trials`` in ``jobs`` worker processes.

    Args:
        study: a folder whose `study.yaml` is written.
        lock: descriptor of the held lock, which the workers inherit.

    Raises:
        RunDirectoryError, Interrupted: as `run_here`.
    """
    pool = _Pool(study, lock, progress, failed)
    for trial in trials:
        pool.waiting.put(trial)
    threads = [threading.Thread(target=pool.serve, daemon=True) for _ in range(jobs)]
    with Interruption() as interruption:
        for thread in threads:
            thread.start()
        while alive := [thread for thread in threads if thread.is_alive()]:
            alive[0].join(0.1)
            if (interruption.received or pool.fatal) and not pool.told:
                pool.stop()
    if interruption.received:
        raise Interrupted(interruption.received)
    if pool.fatal:
        raise RunDirectoryError(pool.fatal)


class _Pool:
    """Workers, each served by a thread of this process that hands it one trial at a time."""

    def __init__(self, study: Path, lock: int, progress: Progress, failed: Failed) -> None:
        self.study, self.lock, self.progress, self.failed = study, lock, progress, failed
        self.waiting: queue.SimpleQueue[Trial] = queue.SimpleQueue()
        self.workers: list[subprocess.Popen[str]] = []
        self.guard = threading.Lock()  # of workers, progress and failed
        self.stopping = self.told = False
        self.fatal: str | None = None

    def stop(self) -> None:
        """Tell every worker to write its checkpoint and leave, and hand out no more trials."""
        with self.guard:
            self.stopping = self.told = True
            for worker in self.workers:
                if worker.poll() is None:
                    worker.terminate()  # SIGINT would have one that is still starting print a traceback

    def serve(self) -> None:
        worker = None
        while not self.stopping:
            try:
                trial = self.waiting.get_nowait()
            except queue.Empty:
                break
            worker = worker or self._start()
            if not self._run(worker, trial):
                self._end(worker)
                worker = None
        if worker is not None:
            self._end(worker)

    def _start(self) -> subprocess.Popen[str]:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "ecrnn.studies.worker", str(self.study)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=(self.lock,),
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
            with self.guard:
                match message.pop("kind"):
                    case "tick":
                        self.progress(Tick(**message))
                    case "failed":
                        self.failed(trial, message["error"])
                        return True
                    case "fatal":
                        self.fatal, self.stopping = message["error"], True
                        return False
                    case "stopped":
                        if not self.stopping:  # somebody else told the worker
                            error = RuntimeError("the worker was told to stop by a signal")
                            self.failed(trial, record_failure(self.study, *trial, error))
                        return False
                    case _:  # done
                        return True
        if not self.stopping:
            self._lost(worker, trial)
        return False

    def _lost(self, worker: subprocess.Popen[str], trial: Trial) -> None:
        status = worker.wait()
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        hint = ", perhaps for want of memory: fewer --jobs or a smaller --batch-size may help" if status == -9 else ""
        with self.guard:
            self.failed(trial, record_failure(self.study, *trial, RuntimeError(f"the worker {how}{hint}")))

    def _end(self, worker: subprocess.Popen[str]) -> None:
        try:
            worker.communicate(timeout=60)  # closes its input, which ends it
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
