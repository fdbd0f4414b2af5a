"""`ImageClassifier`: scikit-learn's conventions around a model by name."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from sklearn.utils import Tags, check_array, check_X_y
from sklearn.utils.validation import check_is_fitted

from ecrnn.core.config import ClassWeights, Schedule
from ecrnn.data.image_set import from_arrays, to_uint8
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import make
from ecrnn.models.inference import Standardise, check_finite, predict_logits, softmax
from ecrnn.models.names import parse
from ecrnn.models.processor import Processor
from ecrnn.models.spec import InputSpec, check
from ecrnn.tasks.image_classification.facts import TASK
from ecrnn.tasks.image_classification.objective import ImageClassification
from ecrnn.training.estimator import NetworkClassifier, classes_of


class ImageClassifier(NetworkClassifier):
    """A network by name as a scikit-learn classifier of image arrays.

    Every image given to `fit` is trained on and the last epoch's weights are kept, so that `cross_val_score` and
    `GridSearchCV` measure on images that had no part in it.

    Args:
        model: a model name, see `ecrnn.models.names`.
        epochs, batch_size, lr, optimizer, weight_decay, schedule: as in `ecrnn.core.config.TrainingSettings`.
        label_smoothing, class_weights, weight_averaging, augment, standardise, device, precision: as there.
        threads: number of threads of torch; None: all cores.
        random_state: seed of weights and order: a whole number, None for a new one each time, or a RandomState.

    Attributes:
        classes_: the labels, sorted, as given to `fit`.
        network_: the trained torch module.
        preprocessing_: the standardisation.
        history_: metrics of each epoch.
        n_features_in_: pixels times channels of an image.

    Examples:
        >>> from sklearn.datasets import load_digits
        >>> from ecrnn import ImageClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> X = X.reshape(-1, 8, 8) / 16
        >>> classifier = ImageClassifier(model="cnn", epochs=3, batch_size=32).fit(X[:1000], y[:1000])
        >>> classifier.score(X[1000:], y[1000:]) > 0.8
        True
    """

    def __init__(
        self,
        model: str = "ecrnn-bilstm-16",
        *,
        epochs: int = 15,
        batch_size: int = 128,
        lr: float = 1e-3,
        optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam",
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        label_smoothing: float = 0.0,
        class_weights: ClassWeights = "none",
        weight_averaging: float = 0.0,
        augment: str = "none",
        standardise: Literal["global", "per-channel"] = "global",
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
        self.augment = augment
        self.standardise = standardise
        self.device = device
        self.precision = precision
        self.threads = threads
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> ImageClassifier:
        """Train on images X (n, H, W) or (n, H, W, C), uint8 or floats between 0 and 1, with labels y (n,).

        A fit that does not reach its end, by an error or by Ctrl-C, changes nothing: the estimator stays as it was
        fitted before, or not fitted.

        Raises:
            ValueError: in scikit-learn's words, X or y that are not as they should be.
            EcrnnError: wrong names, shapes, values or settings.
            TrainingError: loss or gradients are not finite.
        """
        X, y = check_X_y(X, y, allow_nd=True, dtype="numeric", ensure_min_samples=2, estimator=self)
        classes, _ = classes_of(y)
        images = from_arrays(X, y)
        name, spec = parse(self.model), InputSpec(images.image, len(images.classes))
        check(spec, name)
        settings, seed = self._settings(), self._seed()
        everything = np.arange(len(images))
        split = Split(everything, everything[:0], "all", "every image trains")
        preprocessing = fit_preprocessing(images.images, everything, self.standardise)
        network = make(name, spec, seed)
        processor = Processor(TASK, images.classes, preprocessing)
        task = ImageClassification(images, split, processor, settings, seed)
        fitted = {"preprocessing_": preprocessing, "n_features_in_": int(np.prod(images.image))}
        self._train(network, task, settings, seed, classes_=classes, **fitted)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities (n, classes), float64, in the order of `classes_`.

        Raises:
            NotFiniteError: the network's output for an image is not finite.
        """
        check_is_fitted(self, "network_")
        images = to_uint8(check_array(X, allow_nd=True, dtype="numeric", estimator=self))
        device = next(self.network_.parameters()).device
        standardise = Standardise(self.preprocessing_).to(device)
        logits = predict_logits(self.network_, images, np.arange(len(images)), standardise)
        return softmax(check_finite(logits))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = tags.input_tags.positive_only = True
        return tags
