"""The paper's test against every mark of its Tables 2-5, McNemar's test, and the bootstrap over images."""

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from ecrnn.core.errors import EcrnnError
from ecrnn.paper import printed
from ecrnn.stats import PAPER_TEST_WARNING, accuracy_difference_interval, mcnemar, paper_test


def rows():
    for cell in printed.COMPARISONS:
        a, b = (
            max(printed.ACCURACIES[name] for name in printed.candidates(side, cell.nodes))
            for side in (cell.side_a, cell.side_b)
        )
        where = f"table{cell.table}-{cell.side_a}-{cell.nodes}-against-{cell.side_b}"
        yield pytest.param(a, b, cell, id=where)


def test_all_comparisons_of_the_paper_are_here():
    assert len(list(rows())) == 36


@pytest.mark.parametrize(("a", "b", "cell"), list(rows()))
def test_marks_of_the_paper(a, b, cell):
    test = paper_test(a, b, printed.IMAGES)
    assert test.stars == cell.stars
    assert 100 * test.difference == pytest.approx(100 * cell.difference, abs=0.0101)  # rounded after
    assert test.n == 45_000


def test_paper_test_by_hand():
    test = paper_test(0.5, 0.4, 100)
    z = 0.1 / math.sqrt((0.25 + 0.24) / 100)
    assert test.z == pytest.approx(z)
    assert test.p == pytest.approx(2 * scipy_stats.norm.sf(z))


@pytest.mark.parametrize(
    ("p", "stars"),
    [(0.051, ""), (0.049, "*"), (0.0051, "*"), (0.0049, "**"), (0.00011, "**"), (0.00009, "***")],
)
def test_bounds_of_the_stars(p, stars):
    z = scipy_stats.norm.isf(p / 2)
    b = 0.5 - z / math.sqrt(2 * 10**6)  # near one half the variance hardly moves
    test = paper_test(0.5, b, 10**6)
    assert test.p == pytest.approx(p, rel=1e-3)
    assert test.stars == stars


def test_paper_test_at_the_ends():
    assert (paper_test(1.0, 1.0, 10).z, paper_test(1.0, 1.0, 10).p) == (0.0, 1.0)
    apart = paper_test(0.0, 1.0, 10)
    assert (apart.difference, apart.z, apart.p, apart.stars) == (-1.0, None, 0.0, "***")


def test_warning_says_why():
    assert "too optimistic" in PAPER_TEST_WARNING
    assert "seed" in PAPER_TEST_WARNING


def with_counts(both, only_a, only_b, neither):
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return np.array(a), np.array(b)


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 0), (1, 0), (5, 5), (3, 11), (40, 12), (700, 600)])
def test_mcnemar_equals_scipy_and_statsmodels(only_a, only_b):
    test = mcnemar(*with_counts(20, only_a, only_b, 7))
    assert (test.only_a, test.only_b) == (only_a, only_b)
    if only_a + only_b:
        assert test.p == pytest.approx(scipy_stats.binomtest(only_a, only_a + only_b).pvalue)
        assert test.p == pytest.approx(statsmodels_mcnemar([[20, only_a], [only_b, 7]], exact=True).pvalue)
    else:
        assert test.p == 1.0


def test_interval_equals_resampling_the_images():
    a, b = with_counts(500, 80, 50, 170)
    rng = np.random.default_rng(0)
    drawn = rng.integers(800, size=(4000, 800))
    differences = (a.astype(float) - b)[drawn].mean(axis=1)
    interval = accuracy_difference_interval(a, b, seed=1)
    assert interval.estimate == pytest.approx(30 / 800)
    np.testing.assert_allclose([interval.low, interval.high], np.quantile(differences, [0.025, 0.975]), atol=0.003)


def test_interval_of_the_same_predictions_has_no_width():
    a, _ = with_counts(5, 0, 0, 5)
    interval = accuracy_difference_interval(a, a)
    assert (interval.estimate, interval.low, interval.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (
            lambda: paper_test(75.97, 74.08, 45_000),
            "accuracy_a must be a fraction between 0 and 1, got 75.97",
        ),
        (lambda: paper_test(0.5, 0.5, 0), "n must be at least 1"),
        (lambda: mcnemar([1, 0], [1]), "scored on the same images, got 2 and 1"),
        (lambda: mcnemar([1, 0.5], [1, 0]), "correct_a must be correctness"),
        (lambda: mcnemar([], []), "correct_a must hold at least 1 values"),
        (lambda: accuracy_difference_interval([1], [2]), "correct_b must be correctness"),
        (lambda: accuracy_difference_interval([1], [1], level=0), "level must lie strictly between 0 and 1"),
    ],
)
def test_wrong_inputs(call, line):
    with pytest.raises(EcrnnError, match=line):
        call()
