"""`Flatten` and `Scan` as modules; the orders themselves are tested in test_orders.py."""

import numpy as np
import pytest
import torch

from ecrnn.core.errors import UnknownNameError
from ecrnn.layers.orders import SCANS, scan_order
from ecrnn.layers.scans import Flatten, Scan

SIZE = (3, 2, 4)  # H, W, C


@pytest.fixture
def vector():
    return torch.from_numpy(np.random.default_rng(1).standard_normal((5, 24)))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_flatten_has_the_channel_fastest(memory_format):
    maps = np.random.default_rng(0).standard_normal((2, 4, 3, 2))  # (B, C, H, W)
    expected = [[image[c, y, x] for y in range(3) for x in range(2) for c in range(4)] for image in maps]
    made = Flatten()(torch.from_numpy(maps).to(memory_format=memory_format))
    np.testing.assert_array_equal(made.numpy(), expected)


@pytest.mark.parametrize("scan", SCANS)
def test_forward_reads_in_the_order(scan, vector):
    order = scan_order(scan, *SIZE)
    made = Scan(scan, *SIZE)(vector)
    assert made.shape == (5, order.steps, order.features)
    np.testing.assert_array_equal(made.flatten(1).numpy(), vector.numpy()[:, order.index])


@pytest.mark.parametrize("scan", SCANS)
def test_inverse_gives_the_vector_back(scan, vector):
    layer = Scan(scan, *SIZE)
    torch.testing.assert_close(layer.inverse(layer(vector)), vector, rtol=0, atol=0)
    if not layer.in_order:  # the inverse is not forward once more by chance
        assert not torch.equal(layer(layer(vector).flatten(1)).flatten(1), vector)


@pytest.mark.parametrize("scan", SCANS)
def test_gradient_is_the_inverse(scan, vector):
    layer, vector = Scan(scan, *SIZE), vector.requires_grad_()
    cotangent = torch.randn_like(layer(vector))
    layer(vector).backward(cotangent)
    torch.testing.assert_close(vector.grad, layer.inverse(cotangent), rtol=0, atol=0)


def test_nothing_is_saved_with_the_weights():
    assert Scan("random", *SIZE).state_dict() == {}


def test_repr_says_how_it_reads():
    assert repr(Scan("columns", *SIZE)) == "Scan(columns, steps=2, features=12)"


def test_unknown_scan():
    with pytest.raises(UnknownNameError, match="unknown scan 'colums', did you mean 'columns'"):
        Scan("colums", *SIZE)
