"""The oracle: against central differences, against torch.nn in float64, and one step by hand."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from oracles import central_differences, compare, recurrence_by_reference, recurrence_by_torch, tolerance

from ecrnn.core.errors import UnknownNameError
from ecrnn.recurrence import reference

pytestmark = pytest.mark.sampled()

TORCH = {
    "rnn_tanh": lambda *a, **k: torch.nn.RNN(*a, nonlinearity="tanh", **k),
    "rnn_relu": lambda *a, **k: torch.nn.RNN(*a, nonlinearity="relu", **k),
    "lstm": torch.nn.LSTM,
    "gru": torch.nn.GRU,
}
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "rnn_sigmoid": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}


def problem(cell, *, batch, steps, inputs, nodes, layers=1, directions=1, seed=0):
    """Random weights, inputs, initial states and cotangents, as ``recurrence_by_reference`` takes them."""
    rng = np.random.default_rng(seed)
    weights = {}
    for layer in range(layers):
        for ending in ("", "_reverse")[:directions]:
            own = (GATES[cell] * nodes, inputs if layer == 0 else nodes * directions)
            shapes = {"weight_ih": own, "weight_hh": (own[0], nodes), "bias_ih": own[:1], "bias_hh": own[:1]}
            for part, shape in shapes.items():
                weights[f"{part}_l{layer}{ending}"] = rng.uniform(-1, 1, shape) / math.sqrt(nodes)
    states = reference.CELLS[cell].states
    state = (layers * directions, batch, nodes)
    return {
        "weights": weights,
        "x": rng.standard_normal((batch, steps, inputs)),
        "initial": tuple(rng.standard_normal(state) for _ in range(states)),
        "d_output": rng.standard_normal((batch, steps, directions * nodes)),
        "d_last": tuple(rng.standard_normal(state) for _ in range(states)),
    }


def stock(cell, weights, x, layers, directions):
    nodes = weights["weight_hh_l0"].shape[1]
    layer = TORCH[cell](x.shape[2], nodes, layers, batch_first=True, bidirectional=directions == 2, dtype=torch.float64)
    layer.load_state_dict({name: torch.tensor(w) for name, w in weights.items()})
    return layer


@pytest.mark.sampled(cover=1)
@pytest.mark.parametrize("cell", GATES)
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (2, 2)])
def test_gradients_equal_central_differences(cell, layers, directions):
    p = problem(cell, batch=2, steps=3, inputs=2, nodes=3, layers=layers, directions=directions, seed=3)
    arrays = {"d_x": p["x"]} | {f"d_{name}": w for name, w in p["weights"].items()}
    arrays |= {f"d_{name}_0": s for name, s in zip(("h", "c"), p["initial"], strict=False)}

    def loss():
        output, last, _ = reference.forward(cell, p["x"], p["weights"], p["initial"])
        return float(
            (output * p["d_output"]).sum() + sum((s * d).sum() for s, d in zip(last, p["d_last"], strict=True))
        )

    expected = central_differences(loss, arrays, step=1e-6 if cell == "rnn_relu" else 1e-5)
    computed = recurrence_by_reference(cell, **p)
    compare(expected, {name: computed[name] for name in expected}, 1e-8)


def test_relu_problem_of_the_central_differences_is_away_from_the_kink():
    for layers, directions in ((1, 1), (2, 2)):
        p = problem("rnn_relu", batch=2, steps=3, inputs=2, nodes=3, layers=layers, directions=directions, seed=3)
        _, _, cache = reference.forward("rnn_relu", p["x"], p["weights"], p["initial"])
        for own in cache.cells.values():
            U, W, b, c = own.weights
            a = own.x @ U.T + b + own.s[:, :-1] @ W.T + c
            assert np.abs(a).min() > 1e-4
            assert (a > 0).any()
            assert (a < 0).any()


@pytest.mark.parametrize("cell", TORCH)
@pytest.mark.parametrize("steps", [1, 2, 63, 64, 65])
@pytest.mark.parametrize(("layers", "directions"), [(1, 1), (1, 2), (2, 1), (2, 2)])
@pytest.mark.parametrize(("batch", "inputs", "nodes"), [(1, 1, 5), (3, 7, 9)])
def test_everything_equals_torch_in_float64(*, cell, steps, layers, directions, batch, inputs, nodes):
    p = problem(cell, batch=batch, steps=steps, inputs=inputs, nodes=nodes, layers=layers, directions=directions)
    layer = stock(cell, p["weights"], p["x"], layers, directions)
    by_torch = recurrence_by_torch(layer, p["x"], p["initial"], p["d_output"], p["d_last"])
    compare(recurrence_by_reference(cell, **p), by_torch, tolerance("float64", steps))


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def test_one_lstm_step_by_hand():
    """Two inputs, one node: every number written out, gate order i, f, g, o."""
    x1, x2, h, c = 0.5, -1.0, 0.25, 2.0
    i = sigmoid(0.1 * x1 + 0.2 * x2 + 0.9 * h + 0.01 + 0.05)
    f = sigmoid(-0.3 * x1 + 0.4 * x2 - 0.8 * h + 0.02 + 0.06)
    g = math.tanh(0.5 * x1 - 0.6 * x2 + 0.7 * h + 0.03 + 0.07)
    o = sigmoid(-0.7 * x1 - 0.8 * x2 - 0.6 * h + 0.04 + 0.08)
    c_1 = i * g + f * c
    h_1 = o * math.tanh(c_1)
    assert (c_1, h_1) == pytest.approx((1.108916720275386, 0.4850068968637921), rel=1e-14)

    weights = reference.Weights(
        [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6], [-0.7, -0.8]],
        [[0.9], [-0.8], [0.7], [-0.6]],
        [0.01, 0.02, 0.03, 0.04],
        [0.05, 0.06, 0.07, 0.08],
    )
    output, last, _ = reference.lstm_forward([[[x1, x2]]], ([[h]], [[c]]), weights)
    compare(
        {"output": [[[h_1]]], "h": [[h_1]], "c": [[c_1]]},
        {"output": output, "h": last[0], "c": last[1]},
        1e-15,
    )


@pytest.mark.parametrize(
    ("reset_after", "literal"),
    [(True, [0.24586676670877364, -1.389598450348779]), (False, [0.20432083092038644, -1.387116595659385])],
)
def test_one_gru_step_by_hand(reset_after, literal):
    """Two inputs, two nodes so that W_n (r * h) and r * (W_n h) differ; gate order r, z, n."""
    x1, x2, h1, h2 = 0.5, -1.0, 0.25, -2.0
    r1 = sigmoid(0.1 * x1 + 0.2 * x2 + 0.9 * h1 - 0.1 * h2 + 0.01 + 0.07)
    r2 = sigmoid(-0.3 * x1 + 0.4 * x2 - 0.8 * h1 + 0.2 * h2 + 0.02 + 0.08)
    z1 = sigmoid(0.5 * x1 - 0.6 * x2 + 0.7 * h1 - 0.3 * h2 + 0.03 + 0.09)
    z2 = sigmoid(-0.7 * x1 - 0.8 * x2 - 0.6 * h1 + 0.4 * h2 + 0.04 + 0.10)
    if reset_after:
        n1 = math.tanh(0.9 * x1 + 1.0 * x2 + 0.05 + r1 * (0.5 * h1 - 0.5 * h2 + 0.11))
        n2 = math.tanh(-1.1 * x1 + 1.2 * x2 + 0.06 + r2 * (-0.4 * h1 + 0.6 * h2 + 0.12))
    else:
        n1 = math.tanh(0.9 * x1 + 1.0 * x2 + 0.05 + 0.5 * r1 * h1 - 0.5 * r2 * h2 + 0.11)
        n2 = math.tanh(-1.1 * x1 + 1.2 * x2 + 0.06 - 0.4 * r1 * h1 + 0.6 * r2 * h2 + 0.12)
    h_1 = [z1 * h1 + (1 - z1) * n1, z2 * h2 + (1 - z2) * n2]
    assert h_1 == pytest.approx(literal, rel=1e-14)

    weights = reference.Weights(
        [[0.1, 0.2], [-0.3, 0.4], [0.5, -0.6], [-0.7, -0.8], [0.9, 1.0], [-1.1, 1.2]],
        [[0.9, -0.1], [-0.8, 0.2], [0.7, -0.3], [-0.6, 0.4], [0.5, -0.5], [-0.4, 0.6]],
        [0.01, 0.02, 0.03, 0.04, 0.05, 0.06],
        [0.07, 0.08, 0.09, 0.10, 0.11, 0.12],
    )
    output, (last,), _ = reference.gru_forward([[[x1, x2]]], ([[h1, h2]],), weights, reset_after)
    compare({"output": [[h_1]], "h": [h_1]}, {"output": output, "h": last}, 1e-15)


class ResetBeforeGRU(torch.nn.GRU):
    """Cho et al. 2014 by automatic differentiation: one layer, one direction, batch first."""

    def forward(self, x, h_0):
        h, output = h_0[0], []
        U_r, U_z, U_n = self.weight_ih_l0.chunk(3)
        W_r, W_z, W_n = self.weight_hh_l0.chunk(3)
        b_r, b_z, b_n = (self.bias_ih_l0 + self.bias_hh_l0).chunk(3)
        for x_t in x.unbind(1):
            r = torch.sigmoid(torch.einsum("hi,bi->bh", U_r, x_t) + torch.einsum("hk,bk->bh", W_r, h) + b_r)
            z = torch.sigmoid(torch.einsum("hi,bi->bh", U_z, x_t) + torch.einsum("hk,bk->bh", W_z, h) + b_z)
            n = torch.tanh(torch.einsum("hi,bi->bh", U_n, x_t) + torch.einsum("hk,bk->bh", W_n, r * h) + b_n)
            h = n + z * (h - n)
            output.append(h)
        return torch.stack(output, 1), h[None]


@pytest.mark.parametrize("steps", [1, 2, 65])
@pytest.mark.parametrize(("batch", "inputs", "nodes"), [(1, 1, 5), (3, 7, 9)])
def test_reset_before_form_equals_automatic_differentiation(steps, batch, inputs, nodes):
    p = problem("gru_reset_before", batch=batch, steps=steps, inputs=inputs, nodes=nodes)
    layer = ResetBeforeGRU(inputs, nodes, dtype=torch.float64)
    layer.load_state_dict({name: torch.tensor(w) for name, w in p["weights"].items()})
    by_torch = recurrence_by_torch(layer, p["x"], p["initial"], p["d_output"], p["d_last"])
    compare(recurrence_by_reference("gru_reset_before", **p), by_torch, tolerance("float64", steps))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("gates", [(0, 1), (0, 2), (1, 2)])
def test_swapped_gates_are_seen(cell, gates):
    p = problem(cell, batch=2, steps=2, inputs=3, nodes=4)
    layer = stock(cell, p["weights"], p["x"], 1, 1)
    by_torch = recurrence_by_torch(layer, p["x"], p["initial"], p["d_output"], p["d_last"])
    rows = np.arange(GATES[cell] * 4).reshape(GATES[cell], 4)
    rows[list(gates)] = rows[list(gates[::-1])]
    p["weights"] = {name: w[rows.ravel()] for name, w in p["weights"].items()}
    with pytest.raises(AssertionError, match="output: relative error"):
        compare(recurrence_by_reference(cell, **p), by_torch, 1e-3)


def test_the_other_reset_form_is_seen():
    p = problem("gru", batch=2, steps=2, inputs=3, nodes=4)
    layer = stock("gru", p["weights"], p["x"], 1, 1)
    by_torch = recurrence_by_torch(layer, p["x"], p["initial"], p["d_output"], p["d_last"])
    with pytest.raises(AssertionError, match="output: relative error"):
        compare(recurrence_by_reference("gru_reset_before", **p), by_torch, 1e-3)


def test_saturated_gates_neither_overflow_nor_warn():
    p = problem("lstm", batch=1, steps=2, inputs=1, nodes=2)
    p["x"] = np.array([[[1e4], [-1e4]]])
    assert all(np.isfinite(a).all() for a in recurrence_by_reference("lstm", **p).values())


def test_initial_states_are_zero_and_biases_absent_by_default():
    p = problem("lstm", batch=2, steps=3, inputs=2, nodes=3, layers=2, directions=2)
    weights = {name: w for name, w in p["weights"].items() if name.startswith("weight")}
    zeros = {name: w * name.startswith("weight") for name, w in p["weights"].items()}
    output, last, cache = reference.forward("lstm", p["x"], weights)
    expected, last_expected, _ = reference.forward("lstm", p["x"], zeros, (np.zeros((4, 2, 3)),) * 2)
    compare({"output": expected, "c": last_expected[1]}, {"output": output, "c": last[1]}, 0.0)
    assert list(reference.backward(p["d_output"], p["d_last"], cache)[2]) == list(weights)


def test_what_does_not_belong_is_refused():
    p = problem("lstm", batch=2, steps=3, inputs=2, nodes=3)
    with pytest.raises(UnknownNameError, match=r"unknown cell 'lsmt', did you mean 'lstm'\? \(recurrence\.reference\)"):
        reference.forward("lsmt", p["x"], p["weights"])
    with pytest.raises(AssertionError, match=r"weights of no layer or direction: .*weight_hr_l0"):
        reference.forward("lstm", p["x"], {**p["weights"], "weight_hr_l0": np.zeros((1, 3))})
    with pytest.raises(AssertionError, match=r"initial states must be \(1, 2, 3\)"):
        reference.forward("lstm", p["x"], p["weights"], (np.zeros((2, 2, 3)),) * 2)


def test_importing_the_oracle_loads_no_torch():
    code = "import sys, ecrnn.recurrence.reference; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
