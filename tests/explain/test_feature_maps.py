"""What convolutions see: the maps that are taken, and the filters."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.explain.feature_maps import filters, stages
from ecrnn.models.build import build


def image() -> Tensor:
    return torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_before_and_after_each_pooling() -> None:
    network = build("ecrnn-lstm-4", image=(3, 32, 32), classes=4, seed=0).eval()
    found = stages(network, image())
    assert [(one.layer, one.channels, one.maps.shape[1:]) for one in found] == [
        ("cnn.0.3", 32, (16, 16)),
        ("cnn.1.3", 64, (8, 8)),
        ("cnn.2.3", 128, (4, 4)),
        ("cnn.3.3", 256, (2, 2)),
    ]
    with torch.no_grad():
        first = network.cnn[0](image())[0]
    for one, expected in ((found[0], first),):
        assert torch.equal(torch.from_numpy(one.maps), expected[torch.from_numpy(one.shown)])
        assert one.before is not None
        pooled = nn.functional.max_pool2d(torch.from_numpy(one.before)[None], 2)[0]
        assert torch.equal(pooled, torch.from_numpy(one.maps))
        means = expected.abs().mean((1, 2))
        assert one.shown.tolist() == means.argsort(descending=True, stable=True)[:8].tolist()
    first_filters = filters(network)
    assert first_filters is not None
    assert first_filters.shape == (32, 3, 3, 3)


def test_without_pooling_convolutions_are_shown() -> None:
    deep = nn.Sequential(*(nn.Conv2d(3, 3, 3, padding=1) for _ in range(20)), nn.Flatten(), nn.Linear(3072, 2)).eval()
    found = stages(deep, image())
    assert [one.layer for one in found] == ["0", "3", "5", "8", "11", "14", "16", "19"]
    assert all(one.before is None for one in found)
    dense = nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)).eval()
    assert stages(dense, image()) == []
    assert filters(dense) is None
