"""The model card as the hub wants it: with front matter that says library, task and figures."""

from __future__ import annotations

from typing import Any

import yaml

from ecrnn.core.tasks import Task
from ecrnn.core.text import one_line
from ecrnn.serving.bundle import Description
from ecrnn.stats.metrics import METRICS


def hub_card(card: str, description: Description, task: Task, metrics: dict[str, Any]) -> str:
    """A card with front matter.

    Args:
        card: Markdown, the bundle's own; front matter that it has already is replaced.
        description: of the bundle.
        task: of the model.
        metrics: of the bundle, which may come from anywhere.
    """
    front: dict[str, Any] = {"library_name": "ecrnn"}
    if task.pipeline:
        front["pipeline_tag"] = task.pipeline
    front["tags"] = ["ecrnn", description.model]
    if results := _results(task, metrics):
        front["model-index"] = [{"name": description.model, "results": results}]
    text = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return f"---\n{text}---\n\n{_without_front(card)}"


def _results(task: Task, metrics: dict[str, Any]) -> list[dict[str, Any]]:
    """The task's metric on the data set's own test part, or else on the validation examples."""
    measured, split = metrics, "validation"
    if isinstance(metrics.get("test"), dict):
        measured, split = metrics["test"], "test"
    value, data = measured.get(task.metric), metrics.get("data")
    if type(value) is not float or not isinstance(data, str):
        return []
    name = one_line(data)[:200]
    return [
        {
            "task": {"type": task.pipeline or task.name},
            "dataset": {"name": name, "type": name, "split": split},
            "metrics": [{"type": task.metric, "name": METRICS[task.metric].title, "value": value}],
        }
    ]


def _without_front(card: str) -> str:
    if not card.startswith("---\n"):
        return card
    _, _, rest = card.removeprefix("---\n").partition("\n---\n")
    return rest.lstrip("\n") or card
