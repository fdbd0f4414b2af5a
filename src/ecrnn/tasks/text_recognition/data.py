"""From settings to lines of text, and what is fitted on those that train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress
from ecrnn.core.form import FIT_BEFORE
from ecrnn.data import tokens
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.data.vocabulary import Vocabulary
from ecrnn.models import ctc
from ecrnn.models.ocr import Reader
from ecrnn.models.processor import Processor
from ecrnn.tasks.text_recognition import lines
from ecrnn.tasks.text_recognition.facts import TASK
from ecrnn.tasks.text_recognition.settings import LineSettings


def load(settings: LineSettings, data_dir: Path | None, loading: Progress) -> lines.LineSet:
    """The examples that ``settings`` name."""
    return lines.load(
        settings.data, height=settings.height, val=settings.val, test=settings.test, data_dir=data_dir, progress=loading
    )


def prepare(data: lines.LineSet, split: Split, settings: LineSettings, training: TrainingSettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    vocabulary = tokens.fit("characters", [data.texts[i] for i in split.train], settings.vocabulary)
    _check_widths(data, vocabulary)
    together = np.concatenate([data.images[i] for i in split.train], axis=1)[None, :, :, None]
    preprocessing = fit_preprocessing(together, np.array([0]), "global")
    widest = max(image.shape[1] for image in data.images)
    image = (1, together.shape[1], widest)
    return Processor(TASK, preprocessing=replace(preprocessing, image=image, fit=FIT_BEFORE), vocabulary=vocabulary)


def _check_widths(data: lines.LineSet, vocabulary: Vocabulary) -> None:
    """CTC gives at most one character a step, and needs one more between two that are equal.

    Raises:
        DataError: images whose text is too long for their width; the line names them.
    """
    bad = [
        f"{data.files[i]} ({image.shape[1]} pixels give {Reader.steps(image.shape[1])} steps, '{text}' needs {needed})"
        for i, (image, text) in enumerate(zip(data.images, data.texts, strict=True))
        if (needed := ctc.needed(vocabulary.encode(text))) > Reader.steps(image.shape[1])
    ]
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise DataError(f"texts too long for their images: {'; '.join(bad[:3])}{more}; widen or remove them")
