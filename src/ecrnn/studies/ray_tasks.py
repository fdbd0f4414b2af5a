"""`--engine ray`: the trials of a study as tasks of a Ray cluster, each of which has a worker train one of them.

A task is `ecrnn.studies.work.work` for one trial, on a node that sees the folder of the study: nothing but names goes
through Ray, and what is finished says the folder. So a worker or a node may be lost at any moment: Ray starts the task
again elsewhere, and the trial goes on from its checkpoint under the same leases as without Ray. The error of a trial
is written down in the study and is no error of the task, so it is not repeated.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Failed, Finished, Progress, Waiting, silent
from ecrnn.core.leases import LEASE
from ecrnn.core.ray_cluster import check_fits, cluster, last_line, slots
from ecrnn.core.runs import METRICS, locked, read_metrics, read_settings, trial_folder
from ecrnn.models.own_code import check_workers_know, load_code, loaded_files
from ecrnn.studies.attempt_folders import folder_of
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.settings import models_of
from ecrnn.studies.shared_trials import SharedTrials
from ecrnn.studies.work import Work, work
from ecrnn.training.interruption import Interrupted, Interruption

_LOOK = 1.0  # seconds between two looks at what has happened
_AHEAD = 2  # tasks for each that can run: the others wait in Ray, so that new nodes get them at once
_GRACE = 90.0  # seconds for all trainings to write their checkpoints


def run_on_ray(study: Path, *, address: str | None = None, lease: float = LEASE, progress: Progress = silent) -> Work:
    """Have a Ray cluster train what is left of a study.

    Args:
        study: the folder of a study that is written, at a place that all nodes see.
        address: of the cluster, such as "auto" or "10.0.0.1:6379"; None: one of this machine, which ends with the call.
        lease: seconds without a sign of life, after which a trial may be taken over.
        progress: called with epochs, and with trials that are finished or have failed.

    Returns:
        What was done, as of `ecrnn.studies.work.work`.

    Raises:
        EcrnnError: Ray is not installed, there is no such cluster, no node can hold a task, or one cannot train.
        Interrupted: SIGINT or SIGTERM came; checkpoints are written.
    """
    study = study.resolve()
    settings = read_settings(study)
    check_workers_know(model.family for model in models_of(settings))
    trials = SharedTrials(study, settings, lease)
    trials.count()
    before = set(trials.finished)
    progress(Waiting(len(trials.needed())))
    with locked(study, shared=True), Interruption() as interruption, cluster(address) as ray:
        _Tasks(ray, trials, settings, lease, progress).run(interruption)
    if interruption.received:
        raise Interrupted(interruption.received)
    trials.count()
    trained = [trial for trial in trials.finished if trial not in before]
    return Work(trained, len(trials.finished), len(trials.planned), trials.failed, len(trials.needed()))


class _Tasks:
    """The tasks of one study, at the most as many as there are trials left."""

    def __init__(
        self, ray: Any, trials: SharedTrials, settings: StudySettings, lease: float, progress: Progress
    ) -> None:
        self.ray, self.trials, self.progress = ray, trials, progress
        training = settings.training
        threads, cards = training.threads or 1, int(training.device == "cuda")
        self.needs = {"CPU": float(threads), "GPU": float(cards)}
        task = ray.remote(max_retries=-1, retry_exceptions=False)(_train)
        self.task = task.options(num_cpus=threads, num_gpus=cards, scheduling_strategy="SPREAD")
        self.arguments = (str(trials.study), lease, [str(file.resolve()) for file in loaded_files()], os.getcwd())
        self.epochs: dict[Trial, int] = {}  # that were shown
        self.known = {*trials.finished, *trials.failed}
        self.under_way: list[Any] = []

    def run(self, interruption: Interruption) -> None:
        """Until nothing is left, or a signal comes."""
        check_fits(self.ray, self.needs)
        try:
            while not interruption.received:
                self.trials.count()
                self._show()
                needed = self.trials.needed()
                if not needed and not self.under_way:
                    return
                most = _AHEAD * max(1, sum(slots(self.ray, self.needs).values()))
                while len(self.under_way) < min(most, len(needed)):
                    self.under_way.append(self.task.remote(*self.arguments))
                ended, self.under_way = self.ray.wait(self.under_way, timeout=_LOOK)
                for task in ended:
                    self._end(task)
        finally:
            self._stop()

    def _end(self, task: Any) -> None:
        """Look how a task has ended, which is well unless its node cannot train at all."""
        try:
            line = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            line = f"a task of Ray failed: {last_line(error)}"
        if line:
            raise RunDirectoryError(line)

    def _stop(self) -> None:
        """Have all trainings write a checkpoint and leave, and wait for that."""
        for task in self.under_way:
            self.ray.cancel(task, force=False)  # by force it would end without a checkpoint
        if self.under_way:
            self.ray.wait(self.under_way, num_returns=len(self.under_way), timeout=_GRACE)

    def _show(self) -> None:
        """Pass on what the folder says that was not passed on."""
        trials = self.trials
        for trial in [*trials.finished, *trials.failed]:
            if trial not in self.known:
                self.known.add(trial)
                failed = trials.failed.get(trial)
                self.progress(Finished(*trial) if failed is None else Failed(*trial, failed))
        claims = trials.claims([trial for trial in trials.planned if trial not in self.known])
        for trial, claim in claims.items():
            place = trial_folder(folder_of(trials.leases.folder, trial, claim.number, claim.token), *trial)
            for event in _new_epochs(place / METRICS, trials, trial, self.epochs.get(trial, 0)):
                self.epochs[trial] = event.epoch
                self.progress(event)


def _new_epochs(metrics: Path, trials: SharedTrials, trial: Trial, shown: int) -> Iterator[Epoch]:
    """The epochs of a trial after the first ``shown`` ones."""
    try:
        lines = read_metrics(metrics, within=trials.study)
    except EcrnnError:  # not there yet, or renamed at this moment
        return
    epochs = trials.settings.of_trial(*trial).training.epochs
    label = trials.settings.label(*trial)
    for number, line in enumerate(lines[shown:], shown + 1):
        figures = {key: value for key, value in line.items() if isinstance(value, int | float)}
        yield Epoch(label, number, epochs, number, epochs, {"seconds": 0.0, **figures})


def _train(study: str, lease: float, code: list[str], here: str) -> str:
    """What a node does: train one trial that nobody has; gives the line of what keeps it from training any, or "".

    Paths in the settings start from the folder ``here``, as for the driver, if the node sees it too.
    """
    with contextlib.suppress(OSError):
        os.chdir(here)
    try:
        for file in code:
            load_code(file)
        work(study, most=1, lease=lease)
    except EcrnnError as error:
        return str(error)
    except Interrupted:  # the node is taken away, or the task cancelled: the trial lies there for the next task
        return ""
    return ""
