"""Operating points against scikit-learn, counts by hand, and how often the interval of an AUC covers."""

import numpy as np
import pytest
from core.lines import one_line
from scipy import special
from sklearn import metrics

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import auc_interval, operating_curve, wilson


def drawn(n: int, ties: bool, seed: int = 0):
    rng = np.random.default_rng(seed)
    mine = rng.random(n) < 0.3
    score = special.expit(rng.normal(size=n) + 1.2 * mine)
    return mine, np.round(score, 1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
def test_curves_are_those_of_scikit_learn(ties):
    mine, score = drawn(300, ties)
    found = operating_curve(mine, score)
    assert found.auc.estimate == pytest.approx(metrics.roc_auc_score(mine, score))
    assert found.average_precision.estimate == pytest.approx(metrics.average_precision_score(mine, score))
    false, true, thresholds = metrics.roc_curve(mine, score, drop_intermediate=False)
    np.testing.assert_array_equal(found.thresholds, thresholds[1:])
    np.testing.assert_allclose(found.true_positives / mine.sum(), true[1:])
    np.testing.assert_allclose(found.false_positives / (~mine).sum(), false[1:])
    for threshold in (0.31, 0.5, float(found.thresholds[7]), 1.01):
        point, given = found.at(threshold), score >= threshold
        tn, fp, fn, tp = metrics.confusion_matrix(mine, given).ravel()
        assert (point.true_negatives, point.false_positives) == (tn, fp)
        assert (point.false_negatives, point.true_positives) == (fn, tp)
        assert point.f1 == pytest.approx(metrics.f1_score(mine, given))
        assert (point.recall, point.specificity) == (wilson(tp, tp + fn), wilson(tn, tn + fp))
    assert found.at(1.01).precision is None


def test_named_thresholds_are_the_best_of_all():
    mine, score = drawn(200, True)
    found = operating_curve(mine, score)
    f1 = {t: metrics.f1_score(mine, score >= t) for t in np.unique(score)}
    j = {t: metrics.balanced_accuracy_score(mine, score >= t) for t in np.unique(score)}
    assert f1[found.largest_f1] == max(f1.values())
    assert j[found.largest_youden] == max(j.values())


def test_bootstrap_of_average_precision_is_that_of_a_loop():
    mine, score = drawn(120, True)
    found, rng = operating_curve(mine, score).average_precision, np.random.default_rng(5)
    slow = []
    for _ in range(300):
        of = rng.integers(120, size=120)
        slow.append(metrics.average_precision_score(mine[of], score[of]))
    assert (found.low, found.high) == pytest.approx(np.quantile(slow, [0.025, 0.975]), abs=0.03)


def test_the_ends_of_an_auc_are_where_newcombe_says():
    a, m, n = 0.8, 50, 60
    found, z, star = auc_interval(a, m, n), 1.959964, 54.0
    for t in (found.low, found.high):
        variance = t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (m * n)
        assert abs(a - t) == pytest.approx(z * variance**0.5, rel=1e-5)
    perfect = auc_interval(1.0, 10, 10)
    assert perfect.low < 0.85
    assert perfect.high == 1
    assert auc_interval(0.0, 10, 20).high == pytest.approx(1 - auc_interval(1.0, 20, 10).low)


def test_the_interval_of_an_auc_covers():
    rng, true = np.random.default_rng(0), float(special.ndtr(1.5 / 2**0.5))
    hits = []
    for _ in range(400):
        score = rng.normal(size=70) + np.repeat([1.5, 0.0], [25, 45])
        area = float((score[:25, None] > score[25:]).mean())
        found = auc_interval(area, 25, 45)
        hits.append(found.low <= true <= found.high)
    assert 0.92 < np.mean(hits) < 0.985


@pytest.mark.parametrize(
    ("mine", "score", "line"), [([1, 1], [0.1, 0.2], "both classes"), ([1, 0], [0.1], "1 scores for 2")]
)
def test_what_has_no_curve_is_one_line(mine, score, line):
    with one_line(EcrnnError, line):
        operating_curve(mine, score)
