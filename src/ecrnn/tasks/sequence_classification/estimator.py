"""`SequenceClassifier`: scikit-learn's conventions around a network for numeric sequences."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_array, check_X_y
from sklearn.utils.validation import check_is_fitted

from ecrnn.core.config import ClassWeights, Schedule
from ecrnn.core.errors import DataError
from ecrnn.data.splits import Split
from ecrnn.models.build import make
from ecrnn.models.inference import check_finite, softmax
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.models.spec import check
from ecrnn.tasks.sequence_classification.facts import TASK
from ecrnn.tasks.sequence_classification.objective import SequenceClassification, sequence_logits
from ecrnn.tasks.sequence_classification.scaling import fit as fit_scaling
from ecrnn.tasks.sequence_classification.sequence_files import from_arrays
from ecrnn.tasks.sequence_classification.sequence_set import make_sequence_set
from ecrnn.training.estimator import NetworkClassifier, classes_of


class SequenceClassifier(NetworkClassifier):
    """A network by name as a scikit-learn classifier of numeric sequences.

    Every sequence given to `fit` is trained on and the last epoch's weights are kept, so that `cross_val_score` and
    `GridSearchCV` measure on sequences that had no part in it.

    Args:
        model: a model name, such as "sequence-lstm-32" or "sequence-cnn-bigru-64", see `ecrnn.models.names`.
        epochs, batch_size, lr, optimizer, weight_decay, schedule: as in `ecrnn.core.config.TrainingSettings`.
        label_smoothing, class_weights, weight_averaging, clip_norm, device, precision: as there.
        threads: number of threads of torch; None: all cores.
        random_state: seed of weights and order: a whole number, None for a new one each time, or a RandomState.

    Attributes:
        classes_: the labels, sorted, as given to `fit`.
        network_: the trained torch module.
        scaling_: mean and deviation of each value of a step.
        history_: metrics of each epoch.
        n_features_in_: the last size of X: its steps T where that is (n, T), the values C of a step of (n, T, C).

    Example:
        >>> import numpy as np
        >>> from ecrnn import SequenceClassifier
        >>> rng = np.random.default_rng(0)
        >>> slopes = np.repeat([1.0, -1.0], 30)
        >>> X, y = rng.normal(size=(60, 20)) + slopes[:, None] * np.linspace(-2, 2, 20), np.sign(slopes)
        >>> SequenceClassifier("sequence-gru-8", epochs=10, lr=0.01).fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.9
        True
    """

    def __init__(
        self,
        model: str = "sequence-bilstm-32",
        *,
        epochs: int = 30,
        batch_size: int = 32,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam",
        weight_decay: float = 0.0,
        schedule: Schedule = "cosine",
        label_smoothing: float = 0.0,
        class_weights: ClassWeights = "none",
        weight_averaging: float = 0.0,
        clip_norm: float = 0.0,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        precision: Literal["auto", "float32", "bfloat16"] = "auto",
        threads: int | None = None,
        random_state: Any = 0,
    ) -> None:
        self.model = model
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.optimizer = optimizer
        self.weight_decay = weight_decay
        self.schedule = schedule
        self.label_smoothing = label_smoothing
        self.class_weights = class_weights
        self.weight_averaging = weight_averaging
        self.clip_norm = clip_norm
        self.device = device
        self.precision = precision
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any, lengths: Any = None) -> SequenceClassifier:
        """Train on sequences.

        Args:
            X: numbers (n, T, C), or (n, T) where a step is one value.
            y: labels (n,).
            lengths: whole numbers (n,), steps of each; default: all T.

        Raises:
            ValueError: in scikit-learn's words, X or y that are not as they should be.
            EcrnnError: wrong names or settings.
            TrainingError: loss or gradients are not finite.
        """
        X, y = check_X_y(X, y, allow_nd=True, dtype="numeric", ensure_min_samples=2, estimator=self)
        if 0 in X.shape:
            raise DataError(f"Found array with 0 feature(s) (shape=({len(X)}, 0)) while a minimum of 1 is required.")
        classes, labels = classes_of(y)
        data = make_sequence_set("X", from_arrays(X, lengths, "X"), labels, [str(label) for label in classes])
        settings, seed = self._settings(), self._seed()
        everything = np.arange(len(data))
        split = Split(everything, everything[:0], "all", "every sequence trains")
        scaling = fit_scaling(data, everything)
        processor = Processor(TASK, data.classes, length=max(2, int(data.lengths.max())), extra=scaling.to_plain())
        name = parse(self.model)
        check(processor.sizes, name)
        network = make(name, processor.sizes, seed)
        objective = SequenceClassification(data, split, processor, settings)
        self._train(network, objective, settings, seed, classes_=classes, scaling_=scaling, n_features_in_=X.shape[-1])
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def predict(self, X: Any, lengths: Any = None) -> np.ndarray:
        """The most probable label of each sequence, (n,); X and lengths as for `fit`."""
        if lengths is None:
            return super().predict(X)
        return self.classes_[self.predict_proba(X, lengths).argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None, lengths: Any = None) -> float:
        """The share of sequences whose label is predicted; X and lengths as for `fit`."""
        return float(accuracy_score(y, self.predict(X, lengths), sample_weight=sample_weight))

    def predict_proba(self, X: Any, lengths: Any = None) -> np.ndarray:
        """Probabilities (n, classes), float64, in the order of `classes_`; X and lengths as for `fit`."""
        check_is_fitted(self, "network_")
        X = check_array(X, allow_nd=True, dtype="numeric", estimator=self)
        if X.shape[-1] != self.n_features_in_:
            whose = f"{type(self).__name__} is expecting {self.n_features_in_} features as input"
            raise DataError(f"X has {X.shape[-1]} features, but {whose}")
        scaled = [self.scaling_(sequence) for sequence in from_arrays(X, lengths, "X")]
        return softmax(check_finite(sequence_logits(self.network_, scaled)))
