"""From settings to pairs of sentences, and what is fitted on those that train."""

from __future__ import annotations

from pathlib import Path

from ecrnn.core.config import TrainingSettings
from ecrnn.core.events import Progress
from ecrnn.data import tokens
from ecrnn.data.catalogue import refuse_settings
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.models.scoring import splitter_of_translations
from ecrnn.tasks.translation import sentence_pairs
from ecrnn.tasks.translation.facts import TASK
from ecrnn.tasks.translation.settings import TranslationSettings


def load(settings: TranslationSettings, data_dir: Path | None, loading: Progress) -> sentence_pairs.PairSet:
    """The examples that ``settings`` name."""
    refuse_settings(settings.val, settings.test)
    return sentence_pairs.load(settings.data, data_dir=data_dir, progress=loading)


def prepare(
    data: sentence_pairs.PairSet, split: Split, settings: TranslationSettings, training: TrainingSettings
) -> Processor:
    """What is fitted on the training examples of ``split``."""
    splitter_of_translations()  # which validation needs: rather missed now than after an epoch
    source = tokens.fit(settings.tokens, [data.sources[i] for i in split.train], settings.vocabulary)
    target = tokens.fit(settings.tokens, [data.targets[i] for i in split.train], settings.vocabulary)
    return Processor(TASK, vocabulary=target, source_vocabulary=source, length=settings.length)
