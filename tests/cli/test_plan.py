"""`ecrnn plan`."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from ecrnn.stats.boundaries import simulate_boundaries

LINE = ("plan", "digits", "--models", "cnn,ecnn", "--image-size", "8", "--epochs", "2", "--threads", "1")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecrnn.studies.training_time.SECONDS", 0.0)
    monkeypatch.setattr("ecrnn.studies.planning.STUDIES", 400)
    quick = partial(simulate_boundaries, paths=50_000)
    monkeypatch.setattr("ecrnn.stats.sequential.simulate_boundaries", quick)


def test_both_designs_are_shown_with_their_hours(call: Any) -> None:
    done = call(*LINE, "--difference", "5", "--sd", "1")
    assert done.status == 0
    assert "1,258 examples train and 539 validate in each repeat; 1 pair." in done.out
    assert "SD 1.00 between repeats" in done.out
    for name in ("fixed", "until decided", "fixed, finds 80 %", "until decided, finds 80 %"):
        assert name in done.out
    assert "extrapolated" in done.out
    assert "results/why" not in done.out


def test_json_has_all_figures(call: Any) -> None:
    done = call(*LINE, "--difference", "5", "--json")
    found = json.loads(done.out)
    assert (found["kind"], found["format"], found["difference"]) == ("ecrnn plan", 1, 0.05)
    assert "results/why" in found["sd_source"]
    assert found["fixed"]["most_trainings"] == found["sequential"]["most_trainings"] == 20
    assert found["sequential"]["trainings_equal"] < found["fixed"]["trainings_equal"]
    assert [model["model"] for model in found["models"]] == ["cnn", "ecnn"]
    assert done.err == ""


def test_several_seeds_a_split(call: Any) -> None:
    done = call(*LINE, "--difference", "5", "--sd", "1", "--seeds-per-split", "2")
    assert done.status == 0, done.err
    assert "SD 0.76 between means of 2 seeds a split (of one training's variance 85 % is the seed's)" in done.out
    assert "splits" in done.out
    found = json.loads(call(*LINE, "--difference", "5", "--sd", "1", "--seeds-per-split", "2", "--json").out)
    assert (found["fixed"]["repeats"], found["fixed"]["trainings"], found["seeds_per_split"]) == (10, 40, 2)
    done = call(*LINE, "--difference", "5", "--variances", "nowhere")
    assert (done.status, "nowhere is not a run directory" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ((), "name the difference that would matter, in points above 0, as in --difference 1"),
        (("--difference", "0"), "name the difference that would matter"),
        (("--difference", "1", "--sd", "0"), "--sd must be above 0, not 0"),
        (("--difference", "1", "--baseline", "cn"), "did you mean 'cnn'?"),
    ],
)
def test_wrong_calls(call: Any, line: tuple[str, ...], error: str) -> None:
    done = call(*LINE, *line)
    assert done.status == 2
    assert error in done.err
