"""A trained network made ready to predict: the same function of the image with less work around the arithmetic.

`fuse` gives a copy in which the convolution area and the dense ones are `FusedStages`. In evaluation batch
normalisation is a multiply-add a channel, taken from the running statistics once. A positive factor keeps the order of
the values, so it may come after max-pooling, to the bit, and then works on a quarter of them. One image on a CPU goes
through all stages of an area in one call of the C++ extension, where there is one. Results stay those of the network to
float32 rounding; all other parts are copied as they are. The copy is for float32 and cannot be trained.
"""

from __future__ import annotations

import copy
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.layers import stages as layer_stages
from ecrnn.layers.areas import ConvolutionArea, DenseArea, EncoderDecoder
from ecrnn.layers.stages import Stage

BLOCK = 32  # the kernels for one image take multiples of this many outputs


def fuse(network: nn.Module) -> nn.Module:
    """A copy of ``network`` for prediction, in evaluation mode; later changes of ``network`` do not reach it.

    Args:
        network: a model of `ecrnn.models.build`, in float32, on the device where it will predict.
    """
    fused = copy.deepcopy(network).eval().requires_grad_(False)
    for name, area in list(fused.named_children()):
        stages = [stage for stage in area.modules() if isinstance(stage, Stage)]
        if isinstance(area, ConvolutionArea | DenseArea | EncoderDecoder) and stages:
            setattr(fused, name, FusedStages(stages))
    return fused


class FusedStages(nn.Module):
    """What some stages, one after the other, compute in evaluation.

    Args:
        stages: all of convolutions or all of dense layers.
    """

    def __init__(self, stages: list[Stage]) -> None:
        super().__init__()
        fused = [FusedStage(stage) for stage in stages]
        self.stages = nn.ModuleList(fused)
        self.pools, self.channels = sum(stage.pool for stage in fused), len(fused[-1].factor)
        self.image = _image(fused)

    def forward(self, x: Tensor) -> Tensor:
        if self.image is None or len(x) != 1:
            for stage in self.stages:
                x = stage(x)
            return x
        maps = x.permute(0, 2, 3, 1) if x.dim() == 4 else x[:, None, None]  # (1, H, W, C)
        height, width = maps.shape[1:3]
        for _ in range(self.pools):
            height, width = height // 2, width // 2
        out = torch.empty(1, height, width, self.channels)
        self.image.run(maps[0].contiguous(), out[0])
        return out.permute(0, 3, 1, 2) if x.dim() == 4 else out[:, 0, 0]


class FusedStage(nn.Module):
    """What one stage computes in evaluation.

    Args:
        stage: convolution or dense layer, ReLU, batch normalisation and, or not, 2x2 max-pooling.

    Attributes:
        factor, shift: (channels,) of the normalisation: factor * x + shift.
    """

    def __init__(self, stage: Stage) -> None:
        super().__init__()
        self.layer, normalisation = cast(nn.Conv2d | nn.Linear, stage[0]), stage[2]
        assert isinstance(normalisation, nn.BatchNorm1d | nn.BatchNorm2d)
        assert normalisation.running_mean is not None
        assert normalisation.running_var is not None
        self.pool = isinstance(stage[-1], nn.MaxPool2d)
        factor = normalisation.weight * torch.rsqrt(normalisation.running_var + normalisation.eps)
        self.factor, self.shift = nn.Buffer(factor), nn.Buffer(normalisation.bias - normalisation.running_mean * factor)
        self.pool_first = self.pool and bool((factor > 0).all())

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x).relu_()
        if self.pool_first:
            x = F.max_pool2d(x, 2)
        shape = (-1, 1, 1) if x.dim() == 4 else (-1,)
        x = torch.addcmul(self.shift.view(shape), x, self.factor.view(shape))
        return F.max_pool2d(x, 2) if self.pool and not self.pool_first else x


def _image(stages: list[FusedStage]) -> Any:
    """The stages with their weights packed for one image, or None where the extension does not serve them."""
    on_cpu = all(stage.factor.device.type == "cpu" and stage.factor.dtype == torch.float32 for stage in stages)
    if layer_stages.kernels is None or not on_cpu or any(len(stage.factor) % BLOCK for stage in stages):
        return None
    image = layer_stages.kernels.Image()
    for stage in stages:
        weight = stage.layer.weight  # (out, in, 3, 3) or (out, in)
        weight = weight.permute(0, 2, 3, 1) if weight.dim() == 4 else weight[:, None, None]
        image.add(weight.contiguous(), stage.layer.bias, stage.factor, stage.shift, stage.pool)
    return image
