"""From settings to clips, and what is fitted on those that train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ecrnn.core.config import TrainingSettings
from ecrnn.core.events import Progress
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.tasks.clip_classification import clips
from ecrnn.tasks.clip_classification.facts import TASK
from ecrnn.tasks.clip_classification.settings import ClipSettings


def load(settings: ClipSettings, data_dir: Path | None, loading: Progress) -> clips.ClipSet:
    """The examples that ``settings`` name."""
    return clips.load(
        settings.data,
        val=settings.val,
        test=settings.test,
        frames=settings.frames,
        image_size=settings.image_size,
        channels=settings.channels,
        fit=settings.fit,
        data_dir=data_dir,
        progress=loading,
    )


def prepare(data: clips.ClipSet, split: Split, settings: ClipSettings, training: TrainingSettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    frames = data.clips.shape[1]
    images = data.clips.reshape(-1, *data.clips.shape[2:])
    index = (split.train[:, None] * frames + np.arange(frames)).ravel()
    preprocessing = fit_preprocessing(images, index, training.standardise)
    return Processor(TASK, data.classes, replace(preprocessing, fit=settings.fit), frames=frames)
