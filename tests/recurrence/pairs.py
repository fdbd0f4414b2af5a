"""What the tests of the layers share: the kinds, the backends that are there, ours beside torch's, results by name."""

import numpy as np
import pytest
import torch
from oracles import tolerance
from torch.nn.utils.rnn import PackedSequence

from ecrnn.recurrence import GRU, LSTM, RNN, dispatch

STOCK = {LSTM: torch.nn.LSTM, GRU: torch.nn.GRU, RNN: torch.nn.RNN}
CELLS = {LSTM: "lstm", GRU: "gru", RNN: "rnn_tanh"}
GATES = {LSTM: 4, GRU: 3, RNN: 1}


def backend_or_skip(name, *others):
    """A value of a parametrised test, with others beside it; skips, by name, where the backend is not there."""
    fault = dispatch.obstacle(name, dispatch.Shape("lstm", 1, 1))
    return pytest.param(name, *others, marks=pytest.mark.skipif(fault is not None, reason=f"backend {name}: {fault}"))


KERNELS = [backend_or_skip("cpu"), "reference"]
each_kernel = pytest.mark.parametrize("backend", KERNELS)
each_backend = pytest.mark.parametrize("backend", [*KERNELS, "torch"])
each_kind = pytest.mark.parametrize("kind", STOCK)
each_bias = pytest.mark.parametrize("bias_vectors", [1, 2])


def arrays(layer, batch, steps, seed=0):
    """Inputs, initial states and cotangents for a layer, as keyword arguments of ``recurrence_by_torch``."""
    rng = np.random.default_rng(seed)
    directions = 1 + layer.bidirectional
    state = (layer.num_layers * directions, batch, layer.hidden_size)
    states = 2 if isinstance(layer, torch.nn.LSTM) else 1
    return {
        "x": rng.standard_normal((batch, steps, layer.input_size)),
        "initial": tuple(rng.standard_normal(state) for _ in range(states)),
        "d_output": rng.standard_normal((batch, steps, directions * layer.hidden_size)),
        "d_last": tuple(rng.standard_normal(state) for _ in range(states)),
    }


def weights_of(layer):
    return {name: p.detach().double().numpy() for name, p in layer.named_parameters()}


def near(backend, steps):
    """How far from torch a backend may be: not at all if it is torch."""
    return 0.0 if backend == "torch" else 2 * tolerance("float32", steps)  # both have rounded


def pair(kind, bias_vectors=2, backend="auto", **options):
    """One of our layers, and torch's with the same weights (and zeros for a bias that ours has not)."""
    ours = kind(3, 5, bias_vectors=bias_vectors, backend=backend, **options)
    stock = STOCK[kind](3, 5, **options)
    zeros = {name: torch.zeros_like(w) for name, w in stock.state_dict().items()}
    stock.load_state_dict(zeros | ours.state_dict())
    return ours, stock


def flat(result):
    """Output and last states of a layer by name, the data alone for packed sequences."""
    output, last = result
    states = (last,) if isinstance(last, torch.Tensor) else last
    packed = (
        {"output": output.data, "sizes": output.batch_sizes}
        if isinstance(output, PackedSequence)
        else {"output": output}
    )
    return packed | {f"state_{k}": s for k, s in enumerate(states)}


def initial(layer, batch, seed=11):
    state = (layer.num_layers * (1 + layer.bidirectional), batch, layer.hidden_size)
    generator = torch.Generator().manual_seed(seed)
    h, c = torch.randn(state, generator=generator), torch.randn(state, generator=generator)
    return (h, c) if layer.mode == "LSTM" else h


def states_of(last):
    return {f"state_{k}": s for k, s in enumerate((last,) if isinstance(last, torch.Tensor) else last)}
