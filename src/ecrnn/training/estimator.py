"""The base of classifiers in scikit-learn's style, whatever their examples are."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from torch import nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import resolve
from ecrnn.core.errors import EcrnnError
from ecrnn.core.seeds import trial_seed
from ecrnn.training.loop import fit
from ecrnn.training.objective import Objective


class NetworkClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A network by name as a classifier. Its parameters with the name of a setting of training are such settings."""

    classes_: np.ndarray

    @abstractmethod
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes), float64, in the order of `classes_`."""

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each example, (n,)."""
        probabilities = self.predict_proba(X)  # which raises where nothing is fitted
        return self.classes_[probabilities.argmax(axis=1)]

    def _train(
        self, network: nn.Module, objective: Objective, settings: TrainingSettings, seed: int, **fitted: Any
    ) -> None:
        """Train ``network``, and keep it with the attributes ``fitted`` in one step, which no signal divides."""
        history = fit(network, objective, settings, seed=seed).history
        self.__dict__.update({"network_": network, "history_": history, **fitted})

    def _settings(self) -> TrainingSettings:
        """Resolved."""
        parameters = self.get_params()
        names = TrainingSettings.model_fields.keys() & parameters.keys()
        return resolve(TrainingSettings.read({name: parameters[name] for name in names}))

    def _seed(self) -> int:
        """Of weights and order, from ``random_state``: a whole number, None, or a RandomState."""
        state: Any = self.get_params()["random_state"]
        if isinstance(state, Integral) and not isinstance(state, bool) and int(state) >= 0:
            return trial_seed(int(state), 0)
        if state is None or isinstance(state, np.random.RandomState):
            return trial_seed(int(check_random_state(state).randint(2**31 - 1)), 0)
        raise EcrnnError(f"random_state should be a whole number from 0, None or a RandomState, not {state!r}")


def classes_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes, sorted, and the number of the class of each label.

    Raises:
        ValueError: y names no classes, or one alone; in scikit-learn's words.
    """
    check_classification_targets(y)
    classes, labels = np.unique(y, return_inverse=True)
    if len(classes) < 2:
        raise EcrnnError("Classifier can't train when only one class is present.")
    return classes, labels
