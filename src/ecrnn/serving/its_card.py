"""Whether the model card beside a bundle can be the bundle's: a card of another one is a whole text, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecrnn.core.reading import read_text, there
from ecrnn.core.tasks import TASKS
from ecrnn.serving.bundle import CARD, Description
from ecrnn.stats.metrics import METRICS

MAX_CARD = 2**20  # bytes


def read_card(folder: Path) -> str | None:
    """The text of the model card in the folder of a bundle; None where there is none.

    Raises:
        EcrnnError: it is too large, a link out of the folder, or no text.
    """
    return read_text(folder / CARD, MAX_CARD, folder) if there(folder / CARD) else None


def card_fault(card: str | None, description: Description, metrics: dict[str, Any]) -> str | None:
    """The first fact of a card that the bundle contradicts, in words; None where nothing does.

    An owner may write what he likes into a card: only the rows are compared in which ecrnn writes model and figures.

    Args:
        card: its text, None for none.
        description, metrics: of the bundle.
    """
    task = TASKS.get(description.task)
    facts = {"Model": ("`", description.model)}
    if task is not None:
        metric, test = METRICS[task.metric], metrics.get("test")
        named = {metric.title[0].upper() + metric.title[1:]: metrics, f"Test {metric.title}": test}
        for title, figures in named.items():
            value = figures.get(metric.name) if isinstance(figures, dict) else None
            if value is not None:
                facts[title] = "**", metric.measured(value)
    for title, text in _rows(card or ""):
        mark, wanted = facts.get(title, ("", ""))
        if mark and text.startswith(mark) and (found := text.split(mark, 2)[1]) != wanted:
            return f"{CARD} has {title} {found[:60]}, where the bundle has {wanted}"
    return None


def _rows(card: str) -> Iterator[tuple[str, str]]:
    """Title and text of each row of the tables in a card."""
    for line in card.splitlines():
        if line.startswith("| "):
            title, _, text = line[2:].partition(" | ")
            yield title, text
