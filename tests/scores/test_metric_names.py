"""Names of scores: bounds, direction, and what must be asked."""

from __future__ import annotations

import math

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.scores.metric_names import is_known, metric_of, plain_name
from ecrnn.stats import ACCURACY, BITS, MACRO_F1


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("accuracy", "accuracy"),
        ("val/acc", "acc"),
        ("test_accuracy_score", "accuracy"),
        ("f1_macro", "f1"),
        ("classif.ce", "ce"),
        ("eval/loss", "loss"),
        ("test", "test"),
        ("val_test_roc_auc", "roc_auc"),
    ],
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("name", "higher", "bounds"),
    [
        ("test_accuracy", True, (0, 1)),
        ("classif.auc", True, (0, 1)),
        ("classif.ce", False, (0, 1)),
        ("rmse", False, (-math.inf, math.inf)),
        ("val_loss", False, (-math.inf, math.inf)),
        ("neg_log_loss", True, (-math.inf, math.inf)),
        ("my_loss_total", False, (-math.inf, math.inf)),
        ("r2", True, (-math.inf, math.inf)),
    ],
)
def test_what_a_name_says(name: str, higher: bool, bounds: tuple[float, float]) -> None:
    metric = metric_of(name)
    assert (metric.higher_is_better, (metric.least, metric.most)) == (higher, bounds)
    assert metric.rope == (0.005 if bounds == (0, 1) else 0)
    assert is_known(name)


def test_our_own_are_ours_unless_they_are_turned_round() -> None:
    assert [metric_of(name) for name in ("accuracy", "bits", "macro-f1")] == [ACCURACY, BITS, MACRO_F1]
    assert metric_of("accuracy", lower_is_better=False) is ACCURACY
    assert not metric_of("accuracy", lower_is_better=True).higher_is_better


def test_what_must_be_asked() -> None:
    with pytest.raises(
        EcrnnError, match="metric: 'quux' does not say whether higher is better; add --higher-is-better"
    ):
        metric_of("quux")
    assert metric_of("quux", lower_is_better=True).higher_is_better is False
    assert metric_of("quux", lower_is_better=False, percent=True).most == 1
    for name in ("", "x" * 65):
        with pytest.raises(EcrnnError, match="has 1 to 64 characters"):
            metric_of(name, lower_is_better=True)
