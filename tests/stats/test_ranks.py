"""Mean ranks and cliques."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import holm, mean_ranks, wilcoxon


def test_ranks_are_friedmans():
    rng = np.random.default_rng(0)
    table = rng.normal(0.7, 0.05, (4, 10)).round(2)  # with ties
    found = mean_ranks(dict(zip("abcd", table, strict=True)))
    means = scipy_stats.rankdata(-table, axis=0).mean(axis=1)
    assert list(found.ranks) == sorted(means)
    assert [means["abcd".index(name)] for name in found.models] == list(found.ranks)
    assert found.n == 10
    errors = mean_ranks(dict(zip("abcd", -table, strict=True)), higher_is_better=False)
    assert errors == found


def test_cliques_are_runs_that_the_tests_leave_together():
    """Ten data sets; a and b change places, c is always last but one, d always last."""
    n, sign = 10, np.array([1, -1] * 5)
    rows = {"a": 0.9 + 0.01 * sign, "b": 0.9 - 0.01 * sign, "c": np.full(n, 0.8), "d": np.full(n, 0.7)}
    scores = {name: row + 0.001 * np.arange(n) * ("abcd".index(name) + 1) for name, row in rows.items()}
    found = mean_ranks(scores)
    assert found.cliques in ((("a", "b"),), (("b", "a"),))
    pairs = [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"), ("a", "b")]
    adjusted = holm([wilcoxon(scores[x] - scores[y]).p for x, y in pairs])
    assert (adjusted[:5] < 0.05).all()
    assert adjusted[5] > 0.05


def test_equal_models_are_one_clique_and_runs_may_overlap():
    rng = np.random.default_rng(1)
    equal = {name: rng.normal(0.7, 0.01, 8) for name in "abcde"}
    found = mean_ranks(equal)
    assert found.cliques == (found.models,)
    base = rng.normal(0.7, 0.001, 9)
    noise = np.array([1, -1, 2, -2, 3, -3, 4, -4, 5]) * 5e-3
    chain = {"a": base + 0.004, "b": base + noise, "c": base - 0.006}
    found = mean_ranks(chain)
    assert found.models == ("a", "b", "c")
    assert found.cliques == (("a", "b"), ("b", "c"))  # and a is better than c on every data set


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        ({"a": [0.1] * 7, "b": [0.2] * 7}, "scores of a must hold at least 8 values, got 7"),
        ({"a": [0.1] * 8}, "mean ranks want two models or more, each scored on all data sets"),
        ({"a": [0.1] * 8, "b": [0.1] * 9}, "mean ranks want two models or more, each scored on all data sets"),
    ],
)
def test_what_is_refused(scores, line):
    with pytest.raises(EcrnnError, match=f"^{line}$"):
        mean_ranks(scores)
