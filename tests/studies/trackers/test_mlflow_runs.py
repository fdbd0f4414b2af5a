"""What is asked of MLflow, by a client that refuses what MLflow's refuses and can be killed at any call."""

from __future__ import annotations

import posixpath
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from ecrnn.studies.trackers.mlflow_runs import log_runs
from ecrnn.studies.trackers.tracked_run import TrackedRun, TrackedTrial


class Killed(BaseException):
    """Instead of a call."""


@dataclass
class Client:
    """The methods of MLflow's client that are used, in memory."""

    runs: dict[str, Any] = field(default_factory=dict)
    begun: int = 0
    left: int = 10**9  # calls until it is killed

    def _called(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    def get_experiment_by_name(self, name: str) -> Any:
        return SimpleNamespace(experiment_id="1")

    def create_run(self, experiment: str, start: int, tags: dict[str, str]) -> Any:
        self._called()
        self.begun += 1
        run = SimpleNamespace(
            info=SimpleNamespace(run_id=f"run {self.begun}", status="RUNNING"),
            data=SimpleNamespace(tags=dict(tags), params={}, metrics={}),
        )
        self.runs[run.info.run_id] = run
        return run

    def search_runs(self, experiments: Sequence[str], query: str, max_results: int) -> list[Any]:
        (name, value) = re.fullmatch(r"tags\.`(.+)` = '(.+)'", query).groups()  # type: ignore[union-attr]
        return [run for run in self.runs.values() if run.data.tags.get(name) == value][:max_results]

    def get_run(self, run: str) -> Any:
        return self.runs[run]

    def delete_run(self, run: str) -> None:
        self._called()
        del self.runs[run]

    def set_tag(self, run: str, name: str, value: str) -> None:
        self._called()
        self.runs[run].data.tags[name] = value

    def set_terminated(self, run: str, status: str, ended: int | None = None) -> None:
        self._called()
        self.runs[run].info.status = status

    def log_batch(self, run: str, metrics: Sequence[Any] = (), params: Sequence[Any] = ()) -> None:
        self._called()
        for name in [one.key for one in (*metrics, *params)]:  # mlflow.utils.validation
            assert re.fullmatch(r"[/\w.\- :]*", name), name
            plain = posixpath.normpath(name)
            assert plain == name != "." and not plain.startswith(("..", "/")), name  # noqa: PT018
            assert len(name) <= 250
        data = self.runs[run].data
        for one in params:
            assert data.params.setdefault(one.key, one.value) == one.value, "a parameter does not change"
        for one in metrics:
            data.metrics.setdefault(one.key, []).append((one.step, one.value))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client()
    mlflow = SimpleNamespace(
        tracking=SimpleNamespace(MlflowClient=lambda tracking_uri: client),
        entities=SimpleNamespace(
            Param=lambda key, value: SimpleNamespace(key=key, value=value),
            Metric=lambda key, value, time, step: SimpleNamespace(key=key, value=value, step=step),
        ),
        exceptions=SimpleNamespace(MlflowException=ZeroDivisionError),
    )
    monkeypatch.setitem(sys.modules, "mlflow", mlflow)
    return client


def trial(key: str, **settings: str) -> TrackedTrial:
    history = [{"epoch": 1.0, "train_loss": 0.5}, {"epoch": 2.0, "train_loss": 0.25}]
    return TrackedTrial(key, key, settings, history, {"parameters": 7.0}, f"digest of {key}", 9.0)


def test_names_that_mlflow_refuses(client: Client) -> None:
    names = ("sources.a+b", "sources.a_b", "sources.a=b", "a//b", "/a", "../up", "", "ok: a-b.c/d é", "n" * 300, "a/")
    one = trial("k", **{name: f"value {number}" for number, name in enumerate(names)})
    assert log_runs(TrackedRun("k", "mine", {}, (one,), 0)) == 1
    (run,) = client.runs.values()  # a training by itself is no run inside another
    assert sorted(run.data.params.values()) == sorted(f"value {number}" for number in range(len(names)))
    known = {"sources.a_b": 1, "sources.a_b_2": 0, "sources.a_b_3": 2, "ok: a-b.c/d é": 7}
    assert {name: run.data.params[name] for name in known} == {name: f"value {n}" for name, n in known.items()}
    assert run.data.metrics == {"parameters": [(0, 7.0)], "loss/train": [(1, 0.5), (2, 0.25)]}


def test_an_export_that_was_killed_anywhere_is_made_whole(client: Client) -> None:
    study = TrackedRun("study", "study", {"seed": "0"}, (trial("one", a="1"), trial("two", a="2")), 0)
    for calls in range(100):
        client.runs.clear()
        client.left = calls
        try:
            log_runs(study)
        except Killed:
            client.left = 10**9
            log_runs(study)
            client.left = 0  # nothing is left to do
            assert log_runs(study) == 0
        else:
            break
        runs = {run.data.tags["mlflow.runName"]: run for run in client.runs.values()}
        assert len(runs) == len(client.runs) == 3
        assert {run.info.status for run in runs.values()} == {"FINISHED"}
        assert [runs[name].data.params for name in ("study", "one", "two")] == [{"seed": "0"}, {"a": "1"}, {"a": "2"}]
        assert all(runs[name].data.metrics["loss/train"] == [(1, 0.5), (2, 0.25)] for name in ("one", "two"))
        parent = runs["study"].info.run_id
        assert {runs[name].data.tags["mlflow.parentRunId"] for name in ("one", "two")} == {parent}
    assert calls == 14
    client.left = 10**9
    parent = next(run.info.run_id for run in client.runs.values() if run.data.tags["ecrnn.key"] == "study")
    client.delete_run(parent)  # by somebody
    assert log_runs(study) == 0
    tags = {run.data.tags["ecrnn.key"]: run.data.tags for run in client.runs.values()}
    assert tags["one"]["mlflow.parentRunId"] == tags["two"]["mlflow.parentRunId"] != parent
