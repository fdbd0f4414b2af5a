"""How far back a last state reads, against cells whose memory is known and against float64 in NumPy."""

import copy

import numpy as np
import pytest
import torch
from oracles import compare, tolerance
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.effective_memory import memory, network_memory
from ecrnn.layers.areas import CELLS, RecurrentArea
from ecrnn.models.build import build
from ecrnn.recurrence import RNN, reference

REFERENCE = {"rnn": "rnn_tanh", "lstm": "lstm", "gru": "gru"}


def an_area(cell, features, nodes, both, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return RecurrentArea(cell, features, nodes, both)


def sequences(count, steps, features=1, seed=1):
    return torch.randn(count, steps, features, generator=torch.Generator().manual_seed(seed))


def rms(values):
    """Root mean square, over the first axis, of vectors' lengths."""
    return float(np.sqrt((np.asarray(values, np.float64) ** 2).reshape(len(values), -1).sum(1).mean()))


@pytest.mark.parametrize("keep", [0.5, 0.9])
def test_a_linear_network_forgets_by_a_known_power(keep):
    """ReLU of positive values is linear: h = sum of keep^k P^k U x, with P a permutation."""
    area = an_area("rnn", 1, (3,), False)
    layer = area.layers[0] = RNN(1, 3, nonlinearity="relu", batch_first=True, bias=False)
    P, U = np.eye(3)[[1, 2, 0]], np.array([[1.0], [2.0], [0.5]])
    with torch.no_grad():
        layer.weight_hh_l0.copy_(torch.from_numpy(keep * P))
        layer.weight_ih_l0.copy_(torch.from_numpy(U))
    x = sequences(6, 70).abs()
    found = memory(area, x, model="linear")
    (direction,) = found.directions
    assert found.distances == (*range(64), 64)
    assert found.kept == (*found.distances, 70)
    values = x[:, :, 0].double().numpy()
    powers = keep ** np.array(found.distances)
    states = sum(keep**k * np.linalg.matrix_power(P, k) @ U @ values[None, :, 69 - k] for k in range(70)).T  # (B, 3)
    spread = rms(states - states.mean(0))
    other = np.roll(values, -1, 0) - values
    alone = [keep**k * np.linalg.norm(U) * rms(other[:, 69 - k]) / spread for k in found.distances]
    assert direction.largest_gradient == pytest.approx(np.linalg.norm(U), rel=1e-3)
    np.testing.assert_allclose(direction.gradient, powers, rtol=1e-3)
    np.testing.assert_allclose(direction.alone, alone, rtol=1e-3, atol=1e-6)
    assert direction.gradient_steps["0.001"] == {0.5: 10, 0.9: 66}[keep]  # 0.5^9 and 0.9^65 are above 1e-3


def the_reference(area, x):
    """States of one layer by direction, and rows of the Jacobians, in float64 of NumPy."""
    (layer,) = area.layers
    weights = {name: w.detach().double().numpy() for name, w in layer.named_parameters()}
    _, last, cache = reference.forward(REFERENCE[area.cell], x, weights)

    def rows(direction):
        for k in range(layer.hidden_size):
            d_last = [np.zeros_like(s) for s in last]
            d_last[0][direction, :, k] = 1
            d_output = np.zeros((*x.shape[:2], len(last[0]) * layer.hidden_size))
            yield reference.backward(d_output, tuple(d_last), cache)[0]

    return last[0], rows


@pytest.mark.sampled(cover=1)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("features", [1, 3])
def test_all_of_it_against_float64(cell, both, features):
    B, T = 4, 13
    area, x = an_area(cell, features, (5,), both), sequences(B, T, features)
    found = memory(area, x, model=cell)
    x = x.double().numpy()
    other = np.roll(x, -1, 0)
    states, rows = the_reference(area, x)
    assert [d.name for d in found.directions] == ["forward", "backward"][: 1 + both]
    for d, direction in enumerate(found.directions):
        age = np.arange(T) if d else np.arange(T)[::-1]  # of step t, from the end of the reading
        squares = sum((row**2).sum(2) for row in rows(d))  # (B, T)
        gradient = np.sqrt(squares.mean(0))[np.argsort(age)]
        spread = rms(states[d] - states[d].mean(0))

        def effect(replaced, d=d, spread=spread):
            mixed = np.where(replaced[:, None], other, x)
            return rms(the_reference(area, mixed)[0][d] - states[d]) / spread

        expected = {
            "largest": gradient.max(),
            "gradient": gradient / gradient.max(),
            "alone": [effect(age == n) for n in range(T)],
            "older": [effect(age >= m) for m in range(T + 1)],
            "inputs": x.std(0).__pow__(2).mean(1).__pow__(0.5)[np.argsort(age)],
        }
        actual = {
            "largest": direction.largest_gradient,
            "gradient": np.array(direction.gradient),
            "alone": np.array(direction.alone),
            "older": np.array(direction.older),
            "inputs": np.array(direction.input_spread),
        }
        compare(expected, actual, 1e-3)  # four digits are kept
        assert direction.older[-1] == 0


@pytest.mark.parametrize("cell", CELLS)
def test_stacked_layers(cell):
    """The second layer's states, by torch in float64: the gradients of one sum of squares, and one prefix."""
    area, x = an_area(cell, 2, (4, 3), True).double(), sequences(3, 9, 2).double()
    found = memory(area, x, model=cell)
    states = area(x)
    for d, direction in enumerate(found.directions):
        jacobian = torch.autograd.functional.jacobian(lambda x, d=d: area(x).chunk(2, 1)[d].sum(0), x)  # (3, B, T, I)
        gradient = jacobian.square().sum((0, 3)).mean(0).sqrt()
        gradient = (gradient if d else gradient.flip(0)).tolist()
        mixed = x.clone()
        places = slice(4, None) if d else slice(0, 5)  # all but the last four of the reading
        mixed[:, places] = x.roll(-1, 0)[:, places]
        state, moved = states.chunk(2, 1)[d].detach(), area(mixed).chunk(2, 1)[d].detach()
        effect = rms(moved - state) / rms(state - state.mean(0))
        compare(
            {"gradient": gradient, "older": effect},
            {"gradient": direction.largest_gradient * np.array(direction.gradient), "older": direction.older[4]},
            1e-3,
        )


def an_lstm_with(forget_bias, both=False):
    """Gates i and o are half open, g is tanh(x), nothing comes from h; the cell forgets all (-100) or nothing (100)."""
    area = an_area("lstm", 1, (4,), both)
    with torch.no_grad():
        for name, weight in area.layers[0].named_parameters():
            weight.zero_()
            if name.startswith("weight_ih"):
                weight[8:12] = 1
            elif name.startswith("bias_ih"):
                weight[4:8] = forget_bias
    return area


def test_a_closed_forget_gate_reads_the_last_step_alone():
    (direction,) = memory(an_lstm_with(-100), sequences(5, 30), model="x").directions
    assert direction.gradient_steps == {"0.001": 1, "1e-06": 1, "1e-08": 1}
    assert direction.memory == {"0.1": 1, "0.01": 1}
    assert direction.alone[0] == direction.older[0] > 1
    assert not any(direction.alone[1:])
    assert not any(direction.older[1:])


def test_an_open_forget_gate_reads_everything():
    (direction,) = memory(an_lstm_with(100), 0.01 * sequences(5, 100), model="x").directions
    assert direction.gradient_steps == {"0.001": 100, "1e-06": 100, "1e-08": 100}
    assert direction.memory["0.01"] > 64
    assert min(direction.alone) > 0.01


def test_the_two_directions_are_mirror_images():
    area, x = an_area("gru", 2, (3,), True), sequences(4, 20, 2)
    turned = copy.deepcopy(area)
    own = dict(area.layers[0].named_parameters())
    with torch.no_grad():
        for name, weight in turned.layers[0].named_parameters():
            weight.copy_(own[name.removesuffix("_reverse") if name.endswith("_reverse") else f"{name}_reverse"])
    one, two = memory(area, x, model="x").directions
    first, second = memory(turned, x.flip(1), model="x").directions
    for this, that in ((one, second), (two, first)):
        names = ("gradient", "alone", "older", "input_spread")
        compare({n: getattr(this, n) for n in names}, {n: getattr(that, n) for n in names}, tolerance("float32", 20))


def test_no_gradient_is_cut_off_and_the_layer_keeps_its_cutoff():
    area = an_area("lstm", 1, (16,), False)
    before = {name: tensor.clone() for name, tensor in area.state_dict().items()}
    (direction,) = memory(area, sequences(32, 130), model="x").directions
    assert direction.gradient_steps["1e-08"] < 60
    assert 0 < direction.gradient[-1] < 1e-23  # float32's squares would be 0
    assert area.layers[0].cutoff == 1e-8
    assert area.training
    assert all(p.requires_grad and p.grad is None for p in area.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in area.state_dict().items())


@pytest.mark.parametrize("name", ["crnn-bilstm-3", "ecrnn-gru-3-2@rows", "crnn-rnn-3@random"])
def test_a_network(name):
    network, images = build(name, (1, 16, 32), 5), torch.randn(7, 1, 16, 32)
    network(images)  # statistics of the batch, so that the images differ
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    found = network_memory(network, images, model=name, repeat=3)
    assert (found.model, found.repeat, found.samples, found.steps) == (name, 3, 7, network.scan.steps)
    assert network.training
    assert not any(module._forward_pre_hooks for module in network.modules())
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
    with torch.no_grad():
        sequence = network.eval().flatten(network.cnn(images))
        sequence = network.scan(network.encoder(sequence) if name.startswith("e") else sequence)
        answers = network(images).argmax(1)
    assert found == memory(network.rnn, sequence, network.head, model=name, repeat=3)
    assert found.changed is not None
    assert found.changed[0] == float((answers != answers.roll(-1)).double().mean())  # all steps are the other's
    assert found.changed[-1] == 0


@pytest.mark.parametrize("direction", [0, 1])
def test_classes_that_change(direction):
    """Classes are the sign of one direction's state, which is that of its last step; two of five neighbours differ."""
    area = an_lstm_with(-100, both=True)
    head = nn.Linear(8, 2, bias=False)
    head.weight.data = torch.zeros(2, 8)
    head.weight.data[:, 4 * direction : 4 * direction + 4] = torch.tensor([[1.0], [-1.0]])
    x = torch.ones(5, 6, 1)
    x[1:3, 0 if direction else -1] = -1
    x[4, 1:-1] = -1
    x[3, -1 if direction else 0] = -1
    found = memory(area, x, head, model="x")
    assert found.changed == (0.4, 0, 0, 0, 0, 0, 0)
    assert found.class_memory == 1


def test_what_cannot_be_measured():
    images = torch.randn(2, 1, 8, 8)
    with pytest.raises(EcrnnError, match=r"^model 'ecnn' has no RNN, .*; those of crnn and ecrnn have$"):
        network_memory(build("ecnn", (1, 8, 8), 3), images, model="ecnn")
    with pytest.raises(EcrnnError, match=r"^the memory of 'x' needs at least 2 images, whose steps are exchanged"):
        network_memory(build("crnn-rnn-2", (1, 8, 8), 3), images[:1], model="x")
    area = an_area("rnn", 1, (2,), False)
    with pytest.raises(EcrnnError, match=r"^the last state of 'x' is the same for all images, so there is nothing"):
        memory(area, torch.ones(3, 5, 1), model="x")
    with pytest.raises(EcrnnError, match=r"^the last state of 'x' is not finite"):
        memory(area, torch.full((3, 5, 1), torch.nan), model="x")
