"""bench/arithmetic: the multiply-adds of a step by hand, and a step beside them in figures that can be seen through."""

import pytest
import torch

from ecrnn.bench import arithmetic
from ecrnn.models.build import build
from ecrnn.recurrence import configure

IMAGES = torch.zeros(2, 3, 32, 32)
CONVOLUTIONS = 2 * 27 * 32 * 32**2 + 3 * 9 * (
    32 * 64 * 16**2 + 64 * 128 * 8**2 + 128 * 256 * 4**2
)  # images have no gradient
DENSE = 3 * 2 * (1024 * 512 + 512 * 256)
LSTM = 1024 * 2 * 4 * 16 * (1 + 16)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("cnn", {"bfloat16": CONVOLUTIONS + 3 * 1024 * 10}),
        ("ecrnn-bilstm-16", {"bfloat16": CONVOLUTIONS + DENSE + 3 * 32 * 10, "float32": LSTM}),
    ],
)
def test_multiply_adds_by_hand(model, expected):
    network = build(model)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert arithmetic.multiply_adds(network, IMAGES, "bfloat16") == {name: 2 * n for name, n in expected.items()}
    assert arithmetic.multiply_adds(network, IMAGES, "float32") == {"float32": 2 * sum(expected.values())}
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_a_recurrent_layer_without_a_cutoff_goes_back_through_every_step():
    network = build("ecrnn-bilstm-16")
    configure(network, cutoff=0)
    assert arithmetic.multiply_adds(network, IMAGES, "bfloat16")["float32"] == 3 * 2 * LSTM


def test_frozen_weights_have_no_gradient():
    network = build("cnn").requires_grad_(False)
    forwards = 27 * 32 * 32**2 + 9 * (32 * 64 * 16**2 + 64 * 128 * 8**2 + 128 * 256 * 4**2) + 1024 * 10
    assert arithmetic.multiply_adds(network, IMAGES, "float32") == {"float32": 2 * forwards}


def test_a_step_beside_its_arithmetic():
    """1e9 multiply-adds a second in float32 and 2e9 in bfloat16, but half as many in the second round."""
    product = arithmetic.SIZE**3 / 1e9
    rates = {"bfloat16": [product / 2, product, product / 2], "float32": [product, 2 * product, product]}
    counts = {"bfloat16": 4_000_000_000, "float32": 1_000_000_000}  # 2 s and 1 s
    found = arithmetic.beside(counts, [6.0, 18.0, 9.0], rates)
    assert found == {
        "multiply_adds": counts,
        "multiply_adds_per_second": {"bfloat16": 2e9, "float32": 1e9},
        "arithmetic_ms": 3000.0,
        "times_arithmetic": 3.0,
    }


def test_products_are_made_in_their_precision():
    products = arithmetic.products(["float32", "bfloat16"])
    assert {name: product().dtype for name, product in products.items()} == {
        "float32": torch.float32,
        "bfloat16": torch.bfloat16,
    }
