"""Figures of a trained model in a line, and the command that uses it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ecrnn.core.errors import BundleError
from ecrnn.core.tasks import Task
from ecrnn.core.text import counted
from ecrnn.stats.metrics import METRICS

_MOST = 1e15  # that any figure may be, in whatever unit


def checked(task: Task, measured: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a bundle's metrics.json holds, which may come from anywhere, if the other functions can use it.

    Args:
        task: task of the model.
        measured: what the file holds.
        path: path of the file, for the error.

    Raises:
        BundleError: a figure is missing or no number.
    """
    interval = [task.metric + end for end in ("", "_low", "_high")]
    _check_numbers(measured, (*interval, "n_validation", "epoch", "epochs"), path)
    if measured.get(f"kept_{task.metric}") is not None:
        _check_numbers(measured, (f"kept_{task.metric}",), path)
    for name, wanted in (("last_epochs", ("lowest", "highest", "epochs")), ("test", (*interval, "n"))):
        if measured.get(name) is not None:
            _check_numbers(measured[name], wanted, path, f"{name}.")
    return measured


def _check_numbers(values: Any, names: Iterable[str], path: Path, prefix: str = "") -> None:
    for name in names:
        value = values.get(name) if isinstance(values, dict) else None
        if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > _MOST:
            raise BundleError(f"{path} lacks a number for {prefix}{name}; a bundle trained anew has all of them")


def figures(task: Task, measured: dict[str, Any], n: int, part: str) -> str:
    """The task's metric with its interval, as "98.61 % of 360 validation images right (95 % interval ...)".

    Args:
        task: task of the model.
        measured: holds the metric and its interval, as a bundle's metrics.json does.
        n: examples that it was measured on.
        part: part of the data, such as "validation".
    """
    metric = METRICS[task.metric]
    value, low, high = (metric.shown(measured[metric.name + end]) for end in ("", "_low", "_high"))
    interval = f"(95 % interval {low} to {high})"
    examples = counted(n, f"{part} {task.examples}")
    if metric.binary:
        return f"{value} % of {examples} right {interval}"
    unit = f" {metric.unit}" if metric.unit == "%" else ""
    return f"{metric.title} {value}{unit} on {examples} {interval}"


def choice(task: Task, measured: dict[str, Any]) -> list[str]:
    """The end of a line that says which epochs the figures are of, and a line about the epoch that was kept.

    Args:
        task: task of the model.
        measured: what a bundle's metrics.json holds.
    """
    metric, epoch = METRICS[task.metric], f"epoch {measured['epoch']} of {measured['epochs']}"
    last, kept = measured.get("last_epochs"), measured.get(f"kept_{metric.name}")
    if last is None:  # a single epoch, or a bundle of before these figures were kept
        return [f", weights of {epoch}"]
    lowest, highest = metric.shown(last["lowest"]), metric.measured(last["highest"])
    text = f" after the last epoch, {lowest} to {highest} over the last {last['epochs']}"
    if kept is None:
        return [text]
    chosen = f"{metric.measured(kept)} on the same {task.examples}, with which the epoch was chosen"
    return [text, f"Kept: the weights of {epoch}, {chosen}"]


def use(task: Task, bundle: str) -> str:
    """A command that uses a bundle."""
    return task.use.format(bundle=shlex.quote(bundle))
