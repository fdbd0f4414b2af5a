"""Batch normalisation: torch's in training, and running statistics that average batches by a rule."""

import pytest
import torch
from torch import nn

from ecrnn.layers import normalisation
from ecrnn.layers.normalisation import BatchNorm1d, BatchNorm2d
from ecrnn.models.build import build

PAIRS = [(BatchNorm1d, nn.BatchNorm1d, (6, 3)), (BatchNorm2d, nn.BatchNorm2d, (6, 3, 4, 5))]
pairs = pytest.mark.parametrize(("ours", "stock", "shape"), PAIRS)


def statistics(x):
    """The mean and the unbiased variance of a batch, by channel, float64."""
    values = x.double().transpose(0, 1).flatten(1)
    return values.mean(1), values.var(1)


def test_constants_are_keras():
    assert (normalisation.EPS, normalisation.MOMENTUM) == (1e-3, 0.01)
    assert BatchNorm1d(3).eps == BatchNorm2d(3).eps == 1e-3


@pairs
def test_training_is_torchs(ours, stock, shape):
    torch.manual_seed(0)
    layer, other = ours(3), stock(3, eps=1e-3, momentum=0.01)
    with torch.no_grad():
        for p, q in zip(layer.parameters(), other.parameters(), strict=True):
            q.copy_(p.normal_())
    for _ in range(3):
        x = torch.randn(shape)
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        made, expected = layer(inputs[0]), other(inputs[1])
        cotangent = torch.randn_like(x)
        made.backward(cotangent)
        expected.backward(cotangent)
        assert torch.equal(made, expected)
        assert torch.equal(inputs[0].grad, inputs[1].grad)
    assert all(torch.equal(p.grad, q.grad) for p, q in zip(layer.parameters(), other.parameters(), strict=True))


@pairs
def test_a_batch_that_was_normalised_elsewhere_counts_alike(ours, stock, shape):
    layer, other = ours(3), ours(3)
    for _ in range(3):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        layer(x)
        values = x.transpose(0, 1).flatten(1)
        other.take(values.mean(1), values.var(1, correction=0), values.shape[1])
    for one, same in zip(layer.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(one, same)


@pairs
def test_even_averages_the_first_hundred_batches_and_then_takes_one_percent(ours, stock, shape):
    torch.manual_seed(1)
    layer, means, variances = ours(3), [], []
    normalisation.average(layer, "even")
    for batch in range(1, 131):
        x = torch.randn(shape) * (1 + batch / 50) + batch / 10
        mean, variance = statistics(x)
        layer(x)
        if batch <= 100:
            means.append(mean)
            variances.append(variance)
            expected = torch.stack(means).mean(0), torch.stack(variances).mean(0)
        else:
            expected = 0.99 * expected[0] + 0.01 * mean, 0.99 * expected[1] + 0.01 * variance
        torch.testing.assert_close(layer.running_mean.double(), expected[0], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(layer.running_var.double(), expected[1], rtol=1e-4, atol=1e-6)
    assert int(layer.num_batches_tracked) == 130


@pairs
def test_recent_takes_thirty_percent_then_the_last_fortieth_and_in_the_end_one_percent(ours, stock, shape):
    torch.manual_seed(1)
    layer, expected = ours(3), (torch.zeros(3), torch.zeros(3))
    for batch in range(1, 161):
        x = torch.randn(shape) * (1 + batch / 50) + batch / 10
        layer(x)
        weight = 1 / batch if batch < 4 else 0.3 if batch <= 133 else 40 / batch
        expected = tuple(a + weight * (b - a) for a, b in zip(expected, statistics(x), strict=True))
        torch.testing.assert_close(layer.running_mean.double(), expected[0], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(layer.running_var.double(), expected[1], rtol=1e-4, atol=1e-6)
    for batch, weight in ((1, 1), (3, 1 / 3), (4, 0.3), (400, 0.1), (4000, 0.01), (4001, 0.01), (10**6, 0.01)):
        layer.num_batches_tracked.fill_(batch - 1)
        layer(torch.randn(shape))
        assert layer.momentum == pytest.approx(weight)


@pytest.mark.sampled(most=1)
@pairs
def test_a_long_training_ends_the_same_by_either_rule(ours, stock, shape):
    torch.manual_seed(1)
    recent, even = ours(3), ours(3)
    normalisation.average(even, "even")
    for batch in range(6000):
        x = torch.randn(shape) + min(1, batch / 3000)
        recent(x)
        even(x)
    for name, values in recent.state_dict().items():
        torch.testing.assert_close(values, even.state_dict()[name], rtol=1e-5, atol=1e-6)


def test_every_layer_of_a_network_gets_the_rule():
    network = build("ecrnn-lstm-2", (1, 8, 8), 3)
    layers = [m for m in network.modules() if isinstance(m, BatchNorm1d | BatchNorm2d)]
    assert len(layers) > 6
    assert {layer.rule for layer in layers} == {"recent"}
    normalisation.average(network, "even")
    assert {layer.rule for layer in layers} == {"even"}


@pairs
def test_keras_statistics_would_be_seen(ours, stock, shape):
    torch.manual_seed(1)
    keras, x = stock(3, momentum=0.01), torch.randn(shape) + 5
    layer = ours(3)
    layer(x)
    keras(x)
    torch.testing.assert_close(layer.running_mean.double(), statistics(x)[0], rtol=1e-4, atol=1e-6)
    assert (keras.running_mean - layer.running_mean).abs().min() > 4


@pairs
def test_evaluation_uses_the_running_statistics_and_changes_nothing(ours, stock, shape):
    torch.manual_seed(2)
    layer = ours(3)
    for _ in range(3):
        layer(torch.randn(shape) * 2 + 1)
    before = {name: tensor.clone() for name, tensor in layer.state_dict().items()}
    x = torch.randn(shape)
    made = layer.eval()(x)
    where = (1, 3) + (1,) * (len(shape) - 2)
    mean, variance = layer.running_mean.view(where), layer.running_var.view(where)
    torch.testing.assert_close(made, (x - mean) / (variance + 1e-3).sqrt(), rtol=1e-5, atol=1e-6)
    assert all(torch.equal(before[name], tensor) for name, tensor in layer.state_dict().items())


@pairs
def test_counting_goes_on_after_loading(ours, stock, shape):
    torch.manual_seed(3)
    one, batches = ours(3), [torch.randn(shape) for _ in range(6)]
    for x in batches[:4]:
        one(x)
    two = ours(3)
    two.load_state_dict(one.state_dict())
    for x in batches[4:]:
        one(x)
        two(x)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_statistics_anew_are_what_torch_gives_averaged_weights() -> None:
    torch.manual_seed(2)
    ours = nn.Sequential(nn.Conv2d(2, 3, 3), BatchNorm2d(3), nn.Dropout(0.5), nn.Flatten(), nn.BatchNorm1d(27))
    stock = nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3, eps=1e-3), nn.Identity(), nn.Flatten(), nn.BatchNorm1d(27)
    )
    batches = [torch.randn(6, 2, 5, 5) + 1 for _ in range(4)]
    ours.train()
    for batch in batches:
        ours(batch)
    stock.load_state_dict(ours.state_dict())
    torch.optim.swa_utils.update_bn(batches, stock)
    with normalisation.statistics_anew(ours) as needed:
        for batch in batches:
            ours(batch)
    assert needed
    for (name, buffer), expected in zip(ours.named_buffers(), stock.buffers(), strict=True):
        torch.testing.assert_close(buffer, expected, msg=name)
    assert all(module.training for module in ours.modules())
    assert (ours[1].rule, ours[4].momentum) == ("recent", 0.1)
    with normalisation.statistics_anew(nn.Linear(2, 2).eval()) as needed:
        assert not needed
