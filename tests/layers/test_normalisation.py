"""Batch normalisation: torch's in training, running statistics that average the first hundred batches."""

import pytest
import torch
from torch import nn

from ecrnn.layers import normalisation
from ecrnn.layers.normalisation import BatchNorm1d, BatchNorm2d

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
def test_first_hundred_batches_are_averaged_then_one_percent_is_taken(ours, stock, shape):
    torch.manual_seed(1)
    layer, means, variances = ours(3), [], []
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
