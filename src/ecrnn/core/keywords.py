"""Settings as keyword arguments of Python's functions, so that a type checker sees a misspelt one."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from ecrnn.core.config import ClassWeights, Schedule
from ecrnn.core.form import BadData, Fit, Frames, Height, Length, Tokens, VocabularySize


class Keywords(TypedDict, total=False):
    """What `ecrnn.compare`, `plan` and `train` take beside their own: settings of a training, and of the data's form.

    Bounds and defaults are those of `ecrnn.core.config.TrainingSettings` and of the task; None: not given.
    """

    epochs: int | None
    batch_size: int | Literal["auto"] | None  # auto: of `ecrnn.train` alone
    lr: float | None
    optimizer: Literal["adam", "adamw", "sgd", "muon"] | None
    weight_decay: float | None
    momentum: float | None
    schedule: Schedule | None
    warmup: float | None
    augment: str | None
    standardise: Literal["global", "per-channel"] | None
    non_finite: Literal["stop", "skip", "roll-back"] | None
    device: Literal["auto", "cpu", "cuda"] | None
    precision: Literal["auto", "float32", "bfloat16"] | None
    clip_norm: float | None
    cutoff: float | None
    batch_statistics: Literal["recent", "even"] | None
    truncate_steps: int | None
    threads: int | None
    checkpoint_seconds: float | None
    label_smoothing: float | None
    class_weights: ClassWeights | None
    weight_averaging: float | None
    patience: int | None

    val: str | None
    test: str | None
    fit: Fit | None
    bad_data: BadData | None
    frames: Frames | None
    height: Height | None
    tokens: Tokens | None
    vocabulary: VocabularySize | None
    length: Length | None
    form: dict[str, Any] | None
