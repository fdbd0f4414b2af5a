"""Layers of LeNet-5 as it was in 1998, which PyTorch does not provide.

Source: LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the
IEEE 86 (1998), section II-B and appendix A.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Which of the 6 maps of S2 each of the 16 maps of C3 reads (Table I of the source).
C3_TABLE = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
    *((0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)


class Squash(nn.Module):
    """The squashing function 1.7159 tanh(2/3 a): f(1) = 1 and f(-1) = -1, so that targets of +-1 do not saturate it."""

    def forward(self, a: Tensor) -> Tensor:
        return 1.7159 * torch.tanh(2 / 3 * a)


class Subsampling(nn.Module):
    """The sum of 2x2 values, times a trainable coefficient a map, plus a trainable bias a map.

    Takes (B, channels, H, W), gives (B, channels, H // 2, W // 2); an odd last row or column is left out.

    Args:
        channels: maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.full((channels,), 0.25))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor) -> Tensor:
        sums = 4 * F.avg_pool2d(maps, 2)  # a power of two: exact. ONNX does not know divisor_override
        return sums * self.coefficient[:, None, None] + self.bias[:, None, None]


class TableConvolution(nn.Module):
    """A convolution whose output maps each read some of the input maps only, without padding.

    Takes (B, maps, H, W), gives (B, len(table), H - kernel + 1, W - kernel + 1). The weights that are not there are
    neither stored nor counted; for the product they are zeros of an ordinary kernel.

    Args:
        table: for each output map the input maps that it reads, from 0.
        maps: input maps.
        kernel: side of the kernel, in pixels.
    """

    def __init__(self, table: tuple[tuple[int, ...], ...], maps: int, kernel: int) -> None:
        super().__init__()
        pairs = [(out, source) for out, sources in enumerate(table) for source in sources]
        self.shape = (len(table), maps, kernel, kernel)
        self.weight = nn.Parameter(torch.zeros(len(pairs), kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(len(table)))
        self.pairs: Tensor
        self.register_buffer("pairs", torch.tensor(pairs).T.contiguous(), persistent=False)  # (2, connections)

    def kernel(self) -> Tensor:
        """The ordinary kernel (out, in, kernel, kernel), zero where the table has no connection."""
        return self.weight.new_zeros(self.shape).index_put(tuple(self.pairs), self.weight)

    def forward(self, maps: Tensor) -> Tensor:
        return F.conv2d(maps, self.kernel(), self.bias)
