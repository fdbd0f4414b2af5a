"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math

import torch
from torch import nn

from ecrnn.core.config import TrainingSettings


def make_optimizer(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """The settings' optimizer over all parameters of ``model``, in torch's fused form."""
    parameters = list(model.parameters())
    common = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": True}
    match settings.optimizer:
        case "adam":
            return torch.optim.Adam(parameters, **common)  # type: ignore[arg-type]
        case "adamw":
            return torch.optim.AdamW(parameters, **common)  # type: ignore[arg-type]
        case "sgd":
            return torch.optim.SGD(parameters, momentum=settings.momentum, **common)  # type: ignore[arg-type]


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """The rate for optimizer step ``step`` (from 0) of ``steps``: constant, or half a cosine from lr towards 0."""
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1 + math.cos(math.pi * step / steps))
    return settings.lr
