"""Weights in and out. What a hostile file does is tested with bundles, in tests/serving/test_bundle.py."""

import pytest
import torch

from ecrnn.core.errors import BundleError
from ecrnn.models.build import build
from ecrnn.models.weights import load_weights, round_to_half, save_weights


@pytest.mark.parametrize("name", ["cnn", "ecnn", "crnn-bilstm-3", "ecrnn-gru-3-2@random"])
def test_weights_come_back_bit_by_bit(name, tmp_path):
    one, two = build(name, (1, 8, 8), 3, seed=1), build(name, (1, 8, 8), 3, seed=2)
    one(torch.randn(4, 1, 8, 8))  # running statistics too
    save_weights(one, tmp_path / "w")
    load_weights(two, tmp_path / "w")
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))
    assert [p.name for p in tmp_path.iterdir()] == ["w"]


def test_channels_last_weights_are_written_as_they_read(tmp_path):
    one, two = build("cnn", (3, 8, 8), 3, seed=1), build("cnn", (3, 8, 8), 3, seed=2)
    save_weights(one.to(memory_format=torch.channels_last), tmp_path / "w")
    load_weights(two, tmp_path / "w")
    assert torch.equal(one.cnn[1][0].weight, two.cnn[1][0].weight)


@pytest.mark.parametrize(
    ("saved", "wanted", "line"),
    [
        ("cnn", "ecnn", "holds weights of another model: 'encoder.decoder.0.0.bias' is missing"),
        ("ecnn", "cnn", "holds weights of another model: 'encoder.decoder.0.0.bias' is not part of it"),
        (
            "crnn-lstm-3",
            "crnn-lstm-4",
            "'rnn.layers.0.weight_ih_l0' should be float32 of shape [16, 1], not float32 of shape [12, 1]",
        ),
    ],
)
def test_another_models_weights(saved, wanted, line, tmp_path):
    save_weights(build(saved, (1, 8, 8), 3), tmp_path / "w")
    network = build(wanted, (1, 8, 8), 3)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(BundleError) as error:
        load_weights(network, tmp_path / "w")
    assert line in str(error.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_values_that_are_not_finite(value, tmp_path):
    network = build("cnn", (1, 8, 8), 3)
    with torch.no_grad():
        network.head.bias[1] = value
    save_weights(network, tmp_path / "w")
    with pytest.raises(BundleError, match=r"values of 'head\.bias' are not finite"):
        load_weights(build("cnn", (1, 8, 8), 3), tmp_path / "w")


def test_16_bits_are_enough_for_weights_only(tmp_path):
    network = build("cnn", (1, 8, 8), 3)
    save_weights(network.half(), tmp_path / "w")
    with pytest.raises(BundleError, match=r"'cnn\.0\.0\.bias' should be float32 of shape \[\d+\], not float16"):
        load_weights(build("cnn", (1, 8, 8), 3), tmp_path / "w")
    network = build("cnn", (1, 8, 8), 3)
    with torch.no_grad():
        network.head.weight[0, 0] = 1e5
    with pytest.raises(BundleError, match=r"'head\.weight' has values beyond 65,504"):
        round_to_half(network)


def test_no_file(tmp_path):
    with pytest.raises(BundleError, match=r"cannot read .*: No such file"):
        load_weights(build("cnn", (1, 8, 8), 3), tmp_path / "w")
