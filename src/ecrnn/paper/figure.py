"""The paper's accuracies and ours in one figure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from ecrnn.paper.reproduction import Reproduction
from ecrnn.report import formats
from ecrnn.report.analysis.schema import ModelRow
from ecrnn.report.figure import Figure
from ecrnn.report.render.drawing import name_rows, new_canvas
from ecrnn.report.render.svg import GRID, MUTED, ONE, PAPER, TWO, to_svg


def draw_reproduction(found: Reproduction, rows: Sequence[ModelRow], scored: str, mean_of_epochs: str = "") -> Figure:
    """Each model's mean and single repeats beside what the paper printed.

    Args:
        found: the study beside the paper.
        rows: rows of the study's models, with their scores.
        scored: what they are scored on, such as "validation images".
        mean_of_epochs: what a score is, "mean of the last 3 epochs"; "" at the last epoch.
    """
    from matplotlib.lines import Line2D

    models = found.models
    single = {row.model: row.scores for row in rows}
    canvas, axes = new_canvas(1.0 + 0.27 * len(models))
    for y, model in enumerate(models):
        printed = 100 * model.paper
        if model.ours is not None:
            axes.plot([printed, 100 * model.ours], [y, y], color=GRID, lw=3, zorder=1)
            scores = [100 * score for score in single[model.model]]
            if len(scores) > 1:
                axes.plot(scores, [y] * len(scores), "|", color=ONE, markersize=9, mew=1.2, zorder=2)
            axes.plot([100 * model.ours], [y], "o", color=ONE, markersize=7, markeredgecolor=PAPER, zorder=4)
        axes.plot([printed], [y], "D", color=TWO, markerfacecolor=PAPER, markersize=5.5, mew=1.6, zorder=3)
    kinds = [model.model.split("-")[0] for model in models]
    for y, (kind, following) in enumerate(pairwise(kinds)):
        if kind != following:
            axes.axhline(y + 0.5, color=MUTED, lw=0.6, zorder=0)
    name_rows(axes, [model.model for model in models])
    axes.set_xlabel(f"accuracy on the {scored}, %")
    marks = [
        Line2D([], [], ls="", marker="D", color=TWO, markerfacecolor=PAPER, mew=1.6, ms=5.5, label="the paper"),
        Line2D([], [], ls="", marker="o", color=ONE, ms=7, label="ours, mean"),
        Line2D([], [], ls="", marker="|", color=ONE, ms=9, mew=1.2, label="ours, each repeat"),
    ]
    canvas.legend(handles=marks, loc="outside upper left", ncols=3, frameon=False)
    summary = "; ".join(
        f"{model.model}: paper {formats.percent(model.paper)}, ours {formats.percent(model.ours)}" for model in models
    )
    title, ours = "The paper's accuracies and ours", mean_of_epochs or "at the last epoch"
    return Figure(
        "reproduction",
        title,
        f"Mean accuracy in the paper (diamond), ours {ours} (dot), and that of each repeat (stroke).",
        to_svg(canvas, "fig-reproduction", f"{title}, in percent. {summary}."),
    )
