"""The points of a search: SciPy's Sobol points, and Optuna's."""

from __future__ import annotations

import builtins
import sys
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from scipy.stats import qmc

from ecrnn.core.errors import EcrnnError
from ecrnn.core.search_space import parse_space, read_space
from ecrnn.studies.points import beginning, check_optuna, next_tpe_point, sobol_points

SPACE = read_space(parse_space("lr=1e-4..1e-2:log,weight_decay=0..1e-3,batch_size=32|64|128"))
UNTUNED = {"lr": 0.001, "weight_decay": 0.0, "batch_size": 128}


@pytest.mark.parametrize("seed", [0, 7])
def test_they_are_scipys_scrambled_sobol_points(seed: int) -> None:
    points = sobol_points(SPACE, 16, seed)
    assert points[0] == {}
    cube = qmc.Sobol(3, scramble=True, seed=np.random.default_rng(seed)).random_base2(4)
    for point, (a, b, c) in zip(points[1:], cube, strict=False):
        assert point["lr"] == pytest.approx(1e-4 * 100**a, rel=1e-3)
        assert point["weight_decay"] == pytest.approx(1e-3 * b, rel=1e-3)
        assert point["batch_size"] == (32, 64, 128)[int(3 * c)]
    assert len(points) == 16


@pytest.mark.parametrize("count", [2, 3, 5, 9, 17, 33])
def test_fewer_points_are_the_first_of_more(count: int) -> None:
    assert sobol_points(SPACE, count, 3) == sobol_points(SPACE, 64, 3)[:count]
    assert sobol_points(SPACE, count, 3) != sobol_points(SPACE, count, 4)


def test_a_search_of_optunas_begins_with_half_of_its_points() -> None:
    assert [beginning(budget) for budget in (2, 3, 8, 16, 64)] == [2, 2, 4, 8, 10]


def test_optunas_points_are_a_function_of_the_scores() -> None:
    pytest.importorskip("optuna")
    tried: list[tuple[Any, float | None]] = [(point, None) for point in sobol_points(SPACE, 8, 0)]
    tried = [(point, -abs(np.log10(point.get("lr", 1e-3)) + 2)) for point, _ in tried]  # the best rate is 0.01
    tried[2] = (tried[2][0], None)
    for _ in range(8):
        point = next_tpe_point(SPACE, tried, UNTUNED, 5, higher_is_better=True)
        assert point == next_tpe_point(SPACE, tried, UNTUNED, 5, higher_is_better=True)
        assert all(of.holds(point[of.name]) for of in SPACE)
        tried.append((point, -abs(np.log10(point["lr"]) + 2)))
    assert np.median([point["lr"] for point, _ in tried[8:]]) > 0.003
    other = next_tpe_point(SPACE, tried, UNTUNED, 6, higher_is_better=True)
    assert other != next_tpe_point(SPACE, tried, UNTUNED, 5, higher_is_better=True)
    worst = [next_tpe_point(SPACE, tried, UNTUNED, seed, higher_is_better=False)["lr"] for seed in range(9)]
    assert np.median(worst) < 0.003


def test_what_lies_outside_of_the_space_is_left_out_of_optunas_study() -> None:
    pytest.importorskip("optuna")
    space = read_space(parse_space("optimizer=adam|adamw,lr=1e-2..1e-1"))
    point = next_tpe_point(space, [({}, 0.5)], {"optimizer": "sgd", "lr": 0.001}, 0, higher_is_better=True)
    assert point["optimizer"] in ("adam", "adamw")
    assert 0.01 <= point["lr"] <= 0.1


def test_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "optuna":
            raise ModuleNotFoundError("No module named 'optuna'")
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.delitem(sys.modules, "optuna", raising=False)
    with one_line(EcrnnError, "--search tpe needs the package optuna; pip install 'ecrnn[tune]'"):
        check_optuna()
