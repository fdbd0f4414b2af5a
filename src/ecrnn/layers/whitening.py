"""Whitening of small patches by fixed filters, as the first layer of a network.

The principal components of small patches of photographs are very nearly the cosines of a discrete cosine transform, and
those of their colours grey, red against blue and green against both, which are cosines too. Filters made of cosines
therefore decorrelate patches without a look at the data, and batch normalisation gives each the variance 1: what is
left is white but for a rotation, so that the first learnt layer finds all directions equally steep. Source of the
components: Hancock, Baddeley and Smith, The principal components of natural images, Network 3 (1992).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from ecrnn.layers.normalisation import BatchNorm2d, normalised

SIDE = 2  # pixels of a patch


class Whitening(nn.Module):
    """Images (B, C, H, W) to maps (B, 8 * C, H - 1, W - 1): each component's positive and its negative part.

    Nothing here is learnt but the mean and the variance of each component.

    Args:
        channels: of the images.

    Attributes:
        out_channels: 8 * channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        colour, pixel = cosines(channels), cosines(SIDE)
        filters = torch.einsum("kc,ih,jw->kijchw", colour, pixel, pixel)
        self.filters: Tensor
        components = channels * SIDE * SIDE
        self.register_buffer("filters", filters.reshape(components, channels, SIDE, SIDE).float(), persistent=False)
        self.norm = BatchNorm2d(components)
        self.norm.weight.requires_grad_(False)
        self.norm.bias.requires_grad_(False)
        self.out_channels = 2 * components

    def forward(self, images: Tensor) -> Tensor:
        components = self._normalised(conv2d(images, self.filters.to(images.dtype)))
        return torch.cat((components, -components), 1).relu()

    def _normalised(self, components: Tensor) -> Tensor:
        """Batch normalisation. In training its means are over images first, so that threads change no bit."""
        if not self.training:
            return self.norm(components)
        if self.norm.summed is not None:
            return normalised(components, self.norm)
        values = components.to(self.norm.weight.dtype)  # from bfloat16, whose sums are not exact enough
        mean = values.mean((2, 3)).mean(0)
        centred = values - mean.view(-1, 1, 1)
        variance = centred.square().mean((2, 3)).mean(0)
        self.norm.take(mean.detach(), variance.detach(), values.numel() // len(mean))
        return centred * torch.rsqrt(variance + self.norm.eps).view(-1, 1, 1)


def cosines(size: int) -> Tensor:
    """The orthonormal discrete cosine transform (size, size), float64: row k is the k-th cosine."""
    numbers = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi / size * (numbers + 0.5) * numbers[:, None]) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows
