"""Rejection: the k-th smallest probability, how often it rejects new examples, and tables from anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from scipy import special

from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.core.predictions import Predictions
from ecrnn.serving.rejection import rejection, rejection_table
from ecrnn.stats import wilson


def drawn(n: int, seed: int = 0) -> Predictions:
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n, 3)).astype(np.float32)
    label = np.where(rng.random(n) < 0.7, logits.argmax(axis=1), rng.integers(0, 3, n))
    return Predictions(np.arange(n), label.astype(np.int64), logits)


def test_the_threshold_is_the_kth_smallest_of_n_and_one_more() -> None:
    predictions = drawn(59)
    sure = special.softmax(predictions.logits.astype(float), axis=1).max(axis=1)
    found = rejection({"rejection": rejection_table(predictions)}, 0.06)
    assert (found.share, found.threshold) == (0.05, pytest.approx(np.sort(sure)[2]))  # 0.05 * 60 = 3: the third
    kept = sure >= found.threshold
    assert (found.n, found.kept, found.right) == (59, 57, int(predictions.correct[kept].sum()))
    assert found.accuracy == wilson(found.right, 57)


def test_examples_that_were_trained_on_do_not_count() -> None:
    predictions, seen = drawn(99), np.array([3, 98, 40])
    new = np.delete(np.arange(99), seen)
    others = Predictions(new, predictions.label[new], predictions.logits[new])
    assert rejection_table(predictions, seen) == rejection_table(others) != rejection_table(predictions)


def test_new_examples_are_rejected_no_more_often_than_the_share_says() -> None:
    shares = []
    for seed in range(300):
        found = rejection({"rejection": rejection_table(drawn(39, seed))}, 0.1)
        new = special.softmax(drawn(200, 10_000 + seed).logits.astype(float), axis=1).max(axis=1)
        shares.append((new < found.threshold).mean())
    assert 0.085 < np.mean(shares) <= 0.1 + 3 * np.std(shares) / 300**0.5


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("all", "should be a list of objects"),
        ([7], "should be a list of objects"),
        ([{"share": 0.1, "threshold": 2.0, "n": 9, "kept": 9, "right": 9}], "has a row that cannot be"),
        ([{"share": 0.1, "threshold": 0.5, "n": 9, "kept": 9, "right": 10}], "has a row that cannot be"),
        ([{"share": 0.1, "threshold": 0.5, "n": 9, "kept": True, "right": 1}], "has a row that cannot be"),
        (None, "does not say which probabilities"),
    ],
)
def test_tables_from_anywhere_are_one_line(rows: Any, line: str) -> None:
    with one_line(BundleError, line):
        rejection({"rejection": rows}, 0.1)


def test_a_share_that_so_few_examples_cannot_tell_is_one_line() -> None:
    with one_line(EcrnnError, "0.05 is too small a share for 9 validation examples; the bundle has 0.1, 0.15, 0.2"):
        rejection({"rejection": rejection_table(drawn(9))}, 0.05)
    with one_line(EcrnnError, "too few validation examples; the bundle has none"):
        rejection({"rejection": []}, 0.05)
