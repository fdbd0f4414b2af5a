"""Which labelled pictures a trained model is judged on, and its answers to them.

A model must not be judged on pictures it was trained on. Where the data set is the one the bundle came from, its own
split is drawn again and the training pictures are left out.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecrnn.core.errors import BundleError, DataError, unknown_name
from ecrnn.core.runs import Predictions
from ecrnn.data import images as image_data
from ecrnn.data.images import ImageSet
from ecrnn.data.splits import parse_split
from ecrnn.serving.classifier import Classifier

PARTS = ("auto", "test", "validation", "all")


def predictions_on(
    classifier: Classifier, data: str, *, data_dir: Path | None = None, part: str = "auto"
) -> tuple[Predictions, str]:
    """The classifier's logits for the pictures of ``data``, and a phrase that says which pictures they are.

    Args:
        classifier: from `ecrnn.load`.
        data: registered name or folder; its pictures are brought to the size and channels of the model.
        data_dir: local copies of registered data sets.
        part: "test", the data set's own; "validation", what the model's training left out of this very data set;
            "all"; or "auto": the first of these that there is, and "all" only for data the model was not trained on.

    Raises:
        DataError: the data set has no such part, or a class that the model does not know.
        UnknownNameError: unknown part or data set.
    """
    if part not in PARTS:
        raise unknown_name("part", part, PARTS)
    channels, height, width = classifier.image
    images = image_data.load(data, data_dir=data_dir, image_size=(height, width), channels=channels)
    index, note = _choose(classifier, images, part)
    known = {name: number for number, name in enumerate(classifier.classes)}
    foreign = [name for name in images.classes if name not in known]
    if foreign:
        known_names = _listed(classifier.classes)
        raise DataError(f"{data} has a class '{foreign[0]}' that the model does not know: {known_names}")
    label = np.array([known[name] for name in images.classes], np.int64)[images.labels[index]]
    logits = classifier.logits_at(images.images, index)
    return Predictions(index, label, logits), note


def _choose(classifier: Classifier, images: ImageSet, part: str) -> tuple[np.ndarray, str]:
    own_test = images.n_train < len(images)
    trained_on = classifier.metrics.get("fingerprint") == images.fingerprint
    if part == "auto":
        part = "test" if own_test else "validation" if trained_on else "all"
    if part == "test":
        if not own_test:
            raise DataError(f"{images.name} has no test part of its own; use --part validation or all")
        return np.arange(images.n_train, len(images)), "the data set's own test part"
    if part == "all":
        note = "all pictures, those of training among them: the figure is too good" if trained_on else "all pictures"
        return np.arange(len(images)), note
    if not trained_on:
        raise DataError(f"the model was not trained on {images.name}: it has no validation part there; use --part all")
    try:
        seed, repeat = int(classifier.metrics["seed"]), int(classifier.metrics.get("repeat", 0))
        if repeat < 0:
            raise ValueError
        split = parse_split(classifier.metrics["split"]).split(images, seed, repeat)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise BundleError("the bundle's metrics.json does not say how the data was split; use --part all") from error
    return split.validation, "those that training left out for validation"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
