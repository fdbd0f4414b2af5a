"""The rejection table of a bundle that has none, or another one, from examples that its model has not seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ecrnn.core.errors import BundleError, DataError
from ecrnn.core.predictions import Predictions
from ecrnn.core.text import counted
from ecrnn.serving.bundle import add_metrics
from ecrnn.serving.evaluation import Judgement
from ecrnn.serving.predictor import Predictor
from ecrnn.serving.pretrained import FOLDER, find
from ecrnn.serving.rejection import KEPT, rejection_table


def keep_rejection(bundle: str | Path, model: Predictor, judgement: Judgement) -> str:
    """Write below which probabilities a model abstains into its bundle.

    Args:
        bundle: the bundle as it was named.
        model: of that bundle, a classifier.
        judgement: of the model, on examples that it was not trained on.

    Returns:
        A line that says what was written.

    Raises:
        BundleError: the bundle is part of the installation, or of a training that goes on.
        DataError: the model was, or may have been, trained on some of the examples, or they are too few.
    """
    folder = find(bundle)
    if folder.is_relative_to(FOLDER):
        raise BundleError(f"{bundle} is part of the installation of ecrnn; copy {folder} and name the copy")
    if model.metrics.get("unfinished"):
        raise BundleError(f"{bundle} is of a training that goes on, whose end writes this anyway")
    examples, name = model.task.examples, judgement.data.name
    if not _unseen(model, judgement):
        line = f"{judgement.note}: probabilities of {examples} that a model was trained on are too high"
        raise DataError(f"{line} to tell below which it should abstain; name others")
    assert isinstance(judgement.judged.predictions, Predictions)
    rows = rejection_table(judgement.judged.predictions)
    if not rows:
        raise DataError(f"{counted(len(judgement.index), examples)} are too few for --reject")
    add_metrics(folder, {KEPT: {"of": name, "rows": rows}})
    shares = f"{100 * rows[0]['share']:g} to {100 * rows[-1]['share']:g} %"
    return f"{bundle}: kept for --reject, from {counted(len(judgement.index), examples)} of {name}: shares of {shares}"


def _unseen(model: Predictor, judgement: Judgement) -> bool:
    """Whether the model was trained on none of the examples."""
    if judgement.trained_on is not None:
        return judgement.trained_on == 0
    left_out: Any = ("the data set's own test part", "those that training left out for validation")
    return model.metrics.get("fingerprint") == judgement.data.fingerprint and judgement.note.startswith(left_out)
