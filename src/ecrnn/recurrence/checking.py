"""Checks a recurrent layer: the one table of tolerances, and the comparison with the float64 oracle.

Tests use it, and so do the commands that measure: nothing is measured that did not pass it in the same process.
torch is imported inside the functions that need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.recurrence import reference

if TYPE_CHECKING:
    from torch import Tensor, nn

# How many eps a result may be off, relative to the largest value of its tensor: a part for one step and a
# part that grows with the square root of the steps, as rounding errors do. float32 may be 9.5e-6 off after
# 1,024 steps, which is under the project's bar of 1e-5.
EPS = {"float64": 2.0**-52, "float32": 2.0**-23, "bfloat16": 2.0**-7}
UNITS_ONE_STEP = 16
UNITS_ROOT_STEPS = 2


class Wrong(EcrnnError):
    """A backend does not compute what the float64 oracle computes."""


class Case(NamedTuple):
    """The sizes of a recurrent layer and of the sequence it reads."""

    cell: str  # of `ecrnn.recurrence.reference.CELLS`
    hidden: int
    steps: int
    batch: int
    input: int = 1
    layers: int = 1
    directions: int = 1

    def __str__(self) -> str:
        layers = "" if self.layers == 1 else f"{self.layers} layers, "
        both = "both directions, " if self.directions == 2 else ""
        read = f"{self.steps} steps, batch {self.batch}, input {self.input}"
        return f"{self.cell}, {self.hidden} nodes, {layers}{both}{read}"


def tolerance(dtype: Any, steps: int = 1) -> float:
    """The relative error allowed after ``steps`` steps in ``dtype`` (NumPy's, torch's or a name)."""
    name = np.dtype(dtype).name if isinstance(dtype, type) else str(dtype).removeprefix("torch.")
    return EPS[name] * (UNITS_ONE_STEP + UNITS_ROOT_STEPS * steps**0.5)


def faults(expected: Mapping[str, Any], actual: Mapping[str, Any], tolerance: float) -> list[str]:
    """The faults of ``actual``, a line for each tensor that is not within ``tolerance`` of its namesake.

    The error of a tensor is its largest absolute difference divided by the largest absolute value expected in it (or
    by 1 where all is zero). Missing and additional names, other shapes and values that are not finite are faults too.
    Arrays, torch tensors and numbers are taken.
    """
    found = [f"{name}: not there" for name in expected if name not in actual]
    found += [f"{name}: not expected" for name in actual if name not in expected]
    for name in expected:
        if name in actual:
            found += _faults(name, _array(expected[name]), _array(actual[name]), tolerance)
    return found


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


def by_reference(
    cell: str,
    *,
    weights: Mapping[str, np.ndarray],
    x: np.ndarray,
    initial: tuple,
    d_output: np.ndarray,
    d_last: tuple,
) -> dict[str, np.ndarray]:
    """Everything that a recurrent layer computes, by the oracle: outputs, last states and all gradients.

    ``x`` and ``d_output`` are (B, T, ...), states (layers * directions, B, H); the names are those of ``by_layer``.
    """
    output, last, cache = reference.forward(cell, x, weights, initial)
    d_x, d_initial, d_weights = reference.backward(d_output, d_last, cache)
    states = dict(zip(("h", "c"), zip(last, d_initial, strict=True), strict=False))
    return (
        {"output": output, "d_x": d_x}
        | {f"{name}_n": last for name, (last, _) in states.items()}
        | {f"d_{name}_0": d for name, (_, d) in states.items()}
        | {f"d_{name}": d for name, d in d_weights.items()}
    )


def by_layer(layer: Any, x: np.ndarray, initial: tuple, d_output: np.ndarray, d_last: tuple) -> dict[str, Any]:
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


def by_layer_last_state(layer: Any, x: np.ndarray, d_h_n: np.ndarray) -> dict[str, Tensor]:
    """The last h and the gradients of input and weights where the loss sees nothing but the last h.

    The initial states are left out. Only so may a backward pass end early (``cutoff``).
    """
    import torch

    like = next(layer.parameters())
    layer.zero_grad()
    inputs = torch.tensor(x, dtype=like.dtype, device=like.device, requires_grad=True)
    _, last = layer(inputs)
    h_n = last if isinstance(last, torch.Tensor) else last[0]
    h_n.backward(torch.tensor(d_h_n, dtype=like.dtype, device=like.device))
    assert inputs.grad is not None
    gradients = {f"d_{name}": p.grad for name, p in layer.named_parameters() if p.grad is not None}
    return {"h_n": h_n, "d_x": inputs.grad, **gradients}


def check(layer: nn.Module, case: Case, seed: int = 0, precision: str | None = None) -> None:
    """Compare all that ``layer`` computes with the oracle: outputs, last states and every gradient.

    Once with random cotangents to everything, once with a loss at the last state alone.

    Args:
        layer: batch-first, of the sizes that ``case`` says, float32 or float64.
        case: what it is, and how much it reads.
        seed: of inputs, initial states and cotangents.
        precision: row of the table of tolerances: "bfloat16" for a layer that rounds so; by default its weights' dtype.

    Raises:
        Wrong: something is off; the line says what, where and by how much.
    """
    x, initial, d_output, d_last = _drawn(case, seed)
    weights = {name: p.detach().cpu().double().numpy() for name, p in layer.named_parameters()}
    allowed = tolerance(precision or next(layer.parameters()).dtype, case.steps)
    expected = by_reference(case.cell, weights=weights, x=x, initial=initial, d_output=d_output, d_last=d_last)
    off = faults(expected, by_layer(layer, x, initial, d_output, d_last), allowed)
    nothing = tuple(np.zeros_like(state) for state in initial)
    expected = by_reference(
        case.cell, weights=weights, x=x, initial=nothing, d_output=0 * d_output, d_last=(d_last[0], *nothing[1:])
    )
    actual = by_layer_last_state(layer, x, d_last[0])
    off += [f"{line} (loss at the last state)" for line in faults({n: expected[n] for n in actual}, actual, allowed)]
    if off:
        more = f", and {len(off) - 1} more" if len(off) > 1 else ""
        raise Wrong(f"{case}: {off[0]}{more}")


def check_same(layer: nn.Module, other: nn.Module, case: Case, seed: int = 0) -> None:
    """Compare all that ``layer`` computes with ``other``, bit for bit: for a layer that hands its work on.

    Args:
        layer, other: as for ``check``, with the same weights.
        case, seed: as for ``check``.

    Raises:
        Wrong: something differs; the line says what.
    """
    x, initial, d_output, d_last = _drawn(case, seed)

    def computed(one: nn.Module) -> dict[str, Any]:
        last = by_layer_last_state(one, x, d_last[0])
        alone = {f"{name} (loss at the last state)": value for name, value in last.items()}
        return by_layer(one, x, initial, d_output, d_last) | alone

    if off := faults(computed(other), computed(layer), 0.0):
        raise Wrong(f"{case}: {off[0]}")


def _drawn(case: Case, seed: int) -> tuple[np.ndarray, tuple, np.ndarray, tuple]:
    """Random inputs (B, T, I), initial states, and cotangents of the output and of the last states."""
    rng = np.random.default_rng(seed)
    states = reference.CELLS[case.cell].states
    shape = (case.layers * case.directions, case.batch, case.hidden)
    x = rng.standard_normal((case.batch, case.steps, case.input)).astype(np.float32)
    initial, d_last = (tuple(rng.standard_normal(shape).astype(np.float32) for _ in range(states)) for _ in range(2))
    d_output = rng.standard_normal((case.batch, case.steps, case.directions * case.hidden)).astype(np.float32)
    return x, initial, d_output, d_last


def awkward(case: Case) -> Iterable[Case]:
    """Small cases of the same layer where kernels go wrong: one step, one sample, sizes beside powers of two.

    None has a handful of numbers in a tensor: an error is judged by a tensor's largest number, and where there are two,
    each a sum of hundreds that cancel, even torch's own kernels are off by more than the table allows.
    """
    for steps, batch in ((1, 17), (2, 9), (33, 1), (65, 17)):
        yield case._replace(steps=steps, batch=batch)
