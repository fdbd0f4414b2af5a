"""Batch normalisation with Keras's constants, whose running statistics are right from the first step on.

Keras's running mean and variance start at 0 and 1 and take 1 % of each batch. After 40 steps two thirds of them are
still the start, so a network trained for a short time on a small data set predicts nonsense although it has learnt.
Here the first hundred batches are averaged with equal weight, and from then on 1 % of each batch is taken. Training
itself, which uses the batch's own statistics, is the same, and so is a long training's end. See
docs/decisions/batch-statistics.md.
"""

from __future__ import annotations

from torch import Tensor, nn

EPS = 1e-3
MOMENTUM = 0.01  # weight of the new batch in the long run; Keras writes the same as momentum=0.99


class BatchNorm1d(nn.BatchNorm1d):
    """Over vectors (B, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPS, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.momentum = _weight(self)
        return super().forward(x)


class BatchNorm2d(nn.BatchNorm2d):
    """Over maps (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPS, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.momentum = _weight(self)
        return super().forward(x)


def _weight(layer: nn.BatchNorm1d | nn.BatchNorm2d) -> float:
    assert layer.num_batches_tracked is not None
    return max(MOMENTUM, 1 / (1 + int(layer.num_batches_tracked)))
