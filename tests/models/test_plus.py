"""ECRNN-plus: its network in torch's words, what it is at first, how it is named, how large it is."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.layers.whitening import Whitening, cosines
from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.plus import LargestOfParts

PARTS = {"ecrnn-plus": (True, True), "crnn-plus": (False, True), "ecnn-plus": (True, False), "cnn-plus": (False, False)}


def stage(maps: Tensor, w: dict[str, Tensor], name: str, pool: bool) -> Tensor:
    maps = F.conv2d(maps, w[f"{name}.0.weight"], padding=1)
    maps = F.max_pool2d(maps, 2) if pool else maps
    maps = normalised(maps, w, f"{name}.{2 if pool else 1}")
    return maps / 2 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (maps + 0.044715 * maps**3)))


def normalised(x: Tensor, w: dict[str, Tensor], name: str) -> Tensor:
    parts = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(x, *(w[f"{name}.{part}"] for part in parts), eps=1e-3)


@pytest.mark.parametrize("name", PARTS)
def test_the_network_in_torchs_words(name: str) -> None:
    encoder, recurrence = PARTS[name]
    generator = torch.Generator().manual_seed(1)
    network = build(name, (3, 36, 32), 7).eval()
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.dtype == torch.float32:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) * 0.1)
        for norm in network.modules():
            if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
                norm.running_var += 0.5
        w = network.state_dict()
        images = torch.randn(5, 3, 36, 32, generator=generator)

        patches = F.unfold(images, 2).view(5, 3, 2, 2, 35, 31)  # colour, row, column
        basis = [cosines(size).float() for size in (3, 2, 2)]
        components = torch.einsum("kc,ih,jw,bchwyx->bkijyx", *basis, patches).reshape(5, 12, 35, 31)
        components = normalised(components, w, "whitening.norm")
        maps = torch.cat((components.clamp(min=0), (-components).clamp(min=0)), 1)
        for number in range(3):
            maps = stage(maps, w, f"cnn.{number}.first", pool=True)
            maps = maps + stage(maps, w, f"cnn.{number}.second", pool=False)
        assert maps.shape == (5, 256, 4, 3)
        maps = F.adaptive_max_pool2d(maps, 3)
        vector = maps.permute(0, 2, 3, 1).flatten(1)
        if encoder:
            latent = F.relu(F.linear(vector, w["encoder.encoder.0.weight"], w["encoder.encoder.0.bias"]))
            latent = normalised(latent, w, "encoder.encoder.2")
            vector = vector + F.linear(latent, w["encoder.decoder.weight"], w["encoder.decoder.bias"])
        sequence = vector.view(5, 9, 256)
        features = [sequence.amax(1)]
        if recurrence:
            lstm = nn.LSTM(256, 64, batch_first=True, bidirectional=True)
            for key, value in lstm.named_parameters():
                layer = "rnn.layers.0."
                value.copy_(w[layer + key] if layer + key in w else torch.zeros_like(value))  # one bias vector
            features += list(lstm(sequence)[1][0])
        expected = F.linear(torch.cat(features, 1), w["head.weight"], w["head.bias"])
        torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)


def test_cosines_are_torchs_view_of_a_transform_by_hand() -> None:
    half = 0.5**0.5
    torch.testing.assert_close(cosines(2), torch.tensor([[half, half], [half, -half]], dtype=torch.float64))
    grey, red_blue, green = cosines(3)
    torch.testing.assert_close(grey, torch.full((3,), 3**-0.5, dtype=torch.float64))
    torch.testing.assert_close(red_blue, torch.tensor([half, 0, -half], dtype=torch.float64))
    torch.testing.assert_close(green, torch.tensor([1, -2, 1], dtype=torch.float64) / 6**0.5)


def test_whitening_leaves_patches_of_photographs_nearly_white() -> None:
    """Of images whose neighbours are alike the pixels correlate; the components, of equal variance, hardly do."""
    noise = torch.randn(64, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    common = torch.randn(64, 1, 33, 33, generator=torch.Generator().manual_seed(1))
    images = F.avg_pool2d(noise + 3 * common, 5, stride=1)
    layer = Whitening(3)
    with torch.no_grad():
        maps = layer(images)
        components = (maps[:, :12] - maps[:, 12:]).permute(1, 0, 2, 3).flatten(1)
    correlations = torch.corrcoef(components) - torch.eye(12)
    assert components.var(1).min() > 0.6  # of the faintest, which the eps of the normalisation keeps down
    assert components.var(1).max() < 1.001
    assert correlations.abs().max() < 0.03
    assert torch.corrcoef(images.permute(1, 0, 2, 3).flatten(1)).min() > 0.8
    assert not any(p.requires_grad for p in layer.parameters())


def test_at_first_stages_pass_on_and_the_encoder_adds_nothing() -> None:
    network = build("ecrnn-plus", (1, 28, 28), 10)
    vector = torch.randn(4, 2304)
    assert torch.equal(network.encoder(vector), vector)
    weight = network.cnn[1].second[0].weight
    assert torch.equal(weight[:, :, 1, 1], torch.eye(256))
    assert weight.count_nonzero() == 256
    wider = network.cnn[0].first[0].weight  # 8 maps in, 64 out
    assert torch.equal(wider[:8, :, 1, 1] != 0, torch.eye(8) == 1)
    assert wider[8:].std() > 0
    assert wider.norm().item() == pytest.approx(8.0, rel=1e-5)


@pytest.mark.parametrize(("height", "width"), [(3, 3), (7, 7), (4, 3), (5, 11), (8, 6)])
def test_the_largest_of_parts_are_torchs(height: int, width: int) -> None:
    maps = torch.randn(2, 4, height, width).bfloat16().float().requires_grad_()  # some of them alike
    found, expected = LargestOfParts(3, 3)(maps), F.adaptive_max_pool2d(maps, 3)
    assert torch.equal(found, expected)
    cotangent = torch.randn(found.shape)
    (mine,), (theirs,) = (torch.autograd.grad(out, maps, cotangent) for out in (found, expected))
    torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 9, 200), (3, 96, 96)])
def test_at_every_size_it_has_at_most_three_million_parameters(image: tuple[int, int, int]) -> None:
    network = build("ecrnn-plus", image, 5)
    assert network(torch.randn(2, *image)).shape == (2, 5)
    assert sum(parameter.numel() for parameter in network.parameters()) <= 3_000_000


def test_the_four_have_one_recipe() -> None:
    recipes = [dict(parse(name).row.recipe) for name in PARTS]
    assert all(recipe == recipes[0] for recipe in recipes)
    assert recipes[0]["optimizer"] == "muon"
