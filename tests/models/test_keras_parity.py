"""The paper's networks give what Keras gives: probabilities, training loss and every gradient.

Fixtures and how they were made: tests/fixtures/keras_parity/README.md. The weights are drawn here anew and mapped from
Keras's layouts and gate orders to torch's; the mutations at the end show that a wrong mapping is seen.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ecrnn.layers.normalisation import EPS
from ecrnn.layers.scans import Flatten
from ecrnn.models.build import build
from ecrnn.models.summary import summarise

FIXTURES = Path(__file__).parents[1] / "fixtures" / "keras_parity"
NAMES = tuple(sorted(path.stem for path in FIXTURES.glob("*.json")))
X = np.random.default_rng(8).standard_normal((6, 32, 32, 3)).astype(np.float32)

Layout = Callable[[np.ndarray], np.ndarray]  # from Keras's array to torch's of the same layer

# Of a norm, and of a gradient's value relative to a typical one. Batch statistics of six vectors amplify rounding, so
# behind an encoder Keras's own float32 gradients are up to 9e-4 (norms 1.5e-4) off float64; ours within 1.6e-4.
BARS = {"cnn": (1e-4, 1e-4), "crnn": (1e-4, 1e-4), "ecnn": (2e-4, 1e-3), "ecrnn": (2e-4, 1e-3)}

GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "RNN_TANH": (0,)}  # torch's gates by their place in Keras's


def fixture(name: str) -> dict:
    return json.loads((FIXTURES / f"{name}.json").read_text())


def keras_weights(expected: dict) -> list[np.ndarray]:
    rng, weights = np.random.default_rng(7), []
    for path, shape, _ in expected["weights"]:
        z = rng.standard_normal(shape)
        if "variance" in path:
            z = np.exp(0.2 * z)
        elif "gamma" in path:
            z = 1 + 0.1 * z
        else:
            z = z * 0.5 / np.sqrt(np.prod(shape[:-1]) if len(shape) > 1 else 1)
        weights.append(z.astype(np.float32))
    return weights


def same(array: np.ndarray) -> np.ndarray:
    return array


def by_gates(gates: tuple[int, ...]) -> Layout:
    """Reorder the last axis, stacked gates, and transpose a kernel (in, gates * H) to torch's (gates * H, in)."""

    def layout(array: np.ndarray) -> np.ndarray:
        blocks = np.split(array, len(gates), axis=-1)
        return np.concatenate([blocks[g] for g in gates], axis=-1).T

    return layout


def slots(network: nn.Module, gates: dict[str, tuple[int, ...]]) -> Iterator[list[tuple[torch.Tensor, Layout]]]:
    """For each array of Keras's ``model.weights`` in turn the torch tensors that it becomes."""
    for module in network.modules():
        match module:
            case nn.Conv2d():
                yield [(module.weight, lambda a: a.transpose(3, 2, 0, 1))]
                yield [(module.bias, same)]
            case nn.Linear():
                yield [(module.weight, np.transpose)]
                yield [(module.bias, same)]
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                    yield [(tensor, same)]
            case nn.RNNBase():
                order = by_gates(gates[module.mode])
                for end in ("_l0", "_l0_reverse")[: 1 + module.bidirectional]:
                    yield [(getattr(module, f"weight_ih{end}"), order)]
                    yield [(getattr(module, f"weight_hh{end}"), order)]
                    biases = [getattr(module, f"bias_{side}{end}") for side in ("ih", "hh")]
                    if module.mode == "GRU":  # Keras: one array (2, 3 * H)
                        yield [(b, lambda a, k=k, f=order: f(a[k])) for k, b in enumerate(biases)]
                    else:
                        yield [(biases[0], order)]


def computed(
    name: str, gates: dict[str, tuple[int, ...]] = GATES, dtype: torch.dtype = torch.float32
) -> tuple[nn.Module, np.ndarray, float]:
    """Our network with Keras's weights and with gradients in place, its probabilities and its training loss."""
    network = build(name).to(dtype)
    with torch.no_grad():
        for places, array in zip(slots(network, gates), keras_weights(fixture(name)), strict=True):
            for tensor, layout in places:
                tensor.copy_(torch.from_numpy(np.ascontiguousarray(layout(array))))
    images = torch.from_numpy(X.transpose(0, 3, 1, 2).copy()).to(dtype)
    with torch.no_grad():
        probabilities = network.eval()(images).softmax(1).numpy()
    loss = F.cross_entropy(network.train()(images), torch.arange(6))
    loss.backward()
    return network, probabilities, loss.item()


def check(name: str, gates: dict[str, tuple[int, ...]] = GATES) -> None:
    """Compare everything stored of ``name``; the sentence of a failure lists all that is off."""
    expected = fixture(name)
    network, probabilities, loss = computed(name, gates)
    faults = []
    if not np.abs(probabilities - expected["probabilities"]).max() <= 1e-5:
        faults.append("probabilities")
    if not abs(loss / expected["training_loss"] - 1) <= 1e-5:
        faults.append("training loss")
    for places, (path, shape, trainable) in zip(slots(network, gates), expected["weights"], strict=True):
        if trainable:
            wanted = expected["gradients"][path]
            faults += gradient_faults(path, wanted, keras_gradient(places, shape, gates), name.partition("-")[0])
    assert not faults, f"{name}: {', '.join(faults)}"


def keras_gradient(places: list, shape: list[int], gates: dict) -> np.ndarray:
    """The gradient in Keras's layout: the layout's inverse, by sending the place of each number through it."""
    gradient = np.empty(int(np.prod(shape)), np.float32)
    numbers = np.arange(gradient.size).reshape(shape)
    for tensor, layout in places:
        gradient[layout(numbers).ravel()] = tensor.grad.numpy().ravel()
    return gradient


def gradient_faults(path: str, expected: dict, gradient: np.ndarray, family: str) -> list[str]:
    norm_bar, value_bar = BARS[family]
    norm, first = np.linalg.norm(gradient), np.array(expected["first"])
    scale = max(np.abs(first).max(), expected["norm"] / np.sqrt(gradient.size))  # of a typical value
    error = np.abs(gradient[:8] - first).max() / scale
    faults = []
    if not abs(norm / expected["norm"] - 1) <= norm_bar:
        faults.append(f"norm of the gradient of {path} is {norm:.7g} instead of {expected['norm']:.7g}")
    if not error <= value_bar:
        faults.append(f"gradient of {path} is off by {error:.1e}")
    return faults


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("name", NAMES)
def test_rounding_moves_our_gradients_by_less_than_1e_4(name):
    """So what is left between Keras's float32 and ours behind an encoder (`BARS`) is Keras's own rounding."""
    exact, rounded = (computed(name, dtype=dtype)[0] for dtype in (torch.float64, torch.float32))
    wanted, found = (torch.cat([p.grad.double().flatten() for p in net.parameters()]) for net in (exact, rounded))
    assert (found - wanted).norm() <= 1e-4 * wanted.norm()


def test_there_are_nine():
    assert len(NAMES) == 9


@pytest.mark.parametrize("name", NAMES)
def test_parity(name):
    check(name)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_as_keras_counts_them(name):
    assert summarise(build(name), (3, 32, 32)).parameters == fixture(name)["parameters"]


@pytest.mark.parametrize(
    ("name", "mode", "order"),
    [
        ("crnn-lstm-16", "LSTM", (1, 0, 2, 3)),
        ("crnn-lstm-16", "LSTM", (0, 1, 3, 2)),
        ("ecrnn-bigru-16", "GRU", (0, 1, 2)),
    ],
)
def test_two_swapped_gates_are_seen(name, mode, order):
    with pytest.raises(AssertionError, match="probabilities, training loss, norm of the gradient"):
        check(name, GATES | {mode: order})


def test_another_flatten_order_is_seen(monkeypatch):
    monkeypatch.setattr(Flatten, "forward", lambda self, maps: maps.flatten(1))
    with pytest.raises(AssertionError, match="probabilities, training loss"):
        check("cnn")


def test_another_epsilon_is_seen(monkeypatch):
    assert EPS == 1e-3
    monkeypatch.setattr("ecrnn.layers.normalisation.EPS", 1e-5)
    with pytest.raises(AssertionError, match="probabilities, training loss"):
        check("cnn")


def test_the_output_of_the_last_step_instead_of_the_last_states_is_seen(monkeypatch):
    def last_step(self, sequence):
        for layer in self.layers:
            sequence, _ = layer(sequence)
        return sequence[:, -1]

    monkeypatch.setattr("ecrnn.layers.areas.RecurrentArea.forward", last_step)
    with pytest.raises(AssertionError, match="probabilities, training loss"):
        check("ecrnn-bilstm-16")
