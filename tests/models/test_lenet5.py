"""LeNet-5, both forms, against torch's own layers. Its counts: test_summary.py."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from models.stock import HeightWidthChannel, stock
from torch import nn

from ecrnn.layers.lenet5_layers import C3_TABLE
from ecrnn.models.build import build


def test_lenet5_is_what_torchs_layers_give() -> None:
    ours, images = build("lenet5", (1, 32, 32), 10), torch.randn(3, 1, 32, 32)
    other = stock(
        ours,
        (nn.Conv2d, nn.Linear),
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(HeightWidthChannel(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    torch.testing.assert_close(ours(images), other(images))


def test_lenet5_of_1998_is_what_torchs_layers_give() -> None:
    """Its parts in torch's words: average pooling times 4, a kernel with holes, tanh."""
    ours, x = build("lenet5-1998", (1, 32, 32), 10), torch.randn(3, 1, 32, 32)
    with torch.no_grad():
        for name, parameter in ours.named_parameters():
            if "coefficient" in name or "bias" in name:
                parameter.copy_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(len(name))))
    w = dict(ours.named_parameters())
    expected = 1.7159 * torch.tanh(F.conv2d(x, w["cnn.c1.weight"], w["cnn.c1.bias"]) * 2 / 3)
    for stage, convolution in (("s2", "c3"), ("s4", "")):
        pooled = 4 * F.avg_pool2d(expected, 2) * w[f"cnn.{stage}.0.coefficient"].view(-1, 1, 1)
        expected = 1.7159 * torch.tanh((pooled + w[f"cnn.{stage}.0.bias"].view(-1, 1, 1)) * 2 / 3)
        if convolution:
            kernel, weights = torch.zeros(16, 6, 5, 5), iter(w["cnn.c3.weight"])
            for out in range(16):
                for source in C3_TABLE[out]:
                    kernel[out, source] = next(weights)
            expected = 1.7159 * torch.tanh(F.conv2d(expected, kernel, w["cnn.c3.bias"]) * 2 / 3)
    expected = HeightWidthChannel()(expected)
    for layer in ("dense.c5", "dense.f6"):
        expected = 1.7159 * torch.tanh(F.linear(expected, w[f"{layer}.weight"], w[f"{layer}.bias"]) * 2 / 3)
    torch.testing.assert_close(ours(x), F.linear(expected, w["head.weight"], w["head.bias"]))
