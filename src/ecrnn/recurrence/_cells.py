"""The cells of the oracle: RNN, LSTM and GRU over a sequence, forwards and backwards, with their equations.

Numbers in brackets are the equations of docs/equations.md. U is ``weight_ih``
and W is ``weight_hh`` here, also for the GRU; the bias is the sum of two, b and c, because torch has two.

B samples, T steps, I inputs, H nodes, G gates; sequences are (B, T, I) and (B, T, H), states (B, H).
``s[:, t]`` is the state *before* step t, ``s[:, t + 1]`` the one after it. ``d_name`` is the gradient of the
loss with respect to ``name``, ``a`` is what goes into a gate's sigma or tanh.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
States = tuple[Array, ...]  # (s,) for RNN and GRU, (s, C) for LSTM


class Weights(NamedTuple):
    """What one direction of one layer learns; gates are stacked along the first axis in torch's order."""

    weight_ih: Array  # U (G*H, I)
    weight_hh: Array  # W (G*H, H)
    bias_ih: Array  # b (G*H,)
    bias_hh: Array  # c (G*H,)


def sigma(a: Array) -> Array:
    """1 / (1 + exp(-a)), without overflow for large -a."""
    return np.exp(-np.logaddexp(0.0, -a))


# f, and its derivative from its value
_NONLINEARITIES: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "tanh": (np.tanh, lambda f: 1 - f**2),
    "relu": (lambda a: np.maximum(a, 0.0), lambda f: (f > 0).astype(np.float64)),
    "sigmoid": (sigma, lambda f: f * (1 - f)),
}


class RNNCache(NamedTuple):
    """What ``rnn_backward`` needs of the forward pass."""

    x: Array  # (B, T, I)
    s: Array  # (B, T + 1, H)
    weights: Weights
    nonlinearity: str


def rnn_forward(
    x: ArrayLike, initial: States, weights: Weights, nonlinearity: str = "tanh"
) -> tuple[Array, States, RNNCache]:
    """Elman's RNN, s_t = f(U x_t + b + W s_{t-1} + c) (16), f = "tanh", "relu" or "sigmoid".

    ``x`` is (B, T, I), ``initial`` is (s_0,) of (B, H), with one "gate". Returns the output (B, T, H), the
    last state (s_T,) and a cache for ``rnn_backward``.
    """
    x, (s_0,), weights = _float64(x, initial, weights)
    U, W, b, c = weights
    f, _ = _NONLINEARITIES[nonlinearity]
    s = _with_initial(s_0, x.shape[1])  # (B, T + 1, H)
    for t in range(x.shape[1]):
        s[:, t + 1] = f(x[:, t] @ U.T + b + s[:, t] @ W.T + c)  # (16)
    return s[:, 1:].copy(), (s[:, -1].copy(),), RNNCache(x, s, weights, nonlinearity)


def rnn_backward(d_output: ArrayLike, d_last: States, cache: RNNCache) -> tuple[Array, States, Weights]:
    """Back-propagation through time (18-21): the step-by-step form of the sums and products over t and k.

    ``d_output`` (B, T, H) and ``d_last`` (d_s_T,) of (B, H) are what comes from above; the loss itself (17)
    is not here. Returns d_x (B, T, I), d_initial and the gradients of the weights.
    """
    x, s, weights, nonlinearity = cache
    _, derivative = _NONLINEARITIES[nonlinearity]
    d_output = np.asarray(d_output, np.float64)
    d_a = np.empty_like(s[:, 1:])  # (B, T, H), of the argument of f
    (d_s,) = d_last  # (B, H)
    for t in reversed(range(x.shape[1])):
        d_s = d_s + d_output[:, t]  # s_{t+1} is an output and feeds the next step
        d_a[:, t] = d_s * derivative(s[:, t + 1])
        d_s = d_a[:, t] @ weights.weight_hh  # one factor ds_{j+1}/ds_j of the product in (21)
    d_x, d_weights = _through_sums(d_a, d_a, x, s[:, :-1], weights)
    return d_x, (d_s,), d_weights


class LSTMCache(NamedTuple):
    """What ``lstm_backward`` needs of the forward pass."""

    x: Array  # (B, T, I)
    i: Array  # (B, T, H), and so f, g, o
    f: Array
    g: Array
    o: Array
    C: Array  # (B, T + 1, H)
    s: Array  # (B, T + 1, H)
    weights: Weights


def lstm_forward(x: ArrayLike, initial: States, weights: Weights) -> tuple[Array, States, LSTMCache]:
    """LSTM with forget gate (22-27), no peepholes; gate order i, f, g, o as in torch and Keras.

    ``x`` is (B, T, I), ``initial`` is (s_0, C_0) of (B, H). Returns the output s (B, T, H), the last states
    (s_T, C_T) and a cache for ``lstm_backward``.
    """
    x, (s_0, C_0), weights = _float64(x, initial, weights)
    U, W, b, c = weights
    s, C = _with_initial(s_0, x.shape[1]), _with_initial(C_0, x.shape[1])  # (B, T + 1, H)
    i, f, g, o = (np.empty_like(s[:, 1:]) for _ in range(4))  # (B, T, H)
    for t in range(x.shape[1]):
        a = x[:, t] @ U.T + b + s[:, t] @ W.T + c  # (B, 4H)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)  # (B, H)
        i[:, t] = sigma(a_i)  # (22)
        g[:, t] = np.tanh(a_g)  # (23)
        f[:, t] = sigma(a_f)  # (24)
        C[:, t + 1] = i[:, t] * g[:, t] + f[:, t] * C[:, t]  # (25)
        o[:, t] = sigma(a_o)  # (26)
        s[:, t + 1] = o[:, t] * np.tanh(C[:, t + 1])  # (27)
    return s[:, 1:].copy(), (s[:, -1].copy(), C[:, -1].copy()), LSTMCache(x, i, f, g, o, C, s, weights)


def lstm_backward(d_output: ArrayLike, d_last: States, cache: LSTMCache) -> tuple[Array, States, Weights]:
    """Back-propagation through time of (22-27); ``d_last`` is (d_s_T, d_C_T), the rest as for the RNN."""
    x, i, f, g, o, C, s, weights = cache
    d_output = np.asarray(d_output, np.float64)
    d_a = np.empty((*i.shape[:2], 4 * i.shape[2]))  # (B, T, 4H), of the gates' arguments
    d_s, d_C = d_last  # (B, H)
    for t in reversed(range(x.shape[1])):
        d_s = d_s + d_output[:, t]
        tanh_C = np.tanh(C[:, t + 1])
        d_o = d_s * tanh_C  # (27)
        d_C = d_C + d_s * o[:, t] * (1 - tanh_C**2)  # (27)
        d_i, d_g, d_f = d_C * g[:, t], d_C * i[:, t], d_C * C[:, t]  # (25)
        d_a_i = d_i * i[:, t] * (1 - i[:, t])  # (22)
        d_a_g = d_g * (1 - g[:, t] ** 2)  # (23)
        d_a_f = d_f * f[:, t] * (1 - f[:, t])  # (24)
        d_a_o = d_o * o[:, t] * (1 - o[:, t])  # (26)
        d_a[:, t] = np.concatenate([d_a_i, d_a_f, d_a_g, d_a_o], axis=1)
        d_C = d_C * f[:, t]  # (25), to the step before: without W, so it does not vanish while f is near 1
        d_s = d_a[:, t] @ weights.weight_hh  # (22-24, 26)
    d_x, d_weights = _through_sums(d_a, d_a, x, s[:, :-1], weights)
    return d_x, (d_s, d_C), d_weights


class GRUCache(NamedTuple):
    """What ``gru_backward`` needs of the forward pass."""

    x: Array  # (B, T, I)
    r: Array  # (B, T, H), and so z, n
    z: Array
    n: Array
    m: Array  # (B, T, H), the part of the argument of n that W_n and c_n make, before r if reset_after
    s: Array  # (B, T + 1, H)
    weights: Weights
    reset_after: bool


def gru_forward(
    x: ArrayLike, initial: States, weights: Weights, reset_after: bool = True
) -> tuple[Array, States, GRUCache]:
    """GRU (Cho et al. 2014) in both forms, gate order r, z, n as in torch (Keras: z, r, n).

    r = sigma(U_r x + b_r + W_r s + c_r), z likewise, s_t = z * s_{t-1} + (1 - z) * n, and for the candidate n

    * ``reset_after=True``, torch and Keras's default: n = tanh(U_n x + b_n + r * (W_n s + c_n));
    * ``reset_after=False``, Cho et al. 2014: n = tanh(U_n x + b_n + W_n (r * s) + c_n).

    ``x`` is (B, T, I), ``initial`` is (s_0,) of (B, H). Returns the output s (B, T, H), the last state (s_T,)
    and a cache for ``gru_backward``.
    """
    x, (s_0,), weights = _float64(x, initial, weights)
    (U_rz, U_n), (W_rz, W_n), (b_rz, b_n), (c_rz, c_n) = (_candidate_apart(w) for w in weights)
    s = _with_initial(s_0, x.shape[1])  # (B, T + 1, H)
    r, z, n, m = (np.empty_like(s[:, 1:]) for _ in range(4))  # (B, T, H)
    for t in range(x.shape[1]):
        a_rz = x[:, t] @ U_rz.T + b_rz + s[:, t] @ W_rz.T + c_rz  # (B, 2H)
        r[:, t], z[:, t] = np.split(sigma(a_rz), 2, axis=1)
        if reset_after:
            m[:, t] = s[:, t] @ W_n.T + c_n
            n[:, t] = np.tanh(x[:, t] @ U_n.T + b_n + r[:, t] * m[:, t])
        else:
            m[:, t] = (r[:, t] * s[:, t]) @ W_n.T + c_n
            n[:, t] = np.tanh(x[:, t] @ U_n.T + b_n + m[:, t])
        s[:, t + 1] = z[:, t] * s[:, t] + (1 - z[:, t]) * n[:, t]
    return s[:, 1:].copy(), (s[:, -1].copy(),), GRUCache(x, r, z, n, m, s, weights, reset_after)


def gru_backward(d_output: ArrayLike, d_last: States, cache: GRUCache) -> tuple[Array, States, Weights]:
    """Back-propagation through time of the form that was run forwards; arguments as for the RNN."""
    x, r, z, n, m, s, weights, reset_after = cache
    d_output = np.asarray(d_output, np.float64)
    W_rz, W_n = _candidate_apart(weights.weight_hh)  # (2H, H), (H, H)
    d_a_rz = np.empty((*r.shape[:2], 2 * r.shape[2]))  # (B, T, 2H), of the arguments of r and z
    d_a_n, d_m = np.empty_like(n), np.empty_like(n)  # (B, T, H)
    (d_s,) = d_last  # (B, H)
    for t in reversed(range(x.shape[1])):
        d_s = d_s + d_output[:, t]
        d_z = d_s * (s[:, t] - n[:, t])
        d_a_n[:, t] = d_s * (1 - z[:, t]) * (1 - n[:, t] ** 2)
        d_s = d_s * z[:, t]  # from here on, of the state before step t
        if reset_after:
            d_r = d_a_n[:, t] * m[:, t]
            d_m[:, t] = d_a_n[:, t] * r[:, t]
            d_s = d_s + d_m[:, t] @ W_n
        else:
            d_m[:, t] = d_a_n[:, t]
            d_rs = d_m[:, t] @ W_n  # of the product r * s
            d_r = d_rs * s[:, t]
            d_s = d_s + d_rs * r[:, t]
        d_a_rz[:, t] = np.concatenate([d_r * r[:, t] * (1 - r[:, t]), d_z * z[:, t] * (1 - z[:, t])], axis=1)
        d_s = d_s + d_a_rz[:, t] @ W_rz
    d_ih, d_hh = np.concatenate([d_a_rz, d_a_n], axis=2), np.concatenate([d_a_rz, d_m], axis=2)  # (B, T, 3H)
    d_x, d_weights = _through_sums(d_ih, d_hh, x, s[:, :-1], weights)
    if not reset_after:  # W_n saw r * s instead of s
        _candidate_apart(d_weights.weight_hh)[1][:] = np.einsum("bth,btk->hk", d_m, r * s[:, :-1])
    return d_x, (d_s,), d_weights


def _float64(x: ArrayLike, initial: States, weights: Weights) -> tuple[Array, States, Weights]:
    states = tuple(np.asarray(s, np.float64) for s in initial)
    return np.asarray(x, np.float64), states, Weights(*(np.asarray(w, np.float64) for w in weights))


def _with_initial(s_0: Array, steps: int) -> Array:
    s = np.empty((s_0.shape[0], steps + 1, s_0.shape[1]))  # (B, T + 1, H)
    s[:, 0] = s_0
    return s


def _candidate_apart(w: Array) -> tuple[Array, Array]:
    """The rows of the gates r and z, (2H, ...), and those of the candidate n, (H, ...), as views."""
    H = w.shape[0] // 3
    return w[: 2 * H], w[2 * H :]


def _through_sums(d_ih: Array, d_hh: Array, x: Array, s: Array, weights: Weights) -> tuple[Array, Weights]:
    """Gradients through U x + b and W s + c at all steps; weights are shared, so theirs are sums over t (18).

    ``d_ih`` and ``d_hh`` (B, T, G*H) belong to the two sums, ``s`` (B, T, H) holds the states before each
    step.
    """
    d_x = d_ih @ weights.weight_ih  # (B, T, I)
    d_U, d_W = np.einsum("btg,bti->gi", d_ih, x), np.einsum("btg,bth->gh", d_hh, s)
    return d_x, Weights(d_U, d_W, d_ih.sum(axis=(0, 1)), d_hh.sum(axis=(0, 1)))
