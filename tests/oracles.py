"""Helpers of the tests: one comparison of everything, one table of tolerances, central differences.

``compare`` looks at all tensors before it fails and says which are off, where and by how much. torch is
imported only by the helpers that need it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

# How many eps a result may be off, relative to the largest value of its tensor: a part for one step and a
# part that grows with the square root of the steps, as rounding errors do. float32 may be 9.5e-6 off after
# 1,024 steps, which is under the project's bar of 1e-5.
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7}
UNITS_ONE_STEP = 16
UNITS_ROOT_STEPS = 2


def tolerance(dtype: Any, steps: int = 1) -> float:
    """The relative error allowed after ``steps`` steps in ``dtype`` (NumPy's, torch's or a name)."""
    name = np.dtype(dtype).name if isinstance(dtype, type) else str(dtype).removeprefix("torch.")
    return EPS[name] * (UNITS_ONE_STEP + UNITS_ROOT_STEPS * steps**0.5)


def compare(expected: Mapping[str, Any], actual: Mapping[str, Any], tolerance: float) -> None:
    """Fail unless every tensor of ``actual`` is within ``tolerance`` of the one of that name in ``expected``.

    The error of a tensor is its largest absolute difference divided by the largest absolute value expected
    in it (or by 1 where all is zero). Missing and additional names, other shapes, values that are not finite
    and a comparison of nothing are failures too. Arrays, torch tensors and numbers are taken.
    """
    assert expected, "nothing to compare"
    faults = [f"{name}: not there" for name in expected if name not in actual]
    faults += [f"{name}: not expected" for name in actual if name not in expected]
    for name in expected:
        if name in actual:
            faults += _faults(name, _array(expected[name]), _array(actual[name]), tolerance)
    if faults:
        raise AssertionError(f"{len(faults)} of {len(expected)} tensors are off:\n" + "\n".join(faults))


def _faults(name: str, expected: np.ndarray, actual: np.ndarray, tolerance: float) -> list[str]:
    if expected.shape != actual.shape:
        return [f"{name}: shape {actual.shape} instead of {expected.shape}"]
    for side, array in (("expected", expected), ("actual", actual)):
        if not np.isfinite(array).all():
            at = tuple(map(int, np.argwhere(~np.isfinite(array))[0]))
            return [f"{name}: {side} is {array[at]} at {at}"]
    if expected.size == 0:
        return []
    scale = np.abs(expected).max() or 1.0
    errors = np.abs(actual - expected) / scale
    at = tuple(map(int, np.unravel_index(errors.argmax(), errors.shape)))
    if errors[at] <= tolerance:
        return []
    values = f"{actual[at]:.9g} instead of {expected[at]:.9g}"
    return [f"{name}: relative error {errors[at]:.2e} at {at}, {values}, tolerance {tolerance:.2e}"]


def _array(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu().double().numpy()
    return np.asarray(value, np.float64)


def central_differences(
    loss: Callable[[], float], arrays: Mapping[str, np.ndarray], step: float = 1e-5
) -> dict[str, np.ndarray]:
    """Gradients of ``loss`` by (E(w + e) - E(w - e)) / (2 e), for every number in ``arrays``.

    The float64 arrays are changed in place while ``loss`` is called, and put back.
    """
    gradients = {}
    for name, array in arrays.items():
        assert array.dtype == np.float64, f"{name} is {array.dtype}"
        gradients[name] = np.empty_like(array)
        for at in np.ndindex(array.shape):
            kept = array[at]
            array[at] = kept + step
            above = loss()
            array[at] = kept - step
            gradients[name][at] = (above - loss()) / (2 * step)
            array[at] = kept
    return gradients


@contextmanager
def fresh_memory_is_nan() -> Iterator[None]:
    """Inside, torch fills memory that it hands out with NaN, so that an output never written is seen."""
    import torch

    before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0])
        torch.utils.deterministic.fill_uninitialized_memory = before[1]


def recurrence_by_reference(
    cell: str,
    *,
    weights: Mapping[str, np.ndarray],
    x: np.ndarray,
    initial: tuple,
    d_output: np.ndarray,
    d_last: tuple,
) -> dict[str, np.ndarray]:
    """Everything that a recurrent layer computes, by the oracle: outputs, last states and all gradients.

    ``x`` and ``d_output`` are (B, T, ...), states (layers * directions, B, H); the names are those of
    ``recurrence_by_torch``.
    """
    from ecrnn.recurrence import reference

    output, last, cache = reference.forward(cell, x, weights, initial)
    d_x, d_initial, d_weights = reference.backward(d_output, d_last, cache)
    states = dict(zip(("h", "c"), zip(last, d_initial, strict=True), strict=False))
    return (
        {"output": output, "d_x": d_x}
        | {f"{name}_n": last for name, (last, _) in states.items()}
        | {f"d_{name}_0": d for name, (_, d) in states.items()}
        | {f"d_{name}": d for name, d in d_weights.items()}
    )


def recurrence_by_torch(
    layer: Any, x: np.ndarray, initial: tuple, d_output: np.ndarray, d_last: tuple
) -> dict[str, Any]:
    """The same by a batch-first module like torch.nn.LSTM, in its dtype and on its device."""
    import torch

    like = next(layer.parameters())
    layer.zero_grad()
    inputs = [torch.tensor(a, dtype=like.dtype, device=like.device, requires_grad=True) for a in (x, *initial)]
    output, last = layer(inputs[0], inputs[1] if len(initial) == 1 else tuple(inputs[1:]))
    last = (last,) if isinstance(last, torch.Tensor) else last
    cotangents = [torch.tensor(d, dtype=like.dtype, device=like.device) for d in (d_output, *d_last)]
    torch.autograd.backward([output, *last], cotangents)
    names = ("h", "c")[: len(initial)]
    return (
        {"output": output, "d_x": inputs[0].grad}
        | {f"{name}_n": h for name, h in zip(names, last, strict=True)}
        | {f"d_{name}_0": h.grad for name, h in zip(names, inputs[1:], strict=True)}
        | {f"d_{name}": p.grad for name, p in layer.named_parameters()}
    )
