"""The feed-forward network against the equations of docs/equations.md, with both errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from oracles import central_differences, compare

from ecrnn.models.build import build


def feed_forward(x: np.ndarray, t: np.ndarray, w: dict[str, np.ndarray], squared: bool) -> float:
    """The error of one pattern by equations 1 to 6, or cross-entropy of the softmax."""
    sigma = lambda a: 1 / (1 + np.exp(-a))  # noqa: E731
    z = sigma(w["hidden.weight"] @ x + w["hidden.bias"])
    a = w["output.weight"] @ z + w["output.bias"]
    if squared:
        return float(0.5 * ((sigma(a) - t) ** 2).sum())
    return float(-(t * (a - np.log(np.exp(a).sum()))).sum())


@pytest.mark.parametrize("name", ["mlp-5", "mlp-5-squared"])
def test_mlp_by_the_equations(name: str) -> None:
    """Error of three patterns, and its gradient by central differences (eq. 15)."""
    network, images = build(name, (1, 8, 8), 4).double(), torch.randn(3, 1, 8, 8, dtype=torch.float64)
    targets = torch.tensor([2, 0, 3])
    loss = network.loss(network(images), targets)
    loss.backward()
    arrays = {key: parameter.detach().numpy().copy() for key, parameter in network.named_parameters()}

    def error() -> float:
        patterns = zip(images.flatten(1).numpy(), np.eye(4)[targets], strict=True)
        return sum(feed_forward(x, t, arrays, name.endswith("squared")) for x, t in patterns) / 3

    assert loss.item() == pytest.approx(error(), rel=1e-12)
    gradients = {key: parameter.grad for key, parameter in network.named_parameters()}
    compare(central_differences(error, arrays), gradients, 1e-6)


def test_probabilities_of_sigmoid_outputs() -> None:
    """The softmax that every user of the logits takes gives the outputs, brought to the sum 1."""
    network, images = build("mlp-squared", (1, 8, 8), 4).eval(), torch.randn(5, 1, 8, 8)
    outputs = torch.sigmoid(network.output(torch.sigmoid(network.hidden(images.permute(0, 2, 3, 1).flatten(1)))))
    torch.testing.assert_close(network(images).softmax(1), outputs / outputs.sum(1, keepdim=True))


@pytest.mark.parametrize("name", ["mlp", "mlp-squared"])
def test_a_sure_and_wrong_unit_keeps_the_loss_finite(name: str) -> None:
    network = build(name, (1, 8, 8), 3)
    with torch.no_grad():
        network.output.weight.zero_()
        network.output.bias.copy_(torch.tensor([200.0, -200.0, 0.0]))
    loss = network.loss(network(torch.zeros(1, 1, 8, 8)), torch.tensor([1]))
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in network.parameters())
