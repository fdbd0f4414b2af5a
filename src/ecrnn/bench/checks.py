"""A recurrent layer is compared with the float64 oracle before it is measured, by the backend that will serve it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ecrnn.bench.settings import RecurrenceSettings
from ecrnn.core.devices import threads as threads_set
from ecrnn.models.names import ModelName
from ecrnn.recurrence import GRU, LSTM, RNN, dispatch
from ecrnn.recurrence.checking import awkward, check, check_same

_CHECK_WORK = 3e8  # multiply-adds of the oracle's forward pass over the measured layer: a second or two in all


def layer(variant: str, settings: RecurrenceSettings) -> nn.RNNBase:
    """Our layer ("ecrnn") or torch.nn's ("stock"), batch first, with torch's initial weights from one seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kinds: Any = (nn.LSTM, nn.GRU, nn.RNN) if variant == "stock" else (LSTM, GRU, RNN)
        kind = kinds[("lstm", "gru").index(settings.cell)] if settings.cell in ("lstm", "gru") else kinds[2]
        options = {} if variant == "stock" else {"backend": settings.backend, "cutoff": settings.cutoff}
        if kind is kinds[2]:
            options["nonlinearity"] = settings.cell.removeprefix("rnn_")
        both = settings.directions == 2
        network: nn.RNNBase = kind(
            settings.input, settings.hidden, settings.layers, batch_first=True, bidirectional=both, **options
        )
        return network


def served(settings: RecurrenceSettings, threads: int) -> list[dispatch.Verdict]:
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


def check_first(settings: RecurrenceSettings, backend: str) -> int:
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
    work = settings.multiply_adds / (case.batch * case.steps)  # of one step of one sample
    batch = max(1, min(case.batch, int(_CHECK_WORK / (work * case.steps))))
    steps = max(1, min(case.steps, int(_CHECK_WORK / (work * batch))))
    cases = [case._replace(batch=batch, steps=steps), *awkward(case)]
    ours = layer("ecrnn", replace(settings, backend=backend))
    stock = layer("stock", settings)
    for case in cases:
        if backend == "torch":
            check_same(ours, stock, case)
        else:
            check(ours, case, precision="bfloat16" if backend == "cpu-bfloat16" else None)
    return len(cases)


def check_grid(shapes: Iterable[RecurrenceSettings], threads: int) -> int:
    """As ``check_first`` for every backend and layer of a grid, each at the most work that it does there.

    Args:
        shapes: shapes of the grid.
        threads: number of threads of every variant.

    Returns:
        How many shapes were compared.
    """
    largest = {
        (served(shape, threads)[0].backend, shape.hidden, shape.input): shape
        for shape in sorted(shapes, key=lambda shape: shape.multiply_adds)
    }
    with threads_set(threads):
        return sum(check_first(shape, backend) for (backend, _, _), shape in largest.items())


def check_recurrence(model: ModelName, batch: int, threads: int, training: bool = True) -> dict[str, Any]:
    """Compare the recurrent layers of a model with the oracle, by the backends that will serve them.

    Args:
        model: its name.
        batch: images at a time.
        threads: number of threads of torch.
        training: whether a backward pass will be measured.

    Returns:
        "served", a list of the backend and the reason of each layer, and "checked_shapes", how many were compared.

    Raises:
        EcrnnError: a backend is not right.
    """
    directions, features = (2 if model.bidirectional else 1), 1
    backends, checked = [], 0
    for hidden_size in model.nodes:
        cell = "rnn_tanh" if model.cell == "rnn" else model.cell or ""
        settings = RecurrenceSettings(
            cell, hidden_size, batch=batch, input=features, directions=directions, forward_only=not training
        )
        verdict = served(settings, threads)[0]
        checked += check_first(settings, verdict.backend)
        backends.append({"layer": str(settings.case), "backend": verdict.backend, "reason": verdict.reason})
        features = directions * hidden_size
    return {"served": backends, "checked_shapes": checked}
