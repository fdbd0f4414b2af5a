"""Whether what `metrics.json` of a bundle says of a training can be true: a bundle may come from anywhere."""

from __future__ import annotations

import reprlib
from typing import Any

from ecrnn.core.epoch_lines import check_epoch_lines, is_number
from ecrnn.core.errors import BundleError
from ecrnn.core.tasks import TASKS
from ecrnn.stats.metrics import METRICS

_LARGEST = 1e300  # a training that diverges, finite all the same, is kept, too


def check_figures(metrics: dict[str, Any], task: str) -> None:
    """Look whether the epochs of a training are numbers, and its figures such as their metric can have.

    Args:
        metrics: what the file holds; of earlier versions anything may be missing.
        task: name of the bundle's task; of one that is not known only the epochs are looked at.

    Raises:
        EcrnnError: they are not.
    """
    check_epoch_lines(metrics.get("history", []), "metrics.json, history", _LARGEST)
    if task not in TASKS:
        return
    metric, test = METRICS[TASKS[task].metric], metrics.get("test")
    for name, figures in (("", metrics), ("test, ", test if isinstance(test, dict) else {})):
        value = figures.get(metric.name)
        if value is not None and not (is_number(value, largest=_LARGEST) and metric.least <= value <= metric.most):
            found = reprlib.repr(value)
            raise BundleError(f"metrics.json: {name}{metric.name} cannot be {found}")
