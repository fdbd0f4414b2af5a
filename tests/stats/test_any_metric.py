"""Comparisons by metrics other than accuracy: values, the way verdicts turn, and what sentences say."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import (
    BITS,
    BLEU,
    CER,
    bayesian_correlated_t,
    bootstrap_difference,
    compare,
    corrected_resampled_t,
    equivalence,
    probability_better,
    verdict,
)

N_TRAIN, N_TEST = 700, 300


def bits(values, repeats=10, seed=0, n=N_TEST):
    """Models of given bits a character, on blocks of 100 characters that are hard for all."""
    rng = np.random.default_rng(seed)
    hardness = rng.normal(0, 0.1, (repeats, n))
    nats = {m: (value + hardness + rng.normal(0, 0.02, (repeats, n))) * 100 * np.log(2) for m, value in values.items()}
    return {m: {r: np.stack([own[r], np.full(n, 100)], axis=1) for r in range(repeats)} for m, own in nats.items()}


def edits(rates, repeats=10, seed=0, n=N_TEST):
    """Models of given character error rates, on lines of 1 to 30 characters."""
    rng = np.random.default_rng(seed)
    characters = rng.integers(1, 31, (repeats, n))
    return {
        m: {r: np.stack([rng.binomial(own, rate), own], axis=1) for r, own in enumerate(characters)}
        for m, rate in rates.items()
    }


def test_where_lower_is_better_the_better_model_is_better():
    scores = bits({"rnn": 1.60, "gru": 1.50})
    pair = compare(scores, N_TRAIN, N_TEST, metric=BITS).pairs[0]
    differences = [BITS.value(scores["gru"][r]) - BITS.value(scores["rnn"][r]) for r in range(10)]
    assert pair.test == corrected_resampled_t(differences, N_TRAIN, N_TEST)
    assert pair.difference == pytest.approx(-0.1, abs=0.01)
    gains = [-difference for difference in differences]
    assert pair.posterior == bayesian_correlated_t(gains, N_TRAIN, N_TEST, 0.01)
    assert pair.probability == probability_better(gains)
    assert (pair.verdict, pair.probability.estimate) == ("better", 1.0)
    assert pair.posterior.better > 0.99
    turned = compare(scores, N_TRAIN, N_TEST, metric=BITS, baseline="gru").pairs[0]
    assert (turned.model_a, turned.verdict, turned.probability.estimate) == ("rnn", "worse", 0.0)
    assert turned.difference == -pair.difference
    assert pair.smallest_detectable == turned.smallest_detectable < 0.1


def test_verdict_turns_with_the_metric_and_equivalence_does_not():
    differences = [0.1, 0.11, 0.09, 0.1]
    test = corrected_resampled_t(differences, 700, 300)
    assert verdict(test, 0.01, equivalence(test, 0.005)) == "better"
    assert verdict(test, 0.01, equivalence(test, 0.005), higher_is_better=False) == "worse"
    assert verdict(test, 0.01, equivalence(test, 1), higher_is_better=False) == "equivalent"


def test_scores_are_the_metric_over_the_examples_and_not_bounded():
    scores = bits({"a": 3.7, "b": 3.7})
    comparison = compare(scores, N_TRAIN, N_TEST, metric=BITS)
    assert comparison.models[0].scores == tuple(BITS.value(own) for own in scores["a"].values())
    assert comparison.models[0].summary.mean == pytest.approx(3.7, abs=0.05)
    assert (comparison.metric, comparison.rope) == ("bits", BITS.rope)
    assert compare(scores, N_TRAIN, N_TEST, metric=BITS, rope=0.3).rope == 0.3
    assert comparison.pairs[0].image_test is None
    json.dumps(dataclasses.asdict(comparison), allow_nan=False)


def test_sentences_say_bits():
    pair = compare(bits({"rnn": 1.60, "gru": 1.50}), N_TRAIN, N_TEST, metric=BITS).pairs[0]
    pattern = (
        r"gru is better than rnn by (0\.\d{4}) bits \(95 % interval (0\.\d{4}) to (0\.\d{4}), "
        r"corrected resampled t, Holm-adjusted p < 0\.001, 10 repeats\)\."
    )
    size, low, high = map(float, re.fullmatch(pattern, pair.sentence).groups())
    assert low < size < high
    assert size == pytest.approx(abs(pair.difference), abs=5e-5)
    same = bits({"a": 1.5}, repeats=3)["a"]
    alike = compare({"a": same, "b": same}, N_TRAIN, N_TEST, metric=BITS).pairs[0]
    assert alike.sentence.startswith("b and a are equivalent, within 0.01 bits by two one-sided tests (")
    one = compare(bits({"a": 1.5, "b": 1.3}, repeats=1), N_TRAIN, N_TEST, metric=BITS).pairs[0]
    assert re.fullmatch(
        r"No verdict on b against a from 1 of at least 3 repeats: b is lower by 0\.2\d\d bits\.", one.sentence
    )


def test_sentences_say_points_of_an_error_rate():
    pair = compare(edits({"a": 0.20, "b": 0.15}), N_TRAIN, N_TEST, metric=CER).pairs[0]
    assert pair.verdict == "better"
    assert re.match(
        r"b is better than a by [45]\.\d points of character error rate \(95 % interval [2-5]\.\d to [4-7]\.\d, ",
        pair.sentence,
    )


@pytest.mark.parametrize(("metric", "make", "values"), [(BITS, bits, (1.3, 1.2)), (CER, edits, (0.3, 0.2))])
def test_one_trained_model_each_on_a_fixed_test_set(metric, make, values):
    models = dict(zip("ab", values, strict=True))
    scores = make(models, repeats=1)
    options = {"metric": metric, "fixed_test": True, "noun": "blocks"}
    comparison = compare(scores, N_TRAIN, N_TEST, **options)
    pair = comparison.pairs[0]
    assert pair.image_interval == bootstrap_difference(scores["b"][0], scores["a"][0], metric)
    assert pair.image_interval.high < 0
    assert (pair.mcnemar, pair.image_test, pair.verdict, pair.test) == (None, None, None, None)
    assert "on this test set b is lower by" in pair.sentence
    assert ", bootstrap over 300 blocks), which says nothing about training again." in pair.sentence
    assert comparison.warnings[0].startswith("One trained model each: the blocks say nothing")
    repeated = compare(make(models), N_TRAIN, N_TEST, **options)
    assert "are over seeds and test blocks, and say nothing about other training blocks" in repeated.warnings[0]
    assert repeated.pairs[0].test.method == "crossed t"
    assert ", crossed t over seeds and blocks, Holm-adjusted p" in repeated.pairs[0].sentence


def test_equal_differences_are_taken_with_caution():
    """No error in any repeat: as many lines as there are decide whether that is evidence."""
    right = np.stack([np.zeros(100), np.full(100, 5)], axis=1)
    few = compare({"a": [right[:20]] * 3, "b": [right[:20]] * 3}, 40, 20, metric=CER).pairs[0]
    assert (few.verdict, few.test.p, few.test.statistic) == ("undecided", 1.0, 0.0)
    much = np.concatenate([right] * 100)
    many = compare({"a": [much] * 3, "b": [much] * 3}, 20_000, 10_000, metric=CER).pairs[0]
    assert (many.verdict, many.test.p) == ("equivalent", 1.0)


def test_accuracy_takes_statistics_as_well_as_correctness():
    rng = np.random.default_rng(0)
    right = {model: [rng.random(50) < share for _ in range(3)] for model, share in (("a", 0.5), ("b", 0.8))}
    rows = {m: [np.stack([own, np.ones(50)], axis=1) for own in repeats] for m, repeats in right.items()}
    assert compare(rows, 100, 50) == compare(right, 100, 50)
    first = {model: own[:1] for model, own in rows.items()}
    assert compare(first, 100, 50, fixed_test=True).pairs[0].mcnemar is not None
    words = {m: [np.stack([2 * own, np.full(50, 3)], axis=1) for own in repeats] for m, repeats in right.items()}
    pair = compare(words, 100, 50).pairs[0]  # right words of three: a share, but no coin
    assert pair.image_test is None
    assert pair.test is not None


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        (
            {"a": [np.ones(4)] * 3},
            r"scores of a in repeat 0 of BLEU should have the shape \(n, 10\): matches_1, .* \(4,\)",
        ),
        ({"a": [np.ones((4, 2))]}, r"should have the shape \(n, 10\).*, got \(4, 2\)"),
        ({"a": [-np.ones((4, 10))]}, "scores of a in repeat 0 of BLEU must not be negative"),
        ({"a": [np.full((4, 10), np.inf)]}, "scores of a in repeat 0 must be finite"),
        ({"a": [np.ones((4, 10))], "b": [np.ones((5, 10))]}, "got 4 of a and 5 of b in repeat 0"),
    ],
)
def test_scores_that_are_not_the_metrics(scores, line):
    with pytest.raises(EcrnnError, match=line):
        compare(scores, 10, 4, metric=BLEU)


def test_no_interval_goes_beyond_what_can_be():
    apart = {"a": [np.zeros(10)] * 2 + [np.ones(10)], "b": [np.ones(10)] * 2 + [np.zeros(10)]}
    found = compare(apart, 20, 10)
    pair = found.pairs[0]
    assert (pair.test.low, pair.test.high) == (-1.0, 1.0)
    assert pair.smallest_detectable is None, "more than the largest difference that there can be"
    assert "interval -100.0 to 100.0" in pair.sentence
    for own in found.models:
        assert 0 < own.summary.low < 1e-3
        assert 0.999 < own.summary.high < 1
    wild = compare(edits({"a": 0.9, "b": 0.01}, repeats=2), 20, 300, metric=CER)
    assert wild.models[0].summary.low >= 0.0


def test_a_metric_without_units_is_named():
    metric = dataclasses.replace(CER, name="score", title="my score", unit="", points="", scale=1.0)
    pair = compare(edits({"a": 0.20, "b": 0.15}), N_TRAIN, N_TEST, metric=metric).pairs[0]
    assert re.match(r"b is better than a by 0\.0\d+ of my score \(95 % interval 0\.0\d+ to 0\.0\d+, ", pair.sentence)
    assert "  " not in pair.sentence


@pytest.mark.parametrize("name", ["n_train", "n_test"])
def test_sizes_are_whole_numbers(name):
    with pytest.raises(EcrnnError, match=f"{name} must be a whole number, got 10.5"):
        compare(edits({"a": 0.2, "b": 0.1}), **({"n_train": 20, "n_test": 10} | {name: 10.5}), metric=CER)
