"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math

import torch
from torch import nn

from ecrnn.core.config import TrainingSettings
from ecrnn.training.muon import Muon

RISE = 0.3  # share of the steps of a cycle in which the rate rises, where no warm-up is given
_START, _END = 25, 10_000  # by which the first rate is lower than the highest, and the last than the first


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
        case "muon":
            return Muon(parameters, settings.lr, settings.weight_decay)


def learning_rate(settings: TrainingSettings, step: int, steps: int) -> float:
    """The rate for optimizer step ``step`` (from 0) of ``steps``.

    "constant", "linear": a straight line from lr towards 0, or "cosine": half a cosine from lr towards 0; each after a
    warm-up, in which the rate rises linearly.
    "one-cycle": half a cosine from lr / 25 up to lr and half a cosine down to lr / 250,000, without a cycle of the
    momentum, as `torch.optim.lr_scheduler.OneCycleLR` has it. Source: Smith and Topin, "Super-convergence", 2019.
    """
    if settings.schedule == "one-cycle":
        return settings.lr * _one_cycle(step, steps, RISE if settings.warmup is None else settings.warmup)
    warm = round((settings.warmup or 0.0) * steps)
    if step < warm:
        return settings.lr * (step + 1) / (warm + 1)
    if settings.schedule == "linear":
        return settings.lr * (1 - (step - warm) / (steps - warm))
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
    return settings.lr


def _one_cycle(step: int, steps: int, rise: float) -> float:
    """The factor of the rate."""
    top, end = rise * steps - 1, steps - 1  # the steps of the highest and of the lowest rate
    if step < top:
        return _half_cosine(1 / _START, 1.0, step / top)
    return _half_cosine(1.0, 1 / _START / _END, min(1.0, (step - top) / (end - top)) if end > top else 1.0)


def _half_cosine(first: float, last: float, part: float) -> float:
    return last + (first - last) / 2 * (1 + math.cos(math.pi * part))
