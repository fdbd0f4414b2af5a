"""Batch normalisation with Keras's constants, whose running statistics are right from the first step on.

Keras's running mean and variance start at 0 and 1 and take 1 % of each batch. After 40 steps two thirds of them are
still the start, so a network trained for a short time on a small data set predicts nonsense although it has learnt.
Here the first hundred batches are averaged with equal weight, and from then on 1 % of each batch is taken. Training
itself, which uses the batch's own statistics, is the same, and so is a long training's end. See
docs/decisions/batch-statistics.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

EPS = 1e-3
MOMENTUM = 0.01  # weight of the new batch in the long run; Keras writes the same as momentum=0.99


class _EvenStart(nn.modules.batchnorm._BatchNorm):
    """Keras's constants, and the momentum of the present step."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPS, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self._set_momentum()
        return super().forward(x)

    @torch.no_grad()
    def take(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Take into the running statistics what a batch's were, where something else than `forward` normalised it.

        Args:
            mean, variance: (channels,), of the batch; the variance with divisor ``count``.
            count: values a channel.
        """
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        momentum = self._set_momentum()
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance * (count / (count - 1)), momentum)
        self.num_batches_tracked.add_(1)

    def _set_momentum(self) -> float:
        assert self.num_batches_tracked is not None
        self.momentum = max(MOMENTUM, 1 / (1 + int(self.num_batches_tracked)))
        return self.momentum


class BatchNorm1d(_EvenStart, nn.BatchNorm1d):
    """Over vectors (B, channels)."""


class BatchNorm2d(_EvenStart, nn.BatchNorm2d):
    """Over maps (B, channels, H, W)."""
