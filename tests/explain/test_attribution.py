"""Maps of pixels against captum and torchcam, against models whose maps are known, and the choice of the layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecrnn.explain.attribution import (
    Score,
    blurred,
    grad_cam,
    integrated_gradients,
    last_map,
    occlusion,
    to_image,
)
from ecrnn.models.build import build

FAMILIES = ("ecrnn-bilstm-4", "crnn-gru-4@rows", "cnn", "lenet5", "parallel-4")
SIZES = {"image": (3, 32, 32), "classes": 4}


def a_network(name: str = "ecrnn-bilstm-4") -> nn.Module:
    """With running statistics that are no longer those of the start."""
    network = build(name, seed=0, **SIZES)
    network.train()
    for seed in range(3):
        network(images(16, seed))
    return network.eval()


def images(count: int = 1, seed: int = 0) -> Tensor:
    return torch.randn(count, *SIZES["image"], generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", FAMILIES)
def test_grad_cam_is_torchcams(name: str) -> None:
    from torchcam.methods import GradCAM

    network, image = a_network(name), images()
    layer = last_map(network, image)
    assert layer is not None
    for target in (0, 3):
        with GradCAM(network, target_layer=layer) as extractor:
            logits = network(image.clone().requires_grad_())
            (theirs,) = extractor(target, logits, normalized=False)
        ours = grad_cam(network, image, Score(target), layer).values
        expected = to_image(theirs[0].detach().numpy(), (32, 32))
        assert np.abs(ours - expected).max() <= 1e-5 * max(1e-3, np.abs(expected).max())


@pytest.mark.sampled(most=4)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("against", [None, 2])
def test_integrated_gradients_are_captums(name: str, against: int | None) -> None:
    from captum.attr import IntegratedGradients

    network, image, score = a_network(name), images(), Score(1, against)
    for baseline in (torch.zeros_like(image), blurred(image)):
        theirs = IntegratedGradients(lambda x: score(network(x))).attribute(
            image, baselines=baseline, n_steps=40, method="gausslegendre"
        )
        ours = integrated_gradients(network, image, score, baseline, steps=40)
        expected = theirs[0].sum(0).detach().numpy()
        assert ours.steps == 40
        assert np.abs(ours.values - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("window", [4, 8])
def test_occlusion_is_captums(window: int) -> None:
    from captum.attr import Occlusion

    network, image, score = a_network("cnn"), images(), Score(1)
    half = window // 2
    with torch.no_grad():
        theirs = Occlusion(lambda x: score(network(x))).attribute(
            image, sliding_window_shapes=(3, window, window), strides=(3, half, half), perturbations_per_eval=64
        )
    ours = occlusion(network, image, score, window).values
    assert np.abs(ours - theirs[0, 0].numpy()).max() <= 1e-5 * np.abs(ours).max()


class Linear(nn.Module):
    """Logits that are sums of weighted pixels: every map of it is known."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, 3 * 8 * 8, generator=torch.Generator().manual_seed(3)))

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ self.weight.T


def test_a_linear_model_by_hand() -> None:
    network, image = Linear(), torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(4))
    products = (network.weight.view(2, 3, 8, 8) * image).sum(1).detach().numpy()  # (2, 8, 8)
    one = integrated_gradients(network, image, Score(0, against=1))
    assert one.values == pytest.approx(products[0] - products[1], rel=1e-5, abs=1e-6)
    assert one.steps == 32
    assert one.completeness_error is not None
    assert one.completeness_error < 1e-5
    alone = occlusion(network, image, Score(0), window=1).values
    assert alone == pytest.approx(products[0], rel=1e-4, abs=1e-5)


class Kinked(nn.Module):
    """sqrt of the mean pixel: steep at the baseline, so the integral needs many points."""

    def forward(self, images: Tensor) -> Tensor:
        return images.clamp(min=0).mean((1, 2, 3))[:, None].sqrt().repeat(1, 2)


def test_steps_are_doubled_until_the_sum_is_right() -> None:
    image = torch.ones(1, 1, 8, 8)
    few, enough = (integrated_gradients(Kinked(), image, Score(0), steps=steps) for steps in (4, None))
    assert few.completeness_error is not None
    assert enough.completeness_error is not None
    assert few.completeness_error > 0.01 > enough.completeness_error
    assert enough.steps in (32, 64, 128, 256, 512, 1024)
    assert float(enough.values.sum()) == pytest.approx(1, rel=0.01)


class Excited(nn.Module):
    """A block that weighs its maps by what a dense layer says, then a pooling to one value each."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.weigh = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 4)
        self.second, self.pool, self.head = nn.Conv2d(4, 5, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Linear(5, 2)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.first(images)
        maps = maps * self.weigh(maps.mean((2, 3)))[:, :, None, None]
        return self.head(self.pool(self.second(maps)).flatten(1))


@pytest.mark.parametrize(
    ("network", "layer"),
    [
        ("ecrnn-bilstm-4", "cnn.3.2"),  # before the last pooling, 4x4; after it 2x2 says little of where
        ("cnn", "cnn.3.2"),
        ("lenet5", "cnn.s4"),
        ("rows-lstm-4-cnn", None),  # the maps of what an RNN gave are none of the image
        ("rows-lstm-4", None),
        ("mlp-4", None),
        (Excited(), "second"),
    ],
)
def test_the_layer_is_chosen(network: str | nn.Module, layer: str | None) -> None:
    built = build(network, seed=0, **SIZES).eval() if isinstance(network, str) else network
    assert last_map(built, images()) == layer


def test_a_blurred_image_keeps_its_colours() -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) + torch.tensor([0, 1, 2.0]).view(
        3, 1, 1
    )
    soft = blurred(image)
    assert (soft.mean((2, 3)) - image.mean((2, 3))).abs().max() < 0.1
    assert soft.std((2, 3)).max() < 0.4 * image.std((2, 3)).min()
    assert torch.equal(blurred(torch.full((1, 1, 8, 8), 3.0)).round(decimals=5), torch.full((1, 1, 8, 8), 3.0))
