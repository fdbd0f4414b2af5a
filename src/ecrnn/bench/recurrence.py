"""`ecrnn bench recurrence`: our recurrent layers against torch.nn's, and Keras's on TensorFlow.

One call is a forward pass over a whole sequence and, unless ``forward_only``, a backward pass to the input and to all
weights from a loss that sees the last state alone, as in a classifier, or all outputs. Ours is called as a drop-in:
``layer(x)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any

import torch

from ecrnn.bench import peak_memory
from ecrnn.bench.checks import check_first, layer, served
from ecrnn.bench.keras import Keras
from ecrnn.bench.settings import GATES, RecurrenceSettings
from ecrnn.bench.timing import alternate, best, figure, ratio, summary, timed
from ecrnn.core.devices import threads as threads_set
from ecrnn.core.errors import EcrnnError, unknown_name

GRID_SECONDS = 4.0  # for all rounds of one shape of the grid, as long as that leaves three


def make(variant: str, settings: RecurrenceSettings) -> Callable[[], object]:
    """One call of a variant, "ecrnn" or "stock", on data of its own."""
    module = layer(variant, settings)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(settings.batch, settings.steps, settings.input, generator=generator)
    shape = (settings.directions, settings.batch, settings.hidden)
    if settings.all_outputs:
        shape = (settings.batch, settings.steps, settings.directions * settings.hidden)
    cotangent = torch.randn(*shape, generator=generator)

    def forward() -> torch.Tensor:
        output: torch.Tensor
        output, last = module(x)
        h_n: torch.Tensor = last if isinstance(last, torch.Tensor) else last[0]
        return output if settings.all_outputs else h_n[-settings.directions :]

    def forward_and_backward() -> None:
        module.zero_grad(set_to_none=True)
        x.grad = None
        torch.autograd.backward(forward(), cotangent)

    if settings.forward_only:
        return torch.no_grad()(forward)
    x.requires_grad_()
    return forward_and_backward


def measure(
    settings: RecurrenceSettings,
    threads: int,
    rounds: int,
    *,
    keras: Keras | None = None,
    checked: int | None = None,
    with_memory: bool = True,
    budget: float = math.inf,
    tick: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Check, then measure one shape.

    Args:
        settings: what.
        threads: number of threads of every variant.
        rounds: number of alternating measurements of each variant.
        keras: a process in which Keras computes the same, or None.
        checked: how many shapes were compared with the oracle, where that has been done; None: it is done first.
        with_memory: measure peak memory too, in fresh processes.
        budget: seconds for all rounds together, as for `ecrnn.bench.timing.alternate`.
        tick: called after each round.

    Returns:
        Plain data for JSON.

    Raises:
        EcrnnError: the backend cannot serve, or is not right.
    """
    with threads_set(threads):
        verdict = served(settings, threads)[0]
        if checked is None:
            checked = check_first(settings, verdict.backend)
        runs = {variant: timed(make(variant, settings)) for variant in ("ecrnn", "stock")}
        opponents = keras.recurrence(settings) if keras else {}
        pause = 0.01 if opponents else 0.0
        times = alternate({**runs, **opponents}, rounds, budget=budget, pause=pause, tick=tick)
    variants: dict[str, Any] = {name: summary(seconds) for name, seconds in times.items()}
    found = {
        **asdict(settings),
        "served": {"backend": verdict.backend, "reason": verdict.reason},
        "checked_shapes": checked,
        "variants": variants,
        "ratio_stock": ratio(times["stock"], times["ecrnn"]),
    }
    if opponents:
        chosen = best(times, list(opponents))
        found |= {"ratio_keras": ratio(times[chosen], times["ecrnn"]), "keras_best": chosen}
    if with_memory:
        for variant in ("ecrnn", "stock"):
            variants[variant] |= peak_memory.measure(make, variant, threads, settings)
        if keras and opponents:
            variants[found["keras_best"]] |= keras.recurrence_memory(settings, found["keras_best"])
    return found


def grid(settings: RecurrenceSettings, size: str) -> Iterator[RecurrenceSettings]:
    """The shapes of the grid, smallest work first: "full" has all that fit into memory, "small" a sample of them.

    Args:
        settings: what stays the same: cell, layers, directions, backend, cutoff.
        size: "full" or "small".
    """
    axes: Mapping[str, tuple[tuple[int, ...], ...]] = {
        "full": ((8, 16, 32, 64, 128, 256, 512), (1, 16, 128, 1024, 4096), (1, 16, 128, 1024), (1, 16, 64, 512)),
        "small": ((8, 32, 128), (1, 16, 128), (1, 16, 128), (1, 64)),
    }
    if size not in axes:
        raise unknown_name("grid", size, axes, where="bench recurrence")
    hiddens, lengths, batches, inputs = axes[size]
    shapes = [
        replace(settings, hidden=hidden, steps=steps, batch=batch, input=input_size)
        for hidden in hiddens
        for steps in lengths
        for batch in batches
        for input_size in inputs
    ]
    most = 0.6 * available_bytes()
    yield from sorted((shape for shape in shapes if _stock_bytes(shape) <= most), key=lambda shape: shape.multiply_adds)


def grid_summary(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    """How our layers do over a grid: the smallest ratio, the mean for small hidden sizes, and where stock is faster."""
    ratios = [shape["ratio_stock"] for shape in shapes]
    narrow = [math.log(shape["ratio_stock"]) for shape in shapes if shape["hidden"] <= 64]
    return {
        "shapes": len(shapes),
        "smallest_ratio_stock": min(ratios),
        "shapes_under_0.95": [
            {key: shape[key] for key in ("cell", "hidden", "steps", "batch", "input", "ratio_stock")}
            for shape in shapes
            if shape["ratio_stock"] < 0.95
        ],
        "geometric_mean_ratio_stock_hidden_up_to_64": figure(math.exp(sum(narrow) / len(narrow))) if narrow else None,
    }


def available_bytes() -> int:
    """Memory that may be used without swapping.

    Raises:
        EcrnnError: this system does not say.
    """
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":", 1) for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        raise EcrnnError("this system does not say how much memory is free, so no grid of shapes is measured") from None


def _stock_bytes(settings: RecurrenceSettings) -> float:
    """What torch's layer holds for its backward pass, roughly: gates and their gradients, states, input."""
    gates, width = GATES[settings.cell], settings.directions * settings.hidden * settings.layers
    return 4.0 * settings.batch * settings.steps * (2 * settings.input + (2 * gates + 4) * width)
