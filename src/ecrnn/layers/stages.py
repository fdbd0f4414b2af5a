"""A stage of a network: convolution or dense layer, ReLU, batch normalisation and, or not, 2x2 max-pooling.

In training on a CPU everything after the layer is one operator of the C++ extension. torch's modules each read and
write the whole map, which takes a third of a training step; the operator reads it twice on the way forward and twice on
the way back, keeps nothing but the map itself, and computes in float32 also where the map is bfloat16. In evaluation,
on other devices, under torch.compile and without the extension the modules compute one by one, as in any
nn.Sequential. The weights have the same names either way.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

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
        values = layer(x)
        normalisation = rest[1]
        assert isinstance(normalisation, BatchNorm1d | BatchNorm2d)
        if normalisation.training and _served(values):
            return _fused(values, normalisation, pool=len(rest) == 3)
        for module in rest:
            values = module(values)
        return values


def _served(values: Tensor) -> bool:
    """Whether the kernels take what the stage's layer gave."""
    channels = values.shape[1]
    return (
        kernels is not None
        and not torch.compiler.is_compiling()
        and values.device.type == "cpu"
        and values.dtype in (torch.float32, torch.bfloat16)
        and channels % CHANNELS == 0
        and values.numel() > channels  # else torch says what is wrong with a single value a channel
        and _channel_last(values).is_contiguous()
    )


def _fused(values: Tensor, normalisation: BatchNorm1d | BatchNorm2d, pool: bool) -> Tensor:
    weight, bias = normalisation.weight, normalisation.bias
    out, mean, variance = _ReluNormalisePool.apply(values, weight, bias, pool, normalisation.eps)  # type: ignore[no-untyped-call]
    normalisation.take(mean, variance, values.numel() // values.shape[1])
    return out


class _ReluNormalisePool(torch.autograd.Function):
    """From a layer's values (B, C, H, W) or (B, C) to a stage's; also mean and variance (C,) of the batch."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, weight: Tensor, bias: Tensor, pool: bool, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        maps = _channel_last(values)  # (B, H, W, C)
        batch, height, width, channels = maps.shape
        out = maps.new_empty(batch, height // 2, width // 2, channels) if pool else torch.empty_like(maps)
        mean, variance, inverse = (torch.empty_like(weight) for _ in range(3))
        threads = torch.get_num_threads()
        kernels.forward(maps.detach(), weight.detach(), bias.detach(), pool, eps, out, mean, variance, inverse, threads)
        ctx.save_for_backward(values, weight, bias, mean, inverse)
        ctx.pool = pool
        ctx.mark_non_differentiable(mean, variance)
        return _channel_second(out, values.dim()), mean, variance

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_out: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        values, weight, bias, mean, inverse = ctx.saved_tensors
        maps = _channel_last(values)
        d_maps, d_weight, d_bias = torch.empty_like(maps), torch.empty_like(weight), torch.empty_like(bias)
        d_out = _channel_last(d_out).contiguous()  # free where the next layer works in channels-last memory
        threads = torch.get_num_threads()
        kernels.backward(maps, weight, bias, ctx.pool, mean, inverse, d_out, d_maps, d_weight, d_bias, threads)
        return _channel_second(d_maps, values.dim()), d_weight, d_bias, None, None


def _channel_last(values: Tensor) -> Tensor:
    """(B, C, H, W) or (B, C) as (B, H, W, C), uncopied."""
    return values.permute(0, 2, 3, 1) if values.dim() == 4 else values[:, None, None]


def _channel_second(maps: Tensor, dimensions: int) -> Tensor:
    return maps.permute(0, 3, 1, 2) if dimensions == 4 else maps[:, 0, 0]
