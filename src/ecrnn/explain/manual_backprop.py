"""Gradients by the equations of the sources, written out in NumPy float64: the delta rule and BPTT.

Numbers in brackets are the equations of docs/equations.md. Nothing of torch is used, so these are a
second opinion on automatic differentiation. Errors are means over the patterns (eq. 5 and 6 are sums), as in training.

B patterns, I inputs, H hidden units, K output units, T steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ecrnn.recurrence import reference
from ecrnn.recurrence._cells import sigma

Array = NDArray[np.float64]


def delta_rule(
    x: Array, labels: NDArray[np.int64], weights: Mapping[str, Array], outputs: Literal["softmax", "sigmoid"]
) -> tuple[float, dict[str, Array]]:
    """Error and gradients of a network with one hidden layer of sigmoid units, by the delta rule.

    Args:
        x: (B, I).
        labels: (B,), the target output unit; t_k is 1 for that one and 0 for the others.
        weights: "hidden.weight" (H, I), "hidden.bias" (H,), "output.weight" (K, H), "output.bias" (K,).
        outputs: "sigmoid" with the squared error (6), or "softmax" with cross-entropy.

    Returns:
        The mean error, and its gradients by the names of the weights.
    """
    error, z_j, y_k = network_error(x, labels, weights, outputs)
    W_kj = weights["output.weight"]
    delta_k = y_k - np.eye(len(W_kj))[labels]  # with the softmax's cross-entropy
    if outputs == "sigmoid":
        delta_k = delta_k * y_k * (1 - y_k)  # (8, 10)
    delta_j = z_j * (1 - z_j) * (delta_k @ W_kj)  # (13)
    B = len(x)
    return error, {
        "hidden.weight": delta_j.T @ x / B,  # (12)
        "hidden.bias": delta_j.mean(0),
        "output.weight": delta_k.T @ z_j / B,  # (11)
        "output.bias": delta_k.mean(0),
    }


def network_error(
    x: Array, labels: NDArray[np.int64], weights: Mapping[str, Array], outputs: Literal["softmax", "sigmoid"]
) -> tuple[float, Array, Array]:
    """The forward pass of `delta_rule`, with its arguments: mean error, hidden units (B, H), output units (B, K)."""
    W_ji, b_j, W_kj, b_k = (weights[name] for name in ("hidden.weight", "hidden.bias", "output.weight", "output.bias"))
    a_j = x @ W_ji.T + b_j  # (1)
    z_j = sigma(a_j)  # (2)
    a_k = z_j @ W_kj.T + b_k  # (3)
    t_k = np.eye(len(b_k))[labels]
    if outputs == "softmax":
        y_k, error = _softmax_error(a_k, t_k)
        return error, z_j, y_k
    y_k = sigma(a_k)  # (4)
    return float(0.5 * np.square(y_k - t_k).sum(1).mean()), z_j, y_k  # (5, 6)


def through_time(
    cell: str, x: Array, labels: NDArray[np.int64], weights: Mapping[str, Array]
) -> tuple[float, dict[str, Array]]:
    """Error and gradients of a recurrent layer with a softmax output at every step, by back-propagation through time.

    The layer's equations, forwards (16, 22-27) and backwards (18-21), are those of `ecrnn.recurrence.reference`.

    Args:
        cell: of `ecrnn.recurrence.reference.CELLS`.
        x: (B, T, I).
        labels: (B, T), the target output unit of every step.
        weights: those of the layer by torch's names, and "output.weight" V (K, H), "output.bias" (K,).

    Returns:
        The error (17), summed over the steps, mean over the patterns, and its gradients by the names of the weights.
    """
    V, b = weights["output.weight"], weights["output.bias"]
    layer_weights = {name: w for name, w in weights.items() if not name.startswith("output.")}
    s, last, cache = reference.forward(cell, x, layer_weights)  # (B, T, H)
    t = np.eye(len(b))[labels]  # (B, T, K)
    o, error = _softmax_error(s @ V.T + b, t)  # (17)
    d_a = (o - t) / len(x)
    _, _, gradients = reference.backward(d_a @ V, tuple(np.zeros_like(state) for state in last), cache)
    gradients["output.weight"] = np.einsum("btk,bth->kh", d_a, s)  # V is shared by the steps: a sum over t, as in (18)
    gradients["output.bias"] = d_a.sum((0, 1))
    return error, gradients


def _softmax_error(a: Array, t: Array) -> tuple[Array, float]:
    """Softmax of ``a`` over the last axis, and -sum of t log of it, mean over the first axis."""
    log = a - np.logaddexp.reduce(a, axis=-1, keepdims=True)
    return np.exp(log), float(-(t * log).sum() / len(a))
