"""Runs in TensorBoard's event files and in a store of MLflow, read back by these; repeated, nothing is there twice."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from studies.small import Study, train_settings

from ecrnn.core.errors import EcrnnError, RunDirectoryError, UnknownNameError
from ecrnn.core.manifests import MANIFEST
from ecrnn.studies.trackers.track import track
from ecrnn.studies.trackers.tracked_run import read_tracked
from ecrnn.studies.train import train_bundle


def lines(study: Path, model: str, repeat: int) -> list[dict[str, Any]]:
    text = (study / model / f"repeat-{repeat}" / "metrics.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_event_files_of_a_study(left_alone: Path, tmp_path: Path) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    copy, out = tmp_path / "study", tmp_path / "logs"
    shutil.copytree(left_alone, copy)
    (copy / "ecnn" / "repeat-1" / MANIFEST).unlink()
    done = track(copy, "tensorboard", out=out)
    assert done.line() == f"3 trials written to {out}; 1 not finished, left out"
    shutil.copytree(left_alone, moved := tmp_path / "moved" / "study")
    done = track(moved, "tensorboard", out=out)  # the same study, elsewhere, with one trial more
    assert (done.written, done.there, done.unfinished) == (1, 3, 0)
    half = out / "cnn" / "repeat-0"
    (half / "ecrnn-track.sha256").unlink()  # an export that was killed there
    assert track(moved, "tensorboard", out=out).written == 1
    for model in ("cnn", "ecnn"):
        for repeat in (0, 1):
            found = accumulator.EventAccumulator(str(out / model / f"repeat-{repeat}"))
            found.Reload()
            known = lines(left_alone, model, repeat)
            for metric, name in {"loss/train": "train_loss", "accuracy/validation": "validation_accuracy"}.items():
                scalars = found.Scalars(metric)
                assert [scalar.step for scalar in scalars] == [1, 2]
                assert [scalar.value for scalar in scalars] == pytest.approx([line[name] for line in known])
            first, last = (scalar.wall_time for scalar in found.Scalars("lr"))
            assert last - first == pytest.approx(known[1]["seconds"], abs=1e-3)
            (text,) = found.Tensors("settings/text_summary")
            assert "| training.batch_size | 8 |" in text.tensor_proto.string_val[0].decode()
    live = out / "cnn" / "repeat-1" / "events.out.tfevents.1.host"
    live.touch()
    (live.parent / "ecrnn-track.sha256").unlink()
    with one_line(RunDirectoryError, "holds event files of something else", "choose another -o"):
        track(moved, "tensorboard", out=out)


def test_runs_of_mlflow(left_alone: Path, tmp_path: Path) -> None:
    tracking = pytest.importorskip("mlflow.tracking")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert track(left_alone, "mlflow", uri=uri).written == 4
    again = track(left_alone, "mlflow", uri=uri)
    assert (again.written, again.there) == (0, 4)
    client = tracking.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name(left_alone.name)
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == sorted([left_alone.name, "cnn/repeat-0", "cnn/repeat-1", "ecnn/repeat-0", "ecnn/repeat-1"])
    parent, trial = runs[left_alone.name], runs["ecnn/repeat-1"]
    assert trial.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert (trial.data.params["training.batch_size"], trial.data.params["repeat"]) == ("8", "1")
    known = lines(left_alone, "ecnn", 1)
    history = client.get_metric_history(trial.info.run_id, "accuracy/validation")
    assert [(metric.step, metric.value) for metric in history] == [
        (n + 1, known[n]["validation_accuracy"]) for n in (0, 1)
    ]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


def test_a_training_that_was_kept(folder: Path, tmp_path: Path) -> None:
    train_bundle(train_settings(str(folder)), tmp_path / "mine")
    run = read_tracked(tmp_path / "mine")
    (trial,) = run.trials
    assert (run.name, trial.name, trial.settings["training.batch_size"], len(trial.history)) == ("mine", "cnn", "8", 2)
    assert trial.figures["n_validation"] == 10
    key = trial.key
    train_bundle(train_settings(str(folder), training={"epochs": 3}), tmp_path / "mine", resume=True)
    (trial,) = read_tracked(tmp_path / "mine").trials
    assert (trial.key, len(trial.history)) == (key, 3)  # so the export of two epochs is replaced


def test_what_cannot_be_tracked(
    study: Study, tmp_path: Path, left_alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with one_line(UnknownNameError, "unknown tracker 'wandb', known are mlflow, tensorboard"):
        track(left_alone, "wandb")  # type: ignore[arg-type]
    with one_line(EcrnnError, "uri is for mlflow, not for tensorboard"):
        track(left_alone, "tensorboard", uri="x")
    with one_line(RunDirectoryError, "is no run: it has neither study.yaml nor train.yaml"):
        track(tmp_path, "tensorboard")
    shutil.copytree(left_alone, copy := tmp_path / "study")
    for manifest in copy.rglob(MANIFEST):
        manifest.unlink()
    with one_line(RunDirectoryError, "has no finished trial yet"):
        track(copy, "mlflow")
    for module, to in (("torch.utils.tensorboard", "tensorboard"), ("mlflow", "mlflow")):
        monkeypatch.setitem(sys.modules, module, None)
        with one_line(EcrnnError, f"--to {to} needs the package", f"pip install 'ecrnn[{to}]'"):
            track(left_alone, to)  # type: ignore[arg-type]
