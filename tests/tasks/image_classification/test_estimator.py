"""`ImageClassifier` follows scikit-learn's conventions.

scikit-learn's own checks fit tables of floats of any range, and this estimator takes images: they are run on `Tables`,
which turns rows into images. What they ask of parameters, fitting and errors is asked here on images, too.
"""

from __future__ import annotations

import inspect
import pickle
import sys
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import check_is_fitted

from ecrnn.core.errors import DataError, EcrnnError, TrainingError, UnknownNameError
from ecrnn.tasks.image_classification import estimator as module
from ecrnn.tasks.image_classification.estimator import ImageClassifier
from ecrnn.training import estimator as shared


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X.reshape(-1, 8, 8)[:300] / 16, y[:300]


def small(**parameters):
    defaults = {"model": "cnn", "epochs": 2, "batch_size": 32, "device": "cpu", "precision": "float32", "threads": 1}
    return ImageClassifier(**defaults | parameters)


def same(a, b):
    mine, theirs = a.network_.state_dict(), b.network_.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


# --- parameters


def test_parameters_are_those_of_the_signature():
    parameters = inspect.signature(ImageClassifier.__init__).parameters
    assert set(ImageClassifier().get_params()) == set(parameters) - {"self"}
    assert {name: p.default for name, p in parameters.items() if name != "self"} == ImageClassifier().get_params()


def test_the_constructor_only_keeps_them():
    estimator = ImageClassifier("no such model", epochs=-1, lr="x", random_state=None)  # is an error in fit
    assert vars(estimator) == estimator.get_params()


def test_set_params():
    estimator = ImageClassifier().set_params(epochs=3, model="cnn")
    assert (estimator.epochs, estimator.model) == (3, "cnn")
    with pytest.raises(ValueError, match="Invalid parameter 'epoch'"):
        estimator.set_params(epoch=3)


def test_clone_is_unfitted_and_trains_to_the_same_bits(digits):
    X, y = digits
    fitted = small(random_state=4).fit(X, y)
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "network_")
    assert same(copy.fit(X, y), fitted)


def test_it_is_a_classifier():
    assert is_classifier(ImageClassifier())
    assert repr(ImageClassifier(epochs=3)) == "ImageClassifier(epochs=3)"


# --- fitting


def test_what_fit_leaves(digits):
    X, y = digits
    X_before, y_before = X.copy(), y.copy()
    estimator = small()
    assert estimator.fit(X, y) is estimator
    assert estimator.classes_.tolist() == list(range(10))
    assert estimator.n_features_in_ == 64
    assert [line["epoch"] for line in estimator.history_] == [1, 2]
    assert np.array_equal(X, X_before)
    assert np.array_equal(y, y_before)
    assert estimator.get_params() == small().get_params()
    probabilities = estimator.predict_proba(X)
    assert probabilities.shape == (300, 10)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)
    assert np.array_equal(estimator.predict(X), probabilities.argmax(axis=1))
    assert estimator.score(X, y) == (estimator.predict(X) == y).mean()


def test_it_learns(digits):
    X, y = digits
    assert small(epochs=6).fit(X[:200], y[:200]).score(X[200:], y[200:]) > 0.7


def test_fitting_again_forgets(digits):
    X, y = digits
    once = small().fit(X, y)
    twice = small().fit(X[:100, :, ::-1], y[:100] % 3).fit(X, y)
    assert same(once, twice)
    assert twice.classes_.tolist() == list(range(10))


def test_random_state(digits):
    X, y = digits[0][:64], digits[1][:64]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        one = small(epochs=1, random_state=1).fit(X, y)
        torch.manual_seed(2)
        before = torch.get_rng_state()
        assert same(one, small(epochs=1, random_state=np.int64(1)).fit(X, y))
        assert torch.equal(before, torch.get_rng_state())
    assert not same(one, small(epochs=1, random_state=2).fit(X, y))


def test_the_order_of_the_images_matters_to_nothing_but_the_training(digits):
    X, y = digits
    estimator = small().fit(X, y)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_allclose(estimator.predict_proba(X[order]), estimator.predict_proba(X)[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("labels", [["no", "yes"], [7, -3], [True, False], [0.0, 1.0], ["ß", ""]], ids=str)
def test_labels_of_any_type(digits, labels):
    X, y = digits[0][:60], np.array(labels)[digits[1][:60] % 2]
    estimator = small().fit(X, y)
    assert estimator.classes_.tolist() == sorted(labels)
    assert estimator.predict(X).dtype == y.dtype
    assert set(estimator.predict(X).tolist()) <= set(labels)
    assert small().fit(X, y.tolist()).classes_.tolist() == sorted(labels)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_grey_and_colour(channels, dtype):
    X = np.random.default_rng(0).integers(0, 256, (24, 9, 11, channels), dtype=np.uint8)
    X = X if dtype == np.uint8 else (X / 255).astype(dtype)
    estimator = small(epochs=1, model="crnn-gru-2@positions", standardise="per-channel").fit(X, np.arange(24) % 2)
    assert estimator.n_features_in_ == 99 * channels
    assert estimator.predict(X[:1]).shape == (1,)
    assert len(estimator.preprocessing_.mean) == channels


# --- a fit that is broken off


def fitted(estimator):
    return {name: value for name, value in vars(estimator).items() if name.endswith("_")}


def stopped(*args, **kwargs):
    raise KeyboardInterrupt


def not_finite(*args, **kwargs):
    raise TrainingError("the loss is not finite")


@pytest.mark.parametrize("step", ["fit_preprocessing", "make", "ImageClassification", "fit"])
@pytest.mark.parametrize("broken", [stopped, not_finite])
def test_a_broken_fit_leaves_what_was_fitted_before(digits, monkeypatch, step, broken):
    X, y = digits[0][:64], digits[1][:64]
    again, only = small(model="mlp-8", epochs=1).fit(X, y), small(model="mlp-8", epochs=1)
    before, probabilities = fitted(again), again.predict_proba(X)
    monkeypatch.setattr(shared if step == "fit" else module, step, broken)
    for estimator in (again, only):
        with pytest.raises((KeyboardInterrupt, TrainingError)):
            estimator.fit(X[:, ::-1], y % 3)
    assert fitted(again).keys() == before.keys()
    assert all(fitted(again)[name] is value for name, value in before.items())
    assert np.array_equal(again.predict_proba(X), probabilities)
    assert fitted(only) == {}
    for method in ("predict", "predict_proba"):
        with pytest.raises(NotFittedError):
            getattr(only, method)(X)


def test_ctrl_c_on_any_line_of_fit(digits):
    """The old state or the new one, never parts of both."""
    X, y, states = digits[0][:32], digits[1][:32], set()
    code, estimator = ImageClassifier.fit.__code__, small(model="mlp-8", epochs=1)
    for line in range(1, 60):
        estimator.fit(X, y % 2)
        old, seen = fitted(estimator), 0

        def trace(frame, event, argument, line=line):
            nonlocal seen
            if frame.f_code is not code:
                return None
            seen += event == "line"
            if seen == line:
                raise KeyboardInterrupt
            return trace

        sys.settrace(trace)
        try:
            estimator.fit(X, y % 3)
        except KeyboardInterrupt:
            pass
        else:
            break  # there is no such line
        finally:
            sys.settrace(None)
        new = fitted(estimator)
        arrays = old.keys() - {"n_features_in_"}  # an int, of which there is one
        kept = {name for name in arrays if new[name] is old[name]}
        assert new.keys() == old.keys()
        assert kept in (set(), arrays)
        assert len(estimator.classes_) == estimator.predict_proba(X).shape[1]
        states.add(not kept)
    assert 10 < line < 59
    assert False in states


def test_pickled_and_copied_it_predicts_the_same(digits):
    X, y = digits[0][:64], digits[1][:64]
    estimator = small(model="crnn-gru-2", epochs=1).fit(X, y)
    copy = pickle.loads(pickle.dumps(estimator))
    assert np.array_equal(copy.predict_proba(X), estimator.predict_proba(X))
    assert fitted(clone(estimator)) == {}
    with pytest.raises(NotFittedError):
        pickle.loads(pickle.dumps(clone(estimator))).predict(X)


# --- with scikit-learn's tools


def test_cross_val_score(digits):
    scores = cross_val_score(small(), *digits, cv=3)
    assert scores.shape == (3,)
    assert (scores > 0.2).all()
    assert np.array_equal(scores, cross_val_score(small(), *digits, cv=3))


def test_pipeline(digits):
    X, y = digits
    flat = X.reshape(len(X), 64)
    pipeline = make_pipeline(FunctionTransformer(lambda X: X.reshape(-1, 8, 8)), small())
    assert np.array_equal(pipeline.fit(flat, y).predict(flat), small().fit(X, y).predict(X))
    pipeline.set_params(imageclassifier__epochs=1)
    assert pipeline[-1].epochs == 1


def test_grid_search(digits):
    X, y = digits[0][:120], digits[1][:120] % 2
    grid = {"epochs": np.array([1, 3]), "lr": [1e-3]}
    search = GridSearchCV(small(), grid, cv=2, error_score="raise").fit(X, y)
    assert search.best_params_["epochs"] in (1, 3)
    assert len(search.cv_results_["mean_test_score"]) == 2
    assert search.predict(X).shape == (120,)


# --- errors, each a ValueError too


@pytest.mark.parametrize("method", ["predict", "predict_proba"])
def test_before_fit(digits, method):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        getattr(small(), method)(digits[0])


@pytest.mark.parametrize(
    ("parameters", "error", "line"),
    [
        ({"model": "ecrnn-blstm-16"}, UnknownNameError, "did you mean 'ecrnn-bilstm-16'"),
        ({"epochs": 0}, EcrnnError, "epochs: input should be greater than or equal to 1"),
        ({"lr": float("nan")}, EcrnnError, "lr: input should be"),
        ({"optimizer": "adma"}, EcrnnError, "optimizer: input should be 'adam', 'adamw', 'sgd' or 'muon'"),
        (
            {"random_state": True},
            EcrnnError,
            "None or a RandomState, not True",
        ),
        (
            {"random_state": -1},
            EcrnnError,
            "None or a RandomState, not -1",
        ),
        ({"random_state": 1.5}, EcrnnError, r"None or a RandomState, not 1\.5"),
    ],
)
def test_wrong_parameters(digits, parameters, error, line):
    with pytest.raises(error, match=line) as caught:
        small(**parameters).fit(*digits)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (lambda X, y: (X.reshape(len(X), 64), y), r"X has shape \(300, 64\)"),
        (lambda X, y: (X * 16, y), "floats from 0 to 16"),
        (lambda X, y: (np.where(X > 0.9, np.nan, X), y), "Input X contains NaN"),
        (lambda X, y: (X, y[:-1]), r"inconsistent numbers of samples: \[300, 299\]"),
        (lambda X, y: (X[:0], y[:0]), "Found array with 0 sample"),
        (lambda X, y: (X, np.zeros_like(y)), "Classifier can't train when only one class is present"),
        (lambda X, y: (X[:, :7, :7], y), "8 to 1024 pixels a side, not 7x7"),
    ],
    ids=range(7),
)
def test_wrong_images(digits, spoil, line):
    with pytest.raises(ValueError, match=line):
        small().fit(*spoil(*digits))


class Tables(ImageClassifier):
    """Each row of X is an image of 8x8: X of two dimensions as scikit-learn's checks have it, brought into 0..1."""

    def fit(self, X: Any, y: Any) -> Tables:
        super().fit(_images(X), y)
        self.n_features_in_ = np.asarray(X).shape[1]
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "network_")
        shape = X.shape if hasattr(X, "toarray") else np.asarray(X).shape
        if len(shape) == 2 and shape[1] != self.n_features_in_:
            whose = f"Tables is expecting {self.n_features_in_} features as input"
            raise ValueError(f"X has {shape[1]} features, but {whose}")
        return super().predict_proba(_images(X))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.positive_only = True, False
        return tags


def _images(X: Any) -> Any:
    """What is no table of at most 64 finite numbers a row goes on as it is, for the estimator to say what is wrong."""
    if hasattr(X, "toarray"):
        return X
    table = np.asarray(X)
    if table.ndim != 2 or not 0 < table.shape[1] <= 64:
        return table
    try:
        table = table.astype(float, casting="same_kind" if table.dtype.kind == "c" else "unsafe")
    except (TypeError, ValueError):
        return table[:, None]
    if not np.isfinite(table).all():
        return table[:, None]
    squashed = np.pad(1 / (1 + np.exp(-table / 4)), ((0, 0), (0, 64 - table.shape[1])))
    return squashed.reshape(-1, 8, 8)


@pytest.mark.slow
@parametrize_with_checks([Tables("mlp-32", epochs=40, lr=0.01, batch_size=16, threads=1, precision="float32")])
def test_scikit_learns_checks(estimator: Tables, check: Any) -> None:
    check(estimator)


def test_images_of_another_size_than_in_fit(digits):
    estimator = small(epochs=1).fit(*digits)
    with pytest.raises(DataError, match=r"images are 8x7x1 .*, the model takes 8x8x1"):
        estimator.predict(digits[0][:, :, :7])


def test_outputs_that_are_not_finite_are_no_answer(digits):
    X, y = digits
    fitted = small(epochs=1).fit(X, y)
    with torch.no_grad():
        next(fitted.network_.parameters()).fill_(float("inf"))
    with pytest.raises(ValueError, match="not finite"):
        fitted.predict_proba(X[:3])
