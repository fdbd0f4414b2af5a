"""Pairs of models over data sets, put together from what has oracles of its own."""

import dataclasses
import json
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.stats import (
    ACCURACY,
    BITS,
    Comparison,
    compare_across,
    compare_scores,
    corrected_resampled_t,
    holm,
    mean_ranks,
    random_effects,
    wilcoxon,
)

EFFECTS = {"a": 0.0, "b": 0.02, "c": 0.0}


def study(
    data_sets: int, repeats: int = 3, *, seed: int = 0, effects: dict[str, float] = EFFECTS, between: float = 0.01
) -> dict[str, Comparison]:
    rng = np.random.default_rng(seed)
    found = {}
    for d in range(data_sets):
        level = rng.uniform(0.5, 0.9)
        scores = {
            model: dict(
                enumerate(level + effect + between * rng.standard_normal() + 0.005 * rng.standard_normal(repeats))
            )
            for model, effect in effects.items()
        }
        found[f"set {d}"] = compare_scores(scores, 700 + 100 * d, 300, metric=ACCURACY)
    return found


def differences(comparisons: dict[str, Comparison], a: str, b: str) -> np.ndarray:
    scores = [{one.model: np.mean(one.scores) for one in c.models} for c in comparisons.values()]
    return np.array([own[a] - own[b] for own in scores])


def test_every_figure_is_that_of_its_own_function():
    comparisons = study(9)
    across = compare_across(comparisons)
    assert [(pair.model_a, pair.model_b) for pair in across.pairs] == [("b", "a"), ("c", "a"), ("c", "b")]
    for pair in across.pairs:
        d = differences(comparisons, pair.model_a, pair.model_b)
        assert [one.difference for one in pair.data_sets] == pytest.approx(d)
        errors = np.array([one.standard_error for one in pair.data_sets])
        expected = dataclasses.asdict(random_effects(d, errors**2, widest=1.0))
        assert dataclasses.asdict(pair.effects) == pytest.approx(expected)
        assert pair.effects.p == pytest.approx(scipy_stats.ttest_1samp(d, 0.0).pvalue)
        assert pair.wilcoxon == wilcoxon(d)
    assert [pair.p_holm for pair in across.pairs] == pytest.approx(holm([pair.effects.p for pair in across.pairs]))
    ranks = multipletests([pair.wilcoxon.p for pair in across.pairs], method="holm")[1]
    assert [pair.wilcoxon_holm for pair in across.pairs] == pytest.approx(ranks)
    assert [pair.verdict for pair in across.pairs] == ["better", "undecided", "worse"]
    assert across.pairs[0].signed_rank.better > 0.95
    assert across.pairs[0].hierarchical.new.better > 0.7
    assert across.ranks == mean_ranks(
        {m: [np.mean(one.scores) for c in comparisons.values() for one in c.models if one.model == m] for m in "abc"}
    )
    assert json.dumps(dataclasses.asdict(across), allow_nan=False)


def test_a_data_set_has_the_interval_of_its_own_comparison():
    comparisons = study(3)
    for pair in compare_across(comparisons).pairs:
        for one in pair.data_sets:
            own = next(
                p for p in comparisons[one.data_set].pairs if (p.model_a, p.model_b) == (pair.model_a, pair.model_b)
            )
            assert (one.difference, one.low, one.high) == pytest.approx((own.difference, own.test.low, own.test.high))
    reversed_ = compare_across(comparisons, pairs=[("a", "b")]).pairs[0].data_sets[0]
    own = comparisons["set 0"].pairs[0]
    assert (reversed_.low, reversed_.high) == pytest.approx((-own.test.high, -own.test.low))


def test_repeats_that_only_one_model_has_do_not_count():
    comparisons = study(2)
    scores = {"a": {0: 0.5, 1: 0.6, 2: 0.7}, "b": {1: 0.7, 2: 0.9, 3: 0.1}}
    comparisons["set 1"] = compare_scores(scores, 70, 30, metric=ACCURACY)
    one = compare_across(comparisons, pairs=[("b", "a")]).pairs[0].data_sets[1]
    assert (one.repeats, one.difference) == (2, pytest.approx(0.15))
    assert one.standard_error == pytest.approx(corrected_resampled_t([0.1, 0.2], 70, 30).standard_error)
    assert one.high == 1.0  # no further than a difference can


def test_two_one_sided_tests_by_hand():
    comparisons = study(9, effects={"a": 0.0, "b": 0.0}, between=0.0005)
    (pair,) = compare_across(comparisons, rope=0.01).pairs
    d = differences(comparisons, "b", "a")
    p = max(
        scipy_stats.ttest_1samp(d, -0.01, alternative="greater").pvalue,
        scipy_stats.ttest_1samp(d, 0.01, alternative="less").pvalue,
    )
    assert pair.p_equivalent == pytest.approx(p)
    assert pair.verdict == "equivalent"
    assert pair.sentence.startswith("b and a are equivalent on average over 9 data sets: b is ")
    assert compare_across(comparisons, rope=0.0).pairs[0].verdict == "undecided"


def test_lower_is_better():
    rng = np.random.default_rng(0)
    comparisons = {
        f"text {d}": compare_scores(
            {"a": 2 + rng.normal(0, 0.01, 3), "b": 1.9 + rng.normal(0, 0.01, 3)}, 9, 1, metric=BITS
        )
        for d in range(8)
    }
    across = compare_across(comparisons)
    assert across.pairs[0].verdict == "better"
    assert across.pairs[0].effects.mean == pytest.approx(-0.1, abs=0.02)
    assert across.pairs[0].signed_rank.better == 1
    assert across.pairs[0].improvement.estimate == 1
    assert across.ranks.models == ("b", "a")


def test_few_data_sets_are_told():
    two, five, eight = (compare_across(study(n)) for n in (2, 5, 8))
    assert [pair.verdict for pair in two.pairs] == [None] * 3
    assert two.pairs[0].sentence.startswith("No verdict on b against a from 2 data sets: b is higher by ")
    assert two.warnings[0] == "Only 2 data sets in common: no verdict below 3."
    assert "Wilcoxon's test cannot decide anything here: with 3 pairs it wants 7 data sets or more." in five.warnings
    assert min(pair.wilcoxon_holm for pair in five.pairs) >= 0.05
    assert five.ranks is None
    assert five.no_ranks.startswith("No diagram of mean ranks: 5 data sets are fewer than 8")
    assert eight.ranks is not None
    assert eight.warnings == ()
    assert two.pairs[0].hierarchical is None


def test_a_model_that_is_missing_on_a_data_set():
    comparisons = study(8)
    scores = {"a": [0.5, 0.6], "b": [0.6, 0.7]}
    comparisons["set 7"] = compare_scores(scores, 70, 30, metric=ACCURACY)
    across = compare_across(comparisons)
    assert across.warnings[0] == "c has no finished repeat on set 7; its pairs leave these out."
    assert [len(pair.data_sets) for pair in across.pairs] == [8, 7, 7]
    assert across.no_ranks == "No diagram of mean ranks: c is not finished on every data set."


def test_single_repeats_are_compared_without_their_noise():
    across = compare_across(study(8, repeats=1), baseline="a")
    pair = across.pairs[0]
    assert pair.effects.between_sd is None
    assert pair.hierarchical is None
    assert pair.verdict == "better"
    assert across.warnings[0].startswith("The noise of a training on set 0, set 1, set 2, ")


def test_the_noise_of_a_fixed_test_set_is_not_that_of_splits():
    comparisons = study(4)
    comparisons["own"] = compare_scores({"a": [0.5, 0.6], "b": [0.6, 0.65]}, 700, 300, metric=ACCURACY, fixed_test=True)
    one = compare_across(comparisons, pairs=[("b", "a")]).pairs[0].data_sets[4]
    known = next(pair for pair in comparisons["own"].pairs).test
    assert one.standard_error == (known.standard_error if known else None)


def test_models_that_say_the_same_everywhere():
    same = {f"set {d}": compare_scores({"a": [0.5, 0.6], "b": [0.5, 0.6]}, 70, 30, metric=ACCURACY) for d in range(4)}
    pair = compare_across(same).pairs[0]
    assert (pair.effects.mean, pair.effects.p, pair.wilcoxon.p) == (0, 1, 1)
    single = {f"set {d}": compare_scores({"a": [0.5], "b": [0.5]}, 70, 30, metric=ACCURACY) for d in range(4)}
    pair = compare_across(single).pairs[0]
    assert (pair.effects, pair.verdict) == (None, None)
    assert pair.sentence == "b and a differ by the same on all 4 data sets with one repeat each, so nothing is tested."


def test_moderators_that_were_named():
    comparisons = study(6)
    sizes = {name: math.log(c.n_train) for name, c in comparisons.items()}
    across = compare_across(comparisons, moderators={"log n": sizes})
    (slope,) = across.pairs[0].slopes
    line = scipy_stats.linregress(list(sizes.values()), differences(comparisons, "b", "a"))
    assert (slope.slope, slope.p) == (pytest.approx(line.slope), pytest.approx(line.pvalue))
    assert across.moderators == ("log n",)
    assert compare_across(comparisons).pairs[0].slopes == ()


def test_what_is_refused():
    comparisons = study(3)
    with pytest.raises(EcrnnError, match=r"^a comparison across data sets wants two of them or more, got 1$"):
        compare_across({"set 0": comparisons["set 0"]})
    with pytest.raises(UnknownNameError, match="baseline"):
        compare_across(comparisons, baseline="z")
    with pytest.raises(EcrnnError, match=r"^the moderator classes has no value for set 2$"):
        compare_across(comparisons, moderators={"classes": {"set 0": 2, "set 1": 3}})
    bits = compare_scores({"a": [2.0, 2.1], "b": [1.9, 1.8]}, 9, 1, metric=BITS)
    with pytest.raises(
        EcrnnError, match=r"^set 0 is compared by accuracy and texts by bits; all data sets want one score"
    ):
        compare_across({**comparisons, "texts": bits})
