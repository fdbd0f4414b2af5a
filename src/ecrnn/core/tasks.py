"""The tasks: what a model of a family does with an example, and by which metric it is judged.

A task is plain facts here, free of torch. Its data sets lie in `ecrnn.data`, its networks in `ecrnn.models`, its
batches and losses in `ecrnn.training`, its use in `ecrnn.serving`; `ecrnn.studies.tasks` joins them.
docs/decisions/tasks.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as `bundle.json` and manifests hold it.
        metric: by which its models are compared, a name in `ecrnn.stats.metrics.METRICS`.
        examples: what its examples are called, in the plural; they are what a split divides.
        classes: its models choose one of several classes, so that there is a confusion matrix.
        defaults: settings that hold where the user says nothing, laid over those of `ecrnn.core.config`.
    """

    name: str
    metric: str
    examples: str
    classes: bool = False
    defaults: dict[str, Any] = field(default_factory=dict, hash=False)


IMAGE_CLASSIFICATION = Task("image-classification", "accuracy", "pictures", classes=True)
CLIP_CLASSIFICATION = Task("clip-classification", "accuracy", "clips", classes=True)
TEXT_CLASSIFICATION = Task("text-classification", "accuracy", "texts", classes=True)
NEXT_TOKEN = Task("next-token", "bits", "blocks")
TRANSLATION = Task("translation", "bleu", "sentences")
CAPTIONING = Task("captioning", "bleu", "pictures")
TRANSCRIPTION = Task("transcription", "cer", "pictures")

TASKS = {
    task.name: task
    for task in (
        IMAGE_CLASSIFICATION,
        CLIP_CLASSIFICATION,
        TEXT_CLASSIFICATION,
        NEXT_TOKEN,
        TRANSLATION,
        CAPTIONING,
        TRANSCRIPTION,
    )
}
