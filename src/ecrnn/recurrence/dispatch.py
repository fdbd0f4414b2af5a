"""Which backend computes a recurrent layer, and why the others do not.

A backend is a module with ``forward`` and ``backward`` over one layer in one or two directions: ``cpu`` (C++),
``cpu-bfloat16``, ``triton`` (``gpu.py``) and ``reference`` (the float64 oracle, slow). ``torch`` stands for the stock
kernels, which take everything. A backend may have functions ``available()``, whether it was built, and
``obstacle(shape)``, in a few words why it cannot serve a shape, or None. A backend that is named serves or an error
says why not; ``auto`` goes by the rule in ``choose``.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple

from ecrnn.core.errors import EcrnnError, unknown_name

BACKENDS = ("cpu", "triton", "torch", "cpu-bfloat16", "reference")
CUTOFF = 1e-8  # where the backward pass may end, relative to its largest gradient: under float32's rounding

_BY_NAME = {"reference": "a slow oracle, only by name", "cpu-bfloat16": "it rounds to bfloat16, only by name"}

_LANES = 16  # samples in a vector

_DEVICES: dict[str, Callable[[], tuple[str, ...]]] = {
    "cpu": lambda: ("cpu",),
    "cpu-bfloat16": lambda: ("cpu",),
    # looked at before triton is imported, which takes a second: Triton's interpreter runs on the CPU
    "triton": lambda: ("cuda", "cpu") if os.environ.get("TRITON_INTERPRET") == "1" else ("cuda",),
    "reference": lambda: ("cpu", "cuda"),
}


class Shape(NamedTuple):
    """The sizes and the types of a layer on which the choice of a backend depends."""

    cell: str  # lstm, gru, rnn_tanh or rnn_relu
    inputs: int
    hidden: int
    layers: int = 1
    directions: int = 1
    batch: int | None = None  # None while torch.compile or torch.export traces: the choice must hold for any
    steps: int | None = None  # likewise
    training: bool = True  # a backward pass may come
    dtype: str = "float32"
    device: str = "cpu"
    projected: bool = False  # proj_size above 0
    threads: int = 1


class Choice(NamedTuple):
    """The backend that serves, and why it and not another."""

    backend: str
    reason: str


class Verdict(NamedTuple):
    """One backend and one shape: whether it could serve, whether it is the one that does, and why."""

    backend: str
    serves: bool
    chosen: bool
    reason: str


def choose(shape: Shape, serving: tuple[str, ...]) -> Choice:
    """What ``auto`` takes among the backends ``serving``, which could all compute ``shape``."""
    if "cpu" in serving:
        return _cpu_or_torch(shape)
    if "triton" in serving:
        return Choice("torch", "cuDNN's kernels, until Triton's are measured on a card")
    return Choice("torch", "no faster backend can serve")


def _cpu_or_torch(shape: Shape) -> Choice:
    """The rule for the CPU, from measurements on two AVX-512 cores: docs/decisions/backend-rule.md.

    It holds for gradients to all outputs, where torch is at its best; with a loss at the last state ours gain.
    """
    inputs = max(shape.inputs, shape.directions * shape.hidden if shape.layers > 1 else 0)
    batch, steps = shape.batch or _LANES, shape.steps or 1  # while tracing: those that are worst for us
    few = batch < _LANES  # then nodes lie in the lanes, else samples, in tiles
    tiles = shape.directions * -(-batch // (_LANES if batch <= 2 * _LANES else 2 * _LANES))
    if shape.cell != "lstm" and steps >= _LANES:  # which torch computes step by step
        size, unit = shape.hidden, "nodes"
        most = 256 if inputs <= 128 else 128 if few or batch >= 64 else 64
    else:
        size, unit = shape.hidden * (inputs + shape.hidden), "weights a gate"
        if few:
            most = 40_000 if steps >= _LANES else 25_000
        elif tiles < shape.threads or steps < _LANES:  # to pack the weights takes longer than a few steps
            most = 16_000 if steps >= _LANES or batch <= 128 else 1_200
        else:
            most = 200_000 if steps >= 64 else 60_000
    name = "cpu" if size <= most else "torch"
    comparison = "faster than torch" if name == "cpu" else "ours are faster"
    return Choice(name, f"{comparison} up to {most:,} {unit} at this batch, input and length")


def obstacle(backend: str, shape: Shape) -> str | None:
    """Why ``backend`` cannot compute ``shape``, in a few words; None if it can."""
    if backend == "torch":
        return None
    if shape.projected:
        return "it has no proj_size"
    if shape.dtype != "float32":
        return f"the weights are {shape.dtype}, it computes in float32"
    if shape.device not in _DEVICES[backend]():
        return f"the layer is on {shape.device}"
    if missing := _missing(backend):
        return missing
    further = getattr(load(backend), "obstacle", None)
    return further(shape) if further else None


@lru_cache(maxsize=4096)
def resolve(backend: str, shape: Shape) -> Choice:
    """The backend that serves ``shape`` where a user asked for ``backend``, a name or ``auto``.

    Raises:
        UnknownNameError: if there is no such backend.
        EcrnnError: if the backend that was named cannot serve; its line says why.
    """
    if backend == "auto":
        return choose(shape, tuple(name for name in BACKENDS if name not in _BY_NAME and obstacle(name, shape) is None))
    check_backend(backend)
    if fault := obstacle(backend, shape):
        raise EcrnnError(f"backend '{backend}' cannot serve: {fault} (recurrence, {shape.cell})")
    return Choice(backend, "named")


def resolve_while_tracing(backend: str, *shape: Any) -> str:
    """The name that ``resolve`` gives, found once while torch.compile traces; ``shape`` is spread out."""
    return resolve(backend, Shape(*shape)).backend


# what torch.compiler.assume_constant_result does, which would load dynamo: four seconds on every import
resolve_while_tracing._dynamo_marked_constant = True  # type: ignore[attr-defined]


def explain(shape: Shape, backend: str = "auto") -> list[Verdict]:
    """Every backend's part in computing ``shape`` where a user asks for ``backend``, the one that serves first."""
    chosen = resolve(backend, shape)
    verdicts = []
    for name in BACKENDS:
        fault = obstacle(name, shape)
        reason = chosen.reason if name == chosen.backend else fault or _passed_over(name, chosen)
        verdicts.append(Verdict(name, fault is None, name == chosen.backend, reason))
    return sorted(verdicts, key=lambda verdict: not verdict.chosen)


def _passed_over(name: str, chosen: Choice) -> str:
    if chosen.reason == "named":
        return "not the one named"
    return _BY_NAME.get(name, f"not chosen: {chosen.reason} ({chosen.backend})")


def check_backend(backend: str) -> None:
    """Raise the error for a name that is no backend."""
    if backend not in ("auto", *BACKENDS):
        raise unknown_name("backend", str(backend), ("auto", *BACKENDS), where="recurrence")


@lru_cache(maxsize=8)
def load(backend: str) -> ModuleType:
    """The module of a backend other than ``torch``; ImportError where it is not built or installed."""
    match backend:
        case "cpu":
            return import_module("ecrnn.recurrence.cpu")
        case "cpu-bfloat16":
            return import_module("ecrnn.recurrence.bfloat16")
        case "triton":
            return import_module("ecrnn.recurrence.gpu")
        case _:
            return import_module("ecrnn.recurrence._by_reference")


def forget() -> None:
    """Look anew which backends there are; for tests and after an installation in a running process."""
    load.cache_clear()
    _missing.cache_clear()
    resolve.cache_clear()


@lru_cache(maxsize=8)
def _missing(backend: str) -> str | None:
    try:
        module = load(backend)
    except ImportError as error:
        return f"it is not installed: {str(error).splitlines()[0]}"
    return None if getattr(module, "available", lambda: True)() else "it was not built"
