"""RNN, LSTM and GRU in NumPy float64, forwards and backwards: the oracle of all faster kernels.

The equations, one forward and one backward function a cell, are in ``_cells.py``; ``forward`` and
``backward`` below put cells together to layers in one or both directions, with the parameter names of
torch.nn. All of it is made to be read, not to be fast. It does no dropout, no projection (``proj_size``) and
no sequences of different lengths, and it loads no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ecrnn.core.errors import unknown_name
from ecrnn.recurrence._cells import (
    Array,
    States,
    Weights,
    gru_backward,
    gru_forward,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)

__all__ = [
    "CELLS",
    "Cell",
    "Weights",
    "backward",
    "forward",
    "gru_backward",
    "gru_forward",
    "lstm_backward",
    "lstm_forward",
    "rnn_backward",
    "rnn_forward",
]


class Cell(NamedTuple):
    """A kind of recurrence: its two functions and how many states it hands on."""

    forward: Callable[..., tuple[Array, States, Any]]
    backward: Callable[..., tuple[Array, States, Weights]]
    states: int


CELLS: Mapping[str, Cell] = {
    "rnn_tanh": Cell(partial(rnn_forward, nonlinearity="tanh"), rnn_backward, states=1),
    "rnn_relu": Cell(partial(rnn_forward, nonlinearity="relu"), rnn_backward, states=1),
    "rnn_sigmoid": Cell(partial(rnn_forward, nonlinearity="sigmoid"), rnn_backward, states=1),
    "lstm": Cell(lstm_forward, lstm_backward, states=2),
    "gru": Cell(partial(gru_forward, reset_after=True), gru_backward, states=1),
    "gru_reset_before": Cell(partial(gru_forward, reset_after=False), gru_backward, states=1),
}


class Cache(NamedTuple):
    """What ``backward`` needs of ``forward``: the caches of the cells, by layer and direction."""

    cell: Cell
    names: tuple[str, ...]  # of the weights that were given
    directions: list[list[str]]
    cells: dict[str, Any]


def forward(
    cell: str, x: ArrayLike, weights: Mapping[str, ArrayLike], initial: States | None = None
) -> tuple[Array, States, Cache]:
    """All layers and directions of a recurrent layer as torch.nn defines it, in float64.

    Args:
        cell: a name in ``CELLS``; "gru" is the reset-after form of torch, which has no "rnn_sigmoid".
        x: (B, T, I), that is torch's ``batch_first=True``.
        weights: by torch's names, ``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0``, ``bias_hh_l0``, with
            ``_reverse`` for the second direction and ``l1`` upwards for more layers; the names say how many
            there are. A bias that is not given is zero.
        initial: (h_0,) or (h_0, c_0), each (layers * directions, B, H) in torch's order (layer 0 forwards,
            layer 0 reverse, layer 1 forwards, ...); zeros by default.

    Returns:
        output (B, T, directions * H), last states (h_n,) or (h_n, c_n), each (layers * directions, B, H), and
        a cache for ``backward``. The reverse direction's last state is the one after it has read x[:, 0].

    Raises:
        UnknownNameError: for a cell that does not exist.
        AssertionError: for a weight of no layer or direction, or states of another shape: none is ignored.
    """
    if cell not in CELLS:
        raise unknown_name("cell", cell, CELLS, where="recurrence.reference")
    directions = _directions(weights)
    sequence = np.asarray(x, np.float64)
    shape = (sum(map(len, directions)), sequence.shape[0], np.shape(weights["weight_hh_l0"])[1])
    initial = initial or (np.zeros(shape),) * CELLS[cell].states
    assert all(np.shape(h) == shape for h in initial), f"initial states must be {shape}"
    caches: dict[str, Any] = {}
    last: list[States] = []
    for layer in directions:
        outputs = []
        for name in layer:
            s_0 = tuple(np.asarray(h)[len(last)] for h in initial)
            output, s_T, caches[name] = CELLS[cell].forward(_flip(sequence, name), s_0, _weights_of(weights, name))
            outputs.append(_flip(output, name))
            last.append(s_T)
        sequence = np.concatenate(outputs, axis=2)  # (B, T, directions * H)
    return sequence, _stacked(last), Cache(CELLS[cell], tuple(weights), directions, caches)


def backward(d_output: ArrayLike, d_last: States, cache: Cache) -> tuple[Array, States, dict[str, Array]]:
    """Gradients of a loss through ``forward``.

    ``d_output`` and ``d_last`` have the shapes of the output and of the last states. Returns d_x (B, T, I),
    d_initial as ``initial``, and the gradients of the weights under the names that were given.
    """
    d_sequence = np.asarray(d_output, np.float64)
    d_weights: dict[str, Array] = {}
    d_initial: list[States] = []  # filled from the last direction of the last layer
    for layer in reversed(cache.directions):
        d_inputs = []
        for name, d_part in reversed(list(zip(layer, np.split(d_sequence, len(layer), axis=2), strict=True))):
            d_s = tuple(np.asarray(d, np.float64)[-1 - len(d_initial)] for d in d_last)
            d_x, d_s_0, d_own = cache.cell.backward(_flip(d_part, name), d_s, cache.cells[name])
            d_inputs.append(_flip(d_x, name))
            d_initial.append(d_s_0)
            d_weights |= {f"{part}_{name}": d for part, d in d_own._asdict().items()}
        d_sequence = sum(d_inputs[1:], start=d_inputs[0])  # both directions read the same inputs
    return d_sequence, _stacked(d_initial[::-1]), {name: d_weights[name] for name in cache.names}


def _directions(weights: Mapping[str, ArrayLike]) -> list[list[str]]:
    """From the weights' names; for two layers both ways [["l0", "l0_reverse"], ["l1", "l1_reverse"]]."""
    endings = [""] + ["_reverse"] * ("weight_ih_l0_reverse" in weights)
    layers = sum(f"weight_ih_l{k}" in weights for k in range(len(weights)))
    directions = [[f"l{k}{ending}" for ending in endings] for k in range(layers)]
    known = {f"{part}_{name}" for layer in directions for name in layer for part in Weights._fields}
    assert set(weights) <= known, f"weights of no layer or direction: {sorted(set(weights) - known)}"
    return directions


def _weights_of(weights: Mapping[str, ArrayLike], name: str) -> Weights:
    U, W = (np.asarray(weights[f"{part}_{name}"]) for part in ("weight_ih", "weight_hh"))
    b, c = (np.asarray(weights.get(f"{part}_{name}", np.zeros(len(U)))) for part in ("bias_ih", "bias_hh"))
    return Weights(U, W, b, c)


def _flip(sequence: Array, name: str) -> Array:
    return sequence[:, ::-1] if name.endswith("_reverse") else sequence


def _stacked(states: list[States]) -> States:
    return tuple(np.stack(s) for s in zip(*states, strict=True))
