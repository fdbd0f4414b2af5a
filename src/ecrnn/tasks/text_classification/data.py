"""From settings to texts, and what is fitted on those that train."""

from __future__ import annotations

from pathlib import Path

from ecrnn.core.config import TrainingSettings
from ecrnn.core.events import Progress
from ecrnn.data import tokens
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.tasks.text_classification import texts
from ecrnn.tasks.text_classification.facts import TASK
from ecrnn.tasks.text_classification.settings import TextSettings


def load(settings: TextSettings, data_dir: Path | None, loading: Progress) -> texts.TextSet:
    """The examples that ``settings`` name."""
    return texts.load(settings.data, val=settings.val, test=settings.test, data_dir=data_dir, progress=loading)


def prepare(data: texts.TextSet, split: Split, settings: TextSettings, training: TrainingSettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    vocabulary = tokens.fit(settings.tokens, [data.texts[i] for i in split.train], settings.vocabulary)
    return Processor(TASK, data.classes, vocabulary=vocabulary, length=settings.length)
