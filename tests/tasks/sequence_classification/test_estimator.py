"""`SequenceClassifier` in scikit-learn: all its checks, several lengths, and cross-validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from ecrnn import SequenceClassifier
from ecrnn.core.errors import EcrnnError


class Columns(SequenceClassifier):
    """Each column of X is a value of one step: X of two dimensions as scikit-learn's checks have it, reshaped."""

    def fit(self, X: Any, y: Any) -> Columns:
        super().fit(_one_step(X), y)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return super().predict_proba(_one_step(X))


def _one_step(X: Any) -> Any:
    array = X if hasattr(X, "toarray") else np.asarray(X)
    return array[:, None, :] if isinstance(array, np.ndarray) and array.ndim == 2 else array


@pytest.mark.slow
@parametrize_with_checks([Columns("sequence-gru-8", epochs=30, lr=0.03, batch_size=16, threads=1, precision="float32")])
def test_scikit_learns_checks(estimator: Columns, check: Any) -> None:
    check(estimator)


def rising(n: int = 40, steps: int = 12) -> tuple[np.ndarray, np.ndarray]:
    slopes = np.repeat([1.0, -1.0], n // 2)
    noise = np.random.default_rng(0).normal(size=(n, steps))
    return noise + slopes[:, None] * np.linspace(-2, 2, steps), np.where(slopes > 0, "rises", "falls")


def quick(**more: Any) -> SequenceClassifier:
    return SequenceClassifier("sequence-gru-8", **{"epochs": 12, "lr": 0.02, "batch_size": 8, "threads": 1, **more})


def test_it_learns_and_cross_validates() -> None:
    X, y = rising()
    assert cross_val_score(quick(), X, y, cv=3).mean() > 0.9


def test_what_lies_behind_an_end_is_not_read() -> None:
    X, y = rising()
    lengths = np.random.default_rng(1).integers(6, 13, len(X))
    other = X.copy()
    for row, length in zip(other, lengths, strict=True):
        row[length:] = 1e6
    one, two = quick().fit(X, y, lengths), quick().fit(other, y, lengths)
    np.testing.assert_array_equal(one.predict_proba(X, lengths), two.predict_proba(other, lengths))
    assert one.score(X, y, lengths=lengths) == (one.predict(X, lengths) == y).mean() > 0.8
    assert one.scaling_.mean.shape == (1,)


def test_the_seed_decides_every_bit() -> None:
    X, y = rising()
    first, again, other = (quick(epochs=2, random_state=seed).fit(X, y).predict_proba(X) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    state = np.random.RandomState(3)
    assert not np.array_equal(*(quick(epochs=2, random_state=state).fit(X, y).predict_proba(X) for _ in range(2)))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"X": np.full((4, 5, 1), np.nan)}, "Input X contains NaN"),
        ({"X": np.zeros((1, 5, 1)), "y": ["a"]}, "Found array with 1 sample"),
        ({"y": ["a"] * 4}, "Classifier can't train when only one class is present"),
        ({"y": [0.5, 1.5, 2.5, 3.25]}, "Unknown label type: continuous"),
        ({"y": ["a", "b"]}, "inconsistent numbers of samples"),
        ({"lengths": [1, 2, 3, 6]}, "lengths from 1 to 6, but X has 5 steps"),
        ({"X": np.zeros((4, 5, 1, 1))}, r"X is float64 of shape \(4, 5, 1, 1\), but should be numbers"),
        ({"random_state": -1}, "random_state should be a whole number from 0, None or a RandomState"),
        ({"model": "cnn"}, "cnn needs image"),
        ({"epochs": 0}, "epochs: input should be greater"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, Any], line: str) -> None:
    call = {"X": np.zeros((4, 5, 1)), "y": ["a", "b", "a", "b"], "lengths": None, **change}
    parameters = {name: call.pop(name) for name in ("model", "epochs", "random_state") if name in call}
    with pytest.raises(ValueError, match=line):
        SequenceClassifier(**{"model": "sequence-rnn-2", **parameters}).fit(**call)


def test_prediction_without_a_fit_and_of_other_shapes() -> None:
    with pytest.raises(NotFittedError):
        quick().predict(np.zeros((2, 5)))
    classifier = quick(epochs=1).fit(np.random.default_rng(0).normal(size=(8, 5, 2)), [0, 1] * 4)
    assert classifier.predict(np.zeros((2, 9, 2))).shape == (2,), "any number of steps"
    with pytest.raises(EcrnnError, match="X has 3 features, but SequenceClassifier is expecting 2 features as input"):
        classifier.predict(np.zeros((2, 5, 3)))
