"""The points of a search from disk: scores, the best, ends of the space, and what is not finished."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from training.searches import fill, make_failure, make_point, make_tuning

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.runs import read_settings, write_settings
from ecrnn.training.tried_points import best_recipe, read_tuning


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tuning(tmp_path)


def test_scores_and_the_best(folder: Path) -> None:
    fill(folder, cnn=[5, 8, 8, 3], ecnn=[9, 1, 2], majority=[4])
    tuning = read_tuning(folder)
    assert (tuning.metric.name, tuning.n_train, tuning.n_validation) == ("accuracy", 20, 10)
    cnn, ecnn, majority = tuning.models
    assert [point.score for point in cnn.points] == [0.5, 0.8, 0.8, 0.3]
    assert cnn.best is not None
    assert cnn.best.number == 1  # the first of equals
    assert (cnn.edges, cnn.recipe, cnn.seconds, best_recipe(cnn)) == (("lr",), {"lr": 0.009}, 8.0, {"lr": 0.009})
    assert ecnn.recipe == {"epochs": 7, "lr": 0.02}  # untuned, with what its family brings, outside of the space
    assert (ecnn.edges, ecnn.missing) == (("lr",), 1)
    assert (majority.fitted, majority.edges, majority.recipe) == (True, (), {})
    assert tuning.missing == 1
    with one_line(EcrnnError, "1 point of ecnn is not finished"):
        best_recipe(ecnn)


def test_a_failed_point_is_tried_and_scores_nothing(folder: Path) -> None:
    fill(folder, cnn=[5, None, None, None], ecnn=[None] * 4)
    cnn, ecnn, _ = read_tuning(folder).models
    assert [point.error for point in cnn.points] == ["", *["the loss is not finite"] * 3]
    assert (cnn.recipe, cnn.missing, cnn.edges) == ({}, 0, ())
    with one_line(EcrnnError, "all points of ecnn failed: the loss is not finite"):
        best_recipe(ecnn)


def test_a_folder_without_a_finished_point(folder: Path) -> None:
    with one_line(RunDirectoryError, f"no finished point in {folder}"):
        read_tuning(folder)


@pytest.mark.parametrize(
    "facts",
    [{"recipe": 3}, {"recipe": {"lr": -1}}, {"recipe_edges": ["<b>"]}, {"recipe_edges": "lr"}, {"search_score": "x"}],
)
def test_facts_that_cannot_be_true(folder: Path, facts: dict[str, Any]) -> None:
    make_point(folder, "cnn", 0, 5, **facts)
    with one_line(EcrnnError, "manifest.json"):
        read_tuning(folder)


def test_a_point_of_another_tuning_has_no_score_here(folder: Path, tmp_path: Path) -> None:
    fill(folder, cnn=[5, 8, 7, 3])
    other = fill(make_tuning(tmp_path / "other", points={"cnn": [{}, {"lr": 0.001}]}), cnn=[9, 9])
    read_tuning(folder)  # another one inside of its folder is nothing of it
    shutil.rmtree(folder / "cnn" / "repeat-1")
    shutil.copytree(other / "cnn" / "repeat-1", folder / "cnn" / "repeat-1")
    with one_line(EcrnnError, "config.yaml is of another study than study.yaml: training.lr is 0.009 here and 0.001"):
        read_tuning(folder)
    shutil.rmtree(folder / "cnn" / "repeat-1")
    make_failure(folder, "cnn", 1, {"model": "cnn", "repeat": 2})  # why another point failed
    with one_line(EcrnnError, "error.json is of another trial, cnn, repeat 2"):
        read_tuning(folder)


def test_a_study_file_of_fewer_points(folder: Path) -> None:
    fill(folder, cnn=[5, 8, 7, 3])
    settings = read_settings(folder)
    assert settings.tuning is not None
    few = settings.tuning.model_copy(update={"points": {"cnn": settings.tuning.points["cnn"][:3]}})
    write_settings(folder, settings.model_copy(update={"tuning": few}))
    with one_line(RunDirectoryError, folder / "cnn" / "repeat-3", "lies there", "does not plan it"):
        read_tuning(folder)
