"""What the drawings of reports have in common: their width, and axes of named rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ecrnn.core.text import printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WIDTH = 8.4  # inches; 605 pt, 806 px


def new_canvas(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Canvas, Any]:
    """A figure as wide as the page and ``height`` inches high, and its axes: one, or an array of them."""
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
    return canvas, canvas.subplots(rows, columns, **options)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """One row a name, the first on top, with a grid for the values."""
    axes.set_yticks(range(len(names)), [short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def short(name: str, most: int = 44) -> str:
    """``name`` as people can read it, cut to ``most`` characters with an ellipsis."""
    name = printable(name)
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
