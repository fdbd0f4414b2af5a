"""`ecrnn.compare` and `ecrnn.train` with what only Python can give: arrays and objects."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line
from sklearn.svm import SVC
from training.trainings import image_set

import ecrnn
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.runs import read_trial
from ecrnn.data.image_set import from_arrays
from ecrnn.data.splits import tuning_part
from ecrnn.models import registry
from ecrnn.studies.engines.protocol import OnRay

X = image_set(60).images
Y = np.array(["low", "high"])[np.arange(60) % 2]
SMALL = {"epochs": 1, "batch_size": 8, "threads": 1, "precision": "float32", "device": "cpu"}


@pytest.fixture(autouse=True)
def _forgets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, undrawn: None) -> None:
    monkeypatch.setattr(registry, "_registered", {})
    monkeypatch.chdir(tmp_path)


def test_arrays_and_objects_are_compared(tmp_path: Path) -> None:
    report = ecrnn.compare((X / 255, Y), {"svm": SVC(), "majority": "majority"}, repeats=2)
    assert report.folder == Path("runs/compare-arrays/report")
    assert report.analysis.classes == ("high", "low")
    assert [row.model for row in report.analysis.models] == ["svm", "majority"]
    assert report.analysis.data == "arrays.npz"
    again = ecrnn.compare((X, Y), {"svm": SVC(), "majority": "majority"}, repeats=2)
    assert again.analysis == report.analysis, "the same images as bytes: nothing was trained again"
    with one_line(EcrnnError, "SVC(C=2) has SHA-256", "and 'svm' had", "bring that one back"):
        ecrnn.compare((X, Y), {"svm": SVC(C=2), "majority": "majority"}, repeats=2)


def test_a_bundle_of_arrays(tmp_path: Path) -> None:
    (tmp_path / "arrays" / "train" / "a").mkdir(parents=True)  # which has nothing to do with it
    classifier = ecrnn.train((X, Y), "mlp-4", tmp_path / "mine", **SMALL)
    assert classifier.metrics["data"] == "arrays"
    assert (classifier.metrics["n_train"], classifier.metrics["n_validation"]) == (48, 12)
    assert not list((tmp_path / "mine").glob("*.npz"))
    again = ecrnn.train((X, Y), "mlp-4", tmp_path / "mine", resume=True, **SMALL)
    assert again.metrics == classifier.metrics
    with one_line(EcrnnError, "holds another training: the images of 'arrays' have changed since it was begun"):
        ecrnn.train((X[:50], Y[:50]), "mlp-4", tmp_path / "mine", resume=True, **SMALL)


@pytest.mark.parametrize(
    ("data", "options", "line"),
    [
        ((X, Y, Y), {}, "arrays are given as (X, y), not 3 of them"),
        ((X, Y[:9]), {}, "y has shape (9,), but should hold one label for each of the 60 images"),
        ((X.transpose(0, 3, 1, 2), Y), {}, "channels go last"),
        ((X.astype(float), Y), {}, "but they should lie in 0..1; scale them, or give uint8"),
        ((X, Y), {"val": "photos"}, "--val and --test go with a folder of your own, not with arrays"),
        ((X, np.full(60, "a")), {}, "a classifier needs 2 to 100,000 classes, not 1"),
        ((X, Y), {"models": ["charlm"]}, "next-token takes no arrays (X, y); give a file or a folder"),
        ((X, Y), {"models": {"svm": SVC}}, "model 'svm': give an object, SVC(), not the class"),
        ((X, Y), {"models": ["mlp-4"], "engine": "slurm"}, "engine: in Python here, processes, ray or one of your own"),
        (
            (X, Y),
            {"models": ["mlp-4"], "engine": "none"},
            "not 'none'; give 'ecrnn compare --engine none', or let ecrn",
        ),
        ((X, Y), {"models": ["mlp-4"], "engine": OnRay(collect=True)}, "arrays are kept in the study's folder, which"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, data: tuple, options: dict, line: str) -> None:
    with one_line(EcrnnError, line):
        ecrnn.compare(data, **{"models": ["mlp-4"], **options})
    assert not (tmp_path / "runs").exists()
    if "models" not in options:
        with one_line(EcrnnError, line):
            ecrnn.train(data, "mlp-4", tmp_path / "mine", **options)
        assert not (tmp_path / "mine").exists()


def test_a_plan_in_python(tmp_path: Path) -> None:
    plan = {"pairs": [("mlp-4", "majority")], "rope": 0.02, "score_epochs": 2}
    options = {"repeats": 3, "epochs": 3, "threads": 1, "out": tmp_path / "study"}
    report = ecrnn.compare((X / 255, Y), ["majority", "mlp-4"], **options, **plan)
    assert report.analysis.plan.chosen_after == ()
    assert (report.analysis.plan.pairs, report.analysis.plan.rope) == ((("mlp-4", "majority"),), 0.02)
    for trial in report.analysis.trials:
        assert len(trial.epoch_scores) == (2 if trial.model == "mlp-4" else 0)
    assert (
        ecrnn.compare((X / 255, Y), ["majority", "mlp-4"], **options).analysis.comparison == report.analysis.comparison
    )
    with one_line(RunDirectoryError, "was planned with no baseline, not majority, and a plan does not change"):
        ecrnn.compare((X / 255, Y), ["majority", "mlp-4"], **options, baseline="majority")


def test_until_decided_and_its_plan(tmp_path: Path) -> None:
    models = {"svm": SVC(), "majority": "majority"}
    plan = ecrnn.plan((X, Y), models, difference=0.2, sd=0.05, repeats=3)
    assert plan.sequential.most_trainings == 6
    report = ecrnn.compare((X, Y), models, 3, until_decided=True)
    assert report.analysis.sequential is not None
    assert report.analysis.sequential.plan.looks == (3,)
    with one_line(EcrnnError, "until_decided is of one data set"):
        ecrnn.compare(["digits", "mnist"], ["cnn", "ecnn"], until_decided=True)


def test_groups_and_shares_of_arrays(tmp_path: Path) -> None:
    groups = np.repeat([f"patient {i}" for i in range(20)], 3)  # 60 images, one class after the other
    report = ecrnn.compare((X, Y), ["majority"], repeats=2, groups=groups, stratify=True, split=0.6)
    assert ("Split", "0.6 stratified") in report.analysis.subject.facts
    for repeat in range(2):
        validation = read_trial(report.folder.parent, "majority", repeat).predictions.index
        assert len(validation) == 24
        assert (np.unique(validation // 3, return_counts=True)[1] == 3).all()
    again = ecrnn.compare((X, Y), ["majority"], repeats=2, groups=list(groups), stratify=True, split=0.6)
    assert again.analysis == report.analysis
    with one_line(RunDirectoryError, "have changed since it was begun"):
        ecrnn.compare((X, Y), ["majority"], repeats=2, groups=range(60), stratify=True, split=0.6)
    with one_line(EcrnnError, "groups are int64 of shape (3,), but should be"):
        ecrnn.compare((X, Y), ["majority"], out="other", groups=[1, 2, 3])
    with one_line(EcrnnError, "--groups goes with a folder of your own, not with digits"):
        ecrnn.compare("digits", ["majority"], out="other", groups="groups.csv")
    with one_line(EcrnnError, "own parts are not drawn"):
        ecrnn.train("digits", "majority", "other", split="own", stratify=True)


def test_recipes_of_a_tuning_give_the_bits_of_recipes_by_hand(tmp_path: Path) -> None:
    """By hand: the settings typed, and the images that were tuned on taken out of the arrays."""
    small = {**SMALL, "epochs": 4, "lr": 1e-6}
    found = ecrnn.tune(
        (X, Y), ["cnn", "majority"], budget=3, space={"lr": "1e-3..1e-2:log"}, tune_part=0.3, score_epochs=1, **small
    )
    assert found.folder == Path("runs/tune-arrays/report")
    assert [model.finished for model in found.analysis.models] == [3, 1]
    report = ecrnn.compare((X, Y), recipes="runs/tune-arrays", repeats=2, threads=1)
    assert [row.model for row in report.analysis.models] == ["cnn", "majority"]
    assert report.analysis.settings["recipes"] == {"cnn": found.analysis.models[0].recipe}
    assert found.analysis.models[0].recipe["lr"] >= 0.001
    assert any(line.what == "Recipes" for line in report.analysis.fairness)

    used = np.setdiff1d(np.arange(60), tuning_part(from_arrays(X, Y), "0.3", 0))
    assert len(used) == 42
    recipe = {**small, **found.analysis.models[0].recipe}
    ecrnn.compare((X[used], Y[used]), ["cnn"], repeats=2, out=tmp_path / "by-hand", score_epochs=1, **recipe)
    for repeat in range(2):
        one, other = (
            study / "cnn" / f"repeat-{repeat}" for study in (tmp_path / "by-hand", Path("runs/compare-arrays"))
        )
        weights = "checkpoint/weights.safetensors"
        assert (one / weights).read_bytes() == (other / weights).read_bytes()

    with one_line(EcrnnError, "the recipes were tuned on other examples"):
        ecrnn.compare((X[:50], Y[:50]), recipes="runs/tune-arrays", repeats=2, out=tmp_path / "other")
    with one_line(RunDirectoryError, "was begun without a search for recipes"):
        ecrnn.compare((X, Y), ["majority"], repeats=2, score_epochs=1, out=tmp_path / "plain")
        ecrnn.compare((X, Y), recipes="runs/tune-arrays", repeats=2, out=tmp_path / "plain")


def test_a_search_in_each_trial(tmp_path: Path) -> None:
    options = {"repeats": 2, "tune": "nested", "space": "lr=1e-2..1e-1:log", "budget": 2, **SMALL}
    report = ecrnn.compare((X, Y), ["mlp-4"], out=tmp_path / "study", **options)
    assert report.analysis.settings["tuned"]["split"] == "0.85"
    assert len(list((tmp_path / "study").glob("mlp-4/repeat-*/search/mlp-4/repeat-*/manifest.json"))) == 4
    with one_line(EcrnnError, "the seed is never tuned"):
        ecrnn.compare((X, Y), ["mlp-4"], tune="nested", space={"seed": [1, 2]})
    with one_line(EcrnnError, "recipes are of one data set"):
        ecrnn.compare(["digits", "mnist"], ["mlp-4"], recipes=tmp_path)
