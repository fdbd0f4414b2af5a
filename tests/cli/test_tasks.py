"""Every task in `train`, `evaluate`, `compare` and `bundle`, one after the other, as a user would."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from tiny_tasks import TINY

from ecrnn.core.tasks import TASKS
from ecrnn.stats.metrics import METRICS


def done(call: Any, *words: object) -> Any:
    found = call(*words)
    assert found.status == 0, found.err
    return found


def judged(call: Any, task: str, *words: object) -> tuple[float, int]:
    """The task's metric, and of how many examples, as `evaluate --json` says."""
    found = json.loads(done(call, "evaluate", *words, "--json").out)
    if TASKS[task].classes:
        return found["accuracy"]["estimate"], found["n"]
    assert (found["task"], found["metric"]) == (task, TASKS[task].metric)
    return found["figures"][TASKS[task].metric]["estimate"], found["n"]


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("task", TASKS)
def test_from_data_to_bundles(call: Any, task: str, tmp_path: Path) -> None:
    tiny, metric = TINY[task], METRICS[TASKS[task].metric]
    data, bundle, study, kept = tiny.write(tmp_path), tmp_path / "bundle", tmp_path / "study", tmp_path / "kept"

    trained = done(call, "train", data, "--model", tiny.model, *tiny.options, "-o", bundle)
    metrics = json.loads((bundle / "metrics.json").read_text())
    value, n = metrics[metric.name], metrics["n_validation"]
    assert metric.shown(value) in trained.out
    assert f"validation {TASKS[task].examples}" in trained.out
    assert metric.measured(value) in (bundle / "README.md").read_text()
    assert judged(call, task, bundle, data) == (pytest.approx(value, rel=1e-5), n)

    models = f"{tiny.model},{tiny.other}"
    compared = done(call, "compare", data, "--models", models, "--repeats", 2, *tiny.options, "-o", study, "--json")
    report = json.loads(compared.out)
    assert [row["model"] for row in report["models"]] == [tiny.model, tiny.other]
    again = done(call, *shlex.split(report["command"])[1:], "--out", study)
    assert "4 of 4 trials are finished already" in again.err

    done(call, "bundle", study, "--model", tiny.other, "--repeat", 1, "-o", kept)
    metrics = json.loads((kept / "metrics.json").read_text())
    assert judged(call, task, kept, data) == (pytest.approx(metrics[metric.name], rel=1e-5), metrics["n_validation"])
