"""Initial weights are those of Keras's defaults, and come from the seed alone."""

import pytest
import torch
from torch import nn

from ecrnn.core.devices import threads
from ecrnn.layers.initialisation import initialise
from ecrnn.layers.lenet5_layers import C3_TABLE, Subsampling, TableConvolution
from ecrnn.models.build import build
from ecrnn.recurrence import GRU, LSTM, RNN


def make(seed=0):
    torch.manual_seed(99)
    layers = {
        "conv": nn.Conv2d(3, 32, 3),
        "dense": nn.Linear(200, 100),
        "no_bias": nn.Linear(50, 20, bias=False),
        "lstm": LSTM(6, 16, bidirectional=True, bias_vectors=1),
        "gru": GRU(6, 16),
        "rnn": RNN(6, 16, bias_vectors=1),
        "lstm2": LSTM(6, 16),
        "words": nn.Embedding(50, 20),
        "windows": nn.Conv1d(8, 16, 3),
        "table": TableConvolution(C3_TABLE, 6, 5),
        "subsampling": Subsampling(4),
        "norm1": nn.BatchNorm1d(4),
        "norm2": nn.BatchNorm2d(4),
    }
    network = nn.ModuleDict(layers)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(7)  # so that what is left alone is seen
        for name, buffer in layers["lstm"].named_buffers():
            assert name.startswith("bias_hh")
            buffer.zero_()
    initialise(network, seed)
    return network


@pytest.fixture(scope="module")
def network():
    return make()


@pytest.mark.parametrize(
    ("name", "fan_in", "fan_out"),
    [
        ("conv.weight", 9 * 3, 9 * 32),
        ("dense.weight", 200, 100),
        ("no_bias.weight", 50, 20),
        ("windows.weight", 3 * 8, 3 * 16),
        ("table.weight", 25 * 60 / 16, 25 * 60 / 6),
        ("lstm.weight_ih_l0", 6, 4 * 16),
        ("lstm.weight_ih_l0_reverse", 6, 4 * 16),
        ("gru.weight_ih_l0", 6, 3 * 16),
        ("rnn.weight_ih_l0", 6, 16),
    ],
)
def test_glorot_uniform(network, name, fan_in, fan_out):
    weight, limit = network.state_dict()[name], (6 / (fan_in + fan_out)) ** 0.5
    assert weight.abs().max() <= limit
    assert weight.abs().max() > 0.93 * limit  # fills its range
    assert weight.std() == pytest.approx(limit / 3**0.5, rel=0.15)  # and is uniform in it
    assert abs(weight.mean()) < 0.2 * limit


@pytest.mark.parametrize("layer", ["lstm", "gru", "rnn", "lstm2"])
def test_recurrent_weights_are_orthogonal(network, layer):
    weight = network[layer].weight_hh_l0  # (gates * H, H): Keras's kernel is its transpose (H, gates * H)
    torch.testing.assert_close(weight.T @ weight, torch.eye(16), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_recurrent_weights_of_half_types_are_orthogonal(dtype):
    half = LSTM(6, 16, dtype=dtype)
    initialise(half, 0)
    gram = half.weight_hh_l0.float().T @ half.weight_hh_l0.float()
    torch.testing.assert_close(gram, torch.eye(16), rtol=0, atol=0.02)


@pytest.mark.parametrize("name", ["lstm.bias_ih_l0", "lstm.bias_ih_l0_reverse", "lstm2.bias_ih_l0"])
def test_forget_gate_starts_open(network, name):
    bias = network.state_dict()[name].reshape(4, 16)  # torch's order i, f, g, o
    assert torch.equal(bias, torch.tensor([0.0, 1, 0, 0])[:, None].expand(4, 16))


@pytest.mark.parametrize(
    "name",
    [
        "conv.bias",
        "windows.bias",
        "dense.bias",
        "table.bias",
        "subsampling.bias",
        "gru.bias_ih_l0",
        "gru.bias_hh_l0",
        "rnn.bias_ih_l0",
        "lstm2.bias_hh_l0",
    ],
)
def test_other_biases_are_zero(network, name):
    assert not network.state_dict()[name].any()


def test_subsampling_starts_as_the_average(network):
    assert network["subsampling"].coefficient.tolist() == [0.25] * 4


@pytest.mark.parametrize("norm", ["norm1", "norm2"])
def test_normalisation_starts_as_the_identity(network, norm):
    values = {name: set(t.flatten().tolist()) for name, t in network[norm].state_dict().items()}
    assert values == {
        "weight": {1.0},
        "bias": {0.0},
        "running_mean": {0.0},
        "running_var": {1.0},
        "num_batches_tracked": {0},
    }


def test_same_seed_same_bits_other_seed_other_weights():
    first, again, other = make(3).state_dict(), make(3).state_dict(), make(4).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = [n for n in first if "weight" in n and "norm" not in n]
    assert len(drawn) == 16
    assert not any(torch.equal(first[name], other[name]) for name in drawn)


def test_equal_layers_start_differently():
    network = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8))
    initialise(network, 0)
    assert not torch.equal(network[0].weight, network[1].weight)


def test_torchs_own_generator_is_left_alone():
    network = make()
    before = torch.get_rng_state()
    initialise(network, 5)
    assert torch.equal(before, torch.get_rng_state())


def test_embeddings_are_uniform_as_keras_has_them(network):
    weight = network["words"].weight.detach()
    assert 0.93 * 0.05 < weight.abs().max() <= 0.05
    assert weight.std() == pytest.approx(0.05 / 3**0.5, rel=0.1)
    assert abs(weight.mean()) < 0.004


def test_weights_are_the_same_on_any_number_of_threads() -> None:
    weights = []
    for number in (1, 2, 3):
        with threads(number):
            weights.append(build("crnn-bilstm-64").state_dict()["rnn.layers.0.weight_hh_l0"])
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])
