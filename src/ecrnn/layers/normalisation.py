"""Batch normalisation with Keras's constants, whose running statistics are right from the first step on.

Keras's running mean and variance start at 0 and 1 and take 1 % of each batch. After 40 steps two thirds of them are
still the start, so a network trained for a short time on a small data set predicts nonsense although it has learnt.
Here the first batch counts whole, and in the long run each takes 1 % as in Keras. In between there are two rules:

    recent   a batch takes 30 %, from batch 133 on 40 / n: about the last 2.5 % of all batches count, at least three,
             which are those of the network as it is now
    even     batch n takes 1 / n: the first hundred batches weigh the same; the rule of the paper's study here

Training itself, which uses the batch's own statistics, is the same, and so is a long training's end. See
docs/decisions/batch-statistics.md.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from ecrnn.layers.freezing import is_frozen

EPS = 1e-3
MOMENTUM = 0.01  # weight of the new batch in the long run; Keras writes the same as momentum=0.99
RECENT, SHARE = 0.3, 40  # by the rule "recent": weight of a new batch at first, and later times the number of batches


class _BatchNorm(nn.modules.batchnorm._BatchNorm):
    """Keras's constants, and the momentum of the present step.

    Attributes:
        rule: by which batches are averaged, "recent" or "even"; see `average`.
        summed: gives the sum over all processes that compute a batch together; None where one computes it.
    """

    summed: Callable[[Tensor], Tensor] | None = None

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPS, momentum=MOMENTUM)
        self.rule = "recent"

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        if self.summed is not None:
            return normalised(x, self).to(x.dtype)
        self._set_momentum()
        return super().forward(x)

    @torch.no_grad()
    def take(self, mean: Tensor, variance: Tensor, count: Tensor | int) -> None:
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
        batch = 1 + int(self.num_batches_tracked)
        recent = min(RECENT, SHARE / batch) if self.rule == "recent" else 0.0
        self.momentum = max(MOMENTUM, 1 / batch, recent)
        return self.momentum


class BatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """Over vectors (B, channels)."""


class BatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """Over maps (B, channels, H, W)."""


def normalised(
    values: Tensor, normalisation: _BatchNorm, mask: Tensor | None = None, count: Tensor | int | None = None
) -> Tensor:
    """Batch normalisation in training by torch's own operators, over all processes that the layer sums by.

    Args:
        values: (B, C) or (B, C, H, W).
        normalisation: the layer, whose running statistics take the batch in.
        mask: 1 for the values that count and 0 for others, (B, 1, 1, W); None: all count.
        count: values a channel that count, where there is a mask.

    Returns:
        Of the shape of ``values`` and the type of the layer's weights; where the mask is 0 it has no meaning.
    """
    values = values.to(normalisation.weight.dtype)  # from bfloat16, whose sums are not exact enough
    summed, channels = normalisation.summed, values.shape[1]
    over, shape = [d for d in range(values.dim()) if d != 1], (channels, *[1] * (values.dim() - 2))
    count = values.numel() // channels if count is None else count
    sums = (values if mask is None else values * mask).sum(over)  # (C,)
    if summed is not None:
        together = summed(torch.cat([sums, sums.new_tensor([count])]))
        sums, count = together[:-1], together[-1].detach()
    mean = sums / count
    centred = values - mean.view(shape)
    if mask is not None:
        centred = centred * mask
    squares = centred.square().sum(over)
    variance = (squares if summed is None else summed(squares)) / count
    normalisation.take(mean.detach(), variance.detach(), count)
    factor = normalisation.weight * torch.rsqrt(variance + normalisation.eps)
    return centred * factor.view(shape) + normalisation.bias.view(shape)


def average(model: nn.Module, rule: Literal["recent", "even"]) -> None:
    """Let the running statistics of a network average its batches by ``rule`` from now on.

    Args:
        model: a network from `ecrnn.build`, whose layers average by "recent".
        rule: "recent" or "even", see the head of this file.
    """
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.rule = rule


def sum_by(model: nn.Module, summed: Callable[[Tensor], Tensor]) -> list[str]:
    """Let a network normalise batches that several processes compute together.

    Args:
        model: a network from `ecrnn.build`.
        summed: gives the sum over all processes.

    Returns:
        The names of layers that cannot: batch normalisation of torch's own.
    """
    others = []
    for name, module in model.named_modules():
        if isinstance(module, _BatchNorm):
            module.summed = summed
        elif isinstance(module, nn.modules.batchnorm._BatchNorm):
            others.append(name)
    return others


@contextlib.contextmanager
def statistics_anew(model: nn.Module) -> Iterator[bool]:
    """Inside, a network makes its running statistics anew: their mean over all batches that pass, up to a hundred.

    For weights that no training step has seen, such as averages of them (Izmailov et al., "Averaging weights leads to
    wider optima", 2018, section 3.2). All but batch normalisation is in evaluation mode inside, so nothing is dropped.
    Gives whether there is any batch normalisation that is not frozen.
    """
    kind = nn.modules.batchnorm._BatchNorm
    layers = [m for m in model.modules() if isinstance(m, kind) and m.track_running_stats and not is_frozen(m)]
    before, was_training = [(layer.momentum, getattr(layer, "rule", "recent")) for layer in layers], model.training
    model.eval()
    for layer in layers:
        layer.train()
        layer.reset_running_stats()
        layer.momentum = None  # of torch's own layers: the mean over all batches since then
        if isinstance(layer, _BatchNorm):
            layer.rule = "even"
    try:
        yield bool(layers)
    finally:
        for layer, (momentum, rule) in zip(layers, before, strict=True):
            layer.momentum = momentum
            if isinstance(layer, _BatchNorm):
                layer.rule = rule
        model.train(was_training)
