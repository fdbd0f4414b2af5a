"""`--engine ray`: the trials of a study as tasks of a Ray cluster, each of which has a worker train one of them.

A task is `ecrnn.studies.work.work` for one trial, on a node that sees the folder of the study: nothing but names goes
through Ray, and what is finished says the folder. So a worker or a node may be lost at any moment: Ray starts the task
again elsewhere, and the trial goes on from its checkpoint under the same leases as without Ray. The error of a trial
is written down in the study and is no error of the task, so it is not repeated. A node that cannot train gets no more
tasks.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.devices import check_shares_gpu
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Failed, Finished, Message, Progress, Waiting, silent
from ecrnn.core.gpu_slots import share_gpu, share_of_gpu
from ecrnn.core.leases import LEASE
from ecrnn.core.ray_cluster import check_fits, cluster, freest, last_line, name_of_node, node_id, placed, slots
from ecrnn.core.runs import METRICS, locked, read_metrics, read_settings, trial_folder
from ecrnn.core.text import printable
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
_LONGEST = 1000  # characters of a line from a node


@dataclass
class _Task:
    """A worker for one trial, that is under way."""

    answer: Any  # Ray's reference to what `_train` gives
    node: str | None  # that it was given to; None: Ray chooses


def run_on_ray(
    study: Path,
    *,
    address: str | None = None,
    trials_per_gpu: int | None = None,
    lease: float = LEASE,
    progress: Progress = silent,
) -> Work:
    """Have a Ray cluster train what is left of a study.

    Args:
        study: the folder of a study that is written, at a place that all nodes see.
        address: of the cluster, such as "auto" or "10.0.0.1:6379"; None: one of this machine, which ends with the call.
        trials_per_gpu: trials that share a GPU, where the study trains on them; None: each has one.
        lease: seconds without a sign of life, after which a trial may be taken over.
        progress: called with epochs, and with trials that are finished or have failed.

    Returns:
        What was done, as of `ecrnn.studies.work.work`.

    Raises:
        EcrnnError: Ray is not installed, there is no such cluster, no node can hold a task, or none can train.
        Interrupted: SIGINT or SIGTERM came; checkpoints are written.
    """
    study = study.resolve()
    settings = read_settings(study)
    check_workers_know(model.family for model in models_of(settings))
    check_shares_gpu(settings.training.device, trials_per_gpu)
    trials = SharedTrials(study, settings, lease)
    trials.count()
    before = set(trials.finished)
    progress(Waiting(len(trials.needed())))
    with locked(study, shared=True), Interruption() as interruption, cluster(address) as ray:
        _Tasks(ray, trials, settings, trials_per_gpu, progress).run(interruption)
    if interruption.received:
        raise Interrupted(interruption.received)
    trials.count()
    trained = [trial for trial in trials.finished if trial not in before]
    return Work(trained, len(trials.finished), len(trials.planned), trials.failed, len(trials.needed()))


class _Tasks:
    """The tasks of one study, at the most as many as there are trials left."""

    def __init__(
        self, ray: Any, trials: SharedTrials, settings: StudySettings, trials_per_gpu: int | None, progress: Progress
    ) -> None:
        self.ray, self.trials, self.progress = ray, trials, progress
        training = settings.training
        threads, share = training.threads or 1, share_of_gpu(training.device, trials_per_gpu)
        self.needs = {"CPU": float(threads), "GPU": share}
        self.task = ray.remote(max_retries=-1, retry_exceptions=False)(_train)
        self.options = {"num_cpus": threads, "num_gpus": share}
        code = [str(file.resolve()) for file in loaded_files()]
        self.arguments = (str(trials.study), trials.leases.lease, code, os.getcwd(), trials_per_gpu or 1)
        self.epochs: dict[Trial, int] = {}  # that were shown
        self.known = {*trials.finished, *trials.failed}
        self.under_way: list[_Task] = []
        self.unfit: dict[str, str] = {}  # nodes that cannot train, and why not
        self.chooses = False  # this process, and not Ray, on which node a task runs

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
                self._begin(len(needed))
                answers = {task.answer: task for task in self.under_way}
                ended, _ = self.ray.wait(list(answers), timeout=_LOOK)
                for answer in ended:
                    self.under_way.remove(answers[answer])
                    self._end(answers[answer])
        finally:
            self._stop()

    def _begin(self, needed: int) -> None:
        """Start tasks, as many as may soon run.

        Raises:
            RunDirectoryError: nothing is under way, and each node has answered that it cannot train.
        """
        nodes = slots(self.ray, self.needs)
        fit = {node: number for node, number in nodes.items() if node not in self.unfit}
        if nodes and not fit:
            if not self.under_way:
                *_, line = self.unfit.values()
                raise RunDirectoryError(f"no node of the Ray cluster can train: {line}")
            return
        most = _AHEAD * max(1, sum(fit.values()))
        while len(self.under_way) < min(most, needed):
            node = freest(fit, Counter(task.node for task in self.under_way), ()) if self.chooses and fit else None
            task = self.task.options(**self.options, scheduling_strategy=placed(self.ray, node))
            self.under_way.append(_Task(task.remote(*self.arguments), node))

    def _end(self, task: _Task) -> None:
        """Look how a task has ended, which is well unless its node cannot train at all: then others do what is left."""
        try:
            line, node = self.ray.get(task.answer)
        except self.ray.exceptions.RayError as error:  # such as an installation without ecrnn
            line, node = f"a task of Ray failed: {last_line(error)}", ""
        node = node or task.node or ""
        if not line or node in self.unfit or (self.chooses and not node):
            return
        self.chooses = True  # so that it is known of the next ones on which node they were
        line = printable(line[:_LONGEST])
        if node:
            self.unfit[node] = line
            self.progress(Message(f"{name_of_node(self.ray, node)} gets no more trials: {line}"))
        else:
            self.progress(Message(f"a node cannot train, and Ray does not say which: {line}"))

    def _stop(self) -> None:
        """Have all trainings write a checkpoint and leave, and wait for that."""
        answers = [task.answer for task in self.under_way]
        for answer in answers:
            self.ray.cancel(answer, force=False)  # by force it would end without a checkpoint
        if answers:
            self.ray.wait(answers, num_returns=len(answers), timeout=_GRACE)

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


def _train(study: str, lease: float, code: list[str], here: str, sharing: int) -> tuple[str, str]:
    """What a node does: train one trial that nobody has.

    Paths in the settings start from the folder ``here``, as for the driver, if the node sees it too. As many trials as
    ``sharing`` says have the GPU of this one.

    Returns:
        The line of what keeps the node from training any, or "", and the node's id.
    """
    line = ""
    share_gpu(sharing)
    with contextlib.suppress(OSError):
        os.chdir(here)
    try:
        for file in code:
            load_code(file)
        work(study, most=1, lease=lease)
    except (EcrnnError, OSError) as error:
        line = str(error) or type(error).__name__
    except Interrupted:  # the node is taken away, or the task cancelled: the trial lies there for the next task
        pass
    return line, node_id()
