"""What a study keeps against itself: each kind of damage and of forgery is one line that says what it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from studies.small import Study

from ecrnn.core.manifests import manifest_text
from ecrnn.core.predictions import Predictions, read_predictions, write_predictions
from ecrnn.core.reading import MAX_OTHER, read_json, sha256
from ecrnn.core.runs import STUDY, read_settings, trial_folder, write_settings
from ecrnn.core.seals import seal
from ecrnn.report import archive_study
from ecrnn.studies.trials import load
from ecrnn.studies.verification.result import Check
from ecrnn.studies.verification.stored import check_stored


@pytest.fixture
def copy(left_alone: Path, tmp_path: Path) -> Path:
    shutil.copytree(left_alone, tmp_path / "study")
    return tmp_path / "study"


def of(folder: Path, status: str) -> dict[str, tuple[str, ...]]:
    return {check.name: check.lines for check in checks(folder) if check.status == status}


def checks(folder: Path) -> list[Check]:
    return check_stored(folder).checks


def forged(home: Path, **facts: Any) -> None:
    """The manifest of a trial written anew over the files that lie there now, as whoever forges it would."""
    old = read_json(home / "manifest.json")
    files = {name: sha256(home / name, MAX_OTHER) for name in old["files"]}
    (home / "manifest.json").write_text(manifest_text(files, old["facts"] | facts, plan=old["plan"]))


def test_a_whole_study_holds(left_alone: Path) -> None:
    assert [check.name for check in checks(left_alone)] == ["seals", "trials", "plan", "splits", "scores"]
    assert {check.status for check in checks(left_alone)} == {"holds"}


def test_an_archive_holds_and_keeps_the_plan(left_alone: Path, tmp_path: Path) -> None:
    archive_study(left_alone, tmp_path / "archive")
    study = check_stored(tmp_path / "archive")
    assert study.archive
    assert {check.status for check in study.checks} == {"holds"}


def flipped_bit(study: Path) -> None:
    path = trial_folder(study, "cnn", 0) / "predictions.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edited_metrics(study: Path) -> None:
    path = trial_folder(study, "ecnn", 1) / "metrics.jsonl"
    path.write_text(path.read_text().replace('"epoch": 1', '"epoch": 7'))


def swapped_models(study: Path) -> None:
    a, b, aside = trial_folder(study, "cnn", 0), trial_folder(study, "ecnn", 0), study / "aside"
    for old, new in ((a, aside), (b, a), (aside, b)):
        old.rename(new)


def missing_trial(study: Path) -> None:
    shutil.rmtree(trial_folder(study, "ecnn", 1))


def hidden_repeat(study: Path) -> None:
    write_settings(study, read_settings(study).model_copy(update={"repeats": 1}))


@pytest.mark.parametrize(
    ("alter", "lines"),
    [
        (flipped_bit, ["cnn, repeat 0: *predictions.npz is damaged: it does not match manifest.json"]),
        (edited_metrics, ["ecnn, repeat 1: *metrics.jsonl is damaged: it does not match manifest.json"]),
        (
            swapped_models,
            [
                "cnn, repeat 0: manifest.json is of another trial, ecnn, repeat 0",
                "ecnn, repeat 0: manifest.json is of another trial, cnn, repeat 0",
            ],
        ),
        (missing_trial, ["ecnn, repeat 1 is missing, which study.yaml plans"]),
        (
            hidden_repeat,
            [f"{m}/repeat-1 lies there, a trial that study.yaml does not plan" for m in ("cnn", "ecnn")],
        ),
    ],
)
def test_trials_that_were_altered(copy: Path, alter: Callable[[Path], None], lines: list[str]) -> None:
    alter(copy)
    wrong = of(copy, "fails")
    assert wrong.keys() == {"trials"}
    for line, pattern in zip(wrong["trials"], lines, strict=True):
        one_line(line)
        start, _, end = pattern.rpartition("*")
        assert line.startswith(start)
        assert line.endswith(end)


def test_settings_that_were_edited_and_sealed_again(copy: Path) -> None:
    settings = read_settings(copy)
    training = settings.training.model_copy(update={"lr": 0.5})
    write_settings(copy, settings.model_copy(update={"training": training}))
    lines = of(copy, "fails")["plan"]
    assert len(lines) == 4
    assert lines[0] == "cnn, repeat 0: it was not trained by this study.yaml: training.lr is 0.5 here and 0.001 there"


@pytest.mark.parametrize(
    ("key", "value"), [("rope", 0.02), ("baseline", "cnn"), ("planned_repeats", 1), ("metric", "macro-f1")]
)
def test_a_plan_that_was_edited_and_sealed_again(copy: Path, key: str, value: Any) -> None:
    write_settings(copy, read_settings(copy).model_copy(update={key: value}))
    wrong = of(copy, "fails")
    assert wrong.keys() == {"plan"}
    assert wrong["plan"][0] == f"cnn, repeat 0: study.yaml has another {key} than when it was trained"


def test_another_seed_is_of_other_splits(copy: Path) -> None:
    write_settings(copy, read_settings(copy).model_copy(update={"seed": 1}))
    wrong = of(copy, "fails")
    assert wrong.keys() == {"plan", "splits"}
    assert "it was scored on other examples than split 0.8, repeat 0 draws" in wrong["splits"][1]


def test_predictions_and_manifest_forged_together(copy: Path) -> None:
    home = trial_folder(copy, "cnn", 0)
    kept = read_predictions(home / "predictions.npz")
    assert isinstance(kept, Predictions)
    other = np.eye(4, dtype=np.float32)[(kept.label + 1) % 4]
    write_predictions(home / "predictions.npz", Predictions(kept.index, kept.label, other, kept.earlier))
    forged(home)
    lines = of(copy, "fails")["scores"]
    assert lines[0].startswith("cnn, repeat 0: metrics.jsonl has validation_accuracy ")
    assert lines[0].endswith("after epoch 2, its predictions 0.0")


def test_labels_forged_with_all_that_follows(copy: Path) -> None:
    """Classes turned in labels and predictions alike leave every score, and other trials disagree."""
    home = trial_folder(copy, "ecnn", 0)
    kept = read_predictions(home / "predictions.npz")
    assert isinstance(kept, Predictions)
    assert kept.earlier is not None
    turned = np.roll(kept.logits, 1, axis=1)
    other = Predictions(kept.index, (kept.label + 1) % 4, turned, (kept.earlier + 1) % 4)
    write_predictions(home / "predictions.npz", other)
    forged(home)
    wrong = of(copy, "fails")
    assert wrong.keys() == {"splits"}
    (line,) = wrong["splits"]
    assert line.startswith("ecnn, repeat 0: the class of example ")
    assert line.endswith(" is another than in other trials")


def test_facts_that_were_forged(copy: Path) -> None:
    forged(trial_folder(copy, "cnn", 1), last_accuracy=0.99, seed=3, n_train=30)
    wrong = of(copy, "fails")
    assert wrong["scores"][0].startswith("cnn, repeat 1: manifest.json has last_accuracy 0.99, its predictions")
    assert any("it was trained with seed 3" in line for line in wrong["splits"])


def test_files_without_digests_leave_it_open(copy: Path) -> None:
    text = (copy / STUDY).read_text()
    (copy / STUDY).write_text(text.partition("\n")[2])
    environment = json.loads((copy / "environment.json").read_text())
    del environment["digest"]
    environment["packages"]["ecrnn"] = "0.1.0"
    (copy / "environment.json").write_text(json.dumps(environment))
    home = trial_folder(copy, "cnn", 0)
    manifest = read_json(home / "manifest.json")
    (home / "manifest.json").write_text(manifest_text(manifest["files"], manifest["facts"]))
    unknown = of(copy, "open")
    assert unknown["seals"] == (
        "study.yaml has no digest in its first line",
        "environment.json has no digest, being of an earlier version",
    )
    assert unknown["plan"] == ("cnn, repeat 0 was trained by a version that did not note the plan in a manifest",)


def test_an_environment_that_was_edited(copy: Path) -> None:
    path = copy / "environment.json"
    path.write_text(path.read_text().replace('"python": "3', '"python": "2'))
    (line,) = of(copy, "fails")["seals"]
    assert line.endswith("environment.json is damaged, or was changed by hand: it does not match its own digest")
    path.write_text(json.dumps(seal({"python": "3"})))
    assert "seals" not in of(copy, "fails")


def test_a_failed_trial_is_no_missing_one(copy: Path) -> None:
    home = trial_folder(copy, "ecnn", 1)
    shutil.rmtree(home)
    home.mkdir()
    (home / "error.json").write_text(json.dumps({"error": "loss is not finite"}))
    (held,) = of(copy, "holds")["trials"]
    assert held == "3 trials whole, each file as its manifest says; ecnn, repeat 1 failed: loss is not finite"
    beside = copy / "ecnn" / "repeat-1" / "error.json"
    beside.write_text(json.dumps({"error": "loss is not finite", "model": "cnn", "repeat": 1}))
    assert f"ecnn, repeat 1: {beside} is of another trial, cnn, repeat 1" in of(copy, "fails")["trials"]


def test_a_study_that_stopped_when_it_was_decided(study: Study, tmp_path: Path) -> None:
    """Trials that no look asked for are not missing; one that a look needs is."""
    out = tmp_path / "study"
    study.run(out, repeats=4, training={"epochs": 1}, sequential={"looks": (3, 4), "slack": 0.0}, score_epochs=1)
    whole = check_stored(out)
    assert {check.status for check in whole.checks} == {"holds"}
    shutil.rmtree(trial_folder(out, "cnn", 1))
    assert "cnn, repeat 1 is missing, which study.yaml plans" in of(out, "fails")["trials"]


def test_a_split_that_keeps_the_shares_of_classes_needs_the_data(study: Study, tmp_path: Path) -> None:
    out = tmp_path / "study"
    study.run(out, models=("cnn",), split="0.75 stratified", training={"epochs": 1})
    line = "the split of cnn, repeat 0 keeps groups or classes together, and is not drawn without the data"
    assert of(out, "open") == {"splits": (f"{line}, and 1 other trial alike",)}
    whole = check_stored(out, load(read_settings(out)))
    assert {check.status for check in whole.checks} == {"holds"}
