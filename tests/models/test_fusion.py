"""Fused networks against the networks themselves: every model, batches of one and more, odd sizes, any sign."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from oracles import compare, fresh_memory_is_nan, tolerance
from torch import nn

from ecrnn.layers import stages
from ecrnn.layers.areas import convolution_stage, dense_stage
from ecrnn.models.build import build
from ecrnn.models.fusion import FusedStages, fuse

NAMES = ("cnn", "cnn-64-32", "cnn-40", "ecnn", "crnn-gru-6@rows", "ecrnn-bilstm-6@columns", "ecrnn-rnn-5@positions")
IMAGES = [(3, 32, 32), (1, 8, 8), (3, 17, 13), (1, 9, 40)]  # the second pools three times, the third has odd sides

needs_kernels = pytest.mark.skipif(stages.kernels is None, reason="the C++ extension ecrnn.layers._cpu is not built")


def unlike_fresh(module, seed=0):
    """Gives every normalisation statistics and weights, of both signs, and every bias a value."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(part.weight, 1.0, 0.7, generator=generator)
            nn.init.normal_(part.bias, generator=generator)
            part.running_mean.copy_(torch.rand(part.num_features, generator=generator))
            part.running_var.copy_(torch.rand(part.num_features, generator=generator) + 0.1)
        elif isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.normal_(part.bias, 0.0, 0.2, generator=generator)
    return module.eval()


def network_and_images(name, image, count):
    network = unlike_fresh(build(name, image, 5)).to(memory_format=torch.channels_last)
    images = torch.randn(count, *image, generator=torch.Generator().manual_seed(1))
    return network, images.to(memory_format=torch.channels_last)


@pytest.mark.sampled(cover=1)
@pytest.mark.parametrize("image", IMAGES, ids=str)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [1, 3])
@torch.no_grad()
def test_logits_are_the_networks(name, image, count):
    network, x = network_and_images(name, image, count)
    expected = network.double()(x.double())
    network.float()
    with fresh_memory_is_nan():
        made = fuse(network)(x)
    steps = 2 * 1152  # the longest sum of a convolution, and the recurrence
    compare({"logits": expected}, {"logits": made}, tolerance("float32", steps))


@torch.no_grad()
def test_positive_factors_pool_first_to_the_bit():
    stage = unlike_fresh(convolution_stage(2, 32, pool=True))
    stage[2].weight.abs_()
    fused = FusedStages([stage])
    assert fused.stages[0].pool_first
    x = torch.randn(4, 2, 9, 6)
    made = fused(x)
    fused.stages[0].pool_first = False
    assert torch.equal(made, fused(x))


@torch.no_grad()
def test_a_negative_factor_pools_last():
    stage = unlike_fresh(convolution_stage(2, 32, pool=True))
    stage[2].weight[3] = -0.5
    fused = FusedStages([stage])
    assert not fused.stages[0].pool_first
    x = torch.randn(4, 2, 9, 6)
    compare({"out": stage(x)}, {"out": fused(x)}, tolerance("float32", 18))


@torch.no_grad()
def test_the_network_is_left_alone_and_the_copy_stays_as_it_was():
    network, x = network_and_images("ecnn", (1, 8, 8), 2)
    network.train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fused = fuse(network)
    assert network.training
    assert all(p.requires_grad for p in network.parameters())
    assert not fused.training
    first = [fused(x), fused(x[:1])]
    for parameter in network.parameters():
        parameter.zero_()
    assert torch.equal(fused(x), first[0])
    assert torch.equal(fused(x[:1]), first[1])
    network.load_state_dict(before)
    compare({"logits": network.eval()(x)}, {"logits": first[0]}, tolerance("float32", 1152))


def test_one_image_goes_through_the_kernels_where_they_are():
    network, _ = network_and_images("ecrnn-gru-4@rows", (3, 16, 16), 1)
    fused = fuse(network)
    assert (fused.cnn.image is None) == (fused.encoder.image is None) == (stages.kernels is None)


@torch.no_grad()
def test_without_the_extension(monkeypatch):
    monkeypatch.setattr(stages, "kernels", None)
    network, x = network_and_images("ecnn", (3, 17, 13), 1)
    fused = fuse(network)
    assert fused.cnn.image is None
    compare({"logits": network(x)}, {"logits": fused(x)}, tolerance("float32", 1152))


@needs_kernels
@torch.no_grad()
def test_float64_is_left_to_torch():
    network, x = network_and_images("cnn", (1, 8, 8), 1)
    fused = fuse(network.double())
    assert fused.cnn.image is None
    torch.testing.assert_close(fused(x.double()), network(x.double()))


def image_of(parts, instructions=""):
    image = stages.kernels.Image(instructions)
    for part in FusedStages(parts).stages:
        weight = part.layer.weight
        weight = weight.permute(0, 2, 3, 1).contiguous() if weight.dim() == 4 else weight[:, None, None]
        image.add(weight, part.layer.bias, part.factor, part.shift, part.pool)
    return image


@needs_kernels
@pytest.mark.parametrize("instructions", ["avx512", "avx2", "portable"])
@torch.no_grad()
def test_every_instruction_set(instructions):
    if instructions not in stages.kernels.instructions():
        pytest.skip(f"this machine has no {instructions}")
    parts = [convolution_stage(3, 32, True), convolution_stage(32, 64, False), convolution_stage(64, 32, True)]
    area = unlike_fresh(nn.Sequential(*parts))
    x, out = torch.randn(1, 3, 11, 7), torch.full((2, 1, 32), float("nan"))
    image_of(parts, instructions).run(x[0].permute(1, 2, 0).contiguous(), out)
    compare(
        {"maps": area.double()(x.double())[0].permute(1, 2, 0)}, {"maps": out}, tolerance("float32", 27 + 288 + 576)
    )
    parts = [dense_stage(13, 64), dense_stage(64, 32)]
    area = unlike_fresh(nn.Sequential(*parts))
    x, out = torch.randn(1, 13), torch.full((1, 1, 32), float("nan"))
    image_of(parts, instructions).run(x[None], out)
    compare({"vector": area.double()(x.double())}, {"vector": out[0]}, tolerance("float32", 13 + 64))


@needs_kernels
@torch.no_grad()
def test_not_a_number_stays():
    parts = [unlike_fresh(convolution_stage(1, 32, True))]
    x = torch.zeros(6, 6, 1)
    for place in ((0, 0), (3, 2)):
        x.zero_()[place] = float("nan")
        out = torch.zeros(3, 3, 32)
        image_of(parts).run(x, out)
        reached = torch.zeros(3, 3, dtype=torch.bool)
        y, z = place
        reached[max(0, y - 1) // 2 : (y + 1) // 2 + 1, max(0, z - 1) // 2 : (z + 1) // 2 + 1] = True
        assert torch.equal(out.isnan().all(2), reached)
        assert torch.equal(out.isnan().any(2), reached)


@needs_kernels
@torch.no_grad()
def test_images_in_several_threads_at_once():
    network, x = network_and_images("cnn", (3, 32, 32), 8)
    fused = fuse(network)
    expected = [fused(image[None]) for image in x]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda k: fused(x[k % 8][None]), range(64)))
    assert all(torch.equal(expected[k % 8], out) for k, out in enumerate(made))


@needs_kernels
def test_the_kernels_take_only_what_fits():
    ones, values = torch.ones(32), torch.zeros(4, 4, 3)
    good = {"weight": torch.zeros(32, 3, 3, 3), "bias": ones, "factor": ones, "shift": ones, "pool": True}
    image = stages.kernels.Image()
    with pytest.raises(ValueError, match="there is no stage"):
        image.run(values, torch.empty(2, 2, 32))
    for change in (
        {"weight": torch.zeros(32, 5, 5, 3)},
        {"weight": torch.zeros(32, 1, 1, 3)},  # dense, with pooling
        {"weight": torch.zeros(31, 3, 3, 3)},
        {"weight": torch.zeros(32, 3, 3, 3).double()},
        {"bias": ones[:31]},
        {"factor": ones[:16]},
        {"shift": torch.ones(64)[::2]},
    ):
        with pytest.raises((ValueError, TypeError)):
            image.add(**good | change)
    image.add(**good)
    with pytest.raises(ValueError, match="does not follow"):
        image.add(**good)
    for wrong, out in (
        (values, torch.empty(2, 2, 16)),
        (values, torch.empty(4, 4, 32)),
        (values[..., :1].contiguous(), torch.empty(2, 2, 32)),
        (values[:1], torch.empty(0, 2, 32)),
        (values.transpose(0, 1)[:, :, :], torch.empty(2, 2, 32)),
        (values.double(), torch.empty(2, 2, 32)),
    ):
        with pytest.raises((ValueError, TypeError)):
            image.run(wrong, out)
    with pytest.raises(ValueError, match="no instruction set 'none'"):
        stages.kernels.Image("none")
