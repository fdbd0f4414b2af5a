"""From settings to images with captions, and what is fitted on those that train."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ecrnn.core.config import TrainingSettings
from ecrnn.core.events import Progress
from ecrnn.data import tokens
from ecrnn.data.catalogue import refuse_settings
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.tasks.captioning import captions
from ecrnn.tasks.captioning.facts import TASK
from ecrnn.tasks.captioning.settings import CaptionSettings


def load(settings: CaptionSettings, data_dir: Path | None, loading: Progress) -> captions.CaptionSet:
    """The examples that ``settings`` name."""
    refuse_settings(settings.val, settings.test)
    return captions.load(
        settings.data, image_size=settings.image_size, fit=settings.fit, data_dir=data_dir, progress=loading
    )


def prepare(
    data: captions.CaptionSet, split: Split, settings: CaptionSettings, training: TrainingSettings
) -> Processor:
    """What is fitted on the training examples of ``split``."""
    written = [text for i in split.train for text in data.captions[i]]
    vocabulary = tokens.fit(settings.tokens, written, settings.vocabulary)
    preprocessing = replace(fit_preprocessing(data.images, split.train, training.standardise), fit=settings.fit)
    return Processor(TASK, preprocessing=preprocessing, vocabulary=vocabulary, length=settings.length)
