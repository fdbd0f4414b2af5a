"""What flows back through untrained layers, against the float64 reference, and what is refused."""

import numpy as np
import pytest
import torch

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import reference
from ecrnn.studies.effective_memory import untrained
from ecrnn.studies.gradient_flow import gradient_flows

CELLS = {"rnn": "rnn_tanh", "lstm": "lstm", "gru": "gru"}


def by_reference(cell, init, T, nodes, sequences, seed):
    """Gradient of every step and norm of all weights' gradients, in NumPy."""
    whose, forget = ("torch", 0) if init == "torch" else ("Keras", 1)
    (layer,) = untrained(cell, whose, forget if cell == "lstm" else None, nodes, seed).layers
    weights = {name: w.detach().double().numpy() for name, w in layer.named_parameters()}
    if init not in ("torch", "keras"):
        gates = [
            g * float(init) / np.abs(np.linalg.eigvals(g)).max()
            for g in np.split(weights["weight_hh_l0"], len(weights["weight_hh_l0"]) // nodes)
        ]
        weights["weight_hh_l0"] = np.concatenate(gates)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(sequences, T, 1, generator=generator, dtype=torch.float64).numpy()
    target = torch.randn(sequences, nodes, generator=generator, dtype=torch.float64).numpy()
    output, last, cache = reference.forward(CELLS[cell], x, weights)

    def back(d_h):
        d_last = (d_h[None], *(np.zeros_like(s) for s in last[1:]))
        return reference.backward(np.zeros_like(output), d_last, cache)

    squares = sum((back(np.tile(row, (sequences, 1)))[0] ** 2).sum(2) for row in np.eye(nodes))  # (B, T)
    _, _, d_weights = back((last[0][0] - target) / sequences)
    return np.sqrt(squares.mean(0))[::-1], np.sqrt(sum((d**2).sum() for d in d_weights.values()))


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("init", ["keras", "torch", "0.5", "3"])
def test_against_the_reference(cell, init):
    (flow,) = gradient_flows([cell], [init], [13], hidden_size=4, sequences=3, seed=2, clip=0.5)
    gradient, norm = by_reference(cell, init, 13, 4, 3, 2)
    np.testing.assert_allclose(flow.gradient, gradient, rtol=1e-3)
    assert flow.weight_norm == pytest.approx(norm, rel=1e-3)
    assert flow.factor == pytest.approx(min(1, 0.5 / norm), rel=1e-3)


def test_a_small_radius_vanishes_and_a_large_one_explodes():
    """The RNN's; an LSTM's holds at the radius at which the RNN's explodes."""
    small, usual, large = gradient_flows(["rnn"], ["0.5", "keras", "4"], [100], hidden_size=8, sequences=4)
    assert [flow.verdict for flow in (small, usual, large)] == ["vanishes", "vanishes", "explodes"]
    assert small.carried < 1e-25 < usual.carried
    assert large.factor < 1e-3
    (lstm,) = gradient_flows(["lstm"], ["4"], [100], hidden_size=8, sequences=4)
    assert lstm.verdict == "holds"


def test_every_combination_in_order():
    flows = list(gradient_flows(["gru", "rnn"], ["torch", "1"], [2, 5], hidden_size=2, sequences=2))
    expected = [(init, cell, T) for init in ("torch", "1") for cell in ("gru", "rnn") for T in (2, 5)]
    assert [(f.init, f.cell, f.steps) for f in flows] == expected
    assert all(len(f.gradient) == f.steps for f in flows)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        ({"cells": ["lsmt"]}, "unknown cell 'lsmt', did you mean 'lstm'?"),
        ({"cells": []}, "--cells names nothing"),
        ({"inits": ["kears"]}, "unknown initialisation 'kears', did you mean 'keras'?"),
        ({"inits": ["-1"]}, "--init wants a spectral radius above 0 and up to 1000, not -1"),
        ({"inits": ["nan"]}, "--init wants a spectral radius above 0 and up to 1000, not nan"),
        ({"steps": [0]}, "--steps wants lengths from 1 to 100,000, not 0 to 0"),
        ({"clip": 0.0}, "--clip wants a norm above 0, not 0"),
    ],
)
def test_what_is_refused_before_anything_is_measured(wrong, line):
    with pytest.raises(EcrnnError) as error:
        gradient_flows(**wrong)
    assert str(error.value) == line
