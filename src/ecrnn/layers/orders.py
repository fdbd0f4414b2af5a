"""The orders in which a feature map can be read, free of torch; `ecrnn.layers.scans` makes modules of them.

Every scan is an order of the H*W*C values, cut into steps of equal width, so all of them share one module and one
inverse. The map comes as the flattened vector in the order height, width, channel (channel fastest), as Keras flattens.

| scan        | steps | values a step | read in the order                                              |
|-------------|-------|---------------|----------------------------------------------------------------|
| flatten-hwc | H*W*C | 1             | height, width, channel: the paper's                            |
| flatten-chw | H*W*C | 1             | channel, height, width: one whole feature map after the other  |
| rows        | H     | W*C           | top to bottom                                                  |
| columns     | W     | H*C           | left to right                                                  |
| positions   | H*W   | C             | row by row, all channels of a position at once                 |
| random      | H*W*C | 1             | a permutation drawn once from a fixed seed, the same for all   |
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ecrnn.core.errors import unknown_name
from ecrnn.data import counter_rng

RANDOM_SCAN_SEED = 20_210_630  # part of the definition of the scan `random`: changing it changes the models
DEFAULT_SCAN = "flatten-hwc"
SCANS = (DEFAULT_SCAN, "flatten-chw", "rows", "columns", "positions", "random")


@dataclass(frozen=True)
class Order:
    """How a scan reads: the index into the H*W*C vector for each value in turn, and the shape of the sequence."""

    index: np.ndarray  # (steps * features,) int64, a permutation
    steps: int
    features: int


def scan_order(scan: str, height: int, width: int, channels: int) -> Order:
    """The order in which ``scan`` reads a map of the given size.

    Raises:
        UnknownNameError: no such scan.
    """
    size = height * width * channels
    index = np.arange(size).reshape(height, width, channels)
    match scan:
        case "flatten-hwc":
            return Order(index.ravel(), size, 1)
        case "flatten-chw":
            return Order(index.transpose(2, 0, 1).ravel(), size, 1)
        case "rows":
            return Order(index.ravel(), height, width * channels)
        case "columns":
            return Order(index.transpose(1, 0, 2).ravel(), width, height * channels)
        case "positions":
            return Order(index.ravel(), height * width, channels)
        case "random":
            return Order(counter_rng.permutation(size, (counter_rng.SCAN, RANDOM_SCAN_SEED)), size, 1)
    raise unknown_name("scan", scan, SCANS)
