"""A search for recipes as a study: its points, its part of the examples, kills, and what it refuses."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from studies.small import Study
from training.forks import DONE, Forks

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.runs import read_settings, read_trial
from ecrnn.core.search_space import read_space
from ecrnn.data.splits import tuning_part
from ecrnn.models.names import parse
from ecrnn.report import archive_study
from ecrnn.serving.evaluation import choose
from ecrnn.serving.load import load as load_bundle
from ecrnn.studies.bundling import bundle_trial
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.points import sobol_points
from ecrnn.studies.trials import load, split_of, tuned_on
from ecrnn.studies.tuning import with_points
from ecrnn.studies.verification.verify import verify
from ecrnn.training.tried_points import read_tuning

SPACE = {"lr": "1e-3..1e-1:log", "batch_size": "4|8"}
MODELS = ("mlp-4", "majority")


def tuning(**changes: Any) -> dict[str, Any]:
    """Changes of a small study that make it a tuning of four points on half of the images."""
    search = {"space": SPACE, "budget": 4, "part": "0.5"} | changes
    return {"models": MODELS, "repeats": search["budget"], "split": "0.7", "tuning": search}


@pytest.fixture(scope="module")
def tuned(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tuning") / "tune"
    assert study.run(out, **tuning()).failed == {}
    return out


def results(out: Path) -> dict[str, bytes]:
    """What does not hold times: predictions, weights, settings, and the plan."""
    names = ("predictions.npz", "weights.safetensors", "config.yaml", "study.yaml")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.name in names}


def test_every_model_has_the_same_points_and_a_baseline_one(tuned: Path) -> None:
    found = read_settings(tuned)
    assert found.tuning is not None
    assert found.tuning.points["mlp-4"] == tuple(sobol_points(read_space(SPACE), 4, found.seed))
    assert found.tuning.points["majority"] == ({},)
    assert planned_trials(found) == [("mlp-4", 0), ("majority", 0), ("mlp-4", 1), ("mlp-4", 2), ("mlp-4", 3)]
    for point in range(4):
        assert (tuned / "mlp-4" / f"repeat-{point}" / "manifest.json").exists()


def test_all_points_have_one_split_of_the_tuning_part_and_one_seed(tuned: Path, folder: Path) -> None:
    found = read_settings(tuned)
    data = load(found)
    part = tuning_part(data, "0.5", found.seed)
    assert len(part) == 24
    split = split_of(data, found, 0)
    assert (len(split.train), len(split.validation)) == (17, 7)
    assert np.array_equal(np.sort(np.concatenate([split.train, split.validation])), part)
    facts = []
    for point in range(4):
        trial = read_trial(tuned, "mlp-4", point)
        assert trial is not None
        assert np.array_equal(trial.predictions.index, split.validation)
        facts.append(trial.facts)
    assert len({fact["seed"] for fact in facts}) == 1
    assert [fact["repeat"] for fact in facts] == [0, 1, 2, 3]


def test_a_point_is_the_training_with_these_settings(tuned: Path, study: Study, tmp_path: Path) -> None:
    """A tuning whose base is a point of another one has its bits at the first point."""
    point = read_settings(tuned).recipe("mlp-4", 2)
    study.run(tmp_path, **tuning(budget=2) | {"models": ("mlp-4",)}, training=point)
    one, other = (out / "mlp-4" / f"repeat-{p}" for out, p in ((tmp_path, 0), (tuned, 2)))
    for name in ("predictions.npz", "checkpoint/weights.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes()


@pytest.mark.slow
def test_two_jobs_give_the_same_bits(tuned: Path, study: Study, tmp_path: Path) -> None:
    assert study.run(tmp_path, jobs=2, **tuning()).failed == {}
    assert results(tmp_path) == results(tuned)


@pytest.mark.slow
@pytest.mark.parametrize("search", ["same", "tpe"])
def test_a_killed_tuning_goes_on_with_the_same_bits(
    study: Study, forks: Forks, tmp_path: Path, tuned: Path, search: str
) -> None:
    if search == "tpe":
        pytest.importorskip("optuna")
    arguments = tuning(search=search) | {"data": study.data}
    whole = tuned
    if search == "tpe":
        whole = tmp_path / "whole"
        assert forks("studies.small:run", out=str(whole), **arguments) == DONE
        points = read_settings(whole).tuning.points["mlp-4"]  # type: ignore[union-attr]
        assert (len(points), points[:2]) == (4, tuple(sobol_points(read_space(SPACE), 2, 0)))
        assert points != read_settings(tuned).tuning.points["mlp-4"]  # type: ignore[union-attr]
    finished = len(list(whole.rglob("manifest.json")))
    for ticks in (2, 19):
        out = tmp_path / str(ticks)
        assert forks("studies.small:run", out=str(out), ticks=ticks, hold=True, **arguments) == -signal.SIGKILL
        assert len(list(out.rglob("manifest.json"))) < finished
        assert forks("studies.small:run", out=str(out), **arguments) == DONE
        assert results(out) == results(whole)


def test_a_model_that_comes_later_has_the_same_points(tuned: Path, study: Study, tmp_path: Path) -> None:
    study.run(tmp_path, **tuning() | {"models": ("majority",)})
    outcome = study.run(tmp_path, **tuning())
    assert [trial[0] for trial in outcome.trained] == ["mlp-4"] * 4
    before, after = (read_settings(out).tuning for out in (tuned, tmp_path))
    assert before is not None
    assert after is not None
    assert before.points == after.points


def test_a_larger_budget_goes_on_with_the_same_points(tuned: Path, study: Study, tmp_path: Path) -> None:
    """Its further points are those that a search with this budget has at once; what is finished stays."""
    more = shutil.copytree(tuned, tmp_path / "more")
    before = results(more)
    outcome = study.run(more, **tuning(budget=6))
    assert outcome.trained == [("mlp-4", 4), ("mlp-4", 5)]
    found = read_settings(more)
    assert found.tuning is not None
    assert (found.tuning.budget, found.repeats) == (6, 6)
    assert found.tuning.points["mlp-4"] == tuple(sobol_points(read_space(SPACE), 6, found.seed))
    after = results(more)
    assert {name: after[name] for name in before if name != "study.yaml"} == {
        name: content for name, content in before.items() if name != "study.yaml"
    }
    assert verify(more).holds
    unsaid = tuning()
    del unsaid["tuning"]["budget"]
    assert study.run(more, **unsaid).trained == []
    other = found.tuning.model_copy(update={"points": {**found.tuning.points, "mlp-4": ({}, {"lr": 0.5})}})
    with one_line(EcrnnError, "the points of mlp-4 are others than SciPy draws here"):
        with_points(found.model_copy(update={"tuning": other}), [parse("mlp-4")])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"budget": 3}, "with the budget 4 of recipes, not 3"),
        (
            {"space": {"lr": "1e-3..1e-1"}},
            "with the space lr=1e-3..1e-1:log,batch_size=4|8 of recipes, not lr=1e-3..1e-1",
        ),
        ({"part": "0.4"}, "with the part 0.5 of recipes, not 0.4"),
        ({"search": "tpe"}, "with the search same of recipes, not tpe"),
    ],
)
def test_a_search_does_not_change(tuned: Path, study: Study, changes: dict[str, Any], line: str) -> None:
    if changes.get("search") == "tpe":
        pytest.importorskip("optuna")
    with one_line(RunDirectoryError, tuned, line, "choose another --out"):
        study.run(tuned, **tuning(**changes))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"split": "own"}, "validates on a part of its examples, such as --split 0.7, not 'own'"),
        ({"split": "5-fold"}, "not '5-fold'"),
        ({"tuning": {"space": {"seed": "1|2"}, "part": "0.5"}}, "the seed is never tuned"),
        (
            {"tuning": {"space": SPACE, "part": "0.01"}},
            "split off a tuning part of 0.01 of 48 examples leaves none for validation",
        ),
        ({"tuning": {"space": SPACE, "part": "0.999"}}, "leaves none for training"),
        (
            {"tuning": {"space": SPACE, "part": "0.5", "budget": 256}, "models": [f"mlp-{n}" for n in range(2, 18)]},
            "256 points of 16 models are too many",
        ),
    ],
)
def test_what_cannot_be_searched(study: Study, tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    with one_line(EcrnnError, line):
        study.run(tmp_path / "out", **{**tuning(), **changes})
    assert not (tmp_path / "out" / "study.yaml").exists()


def test_a_tuning_is_no_comparison(tuned: Path, study: Study, left_alone: Path) -> None:
    with one_line(RunDirectoryError, tuned, "holds a tuning, not a comparison"):
        study.run(tuned, models=MODELS)
    with one_line(RunDirectoryError, left_alone, "holds a comparison, not a tuning"):
        study.run(left_alone, **tuning())
    with one_line(RunDirectoryError, left_alone, "holds a comparison, not a tuning"):
        read_tuning(left_alone)


def test_no_verdict_uses_what_was_tuned_on(study: Study, tmp_path: Path, folder: Path) -> None:
    """Neither in random splits, nor in folds; and the parts of all others are used."""
    search = {"space": SPACE, "part": "0.5", "seed": 3}
    for split in ("0.8", "4-fold"):
        changes: dict[str, Any] = {"models": ("mlp-4",), "split": split, "tuned": search}
        settings = study.settings(**changes)
        data = load(settings)
        part = tuned_on(data, settings)
        assert np.array_equal(part, tuning_part(data, "0.5", 3))
        used = [split_of(data, settings, repeat) for repeat in range(4)]
        for of in used:
            assert not np.isin(np.concatenate([of.train, of.validation]), part).any()
            assert len(of.train) + len(of.validation) == 24
        assert len({of.validation.tobytes() for of in used}) == 4
        study.run(tmp_path / split, repeats=1, **changes)
        trial = read_trial(tmp_path / split, "mlp-4", 0)
        assert trial is not None
        assert not np.isin(trial.predictions.index, part).any()
        assert trial.facts["n_train"] + trial.facts["n_validation"] == 24


def test_recipes_of_other_examples_are_refused(study: Study, tmp_path: Path) -> None:
    search = {"space": SPACE, "part": "0.5", "fingerprint": "0" * 64}
    with one_line(EcrnnError, "the recipes were tuned on other examples than those of ", "images; tune them on these"):
        study.run(tmp_path / "out", tuned=search)
    assert not (tmp_path / "out" / "study.yaml").exists()


def test_a_bundle_knows_what_it_was_trained_on_and_what_was_left_out(study: Study, tmp_path: Path) -> None:
    """Of a comparison with recipes: evaluated on the same data, it is judged on its own validation images."""
    search = {"space": SPACE, "part": "0.5", "seed": 3}
    study.run(tmp_path / "study", models=("cnn",), repeats=2, tuned=search)
    metrics = bundle_trial(tmp_path / "study", "cnn", tmp_path / "bundle", repeat=1)
    assert metrics["tuning_part"] == {"part": "0.5", "seed": 3}
    trial = read_trial(tmp_path / "study", "cnn", 1)
    assert trial is not None
    model = load_bundle(tmp_path / "bundle")
    data = load(read_settings(tmp_path / "study"))
    choice = choose(model, data, "validation")
    assert np.array_equal(choice.index, trial.predictions.index)
    assert choice.trained_on == 0
    split = split_of(data, read_settings(tmp_path / "study"), 1)
    keys = data.keys()
    assert model.trained_on is not None
    assert np.array_equal(np.flatnonzero(keys.known(model.trained_on.train)), split.train)
    model.metrics["tuning_part"] = {"part": "1e99999999", "seed": 3}
    with one_line(EcrnnError, "does not say how the data was split"):
        choose(model, data, "validation")


def test_a_tuning_is_neither_bundled_nor_archived(tuned: Path, tmp_path: Path) -> None:
    with one_line(RunDirectoryError, tuned, "holds a tuning", "'ecrnn compare --recipes"):
        bundle_trial(tuned, "mlp-4", tmp_path / "bundle")
    with one_line(RunDirectoryError, tuned, "holds a tuning, of which there are no archives"):
        archive_study(tuned, tmp_path / "small")


def test_it_can_be_verified(tuned: Path) -> None:
    assert verify(tuned).holds
