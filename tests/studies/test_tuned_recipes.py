"""The recipes of a tuning in a comparison: what is taken over, what must go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from training.searches import fill, make_tuning

from ecrnn.core.config import StudySettings, TrainSettings, merge
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.search_space import DEFAULT, parse_space
from ecrnn.core.tasks import default
from ecrnn.studies.settings import as_begun, read_settings
from ecrnn.studies.tuned_recipes import (
    check_searches,
    nested_search,
    read_recipes,
    trained_defaults,
    training_settings,
    tuned_defaults,
    tuning_search,
    with_recipe,
    with_recipes,
)


@pytest.fixture(scope="module")
def tuning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(make_tuning(tmp_path_factory.mktemp("tune")), cnn=[5, 8, 7, 3], ecnn=[1, 2, 9, 4], majority=[4])


def asked(tuning: Path, **given: Any) -> StudySettings:
    found = read_recipes(tuning)
    wanted = merge(tuned_defaults(found), {"data": "digits", **given})
    return with_recipes(read_settings(StudySettings, wanted), found)


def test_recipes_and_how_they_were_found(tuning: Path) -> None:
    settings = asked(tuning)
    assert settings.models == ("cnn", "ecnn", "majority")
    assert settings.recipes == {"cnn": {"lr": 0.009}, "ecnn": {"epochs": 7, "lr": 0.002}}
    tuned = settings.tuned
    assert tuned is not None
    assert (tuned.part, tuned.seed, tuned.fingerprint, tuned.budget) == ("0.2", 0, "0" * 64, 4)
    assert (tuned.edges, tuned.others) == ({"cnn": ("lr",)}, {})
    assert settings.of_trial("ecnn", 0).training.lr == 0.002
    assert settings.of_trial("ecnn", 0).training.epochs == 7


def test_what_is_said_wins_and_is_noted(tuning: Path) -> None:
    settings = asked(tuning, models=["cnn", "logistic"], training={"epochs": 3, "threads": 1})
    assert settings.models == ("cnn", "logistic")  # of which nothing can be tuned
    assert settings.recipes == {"cnn": {"lr": 0.009}}
    assert settings.training.epochs == 3
    assert settings.tuned is not None
    assert settings.tuned.others == {"epochs": 15}


def test_with_what_a_second_tuning_tuned_is_noted_too(tuning: Path) -> None:
    before = asked(tuning, models=["cnn"], training={"epochs": 3, "threads": 1})
    more = asked(tuning, models=["cnn", "ecnn"], training={"epochs": 3, "threads": 1})

    def others(**with_what: Any) -> dict[str, Any]:
        assert before.tuned
        assert more.tuned
        second = more.model_copy(update={"tuned": more.tuned.model_copy(update={"others": with_what})})
        begun = as_begun(second, before, default())
        again = as_begun(second, begun.model_copy(update={"models": second.models}), default())
        assert begun.tuned
        assert again.tuned == begun.tuned
        return begun.tuned.others

    assert others(epochs=15, optimizer="sgd") == {"epochs": 15, "optimizer": "sgd"}
    assert others(epochs=10) == {"epochs": "15 or 10"}
    assert others() == {"epochs": 15}


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"training": {"lr": 0.5}}, "lr was tuned in"),
        ({"models": ["cnn", "mlp-4"]}, "mlp-4 was not tuned in"),
    ],
)
def test_what_does_not_go_with_it(tuning: Path, given: dict[str, Any], line: str) -> None:
    with one_line(EcrnnError, line, tuning):
        asked(tuning, **given)


def trained(tuning: Path, model: str, **given: Any) -> tuple[TrainSettings, str]:
    found = read_recipes(tuning)
    wanted = merge(trained_defaults(found), {"data": "digits", "model": model, **given})
    return with_recipe(read_settings(TrainSettings, wanted), found)


def test_a_training_gets_the_recipe_of_its_model(tuning: Path) -> None:
    settings, line = trained(tuning, "ecnn", training={"threads": 1})
    assert (settings.training.lr, settings.training.epochs, settings.training.threads) == (0.002, 7, 1)
    assert settings.split == "0.8"
    assert line.startswith(f"recipe of ecnn from {tuning}: epochs 7, lr 0.002; examples that it was tuned on")
    lines: list[str] = []
    asked = {"data": "digits", "model": "ecnn", "training": {"threads": 1, "lr": None}}
    assert training_settings(asked, tuning, lambda event: lines.append(str(event))) == settings
    assert len(lines) == 1
    settings, line = trained(tuning, "cnn", data="cifar10")
    assert (settings.training.lr, line) == (0.009, f"recipe of cnn from {tuning}: lr 0.009")
    with one_line(EcrnnError, "lr was tuned in"):
        trained(tuning, "cnn", training={"lr": 0.5})
    with one_line(EcrnnError, "mlp-4 was not tuned in"):
        trained(tuning, "mlp-4")


def test_unfinished_or_inside_a_trial(tmp_path: Path) -> None:
    short = fill(make_tuning(tmp_path / "short"), cnn=[5, 8], ecnn=[1, 2, 9, 4], majority=[4])
    with one_line(RunDirectoryError, f"2 points of {short} are not finished", "'ecrnn tune' with the same --out"):
        read_recipes(short)
    inner = fill(make_tuning(tmp_path / "inner", part=None, within="0.7"), cnn=[1, 2, 9, 4], majority=[4])
    with one_line(RunDirectoryError, "tuned inside a trial of another comparison"):
        read_recipes(inner)
    failed = fill(make_tuning(tmp_path / "failed"), cnn=[None] * 4, ecnn=[1, 2, 9, 4], majority=[4])
    with one_line(EcrnnError, "all points of cnn failed: the loss is not finite"):
        asked(failed)
    assert asked(failed, models=["ecnn"]).models == ("ecnn",)


def test_what_a_search_is_asked_for() -> None:
    assert tuning_search(None, None, None, None) == {
        "repeats": 16,
        "tuning": {"space": parse_space(DEFAULT), "part": "0.2"},
    }
    assert nested_search("lr=1e-3..1e-2", 4, "tpe") == {
        "space": {"lr": "1e-3..1e-2"},
        "budget": 4,
        "search": "tpe",
        "split": "0.85",
    }


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (("TUNE", "nested", False, None, None, None), "leave one of them out"),
        (("TUNE", None, True, None, None, None), "recipes are of one data set"),
        ((None, "once", False, None, None, None), "unknown tune 'once'"),
        ((None, None, False, "lr=1..2", None, None), "space is of a search inside each trial"),
        ((None, None, False, None, 4, None), "budget is of a search"),
        (("TUNE", None, False, None, None, "tpe"), "search is of a search"),
    ],
)
def test_what_does_not_go_together(given: tuple[Any, ...], line: str) -> None:
    with one_line(EcrnnError, line):
        check_searches(*given)
    check_searches(None, "nested", True, "lr=1..2", 4, "tpe")
    check_searches("TUNE", None, False, None, None, None)
