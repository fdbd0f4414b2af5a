"""Gates against the reference equations step by step, and the gradient of steps and where it leads."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ecrnn.explain.attribution import Score, last_map
from ecrnn.explain.steps import gates, steps
from ecrnn.models.build import build

SIZES = {"image": (1, 32, 32), "classes": 3}  # maps of 2x2, so scans have several steps


def a_network(name: str) -> nn.Module:
    return build(name, seed=0, **SIZES).eval()


def image(seed: int = 0) -> Tensor:
    return torch.randn(1, *SIZES["image"], generator=torch.Generator().manual_seed(seed))


def read_by_hand(layer: nn.RNNBase, inputs: np.ndarray, end: str) -> dict[str, np.ndarray]:
    """One direction, a step at a time in float64."""
    weights = {name: p.detach().double().numpy() for name, p in layer.named_parameters()}
    w, u = weights[f"weight_ih_{end}"], weights[f"weight_hh_{end}"]
    b, c = weights.get(f"bias_ih_{end}", 0), weights.get(f"bias_hh_{end}", 0)
    h = cell = np.zeros(layer.hidden_size)
    found: dict[str, list[np.ndarray]] = {}
    for x in inputs:
        parts = {}
        if layer.mode == "LSTM":
            i, f, g, o = np.split(w @ x + b + u @ h + c, 4)
            i, f, g, o = 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))
            cell = f * cell + i * g
            h = o * np.tanh(cell)
            parts = {"input": i, "forget": f, "cell": g, "output": o}
        elif layer.mode == "GRU":
            (r, z, n), (r_h, z_h, n_h) = np.split(w @ x + b, 3), np.split(u @ h + c, 3)
            r, z = 1 / (1 + np.exp(-r - r_h)), 1 / (1 + np.exp(-z - z_h))
            n = np.tanh(n + r * n_h)
            h = (1 - z) * n + z * h
            parts = {"reset": r, "update": z, "new": n}
        else:
            h = np.tanh(w @ x + b + u @ h + c)
        for name, value in ({"state": h} | parts).items():
            found.setdefault(name, []).append(value)
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("cell", ["rnn", "bilstm", "bigru", "lstm"])
def test_gates_by_hand(cell: str) -> None:
    network, sequences = a_network(f"crnn-{cell}-3@positions"), []
    area = network.rnn
    area.register_forward_pre_hook(lambda _module, inputs: sequences.append(inputs[0]))
    with torch.no_grad():
        network(image())
    found = gates(network, image())
    both = cell.startswith("bi")
    assert [(one.layer, one.direction) for one in found] == [
        ("rnn.layers.0", direction) for direction in ("forward", "backward")[: 1 + both]
    ]
    inputs = sequences[0][0].double().numpy()
    for one in found:
        back = one.direction == "backward"
        expected = read_by_hand(area.layers[0], inputs[::-1] if back else inputs, "l0_reverse" if back else "l0")
        assert one.values.keys() == expected.keys()
        for name, values in expected.items():
            assert one.values[name] == pytest.approx(values[::-1] if back else values, abs=1e-5), name


def test_the_gradient_of_steps_and_its_places() -> None:
    """CRNN by positions reads a map's places one after another: what a step counts, its place counts."""
    network, score = a_network("crnn-gru-4@positions"), Score(1)
    flat: list[Tensor] = []
    network.flatten.register_forward_hook(lambda _module, _inputs, output: flat.append(output))
    found = steps(network, image(), score, None)
    assert found is not None
    assert found.layer == "rnn.layers.0"
    network(image())  # the gradient by what the scan reads, another way
    value = score(network.head(network.rnn(network.scan(vector := flat[-1].detach().requires_grad_())))).sum()
    (gradient,) = torch.autograd.grad(value, vector)
    expected = gradient.view(found.gradient.size, -1).norm(dim=1).double().numpy()
    assert found.gradient == pytest.approx(expected, rel=1e-4)
    assert found.counting == (expected > 0.01 * expected.max()).sum()


def test_places_are_the_norms_of_what_each_step_brings() -> None:
    network, score, pixels = a_network("ecrnn-gru-4@rows"), Score(2), image()  # its steps share places
    layer = last_map(network, pixels)
    assert layer is not None
    found = steps(network, pixels, score, layer)
    assert found is not None
    assert found.gradient.size == 2
    maps: list[Tensor] = []
    read: list[Tensor] = []
    network.get_submodule(layer).register_forward_hook(lambda _module, _inputs, output: maps.append(output))
    network.rnn.register_forward_pre_hook(lambda _module, inputs: read.append(inputs[0]))
    value = score(network(pixels)).sum()
    (gradient,) = torch.autograd.grad(value, read[0], retain_graph=True)
    total = torch.zeros(maps[0].shape[2:])
    for step in range(2):
        alone = torch.zeros_like(gradient)
        alone[:, step] = gradient[:, step]
        (back,) = torch.autograd.grad(read[0], maps[0], alone, retain_graph=True)
        total += back[0].norm(dim=0)
    whole = torch.nn.functional.interpolate(total[None, None], (32, 32), mode="bilinear", align_corners=False)
    assert found.places == pytest.approx(whole[0, 0].numpy(), rel=1e-4, abs=1e-9)


def test_networks_without_a_recurrent_layer_have_no_steps() -> None:
    assert steps(a_network("cnn"), image(), Score(0), None) is None
    assert gates(a_network("cnn"), image()) == []


def test_rows_of_the_image_itself() -> None:
    found = steps(a_network("rows-gru-4"), image(), Score(0), None)
    assert found is not None
    assert found.gradient.size == 32
    assert found.places is not None
    by_row = found.places.sum(1) > 0
    assert by_row.all()


class Two(nn.Module):
    """torch's own layer of two levels, time first."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.LSTM(32, 4, num_layers=2), nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        outputs, _ = self.rnn(images[:, 0].transpose(0, 1))
        return self.head(outputs[-1])


def test_layers_of_torch() -> None:
    network = Two().eval()
    found = steps(network, image(), Score(0), None)
    assert found is not None
    assert found.gradient.size == 32
    assert gates(network, image()) == []  # the states between its levels do not come out
