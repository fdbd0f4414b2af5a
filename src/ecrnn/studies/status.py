"""`ecrnn status`: how a study stands, from its folder alone: what runs where, what has failed, what is left.

Nothing is asked of any process, so it is the same for one that `ecrnn compare` trains on this machine and for one that
workers on a hundred machines train; and it is cheap: no file of a trial is read whole.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.attempts import begun_in
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import disk_errors, path_of
from ecrnn.core.leases import Claim
from ecrnn.core.manifests import noted_fact
from ecrnn.core.reading import there
from ecrnn.core.runs import METRICS, read_metrics, read_settings, trial_folder, trial_home
from ecrnn.studies.attempt_folders import folder_of
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.places import spelt_as_it_exists
from ecrnn.studies.shared_trials import SharedTrials


@dataclass(frozen=True)
class Running:
    """A trial that a worker has claimed.

    Attributes:
        model, repeat: which trial.
        host, pid: machine and process of the worker.
        since: when it was claimed, ISO, by the clock of that machine.
        attempt: which one this is.
        epoch, epochs: whole epochs done, and in all.
        seen: seconds since the last sign of life; None where it cannot be told.
        silent: whether that is longer than its lease, so that the next worker without a trial takes it over.
    """

    model: str
    repeat: int
    host: str
    pid: int
    since: str
    attempt: int
    epoch: int
    epochs: int
    seen: float | None
    silent: bool


@dataclass(frozen=True)
class FailedTrial:
    """A trial that has failed: the line that says why, and how many attempts there were (0: not by workers)."""

    model: str
    repeat: int
    error: str
    attempts: int


@dataclass(frozen=True)
class StudyStatus:
    """How a study stands.

    Attributes:
        study: its folder.
        planned: trials that it has, at the most where it trains until it is decided.
        finished: of them; whether they are whole, a report looks.
        running: what workers have claimed, by repeat.
        begun: trials that somebody has begun and left or lost, which go on from their checkpoints, or which a command
            without claims trains now.
        failed: by repeat.
        left: trials that are still to be trained, those that run among them.
        decided: whether nothing more is to be trained.
        seconds_left: for the workers that run now, from the times of finished trials, or else of epochs under way; None
            where none is known.
    """

    study: str
    planned: int
    finished: int
    running: tuple[Running, ...]
    begun: tuple[Trial, ...]
    failed: tuple[FailedTrial, ...]
    left: int
    decided: bool
    seconds_left: float | None


def status(study: str | Path) -> StudyStatus:
    """How a study stands.

    Args:
        study: its folder.

    Raises:
        EcrnnError: it is none, or what lies there cannot be read.
    """
    folder = Path(spelt_as_it_exists(path_of(study, "study")))
    settings = read_settings(folder)
    trials = SharedTrials(folder, settings, looks_only=True)
    trials.count()
    needed = trials.needed()
    claims = trials.claims([*needed, *trials.failed])
    held = {trial: claims[trial] for trial in needed if trial in claims and not claims[trial].ended}
    metrics = {trial: _metrics(trials, trial, claim) for trial, claim in held.items()}
    running = [_running(trials, trial, claim, len(metrics[trial])) for trial, claim in held.items()]
    at_work = {(one.model, one.repeat) for one in running}
    lost = begun_in(trials.leases.folder)
    failed = [
        FailedTrial(*trial, line, claims[trial].number if trial in claims else 0)
        for trial, line in trials.failed.items()
    ]
    return StudyStatus(
        study=str(folder),
        planned=len(trials.planned),
        finished=len(trials.finished),
        running=tuple(running),
        begun=tuple(t for t in needed if t not in at_work and (t in lost or there(trial_folder(folder, *t)))),
        failed=tuple(failed),
        left=len(needed),
        decided=not needed,
        seconds_left=_seconds_left(trials, needed, running, metrics),
    )


def _running(trials: SharedTrials, trial: Trial, claim: Claim, epoch: int) -> Running:
    silent = claim.seen is not None and claim.seen > claim.lease
    epochs = trials.settings.of_trial(*trial).training.epochs
    return Running(
        *trial,
        host=claim.host,
        pid=claim.pid,
        since=claim.since,
        attempt=claim.number,
        epoch=epoch,
        epochs=epochs,
        seen=claim.seen,
        silent=silent,
    )


def _metrics(trials: SharedTrials, trial: Trial, claim: Claim) -> list[dict[str, Any]]:
    """Those of the whole epochs of a training under way."""
    folder = trial_folder(folder_of(trials.leases.folder, trial, claim.number, claim.token), *trial)
    try:
        return read_metrics(folder / METRICS, within=trials.study)
    except EcrnnError:  # not there yet, or renamed at this moment
        return []


def _seconds_left(
    trials: SharedTrials, needed: list[Trial], running: list[Running], metrics: Mapping[Trial, list[dict[str, Any]]]
) -> float | None:
    """What the trainings that are left take, divided among those that run side by side."""
    times = _times(trials)
    finished = {model for model, seconds in times.items() if seconds}
    for one in running:  # of a model of which no trial is finished, the epochs under way say what all of them take
        noted = [line.get("seconds") for line in metrics[one.model, one.repeat]]
        epochs = [float(seconds) for seconds in noted if isinstance(seconds, int | float)]
        if epochs and one.model not in finished:
            times.setdefault(one.model, []).append(one.epochs * statistics.mean(epochs))
    known = [seconds for of_model in times.values() for seconds in of_model]
    at_work = [one for one in running if not one.silent]
    if not known or not at_work:
        return None
    usual = {model: statistics.median(times.get(model) or known) for model in trials.settings.models}
    done = sum(usual[one.model] * one.epoch / max(1, one.epochs) for one in at_work)
    return max(0.0, sum(usual[model] for model, _ in needed) - done) / len(at_work)


def _times(trials: SharedTrials) -> dict[str, list[float]]:
    """The seconds that finished trials took, by model; of the last ones of each."""
    times: dict[str, list[float]] = {}
    for model, repeat in reversed(trials.finished):
        if len(times.setdefault(model, [])) >= 5:
            continue
        seconds = noted_fact(trial_home(trials.study, model, repeat), "seconds", trials.study)
        if isinstance(seconds, int | float):
            times[model].append(float(seconds))
    return times


def forget_failures(study: Path, settings: StudySettings) -> list[Trial]:
    """Delete what says that trials have failed, so that workers try them again; gives those trials."""
    trials = SharedTrials(study, settings, looks_only=True)
    trials.count()
    for trial in trials.failed:
        with disk_errors(study, "delete error.json in"):
            (trial_folder(study, *trial) / "error.json").unlink(missing_ok=True)
        trials.forget(trial)
    return list(trials.failed)
