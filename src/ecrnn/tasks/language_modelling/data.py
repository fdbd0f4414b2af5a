"""From settings to a text in blocks, and what is fitted on those that train."""

from __future__ import annotations

from pathlib import Path

from ecrnn.core.config import TrainingSettings
from ecrnn.core.events import Progress
from ecrnn.data import tokens
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.tasks.language_modelling import corpus
from ecrnn.tasks.language_modelling.facts import TASK
from ecrnn.tasks.language_modelling.settings import BlockSettings


def load(settings: BlockSettings, data_dir: Path | None, loading: Progress) -> corpus.Corpus:
    """The examples that ``settings`` name."""
    return corpus.load(
        settings.data, length=settings.length, val=settings.val, test=settings.test, data_dir=data_dir, progress=loading
    )


def prepare(data: corpus.Corpus, split: Split, settings: BlockSettings, training: TrainingSettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    vocabulary = tokens.fit("characters", [data.block(i) for i in split.train], settings.vocabulary)
    return Processor(TASK, vocabulary=vocabulary, length=data.length)
