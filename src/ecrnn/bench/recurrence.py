"""`ecrnn bench recurrence`: our recurrent layers against torch.nn's, and Keras's on TensorFlow.

One call is a forward pass over a whole sequence and, unless ``forward_only``, a backward pass to the input and to all
weights from a loss that sees the last state alone, as in a classifier. Ours is called as a drop-in: ``layer(x)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from ecrnn.bench import memory
from ecrnn.bench.keras import Keras
from ecrnn.bench.pairs import alternate, best, figure, ratio, summary, timed
from ecrnn.core.devices import threads as threads_set
from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.recurrence import GRU, LSTM, RNN, dispatch
from ecrnn.recurrence.checking import Case, awkward, check, check_same

CELLS = ("lstm", "gru", "rnn_tanh", "rnn_relu")
_GATES = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
_CHECK_WORK = 3e8  # multiply-adds of the oracle's forward pass over the measured layer: a second or two in all
GRID_SECONDS = 4.0  # for all rounds of one shape of the grid, as long as that leaves three


@dataclass(frozen=True)
class Settings:
    """What is measured.

    Attributes:
        cell: lstm, gru, rnn_tanh or rnn_relu.
        hidden, steps, batch, input, layers, directions: the sizes.
        forward_only: no backward pass, under no_grad.
        backend: of our layer, a name or "auto".
        cutoff: where our backward pass may end early; 0 is the full one.
    """

    cell: str = "lstm"
    hidden: int = 16
    steps: int = 1024
    batch: int = 128
    input: int = 1
    layers: int = 1
    directions: int = 1
    forward_only: bool = False
    backend: str = "auto"
    cutoff: float = 1e-8

    def __post_init__(self) -> None:
        if self.cell not in CELLS:
            raise unknown_name("cell", self.cell, CELLS, where="bench recurrence")

    @property
    def case(self) -> Case:
        return Case(self.cell, self.hidden, self.steps, self.batch, self.input, self.layers, self.directions)


def layer(variant: str, settings: Settings) -> nn.RNNBase:
    """Our layer ("ecrnn") or torch.nn's ("stock"), batch first, with torch's initial weights from one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kinds: Any = (nn.LSTM, nn.GRU, nn.RNN) if variant == "stock" else (LSTM, GRU, RNN)
        kind = kinds[("lstm", "gru").index(settings.cell)] if settings.cell in ("lstm", "gru") else kinds[2]
        own = {} if variant == "stock" else {"backend": settings.backend, "cutoff": settings.cutoff}
        if kind is kinds[2]:
            own["nonlinearity"] = settings.cell.removeprefix("rnn_")
        both = settings.directions == 2
        made: nn.RNNBase = kind(
            settings.input, settings.hidden, settings.layers, batch_first=True, bidirectional=both, **own
        )
        return made


def make(variant: str, settings: Settings) -> Callable[[], object]:
    """One call of a variant, "ecrnn" or "stock", on data of its own."""
    made = layer(variant, settings)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(settings.batch, settings.steps, settings.input, generator=generator)
    d_last = torch.randn(settings.directions, settings.batch, settings.hidden, generator=generator)

    def forward() -> torch.Tensor:
        _, last = made(x)
        h_n: torch.Tensor = last if isinstance(last, torch.Tensor) else last[0]
        return h_n[-settings.directions :]

    def forward_and_backward() -> None:
        made.zero_grad(set_to_none=True)
        x.grad = None
        torch.autograd.backward(forward(), d_last)

    if settings.forward_only:
        return torch.no_grad()(forward)
    x.requires_grad_()
    return forward_and_backward


def served(settings: Settings, threads: int) -> list[dispatch.Verdict]:
    """Every backend's part in these settings, the one that serves first.

    Raises:
        EcrnnError: the backend that was named cannot serve.
    """
    shape = dispatch.Shape(
        cell=settings.cell,
        inputs=settings.input,
        hidden=settings.hidden,
        layers=settings.layers,
        directions=settings.directions,
        batch=settings.batch,
        steps=settings.steps,
        training=not settings.forward_only,
        threads=threads,
    )
    return dispatch.explain(shape, settings.backend)


def check_first(settings: Settings, backend: str) -> int:
    """Compare a backend with the float64 oracle, before it is measured, at the measured layer and at awkward shapes.

    Where torch serves, our layer is compared with torch's, bit for bit: that is all that is ours there, and torch's own
    rounding is outside the table of tolerances at some shapes (one step of 512 inputs: 2.8e-6, allowed are 2.15e-6).

    The measured layer is compared at the measured batch and length, or at smaller ones where the oracle would take
    too long.

    Args:
        settings: the layer and its cutoff.
        backend: that serves it, by name.

    Returns:
        How many shapes were compared.

    Raises:
        ecrnn.recurrence.checking.Wrong: it is not right.
    """
    case = settings.case
    work = _work(settings) / (case.batch * case.steps)  # of one step of one sample
    batch = max(1, min(case.batch, int(_CHECK_WORK / (work * case.steps))))
    steps = max(1, min(case.steps, int(_CHECK_WORK / (work * batch))))
    cases = [case._replace(batch=batch, steps=steps), *awkward(case)]
    made = layer("ecrnn", replace(settings, backend=backend))
    stock = layer("stock", settings)
    for one in cases:
        if backend == "torch":
            check_same(made, stock, one)
        else:
            check(made, one)
    return len(cases)


def measure(
    settings: Settings,
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
        threads: of every variant.
        rounds: of alternating measurements.
        keras: a process in which Keras computes the same, or None.
        checked: how many shapes were compared with the oracle, where that has been done; None: it is done first.
        with_memory: measure peak memory too, in fresh processes.
        budget: seconds for all rounds together, as for `ecrnn.bench.pairs.alternate`.
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
            variants[variant] |= memory.measure("recurrence", variant, threads, asdict(settings))
        if keras and opponents:
            variants[found["keras_best"]] |= keras.recurrence_memory(settings, found["keras_best"])
    return found


def grid(settings: Settings, size: str) -> Iterator[Settings]:
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
    yield from sorted((shape for shape in shapes if _stock_bytes(shape) <= most), key=_work)


def check_grid(shapes: Iterable[Settings], threads: int) -> int:
    """As ``check_first`` for every backend and layer of a grid, each at the most work that it does there.

    Args:
        shapes: of the grid.
        threads: of every variant.

    Returns:
        How many shapes were compared.
    """
    largest = {
        (served(shape, threads)[0].backend, shape.hidden, shape.input): shape for shape in sorted(shapes, key=_work)
    }
    with threads_set(threads):
        return sum(check_first(shape, backend) for (backend, _, _), shape in largest.items())


def grid_summary(shapes: list[dict[str, Any]]) -> dict[str, Any]:
    """How our layers do over a grid: the smallest ratio, the mean for few nodes, and where stock is faster."""
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


def _work(settings: Settings) -> float:
    """Multiply-adds of the products in one forward pass."""
    gates, width = _GATES[settings.cell], settings.directions * settings.hidden
    inputs = settings.input + (settings.layers - 1) * width
    a_step = gates * width * (inputs + settings.layers * settings.hidden)
    return float(settings.batch * settings.steps * a_step)


def _stock_bytes(settings: Settings) -> float:
    """What torch's layer holds for its backward pass, roughly: gates and their gradients, states, input."""
    gates, width = _GATES[settings.cell], settings.directions * settings.hidden * settings.layers
    return 4.0 * settings.batch * settings.steps * (2 * settings.input + (2 * gates + 4) * width)
