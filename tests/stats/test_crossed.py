"""The crossed variance: by hand, by loops, by simulation with known parts, and in a whole comparison."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import BITS, CER, compare, compare_scores, crossed_t, paired_t, shared_covariance


def test_two_repeats_on_two_images_by_hand():
    """d - mean is (1/2, -1/2) in both repeats: each image gives 1/4 of 2^2, so 1/8; in opposite order it is -1/8."""
    values = [[1, 0], [1, 0]]
    assert shared_covariance(values, [[0, 1], [0, 1]]) == 0.125
    assert shared_covariance(values, [[0, 1], [1, 0]]) == 0.0, "below 0, which no covariance of this kind is"
    assert shared_covariance(values, [[0, 1], [2, 3]]) == 0.0, "nothing is shared"
    assert shared_covariance(values, [[7, -3], [7, -3]]) == 0.125, "an index is a name"
    test = crossed_t([0.5, 0.5], 0.125, n_test=2)
    assert (test.sd, test.standard_error, test.degrees_of_freedom) == (0.0, 0.5, 1.0), "1/n_test at least"
    assert crossed_t([0.5, 0.5], 0.125, n_test=3).standard_error == pytest.approx(math.sqrt(0.125))


def covariance_by_loops(values, index):
    """The mean over pairs of repeats of the covariance through each shared example."""
    pairs = []
    for r, s in itertools.combinations(range(len(values)), 2):
        total = 0.0
        for i, place in enumerate(index[r]):
            for j, other in enumerate(index[s]):
                if place == other:
                    total += (values[r][i] - np.mean(values[r])) * (values[s][j] - np.mean(values[s]))
        pairs.append(total / len(values[r]) / len(values[s]))
    return max(0.0, np.mean(pairs))


def test_random_splits_of_unequal_sizes_by_loops():
    rng = np.random.default_rng(4)
    easy = rng.normal(size=40)
    index = [rng.permutation(40)[: 11 + r] for r in range(4)]
    values = [easy[places] + rng.normal(size=places.size) for places in index]
    assert shared_covariance(values, index) == pytest.approx(covariance_by_loops(values, index), rel=1e-12)
    assert shared_covariance(values, index) > 0


def test_the_variance_of_the_mean_is_found_from_known_parts():
    """Seeds of variance 4/900, images of 1/900 a mean, noise in each cell: the estimate is right in the mean, the
    interval covers, and the plain one does not."""
    rng = np.random.default_rng(5)
    r, n, studies = 6, 900, 600
    seed_sd, image_sd, noise_sd = 2 / 30, 1.0, 0.5
    found, covered, plain = [], 0, 0
    for _ in range(studies):
        d = seed_sd * rng.normal(size=(r, 1)) + image_sd * rng.normal(size=n) + noise_sd * rng.normal(size=(r, n))
        shared = shared_covariance(list(d), [np.arange(n)] * r)
        found.append(shared)
        test = crossed_t(d.mean(axis=1), shared, n)
        covered += test.low <= 0 <= test.high
        plain += abs(paired_t(d.mean(axis=1)).statistic) < stats.t.ppf(0.975, r - 1)
    assert np.mean(found) == pytest.approx(image_sd**2 / n, rel=0.02)
    assert 0.93 <= covered / studies <= 0.985
    assert plain / studies < 0.90


def test_statistic_and_degrees_of_freedom_are_satterthwaites():
    d, shared = np.array([0.01, 0.03, 0.02, 0.05]), 3e-5
    test = crossed_t(d, shared, n_test=10_000)
    seeds = d.var(ddof=1) / 4
    assert test.statistic == pytest.approx(d.mean() / math.sqrt(seeds + shared))
    assert test.degrees_of_freedom == pytest.approx((seeds + shared) ** 2 / (seeds**2 / 3))
    assert test.p == pytest.approx(2 * stats.t.sf(test.statistic, test.degrees_of_freedom))
    half = stats.t.ppf(0.975, test.degrees_of_freedom) * math.sqrt(seeds + shared)
    assert (test.low, test.high) == pytest.approx((d.mean() - half, d.mean() + half))
    alone = crossed_t(d, 0.0, n_test=10_000)
    assert (alone.statistic, alone.degrees_of_freedom) == pytest.approx((paired_t(d).statistic, 3))


def test_no_disagreement_on_few_images_is_no_equality():
    few = crossed_t([0.0] * 5, 0.0, n_test=100)
    assert (few.standard_error, few.p) == (0.01, 1.0)
    scores = {"a": [np.ones(100)] * 5, "b": [np.ones(100)] * 5}
    assert compare(scores, 900, 100, fixed_test=True).pairs[0].verdict == "undecided"


def test_learners_without_training_noise_are_judged_by_the_images_alone():
    """Five times the same answers: the crossed t is then the z test of a paired difference, as with one training."""
    rng = np.random.default_rng(6)
    a, b = rng.random(500) < 0.8, rng.random(500) < 0.7
    pair = compare({"a": [a] * 5, "b": [b] * 5}, 2000, 500, fixed_test=True).pairs[0]
    d = b.astype(float) - a
    z = d.mean() / math.sqrt(((d - d.mean()) ** 2).sum() / 500**2)
    assert pair.test.statistic == pytest.approx(z)
    assert pair.test.degrees_of_freedom == 499


@pytest.mark.parametrize("metric", [CER, BITS])
def test_influence_of_a_ratio_is_its_linear_part(metric):
    """Of sum(x) / sum(n) it is (x - value n) / mean(n), up to terms of 1/n."""
    rng = np.random.default_rng(7)
    rows = np.stack([rng.poisson(2.0, 2000), rng.integers(5, 20, 2000)], axis=1).astype(float)
    scale = math.log(2) if metric is BITS else 1.0
    ratio = rows[:, 0].sum() / rows[:, 1].sum()
    expected = (rows[:, 0] - ratio * rows[:, 1]) / rows[:, 1].mean() / scale
    np.testing.assert_allclose(metric.influence(rows), expected, atol=3e-3)
    np.testing.assert_allclose(metric.influence(rows).mean(), 0, atol=1e-3)


def studies_on_one_test_set(rng, repeats=5, n=300):
    """Two models of equal expected accuracy by symmetry, each right by the difficulty of an image to it and by luck."""
    hard = rng.beta(2, 5, size=(2, n))
    return {m: {r: rng.random(n) > hard[k] for r in range(repeats)} for k, m in enumerate("ab")}


def test_equal_models_on_one_test_set_are_rarely_told_apart_and_never_by_n_train():
    rng = np.random.default_rng(8)
    wrong = 0
    for _ in range(200):
        pair = compare(studies_on_one_test_set(rng), 100, 300, fixed_test=True).pairs[0]
        wrong += pair.verdict in ("better", "worse")
    assert wrong / 200 <= 0.09
    scores = studies_on_one_test_set(rng)
    few, many = (compare(scores, n_train, 300, fixed_test=True) for n_train in (100, 100_000))
    assert few.pairs == many.pairs
    assert few.models == many.models


def test_random_splits_have_it_beside_the_verdict():
    rng = np.random.default_rng(9)
    index = [rng.permutation(1000)[:300] for _ in range(6)]
    easy = {"a": rng.random(1000) < 0.8, "b": rng.random(1000) < 0.6}
    scores = {m: [right[places] ^ (rng.random(300) < 0.1) for places in index] for m, right in easy.items()}
    found = compare(scores, 700, 300, index=index)
    bare = compare(scores, 700, 300)
    (pair,), (other,) = found.pairs, bare.pairs
    d = [b.astype(float) - a for a, b in zip(scores["a"], scores["b"], strict=True)]
    expected = crossed_t([array.mean() for array in d], shared_covariance(d, index), 300)
    for name in ("difference", "sd", "standard_error", "degrees_of_freedom", "p", "low", "high"):
        assert getattr(pair.crossed, name) == pytest.approx(getattr(expected, name))
    assert pair.crossed.standard_error < pair.test.standard_error
    assert (pair.test, pair.verdict, pair.sentence) == (other.test, other.verdict, other.sentence)
    assert (other.crossed, pair.crossed_p_holm) == (None, pair.crossed.p)


def test_one_score_a_repeat_on_one_test_set_gives_no_verdict():
    found = compare_scores({"a": [0.5, 0.51, 0.5], "b": [0.9, 0.9, 0.91]}, 10, 10, metric=CER, fixed_test=True)
    (pair,) = found.pairs
    assert (pair.test, pair.verdict, found.models[0].summary.low) == (None, None, None)
    assert pair.sentence == (
        "No verdict on b against a: b is higher by 40.0 points of character error rate over 3 repeats, but one score a "
        "repeat does not tell what other test images would change."
    )
    assert found.warnings[-1].endswith("is not known, so there is no verdict.")


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: shared_covariance([[1]], [[0]]), "two repeats or more"),
        (lambda: shared_covariance([[1], [1]], [[0], [0, 1]]), "name every example once"),
        (
            lambda: shared_covariance([[1, 0]] * 2, [[0, 0]] * 2),
            "index names an example twice in the repeat at place 0",
        ),
        (lambda: crossed_t([0.1, 0.2], -1e-9, 10), "shared must be zero or above"),
        (lambda: compare({"a": [[1, 0]] * 2}, 8, 2, index=[[0, 1]]), "index lacks repeat 1"),
        (lambda: compare({"a": [[1, 0]]}, 8, 2, index=[[0.0, 1.0]]), "must be 2 whole numbers, one an example"),
        (lambda: compare({"a": [[1, 0]]}, 8, 2, index=[[3, 3]]), "index of repeat 0 names an example twice"),
        (
            lambda: compare({"a": [[1, 0], [1]]}, 8, 2, fixed_test=True),
            "a fixed test set has the same examples in all repeats, got 2 in repeat 0 and 1 in repeat 1",
        ),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
