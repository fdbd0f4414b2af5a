"""What the models of a study say of images that they had not seen."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.predictions import Predictions
from ecrnn.core.reading import there
from ecrnn.core.runs import read_settings, read_trial, trial_home
from ecrnn.core.trial_of_study import check_of_study
from ecrnn.data.check.suspect_labels import held_out_probabilities
from ecrnn.data.folder import Listing, without


class StudyPredictions(NamedTuple):
    """Probabilities of the classes by models that had not seen the image.

    Attributes:
        model: of the study, the one that is most often right.
        probabilities: float64 (N, C), the mean over the trainings that held the image out.
        held_out: bool (N,), the images that there are any of.
    """

    model: str
    probabilities: np.ndarray
    held_out: np.ndarray


def read_study_predictions(study: Path, listing: Listing) -> StudyPredictions:
    """The predictions of the best model of a study of the folder, from its run directory.

    Args:
        study: its folder.
        listing: of the images.

    Raises:
        DataError: the study is of other images, or holds no finished trial with probabilities.
        EcrnnError: it is none, or damaged.
    """
    settings = read_settings(study)
    bad = [file for file in settings.bad_files if file in set(listing.files)]
    kept, keep = without(listing, bad)
    places, best = np.flatnonzero(keep), None
    for model in settings.models:
        trials = []
        for repeat in range(settings.first_repeat, settings.first_repeat + settings.repeats):
            trial = read_trial(study, model, repeat) if there(trial_home(study, model, repeat)) else None
            if trial is None or not isinstance(trial.predictions, Predictions):
                continue
            check_of_study(study, settings, model, repeat, {"facts": trial.facts, "plan": trial.plan})
            index, label, logits = trial.predictions.index, trial.predictions.label, trial.predictions.logits
            same = trial.facts.get("n_images") == len(kept.files) and trial.facts.get("classes") == list(kept.classes)
            if not same or index.max(initial=-1) >= len(kept.files) or not np.array_equal(label, kept.labels[index]):
                raise DataError(f"{study} is of other images than {listing.folder}: their numbers or classes differ")
            trials.append((places[index], logits))
        if trials:
            found = StudyPredictions(model, *held_out_probabilities(trials, len(keep), len(kept.classes)))
            labels = listing.labels[found.held_out]
            accuracy = float((found.probabilities[found.held_out].argmax(axis=1) == labels).mean())
            if best is None or accuracy > best[0]:
                best = accuracy, found
    if best is None:
        raise DataError(f"{study} holds no finished trial with probabilities of classes; an archive keeps none")
    return best[1]
