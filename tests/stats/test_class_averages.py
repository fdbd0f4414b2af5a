"""F1 and the means over the classes against scikit-learn, their bootstrap against a loop."""

import numpy as np
import pytest
from core.lines import one_line
from sklearn import metrics

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import class_averages


def drawn(n: int = 150):
    rng = np.random.default_rng(0)
    label = rng.choice(4, n, p=[0.5, 0.3, 0.15, 0.05])
    return label, np.where(rng.random(n) < 0.6, label, rng.integers(0, 4, n))


def test_values_are_those_of_scikit_learn():
    label, given = drawn()
    given[given == 2] = 3  # a class that nothing is given
    found = class_averages(label, given, 6)
    assert found.macro_f1.estimate == pytest.approx(metrics.f1_score(label, given, average="macro"))
    assert found.balanced_accuracy.estimate == pytest.approx(metrics.balanced_accuracy_score(label, given))
    precision = metrics.precision_score(label, given, average="macro", zero_division=0)
    assert found.macro_precision.estimate == pytest.approx(precision)
    f1 = metrics.f1_score(label, given, average=None)
    assert [one.estimate for one in found.f1[:4]] == pytest.approx(f1)
    assert found.f1[4:] == (None, None)


def test_intervals_are_those_of_a_loop():
    label, given = drawn()
    found, rng, slow = class_averages(label, given, 4), np.random.default_rng(7), []
    for _ in range(500):
        of = rng.integers(len(label), size=len(label))
        right = [np.sum((label[of] == k) & (given[of] == k)) for k in range(4)]
        f1 = [2 * right[k] / (np.sum(label[of] == k) + np.sum(given[of] == k)) for k in range(4)]
        slow.append([np.mean(f1), f1[0]])
    low, high = np.quantile(slow, [0.025, 0.975], axis=0)
    assert (found.macro_f1.low, found.macro_f1.high) == pytest.approx((low[0], high[0]), abs=0.02)
    assert (found.f1[0].low, found.f1[0].high) == pytest.approx((low[1], high[1]), abs=0.03)
    never = class_averages([0, 0, 1, 1], [0, 0, 0, 0], 2).f1[1]
    assert (never.estimate, never.low) == (0, 0)
    assert never.high > 0.5  # of two examples it is not known that none is ever found
    assert class_averages(label, given, 4) == found


@pytest.mark.parametrize(
    ("label", "given", "line"), [([], [], "both"), ([0], [0, 1], "both"), ([4], [0], "0 to 3"), ([0], [-1], "0 to 3")]
)
def test_what_has_no_average_is_one_line(label, given, line):
    with one_line(EcrnnError, line):
        class_averages(label, given, 4)
