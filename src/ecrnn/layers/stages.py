"""Stages of a network: a convolution or dense layer, an activation, batch normalisation and, or not, 2x2 max-pooling.

In training on a CPU everything after the layer is one operator of the C++ extension. torch's modules each read and
write the whole map, which takes a third of a training step; the operator reads it twice on the way forward and twice on
the way back, keeps nothing but the map itself, and computes in float32 also where the map is bfloat16. In evaluation,
on other devices, under torch.compile and without the extension the modules compute one by one, as in any
nn.Sequential. The weights have the same names either way.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ecrnn.layers.freezing import is_frozen
from ecrnn.layers.normalisation import BatchNorm1d, BatchNorm2d

try:
    from ecrnn.layers import _cpu  # type: ignore[attr-defined]
except ImportError:  # installed without a C++ compiler
    _cpu = None

kernels: Any = _cpu
CHANNELS = 16  # the kernels take multiples of this


class Stage(nn.Sequential):
    """A layer, `nn.ReLU`, `BatchNorm1d` or `BatchNorm2d` and, or not, `nn.MaxPool2d(2)`, in this order."""

    def forward(self, x: Tensor) -> Tensor:
        layer, *rest = self
        return _followed(layer(x), rest, rest[1], pool=len(rest) == 3, gelu=False)


class GeluStage(nn.Sequential):
    """A layer, `nn.MaxPool2d(2)` or not, `BatchNorm1d` or `BatchNorm2d`, and `nn.GELU("tanh")`, in this order."""

    def forward(self, x: Tensor) -> Tensor:
        layer, *rest = self
        return _followed(layer(x), rest, rest[-2], pool=len(rest) == 3, gelu=True)


def _followed(values: Tensor, rest: list[nn.Module], normalisation: nn.Module, *, pool: bool, gelu: bool) -> Tensor:
    """What the modules after a stage's layer make of its values."""
    assert isinstance(normalisation, BatchNorm1d | BatchNorm2d)
    alone = normalisation.training and normalisation.summed is None
    if alone and not is_frozen(normalisation) and _served(values, 2 if pool and gelu else 1):
        return _fused(values, normalisation, pool, gelu)
    for module in rest:
        values = module(values)
    return values


def _served(values: Tensor, side: int = 1) -> bool:
    """Whether the kernels take what the stage's layer gave; ``side``: of the windows whose maxima are normalised."""
    channels = values.shape[1]
    normalised = math.prod((len(values), *(length // side for length in values.shape[2:])))  # values a channel
    return (
        kernels is not None
        and not torch.compiler.is_compiling()
        and values.device.type == "cpu"
        and values.dtype in (torch.float32, torch.bfloat16)
        and channels % CHANNELS == 0
        and normalised > 1  # else torch says what is wrong with a single value a channel
        and _channel_last(values).is_contiguous()
    )


def _fused(values: Tensor, normalisation: BatchNorm1d | BatchNorm2d, pool: bool, gelu: bool) -> Tensor:
    weight, bias = normalisation.weight, normalisation.bias
    out, mean, variance = _Fused.apply(values, weight, bias, pool, normalisation.eps, gelu)  # type: ignore[no-untyped-call]
    normalised = out if gelu else values
    normalisation.take(mean, variance, normalised.numel() // values.shape[1])
    return out


class _Fused(torch.autograd.Function):
    """From a layer's values (B, C, H, W) or (B, C) to a stage's; also mean and variance (C,) of the batch."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, pool: bool, eps: float, gelu: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        maps = _channel_last(values)  # (B, H, W, C)
        batch, height, width, channels = maps.shape
        out = maps.new_empty(batch, height // 2, width // 2, channels) if pool else torch.empty_like(maps)
        mean, variance, inverse = (torch.empty_like(weight) for _ in range(3))
        arrays = (out, mean, variance, inverse)
        threads = torch.get_num_threads()
        kernels.forward(maps.detach(), weight.detach(), bias.detach(), pool, eps, *arrays, threads, gelu=gelu)
        ctx.save_for_backward(values, weight, bias, mean, inverse)
        ctx.pool, ctx.gelu = pool, gelu
        ctx.mark_non_differentiable(mean, variance)
        return _channel_second(out, values.dim()), mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        values, weight, bias, mean, inverse = ctx.saved_tensors
        maps = _channel_last(values)
        d_maps, d_weight, d_bias = torch.empty_like(maps), torch.empty_like(weight), torch.empty_like(bias)
        d_out = _channel_last(d_out).contiguous()  # free where the next layer works in channels-last memory
        arrays = (mean, inverse, d_out, d_maps, d_weight, d_bias)
        kernels.backward(maps, weight, bias, ctx.pool, *arrays, torch.get_num_threads(), gelu=ctx.gelu)
        return _channel_second(d_maps, values.dim()), d_weight, d_bias, None, None, None


def _channel_last(values: Tensor) -> Tensor:
    """(B, C, H, W) or (B, C) as (B, H, W, C), uncopied."""
    return values.permute(0, 2, 3, 1) if values.dim() == 4 else values[:, None, None]


def _channel_second(maps: Tensor, dimensions: int) -> Tensor:
    return maps.permute(0, 3, 1, 2) if dimensions == 4 else maps[:, 0, 0]
