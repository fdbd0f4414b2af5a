"""A run in a store of MLflow (extra `mlflow`): a study is a run, and its trials are the runs inside it.

Only MLflow's client is used, whose store is a file of SQLite unless another is named; no server is started, and nothing
is sent to anybody but the store. Each run has the tags `ecrnn.key`, by which a repeated export finds it, and
`ecrnn.digest`, by which it sees that nothing has changed.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.text import printable
from ecrnn.studies.trackers.tracked_run import TrackedRun, TrackedTrial
from ecrnn.training.event_files import tag

URI = "sqlite:///mlflow.db"
_KEY, _DIGEST = "ecrnn.key", "ecrnn.digest"
_AT_ONCE = 100  # parameters of one call, and a tenth of the metrics
_LONGEST = 500  # characters of a parameter


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
        inside = {}
        if len(run.trials) != 1 or run.trials[0].key != run.key:
            parent = self._found(run.key)
            if parent is None:
                parent = self._begin(run.key, run.name, {}, min((one.times() or [0.0])[0] for one in run.trials))
                self._parameters(parent, run.settings)
                self.client.set_terminated(parent, "FINISHED")
            inside = {"mlflow.parentRunId": parent}
        return sum(self._trial(trial, inside) for trial in run.trials)

    def _trial(self, trial: TrackedTrial, tags: dict[str, str]) -> bool:
        """Put one trial there; False if it is there."""
        before = self._found(trial.key)
        if before is not None:
            if self.client.get_run(before).data.tags.get(_DIGEST) == trial.digest:
                return False
            self.client.delete_run(before)  # of a killed export, or of fewer epochs
        times = trial.times()
        run = self._begin(trial.key, trial.name, tags, (times or [trial.ended])[0])
        self._parameters(run, trial.settings)
        metric = self.entities.Metric
        found = [metric(name, value, int(1000 * trial.ended), 0) for name, value in trial.figures.items()]
        for line, time in zip(trial.history, times, strict=True):
            step = int(line["epoch"])
            found += [
                metric(tag(name), value, int(1000 * time), step) for name, value in line.items() if name != "epoch"
            ]
        for start in range(0, len(found), 10 * _AT_ONCE):
            self.client.log_batch(run, metrics=found[start : start + 10 * _AT_ONCE])
        self.client.set_tag(run, _DIGEST, trial.digest)  # last: a run without it is not whole
        self.client.set_terminated(run, "FINISHED", int(1000 * trial.ended))
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
        found = [self.entities.Param(name, value[:_LONGEST]) for name, value in settings.items()]
        for start in range(0, len(found), _AT_ONCE):
            self.client.log_batch(run, params=found[start : start + _AT_ONCE])
