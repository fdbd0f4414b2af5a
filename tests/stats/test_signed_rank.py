"""Signed ranks: against SciPy, all signs counted out, and baycomp."""

from itertools import product

import numpy as np
import pytest
from baycomp.multiple import SignedRankTest
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import bayesian_signed_rank, fewest_data_sets, wilcoxon


@pytest.mark.parametrize("n", [1, 2, 5, 8, 20, 60])
def test_wilcoxon_equals_scipy(n):
    d = np.random.default_rng(n).normal(0.01, 0.02, n)
    ours, theirs = wilcoxon(d), scipy_stats.wilcoxon(d, method="exact")
    assert ours.p == pytest.approx(theirs.pvalue)
    assert min(ours.statistic, n * (n + 1) / 2 - ours.statistic) == theirs.statistic


@pytest.mark.parametrize("d", [[0.1, 0.1, -0.1, 0.2, 0.3], [0.0, 0.1, 0.2, -0.1, 0.0, 0.4], [0.3, 0.3, 0.3], [0, 0]])
def test_ties_and_zeros_by_all_signs(d):
    d = np.array(d)
    ranks = scipy_stats.rankdata(np.abs(d))
    kept = ranks[d != 0]
    found = ranks[d > 0].sum()
    sums = np.array([(np.array(signs) * kept).sum() for signs in product([0, 1], repeat=kept.size)])
    p = min(1.0, 2 * min((sums <= found).mean(), (sums >= found).mean()))
    ours = wilcoxon(d)
    assert (ours.p, ours.statistic, ours.zeros) == (pytest.approx(p), found, (d == 0).sum())


def test_ties_by_rounding_are_ties():
    assert wilcoxon([0.9 - 0.8, 0.8 - 0.7, -0.1]).statistic == 4  # three ranks of 2


def test_all_alike_is_the_least_p():
    assert wilcoxon([0.1, 0.2, 0.3, 0.4, 0.5]).p == 2 / 32


@pytest.mark.parametrize(("pairs", "n"), [(1, 6), (2, 7), (3, 7), (4, 8), (36, 11)])
def test_the_fewest_data_sets(pairs, n):
    assert fewest_data_sets(pairs) == n
    assert pairs * wilcoxon(np.arange(1, n + 1)).p < 0.05 <= pairs * wilcoxon(np.arange(1, n)).p


@pytest.mark.sampled(most=3)
@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("rope", [0.0, 0.005, 0.02])
def test_the_bayesian_test_equals_baycomp(rope, strength):
    rng = np.random.default_rng(3)
    a, b = rng.normal(0.75, 0.02, 9), rng.normal(0.74, 0.02, 9)
    draws = 20_000
    ours = bayesian_signed_rank(b - a, rope, strength=strength, draws=draws)
    sample = SignedRankTest.sample(a, b, rope, prior=strength, nsamples=draws, random_state=1)
    theirs = np.bincount(np.argmax(sample, axis=1), minlength=3) / draws
    assert [ours.worse, ours.equivalent, ours.better] == pytest.approx(theirs, abs=4 * (2 * 0.25 / draws) ** 0.5)
    assert bayesian_signed_rank(b - a, rope, draws=100) == bayesian_signed_rank(b - a, rope, draws=100)


def test_one_data_set_by_hand():
    """Better where the data set's weight w has w^2 + 2 w (1 - w) on pairs above the region, w ~ Beta(1, 1/2)."""
    ours = bayesian_signed_rank([0.1], 0.01, draws=200_000)
    at_least = 1 - 0.5**0.5  # 1 - (1 - w)^2 > 1/2
    assert ours.better == pytest.approx(scipy_stats.beta(1, 0.5).sf(at_least), abs=0.005)
    assert ours.worse == 0


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: wilcoxon([]), "differences must hold at least 1 values, got 0"),
        (lambda: fewest_data_sets(0), "pairs must be at least 1, got 0"),
        (lambda: bayesian_signed_rank([0.1], -1), "rope must be zero or above, got -1"),
        (lambda: bayesian_signed_rank([0.1], draws=0), "draws must be at least 1, got 0"),
    ],
)
def test_what_is_refused(call, line):
    with pytest.raises(EcrnnError, match=f"^{line}$"):
        call()
