"""Trials of other studies, and study.yaml files of other times: told apart, though each file is whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from report.synthetic import make_study

from ecrnn.core.config import to_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.manifests import checked_manifest, write_manifest
from ecrnn.core.runs import read_settings, trial_home, write_settings
from ecrnn.core.seals import seal
from ecrnn.core.trial_of_study import (
    check_of_study,
    check_planned,
    failure_of,
    other_plan,
    settings_beside,
    unplanned,
)
from ecrnn.report import archive_study, read_study

SMALL: dict[str, Any] = {"n_validation": 30, "epochs": 1, "repeats": 2, "score_epochs": 1}
MODELS = {"cnn": 0.7, "ecnn": 0.5}


def make(folder: Path, **more: Any) -> Path:
    return make_study(folder, MODELS, **SMALL | more)


def check(study: Path, model: str, repeat: int) -> None:
    manifest = checked_manifest(trial_home(study, model, repeat), study)
    assert manifest is not None
    check_of_study(study, read_settings(study), model, repeat, manifest)


@pytest.mark.parametrize(
    ("other", "line"),
    [
        ({"training": {"epochs": 1, "lr": 0.01}}, "training.lr is 0.001 here and 0.01 there"),
        ({"seed": 7}, "seed is 0 here and 7 there"),
        ({"split": "0.7", "seeds_per_split": 2}, "seeds_per_split is None here and 2 there"),
        ({"fingerprint": "cd" * 32}, "the examples of 'digits' have changed since it was begun"),
    ],
)
@pytest.mark.parametrize("archived", [False, True])
def test_a_trial_of_another_study_is_none_of_this_one(
    tmp_path: Path, other: dict[str, Any], line: str, archived: bool
) -> None:
    """Of the same model, repeat and images, so that nothing but the settings that it keeps tells it apart."""
    study, foreign = make(tmp_path / "study"), make(tmp_path / "other", **other)
    for repeat in (0, 1):
        check(study, "cnn", repeat)
    before = read_study([study])
    shutil.rmtree(study / "cnn" / "repeat-1")
    shutil.copytree(foreign / "cnn" / "repeat-1", study / "cnn" / "repeat-1")
    with one_line(EcrnnError, study / "cnn" / "repeat-1" / "config.yaml", "is of another study than study.yaml", line):
        check(study, "cnn", 1)
    if archived:
        copied = archive_study(study, tmp_path / "small")
        assert (copied.added, len(copied.faults)) == (3, 1)
        assert line in copied.faults[0]
        shutil.copy(study / "study.yaml", tmp_path / "small")
        return
    after = read_study([study])
    assert [(t.model, t.repeat) for t in after.trials] == [("cnn", 0), ("ecnn", 0), ("ecnn", 1)]
    assert [t.facts for t in after.trials] == [t.facts for t in before.trials if (t.model, t.repeat) != ("cnn", 1)]
    (damaged,) = after.unfinished
    assert (damaged.state, damaged.repeat) == ("damaged", 1)
    assert line in damaged.reason


def test_places_and_what_cannot_change_a_result_may_differ(tmp_path: Path) -> None:
    study = make(tmp_path / "study", data="here/images")
    moved = read_settings(study).model_copy(update={"data": "there/images", "repeats": 5, "models": ("x", *MODELS)})
    write_settings(study, moved)
    check(study, "cnn", 1)
    write_settings(study, moved.model_copy(update={"sources": {"cnn": "ab" * 32}}))  # of which older trials note none
    check(study, "cnn", 1)


def test_a_study_file_of_another_plan(tmp_path: Path) -> None:
    study = make(tmp_path / "study")
    settings = read_settings(study)
    home = study / "cnn" / "repeat-0"
    manifest = checked_manifest(home)
    assert manifest is not None
    write_manifest(home, list(manifest["files"]), manifest["facts"], plan={})
    check(study, "cnn", 0)
    write_settings(study, settings.model_copy(update={"rope": 0.5}))
    with one_line(EcrnnError, study / "study.yaml", "has another rope than when cnn, repeat 0 was trained"):
        check(study, "cnn", 0)
    check(study, "ecnn", 0)  # whose manifest is of a version that noted no plan
    (study / "study.yaml").write_text(to_yaml(settings.model_copy(update={"rope": 0.5})))  # by hand, without a digest
    check(study, "cnn", 0)
    assert other_plan(settings, ["rope"]) == "plan"


@pytest.mark.parametrize("update", [{"repeats": 1}, {"first_repeat": 1, "repeats": 1}, {"models": ("cnn",)}])
def test_a_study_file_of_an_earlier_time_is_told(tmp_path: Path, update: dict[str, Any]) -> None:
    study = make(tmp_path / "study")
    assert read_study([study]).notes == ()
    archive_study(study, tmp_path / "small")
    early = read_settings(study).model_copy(update=update)
    lost = [f"{m}/repeat-{r}" for m in MODELS for r in (0, 1) if m not in early.models or r not in _repeats(early)]
    for folder in (study, tmp_path / "small"):
        check_planned(folder, read_settings(folder))
        write_settings(folder, early)
        assert unplanned(folder, early) == lost
        (note,) = read_study([folder]).notes
        assert note == (
            f"{folder / lost[0]} and 1 other trial lie there, but {folder / 'study.yaml'} does not plan them; put back "
            "its last copy, or move them elsewhere."
        )
        with one_line(RunDirectoryError, folder / "study.yaml", "does not plan them"):
            check_planned(folder, early)


def test_why_a_trial_failed_is_of_that_trial(tmp_path: Path) -> None:
    """Else the failures of a model were counted that another one had, and a point was left out of a search."""
    study, other = make(tmp_path / "study"), make(tmp_path / "other", seed=7)
    for folder in (study, other):
        home = trial_home(folder, "cnn", 1)
        (home / "manifest.json").unlink()
        noted = settings_beside(folder, "cnn", 1)
        (home / "error.json").write_text(json.dumps(seal({"error": "killed", **noted})))
    settings, record = read_settings(study), read_study([study])
    assert failure_of(study, settings, "cnn", 1) == "killed"
    assert record.failed == {"cnn": [1]}
    home = trial_home(study, "ecnn", 1)
    (home / "manifest.json").unlink()
    shutil.copy(trial_home(study, "cnn", 1) / "error.json", home)
    with one_line(RunDirectoryError, home / "error.json", "is of another trial, cnn, repeat 1"):
        failure_of(study, settings, "ecnn", 1)
    shutil.copy(trial_home(other, "cnn", 1) / "error.json", trial_home(study, "cnn", 1))
    with one_line(RunDirectoryError, "error.json is of another study than study.yaml: seed is 0 here and 7 there"):
        failure_of(study, settings, "cnn", 1)
    record = read_study([study])
    assert (record.failed, [trial.state for trial in record.unfinished]) == ({}, ["damaged", "damaged"])
    (home / "error.json").write_text('{"error": "no memory"}')  # as earlier versions wrote it
    assert failure_of(study, settings, "ecnn", 1) == "no memory"


def _repeats(settings: Any) -> range:
    return range(settings.first_repeat, settings.first_repeat + settings.repeats)
