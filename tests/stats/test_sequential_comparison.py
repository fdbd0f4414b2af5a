"""One study under a plan: what waits, what was looked at, and that it does not matter when one looks."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import ACCURACY, BITS
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.sequential import SequentialPlan
from ecrnn.stats.sequential_comparison import compare_sequentially

PLAN = SequentialPlan(usual_looks(6), n_train=700, n_test=300, rope=0.005)
PAIRS = (("b", "a"), ("c", "a"))


def scores(seed=0, means=(0.7, 0.7, 0.8), sd=0.005, repeats=6):
    rng = np.random.default_rng(seed)
    return {name: dict(enumerate(rng.normal(mean, sd, repeats))) for name, mean in zip("abc", means, strict=True)}


def trained(full, trials):
    """The scores of ``trials`` alone."""
    return {model: {r: s for r, s in of.items() if (model, r) in trials} for model, of in full.items()}


def carried_out(full, plan=PLAN, failed=()):
    """Train what waits until nothing does; gives the trials in their order and the last comparison."""
    done, comparison = [], compare_sequentially({}, PAIRS, plan, metric=ACCURACY)
    while comparison.waiting:
        done += comparison.waiting
        known = trained(full, set(done) - set(failed))
        comparison = compare_sequentially(known, PAIRS, plan, metric=ACCURACY, failed=set(done) & set(failed))
    return done, comparison


def test_only_models_of_open_pairs_are_trained_on():
    done, comparison = carried_out(scores())
    first, second = comparison.pairs
    assert (first.verdict, first.closed) == ("undecided", "given up")
    assert (second.verdict, second.closed) == ("better", "decided")
    assert first.looks[-1].repeats < second.looks[-1].repeats < 6
    count = {model: sum(model == of for of, _ in done) for model in "abc"}
    assert count["b"] == first.looks[-1].repeats
    assert count["a"] == count["c"] == second.looks[-1].repeats
    assert done[:9] == [(model, repeat) for repeat in range(3) for model in "bac"]


def test_whoever_looks_in_between_changes_nothing():
    """At every prefix of the trainings the decisions are those that the study itself has taken by then."""
    full = scores(seed=5)
    done, last = carried_out(full)
    for count in range(len(done) + 1):
        now = compare_sequentially(trained(full, done[:count]), PAIRS, PLAN, metric=ACCURACY)
        for pair, final in zip(now.pairs, last.pairs, strict=True):
            assert pair.verdict in (None, final.verdict)
            assert [look.difference for look in pair.looks] == [
                look.difference for look in final.looks[: len(pair.looks)]
            ]
        if count < len(done):
            assert now.waiting
            assert now.waiting[0] in done[count:]
            assert set(now.waiting) <= set(done[count:])


def test_more_repeats_than_the_look_wants_are_not_looked_at():
    full = scores(means=(0.7, 0.7, 0.7))
    full["c"] = {}
    comparison = compare_sequentially(full, PAIRS, PLAN, metric=ACCURACY)
    assert comparison.waiting == (("c", 0), ("c", 1), ("c", 2))
    assert [pair.looks for pair in comparison.pairs] == [(), ()]


def test_a_failed_training_puts_off_the_looks_of_its_pairs():
    full = scores(means=(0.7, 0.7, 0.7), sd=0.05)
    plan = SequentialPlan(PLAN.looks, 700, 300, rope=0.005, slack=1e9)
    done, comparison = carried_out(full, plan, failed=[("b", 1)])
    without, whole = comparison.pairs
    assert [look.repeats for look in without.looks] == [3, 4, 5]
    assert [look.repeats for look in whole.looks] == [3, 4, 5, 6]
    assert without.closed == whole.closed == "last look"
    kept = [full["b"][r] - full["a"][r] for r in (0, 2, 3)]
    assert without.looks[0].difference == pytest.approx(np.mean(kept))
    assert len(done) == 18  # of each model six were begun


def test_a_pair_that_never_had_a_look_is_undecided():
    failed = [("c", repeat) for repeat in range(4)]
    _, comparison = carried_out(scores(sd=0.05), SequentialPlan(PLAN.looks, 700, 300, 0.005, slack=1e9), failed)
    assert comparison.pairs[1].looks == ()
    assert (comparison.pairs[1].verdict, comparison.pairs[1].closed) == ("undecided", "last look")


def test_lower_is_better():
    bits = {model: {r: 10 * s for r, s in of.items()} for model, of in scores().items()}
    comparison = compare_sequentially(bits, PAIRS, PLAN, metric=BITS)
    assert comparison.pairs[1].looks[-1].difference > 0
    assert comparison.pairs[1].verdict == "worse"


def test_repeats_are_counted_from_the_first_of_the_study():
    full = {model: {r + 10: s for r, s in of.items()} for model, of in scores().items()}
    moved = compare_sequentially(full, PAIRS, PLAN, metric=ACCURACY, first_repeat=10)
    assert moved == compare_sequentially(scores(), PAIRS, PLAN, metric=ACCURACY)
    assert compare_sequentially({}, PAIRS, PLAN, metric=ACCURACY, first_repeat=10).waiting[0] == ("b", 10)


def test_boundaries_in_values_of_the_metric():
    """A difference beyond the boundary is what Holm's procedure rejects: at alpha for the second of two."""
    comparison = compare_sequentially(scores(), PAIRS, PLAN, metric=ACCURACY)
    first, second = comparison.pairs
    look = second.looks[-1]
    assert abs(look.difference) > look.boundary
    error = look.sd * np.sqrt(1 / look.repeats + 3 / 7)
    at = PLAN.looks.index(look.repeats)
    level = PLAN.boundaries.level(0.05 / 2, at)
    assert look.boundary == pytest.approx(scipy_stats.t.isf(level / 2, look.repeats - 1) * error)
    assert (look.low, look.high) == pytest.approx(
        look.difference
        + np.array([-1, 1]) * scipy_stats.t.isf(PLAN.boundaries.level(0.05, at) / 2, look.repeats - 1) * error
    )
    assert (
        first.looks[0].boundary_equivalent is None
    )  # three repeats never show equality to half a point at this spread


def test_a_study_without_pairs():
    with pytest.raises(EcrnnError, match="at least one pair"):
        compare_sequentially({}, (), PLAN, metric=ACCURACY)


def test_no_repeated_interval_goes_beyond_what_can_be():
    """Accuracies of 0 and 1 differ by 1 at most; values in bits have no bounds."""
    noisy = {"a": {0: 0.0, 1: 1.0, 2: 0.1}, "b": {0: 1.0, 1: 0.0, 2: 0.9}, "c": {0: 0.5, 1: 0.9, 2: 0.1}}
    for pair in compare_sequentially(noisy, PAIRS, PLAN, metric=ACCURACY).pairs:
        assert [(look.low, look.high) for look in pair.looks] == [(-1.0, 1.0)]
    for pair in compare_sequentially(noisy, PAIRS, PLAN, metric=BITS).pairs:
        assert pair.looks[0].low < -3
        assert pair.looks[0].high > 3
