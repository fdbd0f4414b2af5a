"""Baselines: classifiers of scikit-learn that a network should beat, compared in the same studies. No torch here.

    majority   the most frequent class of the training examples, always
    logistic   logistic regression, regularised as scikit-learn does by default
    forest     a random forest of 100 trees

Each is fitted once, on the standardised values of an example laid side by side (`ecrnn.training.baselines`). Any other
classifier of scikit-learn takes part as an object, `ecrnn.compare(..., models={"svm": SVC()})`, or from a file of
models, by a function that gives one:

    @ecrnn.register("svm", task="image-classification", estimator=True)
    def svm(spec, *, c: float = 1.0):
        return SVC(C=c)
"""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.text import one_line
from ecrnn.models import registry
from ecrnn.models.family import Family, Source, check_family, source_of
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

if TYPE_CHECKING:
    from sklearn.base import ClassifierMixin

_METHODS = ("fit", "predict", "get_params", "set_params")
_NOT_WHAT_IT_IS = {"random_state", "n_jobs", "verbose"}  # parameters that a trial sets, or that change no result
_LONGEST = 60  # characters of a classifier's text in errors


@register("majority", task="image-classification", estimator=True)
def majority(spec: InputSpec) -> ClassifierMixin:
    """Always the most frequent class; probabilities are the shares of the classes among the training examples."""
    from sklearn.dummy import DummyClassifier

    return DummyClassifier(strategy="prior")


@register("logistic", task="image-classification", estimator=True)
def logistic(spec: InputSpec) -> ClassifierMixin:
    """Multinomial logistic regression with an L2 penalty (C = 1), by L-BFGS."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000)


@register("forest", task="image-classification", estimator=True)
def forest(spec: InputSpec) -> ClassifierMixin:
    """A random forest (Breiman, 2001) of 100 trees, grown until their leaves are pure."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(n_estimators=100, n_jobs=-1)  # as many as the trial has


def make_classifier(name: ModelName, spec: InputSpec, seed: int) -> Any:
    """The classifier ``name``, not fitted; every ``random_state`` in it is ``seed``.

    Raises:
        EcrnnError: what was registered under this name gives no classifier of scikit-learn.
    """
    assert name.row.estimator
    builder = name.row.builder
    with_name = {"name": name} if "name" in inspect.signature(builder).parameters else {}
    classifier = builder(spec=spec, **with_name, **dict(name.options))
    _check(str(name), classifier)
    states = [key for key in classifier.get_params() if key.split("__")[-1] == "random_state"]
    return classifier.set_params(**dict.fromkeys(states, seed))


def is_estimator(thing: Any) -> bool:
    """Whether it is meant as an estimator of scikit-learn: an object or a class with `fit` and `predict`."""
    return callable(getattr(thing, "fit", None)) and callable(getattr(thing, "predict", None))


def register_object(name: str, classifier: Any, task: str) -> None:
    """Make a classifier of scikit-learn known as a model, for this process.

    Args:
        name: of the model.
        classifier: is copied without what it may have learnt.
        task: name of a task.

    Raises:
        EcrnnError: it is none, or holds parameters by which a study cannot know it again.
    """
    from sklearn.base import clone

    if isinstance(classifier, type):
        raise EcrnnError(f"model '{name}': give an object, {classifier.__name__}(), not the class")
    _check(name, classifier)
    prototype = clone(classifier, safe=False)
    text = one_line(classifier)
    source = Source(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 4]}...)", description(name, prototype))

    def build(spec: InputSpec) -> Any:
        return clone(prototype, safe=False)

    row = Family(name, task, build, estimator=True, source=source)
    check_family(row)
    registry.include(row)


def _check(name: str, classifier: Any) -> None:
    from sklearn.base import BaseEstimator, is_classifier

    lacking = [method for method in _METHODS if not callable(getattr(classifier, method, None))]
    regressor = isinstance(classifier, BaseEstimator) and not is_classifier(classifier)
    if lacking or regressor:
        what = f"{type(classifier).__name__} has no {lacking[0]}" if lacking else f"{type(classifier).__name__} is none"
        raise EcrnnError(f"model '{name}': it should be a classifier of scikit-learn, and {what}")


def description(name: str, classifier: Any) -> bytes:
    """What a classifier is, so that a study knows it again: its class and its parameters, as JSON.

    Parameters that a trial sets (`random_state`), or that change no result (`n_jobs`, `verbose`), are left out; so is
    scikit-learn's version, which `environment.json` holds. Of classes and functions of other packages the file counts.

    Raises:
        EcrnnError: a parameter is of a type that has no such description.
    """
    return json.dumps(_plain(name, "", classifier), indent=1, sort_keys=True).encode()


def _plain(name: str, place: str, value: Any) -> Any:
    """``value``, a parameter at ``place`` of the classifier ``name``, as plain data of JSON."""

    def inner(step: object, part: Any) -> Any:
        return _plain(name, f"{place}.{step}".lstrip("."), part)

    match value:
        case None | bool() | int() | float() | str() | np.generic():
            return value.item() if isinstance(value, np.generic) else value
        case np.ndarray() if value.dtype != object:
            digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            return {"array": [list(value.shape), str(value.dtype), digest]}
        case Mapping():
            return {"mapping": [[inner("key", key), inner(key, part)] for key, part in value.items()]}
        case Sequence():
            return [inner(number, part) for number, part in enumerate(value)]
        case _ if hasattr(value, "get_params") and not isinstance(value, type):
            parameters = value.get_params(deep=False).items()
            kept = {key: inner(key, part) for key, part in parameters if key not in _NOT_WHAT_IT_IS}
            return {"class": _place(name, type(value)), "parameters": kept}
        case _ if callable(value) and hasattr(value, "__qualname__"):
            return _place(name, value)
    fault = f"is of type {type(value).__name__}, by which a study cannot know it again"
    raise EcrnnError(f"model '{name}': parameter {place} {fault}; use numbers, text, arrays or estimators")


def _place(name: str, value: Any) -> list[str]:
    """Where a class or function lies, and the digest of its file where it is not scikit-learn's, NumPy's or SciPy's."""
    module = getattr(value, "__module__", None) or ""
    place = [module, value.__qualname__]
    if module.partition(".")[0] in ("sklearn", "numpy", "scipy", "builtins", ""):
        return place
    return [*place, source_of(name, value).sha256]
