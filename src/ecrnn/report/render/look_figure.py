"""The way of each pair from look to look, with the boundaries that it had to cross."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.figure import Figure
from ecrnn.report.formats import MINUS
from ecrnn.report.render.drawing import new_canvas, short
from ecrnn.report.render.svg import GRID, INK, MUTED, ONE, PAPER, THREE, TWO, to_svg
from ecrnn.stats import Metric, SequentialPair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PATHS = 12
_DASHES = (0, (4, 2))
_ENDS = {  # colour and marker
    "better": (ONE, "o"),
    "worse": (TWO, "s"),
    "equivalent": (THREE, "D"),
    "undecided": (INK, "o"),
    None: (MUTED, "o"),
}


def draw_looks(analysis: Analysis) -> Figure | None:
    """Small axes, one a pair; None for studies that were not looked at while training."""
    decided, metric = analysis.sequential, analysis.metric
    pairs = [pair for pair in decided.pairs if pair.looks] if decided else []
    if decided is None or not pairs:
        return None
    part = f" The first {MOST_PATHS} pairs of {len(pairs)}; the table has all." if len(pairs) > MOST_PATHS else ""
    pairs = pairs[:MOST_PATHS]
    columns = min(3, len(pairs)) if len(pairs) != 4 else 2
    rows = math.ceil(len(pairs) / columns)
    canvas, grid = new_canvas(0.6 + 1.9 * rows, rows, columns, squeeze=False)
    for at, axes in enumerate(grid.flat):
        if at >= len(pairs):
            axes.set_visible(False)
            continue
        _path(axes, pairs[at], metric, decided.plan.rope, decided.plan.looks)
        if at + columns >= len(pairs):
            axes.set_xlabel("repeats")
    for axes in grid[:, 0]:
        axes.set_ylabel(f"A {MINUS} B, {metric.points}")
    summary = "; ".join(
        f"{pair.model_a} minus {pair.model_b}: {formats.difference(pair.looks[-1].difference, metric)} {metric.points} "
        f"after {pair.looks[-1].repeats} repeats, {_ending(pair)}"
        for pair in pairs
    )
    return Figure(
        "looks",
        "From look to look",
        "Mean difference at each look (line), and how large it had to be for 'better' or 'worse' (dashed) at the level "
        "that Holm's procedure left to the pair. The boundary falls with the repeats and moves with their spread; "
        "where it is out of sight, no difference of this size would have been decided. The shaded band is the region "
        f"of practical equivalence; a difference had to be within the dotted lines to be called equivalent.{part}",
        to_svg(canvas, "fig-looks", f"Differences from look to look. {summary}."),
    )


def _path(axes: Axes, pair: SequentialPair, metric: Metric, rope: float, looks: tuple[int, ...]) -> None:
    repeats = [look.repeats for look in pair.looks]
    differences = [metric.scale * look.difference for look in pair.looks]
    boundary = [metric.scale * look.boundary for look in pair.looks]
    within = [look for look in pair.looks if look.boundary_equivalent is not None]
    small = [metric.scale * (look.boundary_equivalent or 0.0) for look in within]
    rope = metric.scale * rope
    axes.axhspan(-rope, rope, color=GRID, alpha=0.65, lw=0, zorder=0)
    axes.axhline(0, color=MUTED, lw=1, zorder=1)
    for sign in (1, -1):
        edge, inner = [sign * value for value in boundary], [sign * value for value in small]
        axes.plot(repeats, edge, marker=_alone(repeats), ls=_DASHES, color=INK, lw=1.2, zorder=2)
        axes.plot([look.repeats for look in within], inner, marker=_alone(within), ls=":", color=THREE, zorder=2)
    colour, marker = _ENDS[pair.verdict]
    axes.plot(repeats, differences, "o", ls="solid", color=colour, markersize=3, zorder=3)
    face = PAPER if pair.verdict in ("undecided", None) else colour
    last = repeats[-1:], differences[-1:]
    axes.plot(*last, marker, color=colour, markerfacecolor=face, markersize=7, mew=1.6, zorder=4)
    most = 1.6 * max(*map(abs, differences), 2 * rope, boundary[-1])
    axes.set_ylim(-most, most)
    axes.set_xlim(looks[0] - 0.5, looks[-1] + 0.5)
    axes.set_xticks(looks)
    axes.set_title(f"{short(pair.model_a, 18)} {MINUS} {short(pair.model_b, 18)}", loc="left", fontsize=9)
    axes.annotate(_ending(pair), (0.98, 0.04), xycoords="axes fraction", ha="right", fontsize=8.5)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _alone(points: Sequence[object]) -> str:
    """The marker of a line: one of a single point is not seen without."""
    return "_" if len(points) == 1 else ""


def _ending(pair: SequentialPair) -> str:
    """How a pair ended: its verdict, or that it is open, and why nothing was decided."""
    if pair.verdict is None:
        return "open"
    return f"undecided, {pair.closed}" if pair.closed in ("given up", "last look") else pair.verdict
