"""Runs in TensorBoard's event files and in a store of MLflow, read back by these; repeated, nothing is there twice."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from core.lines import one_line
from studies.small import Study, settings, train_settings

from ecrnn.core.errors import EcrnnError, RunDirectoryError, UnknownNameError
from ecrnn.core.manifests import MANIFEST
from ecrnn.core.runs import FinishedTrial, write_settings
from ecrnn.core.seals import seal
from ecrnn.studies.trackers.tensorboard_files import write_event_files
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
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    run = read_tracked(moved)  # another one, whose trials would be written over these
    foreign = replace(run, trials=tuple(replace(trial, key="f" * 64, digest="0" * 64) for trial in run.trials[::-1]))
    with one_line(RunDirectoryError, "repeat-1 holds ecnn/repeat-1 of another run", f"-o {out / 'other'}"):
        write_event_files(foreign, out)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
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
    train, described = tmp_path / "mine" / "train.yaml", tmp_path / "mine" / "bundle.json"
    for model in ("../../..", str(tmp_path / "elsewhere"), "cnn/../..", "ecnn"):  # a path would be a folder of -o
        train.write_text(yaml.safe_dump(yaml.safe_load(train.read_text()) | {"model": model}))
        with one_line(RunDirectoryError, "train.yaml is of another training", f"model is {model!r} here and 'cnn'"):
            read_tracked(tmp_path / "mine")
        plain = {name: value for name, value in json.loads(described.read_text()).items() if name != "digest"}
        for source in () if model == "ecnn" else (None, "0" * 64):
            described.write_text(json.dumps(seal(plain | {"model": model, "source": source})))
            with one_line(EcrnnError, "unknown model" if source is None else "is no name of a model"):
                track(tmp_path / "mine", "tensorboard", out=tmp_path / "logs")
        described.write_text(json.dumps(seal(plain)))
    assert not (tmp_path / "logs").exists()


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, dict[str, str]]]:
    """The key of a study with these settings, and by name those of its trials, all finished."""
    facts: dict[str, Any] = {}
    finished = FinishedTrial("", 0, facts, [], cast(Any, None))
    monkeypatch.setattr("ecrnn.studies.trackers.tracked_run.read_finished", lambda *_: finished)

    def of(found: dict[str, Any] | None = None, **changes: Any) -> tuple[str, dict[str, str]]:
        facts["recipe"] = found
        write_settings(tmp_path, settings("any", **changes))
        run = read_tracked(tmp_path)
        found = {trial.name: trial.key + trial.digest for trial in run.trials}
        assert len({trial.key for trial in run.trials}) == len(found)
        return run.key, found

    return of


def test_keys_stay_as_a_study_grows(keys: Callable[..., tuple[str, dict[str, str]]]) -> None:
    one, more = {"models": ("cnn",), "repeats": 1}, {"models": ("ecnn", "cnn"), "repeats": 3, "planned_repeats": 3}
    search = {"space": {"lr": "1e-4..1e-2"}, "budget": 2}
    points = ({}, {"lr": 0.001}, {"lr": 0.002})
    of_cnn, of_both = {"points": {"cnn": points[:2]}}, {"points": {"cnn": points, "ecnn": points[:1]}, "budget": 3}
    edges = {"edges": {"cnn": ("lr",)}, "budget": 3}
    for before, after, n in (
        (one, more, 6),
        ({"tuning": search | of_cnn, **one}, {"tuning": search | of_both, **more}, 4),
        ({"tuned": search | {"part": "0.3"}, **one}, {"tuned": search | {"part": "0.3"} | edges, **more}, 6),
    ):
        (run, trials), (larger_run, larger) = keys(**before), keys(**after)
        assert run == larger_run
        assert len(larger) == n
        assert trials.items() <= larger.items()


def test_keys_tell_recipes_points_and_code_apart(keys: Callable[..., tuple[str, dict[str, str]]]) -> None:
    search = {"space": {"lr": "1e-4..1e-2"}, "budget": 2}
    found = [
        keys(models=("cnn",), repeats=1, **changes)[1]["cnn/repeat-0"][:64]
        for changes in (
            {},
            {"recipes": {"cnn": {"lr": 0.002}}},
            {"sources": {"cnn": "1" * 64}},
            {"sources": {"cnn": "2" * 64}},
            {"tuning": search | {"points": {"cnn": ({"lr": 0.003},)}}},
            {"tuning": search | {"points": {"cnn": ({"lr": 0.004},)}}},
            {"tuned": search, "found": {"lr": 0.003}},
            {"tuned": search, "found": {"lr": 0.004}},
            {"training": {"lr": 0.002}},
        )
    ]
    assert len(set(found)) == len(found)
    assert keys(models=("cnn",), repeats=1, recipes={"ecnn": {"lr": 0.1}})[1]["cnn/repeat-0"][:64] == found[0]


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
