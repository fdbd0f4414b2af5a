"""The tasks: what a model of a family does with an example, and by which metric it is judged.

A task is plain facts here, free of torch. Its data sets lie in `ecrnn.data`, its networks in `ecrnn.models`, its
batches and losses in `ecrnn.training`, its use in `ecrnn.serving`; `ecrnn.studies.tasks` joins them.
docs/decisions/tasks.md says why.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

LONGEST_CLASS = 1000  # characters of a class's name
MAX_CLASSES = 100_000


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as `bundle.json` and manifests hold it.
        metric: by which its models are compared, a name in `ecrnn.stats.metrics.METRICS`.
        examples: what its examples are called, in the plural; they are what a split divides.
        inputs: what a model must know of the data: fields of `ecrnn.models.spec.InputSpec`.
        usual: their values of the data set by which a model is checked, as an example.
        classes: its models choose one of several classes, so that there is a confusion matrix.
        defaults: settings that hold where the user says nothing, laid over those of `ecrnn.core.config`.
    """

    name: str
    metric: str
    examples: str
    inputs: tuple[str, ...] = ()
    usual: dict[str, Any] = field(default_factory=dict, hash=False)
    classes: bool = False
    defaults: dict[str, Any] = field(default_factory=dict, hash=False)


IMAGE_CLASSIFICATION = Task(
    "image-classification",
    "accuracy",
    "pictures",
    inputs=("image", "classes"),
    usual={"image": (3, 32, 32), "classes": 10},
    classes=True,
)
CLIP_CLASSIFICATION = Task(
    "clip-classification",
    "accuracy",
    "clips",
    inputs=("frames", "image", "classes"),
    usual={"frames": 8, "image": (1, 32, 32), "classes": 5},
    classes=True,
    defaults={"frames": 8, "training": {"batch_size": 32, "schedule": "cosine"}},
)
TEXT_CLASSIFICATION = Task(
    "text-classification",
    "accuracy",
    "texts",
    inputs=("tokens", "classes"),
    usual={"tokens": 10000, "classes": 2},
    classes=True,
    defaults={
        "split": "0.9",
        "tokens": "words",
        "length": 256,
        "training": {"epochs": 5, "batch_size": 64, "schedule": "cosine"},
    },
)
NEXT_TOKEN = Task(
    "next-token",
    "bits",
    "blocks",
    inputs=("tokens",),
    usual={"tokens": 69},
    defaults={
        "split": "0.9",
        "tokens": "characters",
        "length": 256,
        "training": {"epochs": 16, "batch_size": 32, "lr": 2e-3, "schedule": "cosine", "clip_norm": 1.0},
    },
)
TRANSLATION = Task(
    "translation",
    "bleu",
    "sentences",
    inputs=("source_tokens", "tokens"),
    usual={"source_tokens": 8000, "tokens": 8000},
    defaults={
        "split": "0.97",
        "tokens": "subwords",
        "vocabulary": 6000,
        "length": 80,
        "training": {"epochs": 10, "batch_size": 64, "schedule": "cosine", "clip_norm": 1.0},
    },
)
CAPTIONING = Task(
    "captioning",
    "bleu",
    "pictures",
    inputs=("image", "tokens"),
    usual={"image": (3, 96, 96), "tokens": 4000},
    defaults={
        "split": "0.9",
        "tokens": "words",
        "vocabulary": 2500,
        "length": 30,
        "training": {"epochs": 12, "batch_size": 16, "schedule": "cosine", "clip_norm": 1.0, "augment": "flip"},
    },
)
TRANSCRIPTION = Task(
    "transcription",
    "cer",
    "pictures",
    inputs=("image", "tokens"),
    usual={"image": (1, 32, 128), "tokens": 40},
    defaults={
        "split": "0.9",
        "training": {
            "epochs": 30,
            "batch_size": 8,
            "lr": 2e-3,
            "schedule": "cosine",
            "clip_norm": 5.0,
            "augment": "crop",
            "precision": "float32",  # in bfloat16 CTC's plateau is several times as long (docs/log.md)
        },
    },
)

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
