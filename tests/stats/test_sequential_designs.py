"""What a plan costs and finds: the known power of the fixed test, and the savings that the plan is there for."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import detection_power, repeats_needed
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.sequential import SequentialPlan
from ecrnn.stats.sequential_designs import fixed, least_repeats, simulate_plan

PLAN = SequentialPlan(usual_looks(10), n_train=700, n_test=300, rope=0.0)
ONE = [(1, 0)]


def test_the_fixed_design_has_the_power_of_the_noncentral_t():
    found = simulate_plan(fixed(PLAN), [0, 2.0], ONE, sd=1.0, studies=10_000)
    assert found.found == pytest.approx(detection_power(2.0, 1.0, 10, 700, 300), abs=0.015)
    assert found.trainings == 20
    assert found.false_difference == 0


@pytest.mark.parametrize(("effect", "most"), [(0, 0.6), (4, 0.6)])
def test_two_fifths_of_the_trainings_are_saved_at_no_difference_and_at_a_large_one(effect, most):
    outcome = simulate_plan(PLAN, [0, effect], ONE, sd=1.0, studies=4000)
    assert outcome.trainings < most * 20
    assert outcome.found is None if effect == 0 else outcome.found > 0.98


def test_three_models_share_the_trainings_of_their_pairs():
    """A model is trained as long as one of its pairs is open."""
    pairs = list(combinations(range(3), 2))
    outcome = simulate_plan(PLAN, [0, 0, 4.0], pairs, sd=1.0, studies=2000)
    alone = simulate_plan(PLAN, [0, 0, 4.0], [(2, 0), (2, 1)], sd=1.0, studies=2000)
    assert 9 < alone.trainings < outcome.trainings < 30
    assert outcome.false_difference < 0.05 + 0.015


def test_equal_models_at_a_wide_region_are_equivalent():
    outcome = simulate_plan(replace(PLAN, rope=3.0), [0, 0], ONE, sd=1.0, studies=2000)
    assert outcome.equivalent > 0.9
    assert outcome.false_equivalent == 0


def test_less_correlation_than_assumed_errs_less():
    assumed, less = (simulate_plan(PLAN, [0, 0], ONE, sd=1, correlation=r, studies=4000) for r in (None, 0.02))
    assert less.false_difference < 0.015
    assert assumed.false_difference > 0.04


def test_studies_come_in_portions_that_change_nothing_but_memory(monkeypatch):
    monkeypatch.setattr("ecrnn.stats.sequential_designs._VALUES_AT_ONCE", 10_000)
    outcome = simulate_plan(PLAN, [0, 2.0], ONE, sd=1.0, studies=2500)
    assert outcome.studies == 2500
    assert outcome.found == pytest.approx(0.63, abs=0.04)
    assert np.isfinite(outcome.trainings)


@pytest.mark.parametrize("settings", [{"pairs": []}, {"pairs": ONE, "correlation": 1.0}])
def test_settings_that_are_none(settings):
    with pytest.raises(EcrnnError, match="at least one pair and a correlation from 0 to below 1"):
        simulate_plan(PLAN, [0, 1], sd=1.0, **settings)


def test_the_least_repeats_that_find_a_difference():
    """The fixed design's are those of the noncentral t; the sequential one takes as many or a few more."""
    fixed_one, sequential = least_repeats(PLAN, [0, 2.5], ONE, sd=1.0)
    assert fixed_one in range(repeats_needed(2.5, 1.0, 700, 300) - 1, repeats_needed(2.5, 1.0, 700, 300) + 2)
    assert fixed_one <= sequential <= fixed_one + 3
    assert least_repeats(PLAN, [0, 0.3], ONE, sd=1.0) == (None, None)
