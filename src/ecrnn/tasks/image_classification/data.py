"""From settings to images, and what is fitted on those that train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ecrnn.core.config import TrainingSettings
from ecrnn.core.events import Progress
from ecrnn.data.image_set import ImageSet
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.tasks.image_classification import images
from ecrnn.tasks.image_classification.facts import TASK
from ecrnn.tasks.image_classification.settings import ImageSettings


def load(settings: ImageSettings, data_dir: Path | None, loading: Progress) -> ImageSet:
    """The examples that ``settings`` name."""
    return images.load(
        settings.data,
        val=settings.val,
        test=settings.test,
        data_dir=data_dir,
        skip=settings.bad_data == "skip",
        groups=settings.groups,
        image_size=settings.image_size,
        channels=settings.channels,
        fit=settings.fit,
        progress=loading,
    )


def of_arrays(X: Any, y: Any, name: str, settings: ImageSettings) -> ImageSet:
    """Images and labels in memory as examples called ``name``, brought to the size that ``settings`` name, if any."""
    return images.of_arrays(X, y, name, settings.image_size, settings.channels, settings.fit)


def prepare(data: ImageSet, split: Split, settings: ImageSettings, training: TrainingSettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    preprocessing = fit_preprocessing(data.images, split.train, training.standardise)
    return Processor(TASK, data.classes, replace(preprocessing, fit=settings.fit))
