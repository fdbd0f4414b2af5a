"""The search inside a trial: nothing that the trial is scored on is seen, and the best is trained again on all."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from studies.small import TRAINING, Study, settings
from training.forks import DONE, Forks
from training.trainings import image_set

from ecrnn.core.config import StudySettings, TrainingSettings, read_yaml
from ecrnn.core.errors import EcrnnError, TrainingError
from ecrnn.core.events import Event, Message
from ecrnn.core.runs import read_settings, read_trial
from ecrnn.data.image_set import from_arrays
from ecrnn.studies import trials
from ecrnn.studies.array_data import ARRAYS
from ecrnn.studies.bundling import bundle_trial
from ecrnn.studies.status import status
from ecrnn.studies.study import run_study
from ecrnn.studies.trials import load, split_of
from ecrnn.studies.verification.stored import check_stored
from ecrnn.studies.verification.verify import verify
from ecrnn.studies.work import work
from ecrnn.training.tried_points import read_tuning

SPACE = {"lr": "1e-3..1e-1:log"}
NESTED: dict[str, Any] = {
    "models": ("mlp-4", "majority"),
    "repeats": 2,
    "tuned": {"space": SPACE, "budget": 3, "split": "0.7"},
}


@pytest.fixture(scope="module")
def nested(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("nested") / "study"
    assert study.run(out, **NESTED).failed == {}
    return out


def results(out: Path) -> dict[str, bytes]:
    names = ("predictions.npz", "weights.safetensors", "config.yaml", "study.yaml")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.name in names}


def test_each_trial_searches_among_its_training_examples_alone(nested: Path) -> None:
    found = read_settings(nested)
    data = load(found)
    inner_parts = []
    for repeat in range(2):
        outer = split_of(data, found, repeat)
        inner = nested / "mlp-4" / f"repeat-{repeat}" / "search"
        tuning = read_tuning(inner)
        assert (len(tuning.models[0].points), tuning.missing) == (3, 0)
        split = split_of(data, tuning.settings, 0)
        assert np.array_equal(np.union1d(split.train, split.validation), outer.train)
        assert len(split.train) == round(0.7 * len(outer.train))
        for point in range(3):
            trial = read_trial(inner, "mlp-4", point)
            assert trial is not None
            assert np.array_equal(trial.predictions.index, split.validation)
            assert not np.isin(trial.predictions.index, outer.validation).any()
        inner_parts.append(split.validation.tobytes())
        assert not (nested / "majority" / f"repeat-{repeat}" / "search").exists()
    assert inner_parts[0] != inner_parts[1]


def test_what_a_trial_is_scored_on_changes_nothing_of_its_search(tmp_path: Path) -> None:
    """Other images and classes there: every file of the search has the same bytes, but for the fingerprint."""
    images = image_set(48)
    x, y = np.asarray(images.images), np.asarray(images.labels)
    made = settings(ARRAYS, **{**NESTED, "models": ("mlp-4",), "repeats": 1})
    outer = split_of(from_arrays(x, y), made, 0)
    found = []
    for name in ("as-it-is", "altered"):
        if name == "altered":
            x, y = x.copy(), y.copy()
            x[outer.validation] = 255 - x[outer.validation]
            y[outer.validation] = (y[outer.validation] + 1) % 4
        run_study(made, tmp_path / name, arrays=from_arrays(x, y))
        inner = tmp_path / name / "mlp-4" / "repeat-0" / "search"
        found.append({path.relative_to(inner): path.read_bytes() for path in inner.rglob("*.npz")})
        found[-1] |= {path.relative_to(inner): path.read_bytes() for path in inner.rglob("weights.safetensors")}
    assert len(found[0]) == 6
    assert found[0] == found[1]
    whole = [
        (tmp_path / name / "mlp-4" / "repeat-0" / "predictions.npz").read_bytes() for name in ("as-it-is", "altered")
    ]
    assert whole[0] != whole[1]


def test_the_best_point_is_trained_again_on_all_of_it(nested: Path, study: Study, tmp_path: Path) -> None:
    """With the bits of a study that was given this recipe by hand."""
    inner = read_tuning(nested / "mlp-4" / "repeat-1" / "search").models[0]
    assert inner.best is not None
    assert inner.best.score == max(point.score or 0 for point in inner.points)
    trial = read_trial(nested, "mlp-4", 1)
    assert trial is not None
    assert trial.facts["recipe"] == inner.best.point
    assert trial.facts["search_points"] == 3
    assert trial.facts["search_untuned"] == inner.points[0].score
    study.run(tmp_path, models=("mlp-4",), repeats=1, first_repeat=1, training=inner.best.point)
    one, other = (out / "mlp-4" / "repeat-1" for out in (tmp_path, nested))
    for name in ("predictions.npz", "checkpoint/weights.safetensors", "config.yaml"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    config = StudySettings.read(read_yaml(other / "config.yaml"))
    assert (config.training.lr, config.tuned) == ({**TRAINING, "lr": 1e-3, **inner.best.point}["lr"], None)
    bundled = bundle_trial(nested, "mlp-4", tmp_path / "bundle", repeat=1)
    assert inner.best.number != 0, "else the recipe is that of the study"
    assert bundled["training"]["lr"] == config.training.lr
    assert f"at {config.training.lr:g}" in bundled["recipe"]


@pytest.mark.slow
@pytest.mark.parametrize("search", ["same", "tpe"])
def test_killed_and_continued(forks: Forks, study: Study, nested: Path, tmp_path: Path, search: str) -> None:
    arguments = {**NESTED, "data": study.data}
    whole = nested
    if search == "tpe":
        pytest.importorskip("optuna")
        arguments["tuned"] = {**NESTED["tuned"], "search": "tpe"}
        whole = tmp_path / "whole"
        assert forks("studies.small:run", out=str(whole), **arguments) == DONE
    for ticks in (4, 30):
        out = tmp_path / str(ticks)
        assert forks("studies.small:run", out=str(out), ticks=ticks, hold=True, **arguments) == -signal.SIGKILL
        assert forks("studies.small:run", out=str(out), **arguments) == DONE
        assert results(out) == results(whole)


def test_it_goes_on_without_being_told_again(nested: Path, study: Study) -> None:
    again = study.run(nested, models=("mlp-4",))
    assert (len(again.found), again.trained) == (4, [])
    with one_line(EcrnnError, "with the budget 3 of recipes, not 4"):
        study.run(nested, **{**NESTED, "tuned": {**NESTED["tuned"], "budget": 4}})
    with one_line(EcrnnError, "begun with the split 0.7 of recipes, not 0.6"):
        study.run(nested, **{**NESTED, "tuned": {**NESTED["tuned"], "split": "0.6"}})


def test_a_study_without_a_search_gets_none(left_alone: Path, study: Study) -> None:
    with one_line(EcrnnError, left_alone, "was begun without a search for recipes"):
        study.run(left_alone, tuned=NESTED["tuned"])


@pytest.mark.parametrize("all_fail", [False, True])
def test_a_point_that_fails_is_passed_over(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_fail: bool
) -> None:
    """As a training does whose losses are not finite; where all fail, so does the trial."""
    real = trials._fit_network

    def broken(*arguments: Any) -> Any:
        point = arguments[1]
        if point.tuning and (all_fail or point.training.lr != TrainingSettings().lr):
            raise TrainingError("the loss is not finite")
        return real(*arguments)

    monkeypatch.setattr(trials, "_fit_network", broken)
    events: list[Event] = []
    changes = {**NESTED, "models": ("mlp-4",), "repeats": 1}
    outcome = study.run(tmp_path, progress=events.append, **changes)
    texts = [event.text for event in events if isinstance(event, Message)]
    assert "mlp-4, repeat 0, point 1 failed: the loss is not finite" in texts
    if all_fail:
        assert outcome.failed == {("mlp-4", 0): "all points of mlp-4 failed: the loss is not finite"}
        return
    assert outcome.failed == {}
    inner = read_tuning(tmp_path / "mlp-4" / "repeat-0" / "search").models[0]
    assert [point.error for point in inner.points] == ["", *["the loss is not finite"] * 2]
    assert (inner.recipe, inner.missing) == ({}, 0)


def test_it_can_be_verified(nested: Path) -> None:
    found = verify(nested, "mlp-4:1")
    assert found.holds, [check for check in found.checks if check.wrong]


def test_a_search_of_another_trial_is_told(nested: Path, tmp_path: Path) -> None:
    """No figure is made of it, but it is what says how the recipe of the trial was found."""
    shutil.copytree(nested, copy := tmp_path / "study")
    shutil.rmtree(search := copy / "mlp-4" / "repeat-0" / "search")
    assert check_stored(copy).checks == check_stored(nested).checks  # as in an archive, which keeps none
    shutil.copytree(nested / "mlp-4" / "repeat-1" / "search", search)
    (plan,) = [check for check in check_stored(copy).checks if check.name == "plan"]
    assert plan.status == "fails"
    assert plan.lines[0].startswith("mlp-4, repeat 0: its search is damaged: ")
    assert "is of another study than study.yaml: tuning.repeat is " in plan.lines[0] or "split_number" in plan.lines[0]
    shutil.rmtree(search)
    shutil.copytree(nested / "mlp-4" / "repeat-0" / "search", search)
    facts = read_trial(nested, "mlp-4", 0).facts  # type: ignore[union-attr]
    worst = search / "mlp-4" / f"repeat-{0 if facts['recipe'] else 1}" / "manifest.json"
    worst.unlink()
    (plan,) = [check for check in check_stored(copy).checks if check.name == "plan"]
    assert "its search is damaged: 1 point of mlp-4 is not finished" in plan.lines[0]


def test_the_study_file_of_a_search_in_its_study_is_told(nested: Path, tmp_path: Path) -> None:
    """Else trials of the study would be shown, and gone on with, as points of the search."""
    shutil.copytree(nested, copy := tmp_path / "study")
    assert status(copy).decided
    shutil.copy(copy / "mlp-4" / "repeat-0" / "search" / "study.yaml", copy)
    for reads in (status, work):
        with one_line(EcrnnError, copy / "mlp-4" / "repeat-0" / "config.yaml", "is of another study than study.yaml"):
            reads(copy)


def test_trainings_that_share_a_split_search_in_it(study: Study, tmp_path: Path) -> None:
    """With two seeds a split, the second training's search is among the training images of that same split."""
    study.run(tmp_path, **{**NESTED, "models": ("mlp-4",), "seeds_per_split": 2})
    found = read_settings(tmp_path)
    data = load(found)
    outer = split_of(data, found, 1)
    assert np.array_equal(outer.validation, split_of(data, found, 0).validation)
    inner = read_trial(tmp_path / "mlp-4" / "repeat-1" / "search", "mlp-4", 1)
    assert inner is not None
    assert np.isin(inner.predictions.index, outer.train).all()
    assert read_tuning(tmp_path / "mlp-4" / "repeat-1" / "search").missing == 0
