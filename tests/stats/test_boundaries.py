"""The levels of looks: against the published ones, and against studies drawn repeat by repeat in another way."""

import functools

import numpy as np
import pytest
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats.boundaries import (
    ALPHAS,
    BONFERRONI_AT,
    information,
    null_statistics,
    simulate_boundaries,
    spent,
    usual_looks,
)

TEN = usual_looks(10)


STUDIES = 100_000


@functools.cache
def null_studies(looks, q):
    """(looks, studies) t of studies without a difference, in which every repeat is drawn by itself."""
    rng = np.random.default_rng(12)
    repeats = np.sqrt(q) * rng.standard_normal((STUDIES, 1)) + rng.standard_normal((STUDIES, looks[-1]))
    firsts = [(repeats[:, :r], r) for r in looks]
    return np.array([x.mean(axis=1) / (x.std(axis=1, ddof=1) * np.sqrt(1 / r + q)) for x, r in firsts])


def error_by_look(levels, looks, q, sides):
    """The share of those studies that have stopped by each look."""
    t, df = null_studies(looks, q), np.array(looks) - 1
    beyond = (np.abs(t) if sides == 2 else t) > scipy_stats.t.isf(levels / sides, df)[:, None]
    return np.logical_or.accumulate(beyond).mean(axis=1)


def test_looks_come_at_every_repeat_up_to_ten_and_then_in_steps_of_a_quarter():
    assert usual_looks(3) == (3,)
    assert usual_looks(10) == (3, 4, 5, 6, 7, 8, 9, 10)
    assert usual_looks(30) == (3, 4, 5, 6, 8, 10, 13, 16, 20, 25, 30)
    assert usual_looks(11)[-2:] == (10, 11)
    with pytest.raises(EcrnnError, match="repeats must be at least 3, got 2"):
        usual_looks(2)


@pytest.mark.parametrize("q", [3 / 7, 1 / 9])
def test_means_have_independent_increments(q):
    """Cov(mean_r, mean_s) = Var(mean_s) for r < s, and its reciprocal is the information."""
    covariance = q + np.eye(10)
    means = np.array([[1 / r] * r + [0] * (10 - r) for r in TEN])
    of_means = means @ covariance @ means.T
    for at in range(len(TEN)):
        np.testing.assert_allclose(of_means[: at + 1, at], of_means[at, at])
    np.testing.assert_allclose(information(TEN, q), 1 / np.diag(of_means))


def test_the_first_look_spends_a_twentieth_of_alpha_and_the_last_the_rest():
    share = spent(TEN, 3 / 7)
    assert share[0] == pytest.approx(0.05)
    assert share[-1] == 1
    assert (np.diff(share) > 0).all()
    assert spent((10,), 3 / 7).tolist() == [1]


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(
    ("q", "published"),
    [
        (3 / 7, [0.0026, 0.0045, 0.0077, 0.0114, 0.0162, 0.0211, 0.0265, 0.0315]),
        (1 / 9, [0.0025, 0.0038, 0.0063, 0.0094, 0.0137, 0.0186, 0.0241, 0.0297]),
    ],
)
def test_levels_are_those_of_a_simulation_made_before(q, published):
    """By another program, with 300,000 paths drawn repeat by repeat."""
    table = simulate_boundaries(TEN, q)
    np.testing.assert_allclose([table.level(0.05, look) for look in range(8)], published, rtol=0.04)


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize(("q", "looks"), [(3 / 7, TEN), (1 / 9, TEN), (1 / 4, (3, 4, 5))])
def test_all_looks_together_err_alpha(q, looks):
    table = simulate_boundaries(looks, q)
    for alpha, sides in ((0.05, 2), (0.05, 1), (0.0125, 2)):
        levels = np.array([table.level(alpha, look, sides=sides) for look in range(len(looks))])
        shares = error_by_look(levels, looks, q, sides)
        noise = 4 * np.sqrt(alpha / STUDIES)
        np.testing.assert_allclose(shares, alpha * spent(looks, q), atol=noise)
        assert error_by_look(levels * 1.35, looks, q, sides)[-1] > alpha + noise  # the line above sees looser ones


def test_far_below_the_simulated_alphas_levels_are_strict():
    table = simulate_boundaries(TEN, 3 / 7)
    alone = np.diff(spent(TEN, 3 / 7), prepend=0)
    np.testing.assert_allclose([table.level(1e-7, look) for look in range(8)], 1e-7 * alone)
    between = np.sqrt(BONFERRONI_AT * ALPHAS[-1])  # about 1e-4
    levels = np.array([table.level(between, look) for look in range(8)])
    assert (levels >= between * alone).all()
    statistics = np.abs(null_statistics(np.random.default_rng(3), TEN, 3 / 7, 1_000_000))
    critical = scipy_stats.t.isf(levels / 2, np.array(TEN) - 1)
    assert (statistics > critical[:, None]).any(axis=0).mean() <= between * 1.3


def test_statistics_of_joined_repeats_are_those_of_single_ones():
    """At looks far apart, with an effect: mean and quantiles of t against repeats drawn one by one."""
    rng, looks, q = np.random.default_rng(5), (3, 10), 0.4
    joined = null_statistics(rng, looks, q, 200_000, effect=1.0)
    repeats = 1.0 + np.sqrt(q) * rng.standard_normal((200_000, 1)) + rng.standard_normal((200_000, 10))
    for row, r in zip(joined, looks, strict=True):
        first = repeats[:, :r]
        t = first.mean(axis=1) / (first.std(axis=1, ddof=1) * np.sqrt(1 / r + q))
        np.testing.assert_allclose(np.quantile(row, [0.1, 0.5, 0.9]), np.quantile(t, [0.1, 0.5, 0.9]), rtol=0.03)
    assert np.corrcoef(np.tanh(joined))[0, 1] > 0.5


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize("alpha", [1e-8, 1e-4, 0.001, 0.03, 0.2])
def test_a_p_at_the_level_of_alpha_has_the_sequential_p_alpha(alpha, sides):
    table = simulate_boundaries(TEN, 3 / 7)
    for look in range(8):
        assert table.sequential_p(table.level(alpha, look, sides=sides), look, sides=sides) == pytest.approx(alpha)


def test_sequential_p_rises_with_p_and_ends_at_0_and_1():
    table = simulate_boundaries(TEN, 3 / 7)
    p = np.r_[0.0, np.geomspace(1e-12, 1, 300)]
    for look in range(8):
        sequential = table.sequential_p(p, look)
        assert (np.diff(sequential) >= 0).all()
        assert sequential[0] == 0
        assert sequential[-1] == 1
        assert (sequential >= p).all()


def test_one_look_is_the_test_itself():
    table = simulate_boundaries((10,), 3 / 7)
    p = np.array([1e-6, 0.003, 0.05, 0.7])
    np.testing.assert_allclose(table.sequential_p(p, 0), p)
    np.testing.assert_allclose(table.sequential_p(p[:3], 0, sides=1), p[:3])


def test_the_same_seed_gives_the_same_levels():
    first, other = (
        simulate_boundaries((3, 5), 0.3, seed=4, paths=20_000),
        simulate_boundaries((3, 5), 0.3, seed=5, paths=20_000),
    )
    simulate_boundaries((3, 6), 0.3, paths=20_000)
    assert np.array_equal(first.table, simulate_boundaries((3, 5), 0.3, seed=4, paths=20_000).table)
    assert not np.array_equal(first.table, other.table)


@pytest.mark.parametrize("looks", [(), (2, 3), (3, 3), (4, 3), tuple(range(3, 70))])
def test_looks_that_are_none(looks):
    with pytest.raises(EcrnnError, match="looks must be"):
        simulate_boundaries(looks, 0.3)
