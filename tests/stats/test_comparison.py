"""The whole comparison: pairs, pairing, verdicts, sentences, and JSON."""

import dataclasses
import json
import re

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.stats import (
    ACCURACY,
    compare,
    compare_scores,
    corrected_resampled_t,
    equivalence,
    holm,
    mcnemar,
    paper_test,
    repeats_needed,
    seeds_needed,
)

N_TRAIN, N_TEST = 700, 300


def study(accuracies, repeats=10, seed=0, n=N_TEST):
    """Models of given accuracies that find the same images hard, so that pairing matters."""
    rng = np.random.default_rng(seed)
    hardness = [rng.random(n) for _ in range(repeats)]
    return {
        model: {r: (hard + rng.normal(0, 0.02, n)) < accuracy for r, hard in enumerate(hardness)}
        for model, accuracy in accuracies.items()
    }


@pytest.fixture(scope="module")
def three():
    scores = study({"cnn": 0.70, "crnn-lstm-16": 0.701, "ecrnn-lstm-16": 0.80})
    return scores, compare(scores, N_TRAIN, N_TEST)


def test_pairs_are_later_against_earlier(three):
    _, comparison = three
    assert [(pair.model_a, pair.model_b) for pair in comparison.pairs] == [
        ("crnn-lstm-16", "cnn"),
        ("ecrnn-lstm-16", "cnn"),
        ("ecrnn-lstm-16", "crnn-lstm-16"),
    ]
    assert [model.model for model in comparison.models] == ["cnn", "crnn-lstm-16", "ecrnn-lstm-16"]
    assert comparison.repeats == tuple(range(10))
    assert comparison.warnings == ()


def test_pairs_that_are_named_are_compared_alone(three):
    scores, every = three
    named = [("ecrnn-lstm-16", "cnn"), ("cnn", "crnn-lstm-16")]
    comparison = compare(scores, N_TRAIN, N_TEST, pairs=named)
    assert [(pair.model_a, pair.model_b) for pair in comparison.pairs] == named
    assert [model.model for model in comparison.models] == list(scores)
    tests = [pair.test for pair in comparison.pairs]
    assert tests[0] == every.pairs[1].test
    assert tests[1].difference == -every.pairs[0].test.difference
    assert [pair.p_holm for pair in comparison.pairs] == holm([test.p for test in tests]).tolist()
    assert compare(scores, N_TRAIN, N_TEST, pairs=[]).pairs == ()


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"pairs": [("cnn", "cnnn")]}, r"unknown model 'cnnn', did you mean 'cnn'\? \(pairs of compare\)"),
        ({"pairs": [("cnn", "cnn")]}, "two different models"),
        ({"pairs": [("cnn", "crnn-lstm-16"), ("crnn-lstm-16", "cnn")]}, "each pair once"),
        ({"pairs": [], "baseline": "cnn"}, "not both"),
    ],
)
def test_pairs_that_cannot_be_compared(three, options, line):
    with pytest.raises(EcrnnError, match=line):
        compare(three[0], N_TRAIN, N_TEST, **options)


def test_every_figure_of_a_pair_is_that_of_its_function(three):
    scores, comparison = three
    a, b = scores["ecrnn-lstm-16"], scores["cnn"]
    pair = comparison.pairs[1]
    differences = [a[r].mean() - b[r].mean() for r in range(10)]
    assert pair.test == corrected_resampled_t(differences, N_TRAIN, N_TEST)
    assert pair.difference == pytest.approx(0.1, abs=0.01)
    assert pair.p_holm == holm([other.test.p for other in comparison.pairs])[1]
    assert pair.p_holm > pair.test.p
    assert pair.posterior.better > 0.99
    assert pair.probability.estimate == 1.0
    assert pair.verdict == "better"
    a_all, b_all = np.concatenate(list(a.values())), np.concatenate(list(b.values()))
    assert pair.image_test == paper_test(a_all.mean(), b_all.mean(), 3000)
    assert pair.smallest_detectable < pair.difference
    assert pair.repeats_needed is None, "no difference was named"
    assert (pair.mcnemar, pair.image_interval) == (None, None)
    assert comparison.pairs[0].verdict in ("undecided", "equivalent")


def test_summaries_of_the_models(three):
    scores, comparison = three
    model = comparison.models[2]
    assert model.scores == tuple(scores["ecrnn-lstm-16"][r].mean() for r in range(10))
    assert model.summary.mean == pytest.approx(np.mean(model.scores))
    assert model.summary.low < model.summary.mean < model.summary.high


def test_sentence_of_better_and_worse(three):
    scores, comparison = three
    better = comparison.pairs[1].sentence
    pattern = (
        r"ecrnn-lstm-16 is better than cnn by (\d+\.\d) points \(95 % interval (\d+\.\d) to (\d+\.\d), "
        r"corrected resampled t, Holm-adjusted p < 0\.001, 10 repeats\)\."
    )
    size, low, high = re.fullmatch(pattern, better).groups()
    assert float(low) < float(size) < float(high)
    assert float(size) == round(100 * comparison.pairs[1].difference, 1)
    turned = compare(scores, N_TRAIN, N_TEST, baseline="ecrnn-lstm-16").pairs[0]
    assert (turned.model_a, turned.verdict) == ("cnn", "worse")
    # The interval is of the size that is named, so it does not change its sign with the word.
    pattern = pattern.replace("ecrnn-lstm-16 is better than cnn", "cnn is worse than ecrnn-lstm-16")
    assert re.fullmatch(pattern, turned.sentence).groups() == (size, low, high)


def test_other_sentences():
    same = study({"a": 0.7})["a"]
    pair = compare({"a": same, "b": same}, N_TRAIN, N_TEST, rope=0.01).pairs[0]
    assert pair.verdict == "equivalent"
    assert pair.test.p == 1.0
    assert re.match(
        r"b and a are equivalent, within 1 point by two one-sided tests \(Holm-adjusted p < 0\.001\): both have the "
        r"same mean accuracy "
        r"\(95 % interval -\d\.\d\d to \d\.\d\d, corrected",
        pair.sentence,
    )
    noisy = compare(study({"a": 0.7, "b": 0.702}, repeats=3, n=60, seed=3), 140, 60).pairs[0]
    assert noisy.verdict == "undecided"
    assert re.match(r"b against a is undecided: b is (higher|lower) by \d\.\d points \(95 %", noisy.sentence)
    two = compare(study({"a": 0.7, "b": 0.8}, repeats=2), N_TRAIN, N_TEST).pairs[0]
    assert two.sentence.startswith("No verdict on b against a from 2 of at least 3 repeats: b is higher by ")
    one = compare(study({"a": 0.7, "b": 0.8}, repeats=1), N_TRAIN, N_TEST).pairs[0]
    assert re.fullmatch(
        r"No verdict on b against a from 1 of at least 3 repeats: b is higher by \d+\.\d points\.",
        one.sentence,
    )


def test_equivalence_is_adjusted_over_all_pairs():
    """Eight models as good as a baseline to within half a point, by a p that is small once and not eight times."""
    rng = np.random.default_rng(1)
    base = [rng.random(4000) < 0.7 for _ in range(5)]
    scores = {"base": base}
    for k, name in enumerate("abcdefgh", start=1):
        scores[name] = [right ^ (rng.random(4000) < 0.001 * k) for right in base]
    alone = compare({"base": base, "a": scores["a"]}, 9000, 4000).pairs[0]
    family = compare(scores, 9000, 4000, baseline="base")
    p = [pair.p_equivalent for pair in family.pairs]
    assert alone.p_equivalent == p[0] == equivalence(alone.test, 0.005)
    assert [pair.p_equivalent_holm for pair in family.pairs] == holm(p).tolist()
    assert p[-1] < 0.05 < family.pairs[-1].p_equivalent_holm
    for pair in family.pairs:
        assert (pair.verdict == "equivalent") == (pair.p_equivalent_holm < 0.05)


def test_what_only_the_adjustment_takes_away_is_said():
    # One small lead, many pairs to adjust for.
    scores = {f"m{i}": repeats for i, repeats in enumerate(study(dict.fromkeys("abcdefg", 0.7)).values())}
    rng = np.random.default_rng(99)
    scores["ahead"] = {r: correct | (rng.random(N_TEST) < 0.07) for r, correct in scores["m0"].items()}
    pair = next(p for p in compare(scores, N_TRAIN, N_TEST).pairs if (p.model_a, p.model_b) == ("ahead", "m0"))
    assert pair.test.p < 0.05 < pair.p_holm
    assert pair.verdict == "undecided"
    assert re.search(r"Holm-adjusted p = \d\.\d+ \(p = 0\.0\d\d before\), 10 repeats\)\.$", pair.sentence)


def test_significant_but_small_says_so():
    rng = np.random.default_rng(0)
    n = 100_000
    base = [rng.random(n) < 0.7 for _ in range(5)]
    ahead = [correct.copy() for correct in base]
    for repeat, correct in enumerate(ahead):
        correct[np.flatnonzero(~correct)[: 200 + repeat]] = True  # 0.2 points ahead, nearly the same each time
    pair = compare({"a": base, "b": ahead}, 233_333, n).pairs[0]
    assert pair.p_holm < 0.001
    assert pair.verdict == "equivalent"
    assert "significant, but too small to matter: b is higher by 0.20 points" in pair.sentence


def test_baseline_restricts_the_pairs_and_the_adjustment(three):
    scores, comparison = three
    against = compare(scores, N_TRAIN, N_TEST, baseline="cnn")
    assert [(pair.model_a, pair.model_b) for pair in against.pairs] == [
        ("crnn-lstm-16", "cnn"),
        ("ecrnn-lstm-16", "cnn"),
    ]
    assert against.baseline == "cnn"
    assert against.pairs[1].p_holm < comparison.pairs[1].p_holm
    assert against.pairs[1].smallest_detectable < comparison.pairs[1].smallest_detectable


def test_pairs_use_the_repeats_that_both_have():
    scores = study({"a": 0.7, "b": 0.75, "c": 0.8}, repeats=6)
    del scores["a"][0], scores["b"][5]
    scores["c"] = {}
    comparison = compare(scores, N_TRAIN, N_TEST)
    assert comparison.pairs[0].repeats == (1, 2, 3, 4)
    assert comparison.pairs[0].test.n == 4
    assert comparison.models[0].repeats == (1, 2, 3, 4, 5)
    assert comparison.models[2].summary is None
    assert comparison.pairs[1].sentence == "c and a share no finished repeat, so there is nothing to compare."
    assert comparison.pairs[1].difference is None
    assert "a, b have finished 5 of 6 repeats; their pairs use those shared." in comparison.warnings
    assert "c has finished 0 of 6 repeats; its pairs use those shared." in comparison.warnings
    json.dumps(dataclasses.asdict(comparison), allow_nan=False)


def test_pairing_is_real():
    """A hard repeat is hard for all: shuffling the repeats of one model hides the difference."""
    rng = np.random.default_rng(1)
    levels = np.linspace(0.5, 0.9, 10)
    base = [rng.random(N_TEST) < level for level in levels]
    ahead = [correct.copy() for correct in base]
    for correct in ahead:
        correct[np.flatnonzero(~correct)[: rng.integers(10, 15)]] = True  # 3 to 5 points
    paired = compare({"a": base, "b": ahead}, N_TRAIN, N_TEST).pairs[0]
    shuffled = compare({"a": base, "b": ahead[::-1]}, N_TRAIN, N_TEST).pairs[0]
    assert paired.difference == pytest.approx(shuffled.difference)
    assert (paired.verdict, shuffled.verdict) == ("better", "undecided")


def test_repeats_needed_is_of_a_difference_that_is_named_whatever_was_observed(three):
    scores, _ = three
    comparison = compare(scores, N_TRAIN, N_TEST, difference=0.04)
    assert comparison.named_difference == 0.04
    for pair in comparison.pairs:
        assert pair.repeats_needed == repeats_needed(0.04, pair.test.sd, N_TRAIN, N_TEST, alpha=0.05 / 3)
    a = [[1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]
    one, other = (compare({"a": a, "b": [b] * 3}, 10, 4, difference=0.9).pairs[0] for b in ([1, 0, 0, 0], [0, 0, 0, 0]))
    assert one.difference != other.difference
    assert one.repeats_needed == other.repeats_needed
    test = compare(scores, N_TRAIN, N_TEST, difference=0.2, fixed_test=True).pairs[0]
    shared = max(0.0, test.test.standard_error**2 - test.test.sd**2 / test.test.n)
    assert shared > 0
    assert test.repeats_needed == max(3, seeds_needed(0.2, test.test.sd, shared, N_TEST, alpha=0.05 / 3))


def test_repeats_needed_is_never_below_what_a_verdict_needs():
    scores = {"wrong": [np.zeros(100)] * 3, "right": [np.ones(100)] * 3}
    pair = compare(scores, 233, 100, difference=1.0).pairs[0]
    assert repeats_needed(1.0, pair.test.sd, 233, 100) == 2
    assert pair.repeats_needed == 3
    assert pair.verdict == "better"


def test_sequences_are_numbered_from_zero():
    scores = study({"a": 0.7, "b": 0.8}, repeats=3)
    as_lists = {model: list(repeats.values()) for model, repeats in scores.items()}
    assert compare(as_lists, N_TRAIN, N_TEST) == compare(scores, N_TRAIN, N_TEST)


def test_fixed_test_with_one_trained_model_each():
    scores = study({"a": 0.7, "b": 0.8}, repeats=1)
    comparison = compare(scores, N_TRAIN, N_TEST, fixed_test=True)
    pair = comparison.pairs[0]
    assert pair.mcnemar == mcnemar(scores["b"][0], scores["a"][0])
    assert pair.image_interval.estimate == pytest.approx(pair.difference)
    assert pair.image_interval.low > 0
    assert (pair.verdict, pair.test, pair.p_holm) == (None, None, None)
    assert "on this test set b is higher by" in pair.sentence
    assert "bootstrap over 300 images, McNemar's exact p < 0.001), which says nothing about" in pair.sentence
    assert comparison.warnings == (
        "One trained model each: the images say nothing about training again, so there is no verdict.",
    )


def test_fixed_test_with_repeats_is_warned_of():
    comparison = compare(study({"a": 0.7, "b": 0.8}), N_TRAIN, N_TEST, fixed_test=True)
    assert comparison.pairs[0].mcnemar is None
    assert comparison.warnings == (
        "All repeats share one training and one test set: verdicts and intervals are over seeds and test images, and "
        "say nothing about other training images.",
    )


def test_warnings_of_few_repeats_and_of_sizes():
    comparison = compare(study({"a": 0.7, "b": 0.8}, repeats=3), N_TRAIN, 15_000)
    assert comparison.warnings[0].startswith("Only 3 repeats")
    assert comparison.warnings[1].startswith("n_test is 15000, but repeats were scored on 300 examples;")


def test_scores_other_than_right_and_wrong():
    rng = np.random.default_rng(0)
    scores = {"a": [rng.random(50) for _ in range(3)], "b": [rng.random(50) for _ in range(3)]}
    pair = compare(scores, 100, 50).pairs[0]
    assert pair.image_test is None
    assert pair.test is not None
    single = compare({m: s[:1] for m, s in scores.items()}, 100, 50, fixed_test=True).pairs[0]
    assert (single.mcnemar, single.image_test) == (None, None)
    assert single.image_interval.low < single.difference < single.image_interval.high


def test_one_model_has_no_pairs():
    comparison = compare(study({"a": 0.7}), N_TRAIN, N_TEST)
    assert comparison.pairs == ()
    assert comparison.models[0].summary.n == 10


@pytest.mark.parametrize("repeats", [1, 2, 3])
@pytest.mark.parametrize("fixed_test", [False, True])
def test_json_without_nan_at_the_extremes(repeats, fixed_test):
    right, wrong = np.ones(20, dtype=bool), np.zeros(20, dtype=bool)
    scores = {"right": [right] * repeats, "wrong": [wrong] * repeats, "again": [right] * repeats}
    comparison = compare(scores, 46, 20, fixed_test=fixed_test)
    read = json.loads(json.dumps(dataclasses.asdict(comparison), allow_nan=False))
    assert read["pairs"][0]["difference"] == -1.0
    assert read["pairs"][0]["image_test"]["z"] is None


def test_same_input_same_output():
    scores = study({"a": 0.7, "b": 0.72}, repeats=5)
    assert compare(scores, N_TRAIN, N_TEST, seed=1) == compare(scores, N_TRAIN, N_TEST, seed=1)


RIGHT = [np.ones(4)] * 3


@pytest.mark.parametrize(
    ("scores", "settings", "line"),
    [
        ({}, {}, "there are no models to compare"),
        ({"a": RIGHT, "b": [np.ones(5)] * 3}, {}, "got 4 of a and 5 of b in repeat 0"),
        ({"a": [[]]}, {}, "scores of a in repeat 0 must hold at least 1 values"),
        ({"a": {7: [1, np.nan]}}, {}, "scores of a in repeat 7 must be finite"),
        ({"a": [np.full(4, 75.0)]}, {}, r"scores of a in repeat 0 must lie between 0 and 1 \(are they in"),
        ({"a": [np.ones((2, 3))]}, {}, r"scores of a in repeat 0 of accuracy should have the shape \(n, 2\): right, n"),
        ({"a": RIGHT}, {"alpha": 0}, "alpha must lie strictly between 0 and 1"),
        ({"a": RIGHT}, {"rope": -1}, "rope must be zero or above"),
        ({"a": RIGHT}, {"n_train": 0}, "n_train must be at least 1"),
        ({"a": RIGHT}, {"difference": 0}, "difference must be above zero, got 0"),
    ],
)
def test_wrong_inputs(scores, settings, line):
    with pytest.raises(EcrnnError, match=line):
        compare(scores, **({"n_train": 10, "n_test": 4} | settings))


def test_unknown_baseline_names_the_nearest():
    with pytest.raises(UnknownNameError, match="unknown baseline 'cn', did you mean 'cnn'"):
        compare({"cnn": RIGHT, "ecnn-x": RIGHT}, 10, 4, baseline="cn")


def test_an_end_of_an_interval_shows_on_which_side_of_0_it_lies():
    """-0.042 to 2.242 points, whose lower end one decimal would show as 0.0."""
    differences = 0.002 + np.array([0.013, 0.008, -0.002, 0.021, 0.010, 0.004, 0.016, 0.001, 0.012, 0.007])
    scores = {"b": dict.fromkeys(range(10), 0.5), "a": dict(enumerate(0.5 + differences))}
    (pair,) = compare_scores(scores, 35_000, 15_000, metric=ACCURACY).pairs
    assert "a is higher by 1.1 points (95 % interval -0.04 to 2.24, " in pair.sentence


def test_n_test_that_is_one_off_for_all_repeats_is_noted():
    """Folds may differ by one from their mean; all repeats alike may not."""
    right = {model: [np.arange(300) % 5 < k for k in (3, 4, 3)] for model in "ab"}
    assert not [line for line in compare(right, 700, 300).warnings if line.startswith("n_test is")]
    (line,) = [line for line in compare(right, 700, 301).warnings if line.startswith("n_test is")]
    assert line.startswith("n_test is 301, but repeats were scored on 300 examples")
    folds = {model: [np.arange(n) % 5 < 3 for n in (359, 360, 359)] for model in "ab"}
    assert not [line for line in compare(folds, 1437, 359).warnings if line.startswith("n_test is")]


@pytest.mark.parametrize("alpha", [1e-300, 1e-17])
def test_a_level_that_cannot_be_told_from_0(alpha):
    with pytest.raises(EcrnnError, match=f"alpha must be at least 1e-15, .* got {alpha:g}"):
        compare({"a": [[0.5]], "b": [[0.6]]}, 10, 1, alpha=alpha)
