"""Convolution over images of several widths in one batch, unaffected by the padding.

Images are padded on the right with zeros to the widest. A convolution sees zeros beyond an image's edge anyway, so an
image comes out as if it were alone as long as the columns beyond stay zero after every stage, and batch normalisation
in training counts no column beyond.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ecrnn.layers.normalisation import BatchNorm2d, normalised
from ecrnn.layers.stages import Stage

CHANNELS = (32, 64, 128, 128)
NARROWING = 4  # columns of an image to one of the last map


class ColumnArea(nn.Module):
    """Four convolution stages that make an image's columns a sequence.

    The first two halve both sides, the others the height alone (Shi et al. 2015: characters are narrow), and that only
    while there are two rows or more.

    Args:
        channels, height: of the images; at least `NARROWING` pixels high.

    Attributes:
        features: values a step.
    """

    def __init__(self, channels: int, height: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        for number, out_channels in enumerate(CHANNELS):
            halves = number < 2
            self.stages.append(ColumnStage(channels, out_channels, halves, lowers=not halves and height >= 2))
            channels, height = out_channels, max(1, height // 2)
        self.features = channels * height

    def forward(self, images: Tensor, widths: Tensor | None = None) -> Tensor:
        """From images (B, C, H, W) to sequences (B, W // 4, features).

        Args:
            images: what lies beyond an image's width does not matter.
            widths: (B,), int64, on any device; None where all images are W wide. Of image b, widths[b] // 4 steps
                count; the others are 0.
        """
        maps = images if widths is None else images * within(widths, images)
        for stage in self.stages:
            maps, widths = stage(maps, widths)
        return maps.permute(0, 3, 2, 1).flatten(2)  # (B, W / 4, H / 16 * channels)


class ColumnStage(nn.Module):
    """3x3 convolution (same padding), ReLU, batch normalisation and max-pooling, over images of several widths.

    Args:
        in_channels, out_channels: of the maps.
        halves: pools 2x2.
        lowers: pools 2x1, the height alone.
    """

    def __init__(self, in_channels: int, out_channels: int, halves: bool, lowers: bool) -> None:
        super().__init__()
        layers = [nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU(), BatchNorm2d(out_channels)]
        self.stage = Stage(*layers, *([nn.MaxPool2d(2)] if halves else []))
        self.lower = nn.MaxPool2d((2, 1)) if lowers else nn.Identity()

    def forward(self, maps: Tensor, widths: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """From maps (B, C, H, W) that are 0 beyond their widths (B,) to such maps, and their widths."""
        if widths is None:
            return self.lower(self.stage(maps)), None
        convolution, relu, normalisation, *pool = self.stage
        values = relu(convolution(maps))
        values = _normalised(values, widths, cast(BatchNorm2d, normalisation))
        for module in pool:
            values, widths = module(values), widths // 2
        return self.lower(values * within(widths, values)), widths


def within(widths: Tensor, maps: Tensor) -> Tensor:
    """1 for the columns of maps (B, C, H, W) within their widths (B,), else 0; (B, 1, 1, W), of the maps' type."""
    columns = torch.arange(maps.shape[3], device=maps.device)
    return (columns < widths.to(maps.device)[:, None]).to(maps.dtype)[:, None, None]


def _normalised(values: Tensor, widths: Tensor, normalisation: BatchNorm2d) -> Tensor:
    """Batch normalisation with the statistics of the columns that count; what it gives for others has no meaning."""
    if not normalisation.training:
        return normalisation(values)
    mask = within(widths, values).to(normalisation.weight.dtype)
    return normalised(values, normalisation, mask, int(widths.sum()) * values.shape[2])
