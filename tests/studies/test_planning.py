"""What a study will cost: figures of the designs, the spread that is taken, and what cannot be planned."""

import math
from functools import partial
from pathlib import Path

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Message
from ecrnn.stats.boundaries import simulate_boundaries
from ecrnn.studies.planning import plan_study
from ecrnn.studies.training_time import ModelTime


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    quick = partial(simulate_boundaries, paths=50_000)
    monkeypatch.setattr("ecrnn.stats.sequential.simulate_boundaries", quick)
    monkeypatch.setattr("ecrnn.studies.planning.STUDIES", 2000)


@pytest.fixture
def an_hour_each(monkeypatch):
    """Trainings of one and of two hours, without any."""

    def time_training(model, data, split, processor, training, seed):
        hours = 1 if str(model) == "cnn" else 2
        return ModelTime(str(model), 3600.0 * hours, 5, 10, training.epochs)

    monkeypatch.setattr("ecrnn.studies.planning.time_training", time_training)


def test_hours_are_trainings_times_their_length(study, an_hour_each):
    messages = []
    plan = plan_study(study.settings(repeats=10), difference=0.05, sd=0.01, progress=messages.append)
    assert plan.pairs == (("ecnn", "cnn"),)
    assert (plan.n_train, plan.n_test, plan.metric, plan.rope) == (38, 10, "accuracy", 0.005)
    fixed, sequential = plan.fixed, plan.sequential
    assert (fixed.trainings, fixed.trainings_equal, fixed.most_trainings) == (20, 20, 20)
    assert (fixed.hours, fixed.most_hours) == pytest.approx((30, 30))
    assert sequential.most_trainings == 20
    assert sequential.trainings < 0.6 * fixed.trainings
    assert sequential.hours == pytest.approx(1.5 * sequential.trainings)  # both models are in the one pair
    assert sequential.found == pytest.approx(fixed.found, abs=0.03)
    assert [event.text for event in messages if isinstance(event, Message)] == [
        "cnn: 5 of 10 steps of an epoch timed",
        "ecnn: 5 of 10 steps of an epoch timed",
    ]


def test_repeats_that_are_enough(study, an_hour_each):
    plan = plan_study(study.settings(repeats=3, baseline="cnn"), difference=0.02, sd=0.01)
    assert plan.differing == "cnn"
    assert plan.fixed.repeats == plan.sequential.repeats == 3
    assert plan.enough_fixed.found >= 0.78
    assert plan.enough_sequential.found >= 0.78
    assert plan.enough_fixed.repeats <= plan.enough_sequential.repeats
    assert plan.enough_sequential.trainings < plan.enough_fixed.trainings


def test_a_difference_that_no_repeats_find(study, an_hour_each):
    plan = plan_study(study.settings(repeats=5), difference=0.001, sd=0.01)
    assert (plan.enough_fixed, plan.enough_sequential) == (None, None)


def test_several_seeds_a_split_cost_more_trainings_and_narrow_the_interval(study, an_hour_each):
    """By hand: 85 % of the variance is the seed's, which two seeds halve; t of nine degrees of freedom."""
    once = plan_study(study.settings(repeats=10), difference=0.02, sd=0.01)
    twice = plan_study(study.settings(repeats=20, seeds_per_split=2), difference=0.02, sd=0.01)
    assert twice.sd == pytest.approx(0.01 * math.sqrt(0.15 + 0.85 / 2))
    half_width = 2.2621572 * 0.01 * math.sqrt(1 / 10 + 10 / 38)
    assert once.fixed.half_width == pytest.approx(half_width)
    assert twice.fixed.half_width == pytest.approx(half_width * math.sqrt(0.575))
    assert once.sequential.half_width > once.fixed.half_width  # the repeated interval
    assert (twice.fixed.repeats, twice.fixed.trainings, twice.fixed.hours) == (10, 40, 60)
    assert twice.fixed.most_hours == pytest.approx(2 * once.fixed.most_hours)
    assert twice.sequential.hours == pytest.approx(1.5 * twice.sequential.trainings)
    assert twice.fixed.found > once.fixed.found + 0.1
    with pytest.raises(EcrnnError, match="not both"):
        plan_study(study.settings(), difference=0.02, sd=0.01, variances=Path("study"))


@pytest.fixture
def no_timing(monkeypatch):
    """A plan that is refused is refused before anything is timed."""

    def time_training(*of_training):
        raise AssertionError("timed")

    monkeypatch.setattr("ecrnn.studies.planning.time_training", time_training)


@pytest.mark.parametrize(
    ("changes", "options", "line"),
    [
        ({}, {"difference": 0.0}, "difference must be above 0, got 0"),
        ({}, {"difference": 1.5}, "no two models differ by 150 points, at most 100"),
        ({}, {"difference": 0.01, "sd": 1e298}, "no two models differ with an SD of 1e.300 points, at most 100"),
        ({"models": ["cnn"]}, {"difference": 0.01}, "needs at least two; name them with --models"),
        ({"baseline": "mlp"}, {"difference": 0.01}, "unknown baseline 'mlp'"),
        ({"repeats": 2}, {"difference": 0.01, "sd": 0.01}, "repeats must be at least 3, got 2"),
    ],
)
def test_what_cannot_be_planned(study, no_timing, changes, options, line):
    with pytest.raises(EcrnnError, match=line):
        plan_study(study.settings(**changes), **options)


def test_a_data_sets_own_part_is_no_repeat(study, no_timing, folder):
    with pytest.raises(EcrnnError, match="needs random splits or folds"):
        plan_study(study.settings(split="own", val=str(folder)), difference=0.01)


def test_what_is_compared_is_what_the_study_compares(study, an_hour_each):
    """Of named pairs the first model of the last one differs; models of no pair are not trained."""
    settings = study.settings(models=("cnn", "ecnn", "majority"), repeats=10, pairs=(("ecnn", "cnn"),))
    plan = plan_study(settings, difference=0.05, sd=0.01)
    assert (plan.pairs, plan.differing) == ((("ecnn", "cnn"),), "ecnn")
    assert plan.fixed.trainings == 20
