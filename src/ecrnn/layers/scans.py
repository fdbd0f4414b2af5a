"""From a feature map to a sequence: `Flatten`, and `Scan` with its inverse, as modules over `ecrnn.layers.orders`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.layers.orders import scan_order


class Flatten(nn.Module):
    """Flatten a feature map (B, C, H, W) to (B, H*W*C), channel fastest: the order of a channels-last framework."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1).flatten(1)  # free where the map lies in channels-last memory


class Scan(nn.Module):
    """Turn the flattened vector of a feature map into a sequence.

    Args:
        scan: one of `ecrnn.layers.orders.SCANS`.
        height, width, channels: size of the feature map.
    """

    def __init__(self, scan: str, height: int, width: int, channels: int) -> None:
        super().__init__()
        order = scan_order(scan, height, width, channels)
        self.scan, self.steps, self.features = scan, order.steps, order.features
        self.in_order = bool(np.array_equal(order.index, np.arange(order.index.size)))
        self.index: Tensor
        self.inverse_index: Tensor
        self.register_buffer("index", torch.from_numpy(order.index), persistent=False)
        self.register_buffer("inverse_index", torch.from_numpy(np.argsort(order.index)), persistent=False)

    def forward(self, vector: Tensor) -> Tensor:  # (B, H*W*C) -> (B, steps, features)
        if not self.in_order:
            vector = vector[:, self.index]
        return vector.reshape(-1, self.steps, self.features)

    def inverse(self, sequence: Tensor) -> Tensor:
        """The flattened vector (B, H*W*C) from which `forward` made ``sequence`` (B, steps, features)."""
        return sequence.flatten(1)[:, self.inverse_index]

    def extra_repr(self) -> str:
        return f"{self.scan}, steps={self.steps}, features={self.features}"
