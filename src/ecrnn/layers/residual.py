"""A residual stage of two convolutions, and layers that at first change nothing."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.layers.normalisation import BatchNorm2d
from ecrnn.layers.stages import GeluStage


class PassingConvolution(nn.Conv2d):
    """3x3 convolution (same padding) without bias, whose first filters are at first the identity (Dirac).

    Source: Zagoruyko and Komodakis, DiracNets, 2017.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 3, padding=1, bias=False)

    @torch.no_grad()
    def pass_on(self) -> None:
        """Make the first ``min(in_channels, out_channels)`` filters the identity; the norm of all is then one each."""
        nn.init.dirac_(self.weight[: self.in_channels])
        self.weight *= len(self.weight) ** 0.5 / self.weight.norm()


class SilentLinear(nn.Linear):
    """A dense layer whose weights are 0 at first: at the end of a residual branch, which then begins as no change."""


class ResidualStage(nn.Module):
    """Two stages of convolution, batch normalisation and GELU; the second adds to what it is given.

    Takes (B, in_channels, H, W), gives (B, out_channels, H // 2, W // 2), or H, W without pooling.
    """

    def __init__(self, in_channels: int, out_channels: int, pool: bool) -> None:
        super().__init__()
        pooling = [nn.MaxPool2d(2)] if pool else []
        after = [BatchNorm2d(out_channels), nn.GELU("tanh")]
        self.first = GeluStage(PassingConvolution(in_channels, out_channels), *pooling, *after)
        self.second = GeluStage(
            PassingConvolution(out_channels, out_channels), BatchNorm2d(out_channels), nn.GELU("tanh")
        )

    def forward(self, maps: Tensor) -> Tensor:
        maps = self.first(maps)
        return maps + self.second(maps)
