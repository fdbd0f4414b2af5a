"""A run in a store of MLflow (extra `mlflow`): a study is a run, and its trials are the runs inside it.

Only MLflow's client is used, whose store is a file of SQLite unless another is named; no server is started, and nothing
is sent to anybody but the store. Each run has the tags `ecrnn.key`, by which a repeated export finds it, and
`ecrnn.digest`, the last that is written, by which it sees that the run is whole and that nothing has changed.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.text import printable
from ecrnn.studies.trackers.tracked_run import TrackedRun, TrackedTrial
from ecrnn.training.event_files import tag

URI = "sqlite:///mlflow.db"
_KEY, _DIGEST, _PARENT = "ecrnn.key", "ecrnn.digest", "mlflow.parentRunId"
_AT_ONCE = 100  # parameters of one call, and a tenth of the metrics
_LONGEST = 500  # characters of a parameter
_LONGEST_NAME = 250
_REFUSED = re.compile(r"[^\w/.:\- ]")  # in names of parameters and metrics


def log_runs(run: TrackedRun, uri: str = URI, experiment: str | None = None) -> int:
    """Put the trials of a run that are not there yet, as they are now, into a store.

    Args:
        run: from `read_tracked`.
        uri: MLflow's tracking URI.
        experiment: name of the experiment; None: the run's.

    Returns:
        How many were put there.

    Raises:
        EcrnnError: MLflow is missing, or the store refuses.
    """
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # MLflow reports its use to its makers unless it is told not to
    try:
        mlflow: Any = import_module("mlflow")
    except ImportError as error:
        raise EcrnnError("--to mlflow needs the package mlflow; pip install 'ecrnn[mlflow]'") from error
    try:
        client = mlflow.tracking.MlflowClient(tracking_uri=uri)
        name = printable(experiment or run.name)
        found = client.get_experiment_by_name(name)
        place = client.create_experiment(name) if found is None else found.experiment_id
        return _Store(mlflow, client, place).put(run)
    except mlflow.exceptions.MlflowException as error:
        line = (str(error).splitlines() or ["no reason"])[0]
        raise EcrnnError(f"MLflow's store {uri} refuses: {line[:300]}") from error


class _Store:
    """An experiment of a store."""

    def __init__(self, mlflow: Any, client: Any, experiment: str) -> None:
        self.entities, self.client, self.experiment = mlflow.entities, client, experiment

    def put(self, run: TrackedRun) -> int:
        alone = len(run.trials) == 1 and run.trials[0].key == run.key
        inside = None if alone else self._parent(run)
        return sum(self._trial(trial, inside) for trial in run.trials)

    def _parent(self, run: TrackedRun) -> str:
        """The run of a study, put there if it is not, or not whole."""
        before = self._found(run.key)
        if before is not None:
            if _DIGEST in self.client.get_run(before).data.tags:
                return before
            self.client.delete_run(before)  # of a killed export
        parent = self._begin(run.key, run.name, {}, min((one.times() or [0.0])[0] for one in run.trials))
        self._parameters(parent, run.settings)
        self.client.set_terminated(parent, "FINISHED")
        self.client.set_tag(parent, _DIGEST, run.key)
        return parent

    def _trial(self, trial: TrackedTrial, inside: str | None) -> bool:
        """Put one trial there, inside a run or by itself; False if it is there."""
        before = self._found(trial.key)
        if before is not None:
            known = self.client.get_run(before).data.tags
            if known.get(_DIGEST) == trial.digest:
                if inside is not None and known.get(_PARENT) != inside:  # that one is there anew
                    self.client.set_tag(before, _PARENT, inside)
                return False
            self.client.delete_run(before)  # of a killed export, or of fewer epochs
        times = trial.times()
        tags = {} if inside is None else {_PARENT: inside}
        run = self._begin(trial.key, trial.name, tags, (times or [trial.ended])[0])
        self._parameters(run, trial.settings)
        metric = self.entities.Metric
        names = _names(trial.figures)
        found = [metric(names[name], value, int(1000 * trial.ended), 0) for name, value in trial.figures.items()]
        names = _names({tag(name) for line in trial.history for name in line})
        for line, time in zip(trial.history, times, strict=True):
            step = int(line["epoch"])
            found += [
                metric(names[tag(name)], value, int(1000 * time), step)
                for name, value in line.items()
                if name != "epoch"
            ]
        for start in range(0, len(found), 10 * _AT_ONCE):
            self.client.log_batch(run, metrics=found[start : start + 10 * _AT_ONCE])
        self.client.set_terminated(run, "FINISHED", int(1000 * trial.ended))
        self.client.set_tag(run, _DIGEST, trial.digest)
        return True

    def _found(self, key: str) -> str | None:
        """The run with this key, if there is one."""
        runs = self.client.search_runs([self.experiment], f"tags.`{_KEY}` = '{key}'", max_results=1)
        return runs[0].info.run_id if runs else None

    def _begin(self, key: str, name: str, tags: dict[str, str], started: float) -> str:
        named = {_KEY: key, "mlflow.runName": printable(name), "mlflow.source.name": "ecrnn track", **tags}
        run: str = self.client.create_run(self.experiment, int(1000 * started), named).info.run_id
        return run

    def _parameters(self, run: str, settings: dict[str, str]) -> None:
        names = _names(settings)
        found = [self.entities.Param(names[name], value[:_LONGEST]) for name, value in settings.items()]
        for start in range(0, len(found), _AT_ONCE):
            self.client.log_batch(run, params=found[start : start + _AT_ONCE])


def _names(names: Iterable[str]) -> dict[str, str]:
    """For each name one that MLflow takes: word characters, blanks and ``/ . : -``, and no path with a detour."""
    found: dict[str, str] = {}
    for name in sorted(names, key=lambda name: (_REFUSED.search(name) is not None, name)):
        taken = _REFUSED.sub("_", name)[: _LONGEST_NAME - 10]
        if posixpath.normpath(taken) != taken or taken.startswith(("/", ".")):
            taken = f"_{taken.replace('/', '_')}"
        stem, number = taken, 2
        while taken in found.values():
            taken, number = f"{stem}_{number}", number + 1
        found[name] = taken
    return found
