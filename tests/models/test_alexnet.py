"""AlexNet against torch's own layers and the source's formula. Its count: test_summary.py."""

from __future__ import annotations

import pytest
import torch
from models.stock import HeightWidthChannel, stock
from torch import nn

from ecrnn.models import alexnet
from ecrnn.models.build import build


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("name", ["alexnet", "alexnet-lrn"])
def test_alexnet_is_what_torchs_layers_give(name: str) -> None:
    ours, images = build(name, (3, 71, 64), 5).eval(), torch.randn(2, 3, 71, 64)
    norm = [nn.LocalResponseNorm(5, 5 * 1e-4, 0.75, 2)] if name.endswith("lrn") else []
    other = stock(
        ours,
        (nn.Conv2d, nn.Linear),
        *(nn.Conv2d(3, 96, 11, 4, 2), nn.ReLU(), *norm, nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU(), *norm, nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(), nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU()),
        *(nn.Conv2d(384, 256, 3, 1, 1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), HeightWidthChannel()),
        *(nn.Linear(256, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 5)),
    )
    torch.testing.assert_close(ours(images), other(images))


def test_response_normalisation_is_the_sources_formula() -> None:
    """b_i = a_i / (k + alpha sum_j a_j^2)^beta over the n = 5 channels around i; alpha is not divided by n."""
    (layer,) = alexnet._response_normalisation(True)
    a = 30 * torch.randn(1, 9, 2, 2, dtype=torch.float64)
    around = [a[:, max(0, i - 2) : i + 3].square().sum(1) for i in range(9)]
    expected = a / (2 + 1e-4 * torch.stack(around, 1)) ** 0.75
    torch.testing.assert_close(layer(a), expected)


def test_alexnet_drops_out_in_training_only() -> None:
    network, images = build("alexnet", (1, 63, 63), 3), torch.randn(2, 1, 63, 63)
    assert not torch.equal(network(images), network(images))
    network.eval()
    assert torch.equal(network(images), network(images))
