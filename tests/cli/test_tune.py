"""`ecrnn tune` and what `ecrnn compare` makes of it, from the command line to the files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_tasks import TINY

from ecrnn.core.config import read_yaml
from ecrnn.core.runs import read_settings, read_trial
from ecrnn.core.tasks import TASKS
from ecrnn.studies.trials import load, tuned_on
from ecrnn.training.tried_points import read_tuning

SPACE = "lr=1e-4..1e-2:log,batch_size=32|128"


@pytest.fixture(scope="module")
def tuning(call: Any, tiny: tuple, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tune") / "tune"
    options = ("--models", "mlp-4,majority", "--budget", 2, "--space", SPACE, "--seed", 3)
    done = call("tune", "digits", *options, *tiny[:4], "--threads", 1, "-o", folder)
    assert done.status == 0, done.err
    assert "Best of 2 points each: mlp-4" in done.out
    assert f"Report: {folder / 'report' / 'report.html'}" in done.out
    assert "mlp-4, point 1: epoch 1 of 1" in done.err
    return folder


def test_recipes_are_compared_on_other_images(call: Any, tuning: Path, tmp_path: Path) -> None:
    done = call("compare", "digits", "--recipes", tuning, "--repeats", 2, "--threads", 1, "-o", tmp_path, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    recipes = next(line["text"] for line in found["fairness"] if line["what"] == "Recipes")
    assert recipes.startswith("2 trials each, tuned on 20 % of the images that no verdict uses")
    settings = read_settings(tmp_path)
    assert (settings.training.epochs, settings.image_size) == (1, 8)  # as it was tuned
    part = tuned_on(load(settings), settings)
    assert len(part) == 359
    for point in range(2):
        trial = read_trial(tuning, "mlp-4", point)
        assert trial is not None
        assert np.isin(trial.predictions.index, part).all()
    for repeat in range(2):
        trial = read_trial(tmp_path, "mlp-4", repeat)
        assert trial is not None
        assert not np.isin(trial.predictions.index, part).any()
    again = call("compare", "digits", "--recipes", tuning, "--repeats", 2, "--threads", 1, "-o", tmp_path)
    assert "4 of 4 trials are finished already" in again.err


def test_one_model_is_trained_with_its_recipe(call: Any, tuning: Path, tmp_path: Path) -> None:
    best = read_tuning(tuning).models[0].recipe
    assert best is not None
    done = call("train", "digits", "--model", "mlp-4", "--recipes", tuning, "--threads", 1, "-o", tmp_path / "one")
    assert done.status == 0, done.err
    assert f"recipe of mlp-4 from {tuning}: " in done.err
    said = read_yaml(tmp_path / "one" / "train.yaml", sealed=True)
    assert {name: said["training"][name] for name in best} == best
    assert (said["image_size"], said["training"]["epochs"]) == (8, 1)  # as it was tuned
    done = call("train", "digits", "--model", "mlp-4", "--recipes", tuning, "--lr", 1, "-o", tmp_path / "two")
    assert (done.status, "lr was tuned in" in done.err) == (2, True)


def test_the_report_again(call: Any, tuning: Path, tmp_path: Path) -> None:
    done = call("report", tuning, "-o", tmp_path, "--json")
    assert done.status == 0, done.err
    assert json.loads(done.out)["kind"] == "ecrnn tuning"
    other = shutil.copytree(tuning, tmp_path / "other")
    done = call("report", tuning, other, "-o", tmp_path / "report")
    assert (done.status, "holds a tuning, not a comparison" in done.err) == (1, True)


def test_it_goes_on(call: Any, tuning: Path, tiny: tuple, tmp_path: Path) -> None:
    mine = shutil.copytree(tuning, tmp_path / "tune")
    shutil.rmtree(mine / "mlp-4" / "repeat-1")
    done = call("compare", "digits", "--recipes", mine, "-o", tmp_path / "study")
    assert (done.status, "1 point of" in done.err) == (1, True)
    options = ("--models", "mlp-4,majority", "--budget", 2, "--space", SPACE, "--seed", 3)
    done = call("tune", "digits", *options, *tiny[:4], "--threads", 1, "-o", mine)
    assert done.status == 0, done.err
    assert "2 of 3 trials are finished already" in done.err
    one, other = (folder / "mlp-4" / "repeat-1" / "predictions.npz" for folder in (mine, tuning))
    assert one.read_bytes() == other.read_bytes()


def test_a_search_in_each_trial(call: Any, tiny: tuple, tmp_path: Path) -> None:
    options = ("--models", "mlp-4", "--repeats", 1, "--tune", "nested", "--budget", 2, "--space", "lr=1e-3..1e-2")
    done = call("compare", "digits", *options, *tiny, "-o", tmp_path)
    assert done.status == 0, done.err
    assert "mlp-4, repeat 0, point 1: epoch 1 of 1" in done.err
    done = call("report", tmp_path / "mlp-4" / "repeat-0" / "search", "-o", tmp_path / "inner")
    assert done.status == 0, done.err


@pytest.mark.parametrize("task", ["text-classification", "sequence-classification"])
def test_other_tasks_are_tuned_too(call: Any, task: str, tmp_path: Path) -> None:
    """From the search to a comparison with its recipes, and to one model that is kept."""
    tiny = TINY[task]
    data, tune, study = tiny.write(tmp_path), tmp_path / "tune", tmp_path / "study"
    search = ("--budget", 3, "--space", "lr=1e-2..1e-1:log,batch_size=4|8", "--tune-part", 0.5, "-o", tune)
    done = call("tune", data, "--models", f"{tiny.model},{tiny.other}", *search, *tiny.options, "--json")
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found["examples"] == TASKS[task].examples
    best = {model["model"]: model["recipe"] for model in found["models"]}
    done = call("compare", data, "--recipes", tune, "--repeats", 2, "--threads", 1, "-o", study, "--json")
    assert done.status == 0, done.err
    (line,) = (line["text"] for line in json.loads(done.out)["fairness"] if line["what"] == "Recipes")
    assert line.startswith(f"3 trials each, tuned on 50 % of the {TASKS[task].examples} that no verdict uses")
    settings = read_settings(study)
    assert settings.recipes == {model: recipe for model, recipe in best.items() if recipe}
    part = tuned_on(load(settings), settings)
    trial = read_trial(study, tiny.model, 1)
    assert trial is not None
    assert not np.isin(trial.predictions.index, part).any()
    done = call("train", data, "--model", tiny.other, "--recipes", tune, "--threads", 1, "-o", tmp_path / "one")
    assert done.status == 0, done.err
    training = read_yaml(tmp_path / "one" / "train.yaml", sealed=True)["training"]
    assert {name: training[name] for name in best[tiny.other]} == best[tiny.other]


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("tune", "digits", "--space", "seed=1|2"), "the seed is never tuned: a lucky one is no recipe"),
        (("tune", "digits", "--space", "lr=1e-2..1e-4"), "runs backwards"),
        (("tune", "digits", "--space", ""), "the space is empty"),
        (("tune", "digits", "--space", "lrr=1..2"), "unknown setting 'lrr', did you mean 'lr'?"),
        (("tune", "digits", "--budget", "1"), "tuning.budget: "),
        (("tune", "digits", "--budget", "0"), "tuning.budget: "),
        (("tune", "digits", "--budget", "99999999"), "tuning.budget: "),
        (("tune", "digits", "--search", "random"), "tuning.search: "),
        (("tune", "digits", "--tune-part", "2"), "tuning.part: "),
        (("tune", "digits", "--split", "5-fold"), "validates on a part of its examples"),
        (("tune",), "name the data"),
        (("compare", "digits", "--recipes", "nowhere"), "nowhere is not a run directory"),
        (("compare", "digits", "--tune", "once"), "unknown tune 'once'"),
        (("compare", "digits", "--budget", "4"), "budget is of a search inside each trial"),
        (("compare", "digits", "mnist", "--recipes", "TUNE"), "recipes are of one data set"),
        (("compare", "digits", "--tune", "nested", "--recipes", "TUNE"), "leave one of them out"),
        (("compare", "digits", "--tune", "nested", "--space", "lr=0..1"), "space: lr: "),
    ],
)
def test_one_line(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = call(*words)
    assert done.status in (1, 2)
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert line in done.err
    assert not list(tmp_path.iterdir())
