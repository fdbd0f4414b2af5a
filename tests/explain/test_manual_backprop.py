"""The equations by hand: one step done with a pencil, and the differences of their own error."""

import numpy as np
import pytest
from oracles import central_differences, compare

from ecrnn.explain.manual_backprop import delta_rule, through_time


def weights(inputs, hidden, outputs, seed=0):
    rng = np.random.default_rng(seed)
    shapes = {"hidden.weight": (hidden, inputs), "hidden.bias": (hidden,)}
    shapes |= {"output.weight": (outputs, hidden), "output.bias": (outputs,)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def test_one_pattern_with_a_pencil():
    """All weights 0: every unit says 1/2, so delta_k = (1/2 - t_k) / 4, and nothing reaches the hidden weights."""
    zeros = {name: 0 * w for name, w in weights(2, 3, 2).items()}
    error, found = delta_rule(np.array([[1.0, -2.0]]), np.array([0]), zeros, "sigmoid")
    assert error == 0.25
    assert found["output.bias"].tolist() == [-0.125, 0.125]
    assert found["output.weight"].tolist() == [[-0.0625] * 3, [0.0625] * 3]
    assert not found["hidden.weight"].any()
    zeros["output.weight"][0, 0] = 4.0
    _, found = delta_rule(np.array([[1.0, -2.0]]), np.array([0]), zeros, "softmax")
    y = np.exp(2) / (np.exp(2) + 1)
    assert found["hidden.weight"][0] == pytest.approx([y - 1, -2 * (y - 1)])  # 1/4 * 4 * (y_0 - 1) * x


@pytest.mark.parametrize("outputs", ["softmax", "sigmoid"])
def test_the_delta_rule_by_differences(outputs):
    w, rng = weights(4, 3, 5), np.random.default_rng(1)
    x, labels = rng.standard_normal((6, 4)), rng.integers(5, size=6)
    expected = central_differences(lambda: delta_rule(x, labels, w, outputs)[0], w)
    compare(expected, delta_rule(x, labels, w, outputs)[1], 1e-8)


@pytest.mark.parametrize(("cell", "gates"), [("rnn_tanh", 1), ("lstm", 4), ("gru", 3), ("gru_reset_before", 3)])
def test_through_time_by_differences(cell, gates):
    rng = np.random.default_rng(2)
    shapes = {"weight_ih_l0": (gates * 3, 2), "weight_hh_l0": (gates * 3, 3), "bias_ih_l0": (gates * 3,)}
    w = {name: rng.standard_normal(s) for name, s in (shapes | {"output.weight": (4, 3), "output.bias": (4,)}).items()}
    x, labels = rng.standard_normal((5, 6, 2)), rng.integers(4, size=(5, 6))
    expected = central_differences(lambda: through_time(cell, x, labels, w)[0], w)
    compare(expected, through_time(cell, x, labels, w)[1], 1e-8)
