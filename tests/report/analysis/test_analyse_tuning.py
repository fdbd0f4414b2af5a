"""What the report of a search shows: the best of each model, curves, crossings, warnings."""

from __future__ import annotations

from pathlib import Path

import pytest
from training.searches import fill, make_tuning

from ecrnn.report import analyse_tuning
from ecrnn.stats import expected_best
from ecrnn.training.tried_points import read_tuning


def test_the_best_of_each_model(tmp_path: Path) -> None:
    fill(make_tuning(tmp_path), cnn=[5, 8, 7, 3], ecnn=[1, 2, 9, 4], majority=[4])
    found = analyse_tuning(read_tuning(tmp_path))
    cnn, ecnn, majority = found.models
    assert (cnn.number, cnn.score, cnn.untuned, cnn.edges, cnn.seconds) == (1, 0.8, 0.5, ("lr",), 8.0)
    assert (ecnn.number, ecnn.recipe) == (2, {"epochs": 7, "lr": 0.002})
    assert cnn.curve == pytest.approx(expected_best([0.5, 0.8, 0.7, 0.3]))
    assert ecnn.curve == pytest.approx(expected_best([0.1, 0.2, 0.9, 0.4]))
    assert (majority.fitted, majority.curve) == (True, ())
    assert [(at.n, at.better, at.worse) for at in found.crossings] == [(4, "ecnn", "cnn")]
    assert found.headline == (
        "Best of 4 points each: cnn 80.00 % (lr 0.009, untuned 50.00); "
        "ecnn 90.00 % (epochs 7, lr 0.002, untuned 10.00)."
    )
    assert "the best of several on 10 images of the 20 % of images that are for tuning" in found.caution
    assert any(
        line.startswith("cnn: lr of its best recipe lies in the outer 10 % of the space") for line in found.warnings
    )
    assert any("majority is a classifier of scikit-learn" in line for line in found.warnings)
    assert len(found.points) == 9


def test_failed_points_count_as_the_worst(tmp_path: Path) -> None:
    fill(make_tuning(tmp_path), cnn=[5, None, 7, 3], ecnn=[None] * 4, majority=[4])
    found = analyse_tuning(read_tuning(tmp_path))
    cnn, ecnn, _ = found.models
    assert cnn.curve == pytest.approx(expected_best([0.5, 0.3, 0.7, 0.3]))
    assert (cnn.finished, cnn.failed, ecnn.failed, ecnn.curve) == (3, 1, 4, ())
    assert any(line.startswith("cnn: 1 point failed; in the expected best of n") for line in found.warnings)


def test_an_unfinished_search(tmp_path: Path) -> None:
    fill(make_tuning(tmp_path), cnn=[5, 8])
    found = analyse_tuning(read_tuning(tmp_path))
    assert found.unfinished == 7
    assert found.warnings[0] == "Not finished: 7 points are missing, the same command goes on."
    assert found.searched == ()


def test_points_that_follow_each_other_have_no_expectation(tmp_path: Path) -> None:
    fill(make_tuning(tmp_path, search="tpe"), cnn=[5, 8, 7, 9], ecnn=[1, 2, 1, 4], majority=[4])
    found = analyse_tuning(read_tuning(tmp_path))
    assert found.models[0].curve == (0.5, 0.8, 0.8, 0.9)
    assert found.models[0].best_of_n is None
