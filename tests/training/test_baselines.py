"""A classifier in the place of a network: what scikit-learn itself says of the same examples."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC, LinearSVC
from training.trainings import image_set, make_settings, make_task

from ecrnn.core.errors import EcrnnError, TrainingError
from ecrnn.core.events import Epoch, Message
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.models.inference import softmax
from ecrnn.training.baselines import FLOOR, fit_classifier, logits_of
from ecrnn.training.classification import Classification


class Named(ClassifierMixin, BaseEstimator):
    """Names the class of the nearest training example, and nothing else."""

    def fit(self, X, y):
        self.X_, self.y_ = X, y
        return self

    def predict(self, X):
        return self.y_[((X[:, None] - self.X_) ** 2).sum(axis=2).argmin(axis=1)]


CLASSIFIERS = {
    "shares": DummyClassifier(),
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(20, random_state=1),
    "certain": GaussianNB(),
    "decisions": LinearSVC(random_state=1),
    "decisions of votes": SVC(C=0.01, kernel="sigmoid"),
    "decisions between pairs": SVC(decision_function_shape="ovo"),
    "classes alone": Named(),
    "ridge": RidgeClassifier(),
}


def fitted(classifier, task=None, threads=1):
    task = task or make_task(make_settings())
    events, generator = [], fit_classifier(classifier, task, threads=threads, label="it, repeat 0")
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return end.value, events


def examples(classes=4):
    """Training and validation values by another way than the task's, and their labels."""
    task = make_task(make_settings(), image_set(60, classes))
    images, split = task.images, task.split
    values = fit_preprocessing(images.images, split.train).apply(images.images).reshape(60, -1)
    return values[split.train], images.labels[split.train], values[split.validation], images.labels[split.validation]


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_it_says_what_scikit_learn_says(name, classes):
    task = make_task(make_settings(), image_set(60, classes))
    result, events = fitted(CLASSIFIERS[name], task)
    train, labels, held_out, truth = examples(classes)
    alone = CLASSIFIERS[name].fit(train, labels)
    predictions, (metrics,) = result.predictions, result.history
    assert predictions.predicted.tolist() == alone.predict(held_out).tolist()
    assert metrics["validation_accuracy"] == alone.score(held_out, truth)
    assert predictions.index.tolist() == task.split.validation.tolist()
    assert predictions.label.tolist() == truth.tolist()
    assert predictions.logits.dtype == np.float32
    assert predictions.logits.shape == (len(truth), classes)
    assert np.isfinite(predictions.logits).all()
    loss = F.cross_entropy(torch.from_numpy(predictions.logits).double(), torch.from_numpy(predictions.label))
    assert metrics["validation_loss"] == float(loss)
    assert [event for event in events if isinstance(event, Epoch)] == [Epoch("it, repeat 0", 1, 1, 1, 1, metrics)]


@pytest.mark.parametrize("name", ["shares", "logistic", "forest", "certain"])
def test_probabilities_are_kept_down_to_the_floor(name):
    result, _ = fitted(CLASSIFIERS[name])
    train, labels, held_out, _ = examples()
    exact = CLASSIFIERS[name].fit(train, labels).predict_proba(held_out)
    assert np.exp(result.predictions.logits) == pytest.approx(np.maximum(exact, FLOOR), rel=1e-5)


def test_decisions_are_ranked_as_they_were():
    result, _ = fitted(CLASSIFIERS["decisions"])
    train, labels, held_out, _ = examples()
    decisions = LinearSVC(random_state=1).fit(train, labels).decision_function(held_out)
    assert softmax(result.predictions.logits) == pytest.approx(softmax(decisions), abs=1e-6)


def test_a_class_alone_leaves_the_floor_to_the_others():
    result, _ = fitted(CLASSIFIERS["classes alone"])
    probabilities = np.sort(np.exp(result.predictions.logits.astype(np.float64)), axis=1)
    assert probabilities[:, :3] == pytest.approx(np.full((12, 3), FLOOR), rel=1e-5)
    assert probabilities[:, 3] == pytest.approx(np.full(12, 1 - 3 * FLOOR))


class Torn(ClassifierMixin, BaseEstimator):
    """Names another class than the most probable one."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), 2)

    def predict_proba(self, X):
        return np.tile([0.4, 0.4, 0.2, 0.0], (len(X), 1))


def test_the_class_is_the_one_that_is_named():
    logits = logits_of(Torn().fit(None, np.arange(4)), np.zeros((3, 5)), 4)
    assert logits.argmax(axis=1).tolist() == [2, 2, 2]
    assert np.exp(logits) == pytest.approx(np.tile([0.4, 0.4, 0.4, FLOOR], (3, 1)), rel=1e-5)


def test_parameters_are_counted_where_there_are_coefficients():
    logistic, _ = fitted(LogisticRegression())
    assert (logistic.parameters, logistic.multiply_adds) == (4 * 192 + 4, 4 * 192)
    for other in (DummyClassifier(), RandomForestClassifier(3), SVC()):
        assert (fitted(other)[0].parameters, fitted(other)[0].multiply_adds) == (None, None)


def test_the_number_of_threads_changes_no_bit():
    forests = [
        fitted(RandomForestClassifier(30, random_state=3, n_jobs=-1), threads=threads)[0].predictions.logits
        for threads in (1, 3, 1)
    ]
    assert forests[0].tobytes() == forests[1].tobytes() == forests[2].tobytes()


class Deaf(DummyClassifier):
    def fit(self, X, y):
        warnings.warn("it is\ntoo loud", UserWarning, stacklevel=1)
        return super().fit(X, y)


class NotFinite(Torn):
    def predict_proba(self, X):
        return np.full((len(X), 4), np.nan)


def test_warnings_are_messages():
    _, events = fitted(Deaf())
    assert events[0] == Message("it, repeat 0: it is too loud")
    assert len(events) == 2


def test_what_is_not_finite_fails():
    with pytest.raises(TrainingError, match="it, repeat 0: NotFinite gives values that are not finite"):
        fitted(NotFinite())


def test_a_task_without_features_says_so():
    class Other(Classification):
        def __init__(self): ...

        def batch(self, positions, epoch): ...

        def logits(self, model, index): ...

    with pytest.raises(EcrnnError, match="Other: its examples have no form that a classifier of scikit-learn takes"):
        Other().features(np.arange(3))
