"""The three probabilities of a pair as a place in a triangle: A mostly worse, equivalent, or better over data sets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecrnn.report import formats
from ecrnn.report.analysis.analyse_across import AcrossAnalysis, Cloud
from ecrnn.report.figure import Figure
from ecrnn.report.render.drawing import new_canvas, short
from ecrnn.report.render.svg import GRID, INK, MUTED, ONE, THREE, TWO, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TRIANGLES = 6
_CORNERS = np.array([[0.0, 0.0], [0.5, math.sqrt(3) / 2], [1.0, 0.0]])  # worse, equivalent, better
_CENTRE = _CORNERS.mean(axis=0)


def draw_simplex(analysis: AcrossAnalysis) -> Figure | None:
    """Small triangles, one a pair; None where no pair has the signed-rank test."""
    clouds = analysis.clouds[:MOST_TRIANGLES]
    if not clouds:
        return None
    columns = min(3, len(clouds)) if len(clouds) != 4 else 2
    rows = math.ceil(len(clouds) / columns)
    canvas, grid = new_canvas(0.2 + 2.6 * rows, rows, columns, squeeze=False)
    for at, axes in enumerate(grid.flat):
        axes.axis("off")
        if at < len(clouds):
            _triangle(axes, clouds[at])
    rope = formats.rope(analysis.across.rope, analysis.metric)
    more = len(analysis.clouds) - len(clouds)
    summary = "; ".join(
        f"{one.model_a} against {one.model_b}: worse {formats.probability(one.posterior.worse)}, equivalent "
        f"{formats.probability(one.posterior.equivalent)}, better {formats.probability(one.posterior.better)}"
        for one in clouds
    )
    return Figure(
        "simplex",
        "Better, equivalent or worse over data sets",
        "Bayesian signed-rank test (Benavoli et al., 2014). Each dot is one draw of how much the data sets weigh: how "
        f"much of that weight says that A is worse by more than {rope}, equivalent within it, or better by more. A dot "
        "lies in the third whose part is the largest, and the numbers are the shares of 50,000 draws. No verdict "
        f"stands on them.{f' The first {MOST_TRIANGLES} pairs; {more} more stand in the table.' if more > 0 else ''}",
        to_svg(canvas, "fig-simplex", f"Better, equivalent or worse over data sets. {summary}."),
    )


def _triangle(axes: Axes, cloud: Cloud) -> None:
    axes.set_aspect("equal")
    axes.set_xlim(-0.22, 1.22)
    axes.set_ylim(-0.2, 1.25)
    outline = np.vstack([_CORNERS, _CORNERS[:1]])
    axes.fill(_CORNERS[:, 0], _CORNERS[:, 1], color=GRID, alpha=0.35, lw=0, zorder=0)
    axes.plot(outline[:, 0], outline[:, 1], color=MUTED, lw=1, zorder=1)
    for i in range(3):
        middle = (_CORNERS[i] + _CORNERS[(i + 1) % 3]) / 2
        axes.plot([_CENTRE[0], middle[0]], [_CENTRE[1], middle[1]], color=MUTED, lw=0.8, zorder=2)
    draws: NDArray[np.float64] = np.array(cloud.draws)
    places, most = draws @ _CORNERS, draws.argmax(axis=1)
    for i, colour in enumerate((TWO, THREE, ONE)):
        axes.plot(*places[most == i].T, "o", color=colour, markersize=2.2, mew=0, alpha=0.6, zorder=3)
    share = cloud.posterior
    words = (("worse", share.worse), ("equivalent", share.equivalent), ("better", share.better))
    for (name, value), (x, y), lift in zip(words, _CORNERS, (-0.13, 0.09, -0.13), strict=True):
        axes.annotate(f"{name} {formats.probability(value)}", (x, y + lift), ha="center", color=INK, fontsize=8.5)
    title = f"{short(cloud.model_a, 16)} against {short(cloud.model_b, 16)}"
    axes.annotate(title, (0.5, 1.14), ha="center", color=INK, fontsize=9)
