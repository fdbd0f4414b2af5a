"""How gradients flow back through recurrent layers, as files with a table and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.gradient_flow import Flow
from ecrnn.report.content.gradient_flow_table import TITLE, gradient_flow_table, init_name
from ecrnn.report.figure import Figure
from ecrnn.report.render.drawing import WIDTH
from ecrnn.report.render.measurement_files import write_measurement
from ecrnn.report.render.svg import FOUR, MUTED, ONE, STYLE, THREE, TWO, to_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FORMAT = 1
_LOOKS = ((ONE, "o"), (TWO, "s"), (THREE, "^"), (FOUR, "D"))  # of the lengths in turn
_LOWEST, _HIGHEST = 1e-12, 1e12  # that is drawn
_POINTS = 128  # of a curve


def write_gradient_flow(flows: Sequence[Flow], out: Path, environment: dict[str, Any]) -> dict[str, Path]:
    """Write gradflow.json (all curves, a line each), gradflow.csv, gradflow.svg and gradflow.md, which shows the two.

    Args:
        flows: one per cell, initialisation and length.
        out: the folder.
        environment: machine and versions, as `ecrnn.core.devices.environment` gives them.

    Returns:
        The path of each file by its name.

    Raises:
        EcrnnError: there is nothing to show, or the disk refuses.
    """
    if not flows:
        raise EcrnnError("nothing was measured")
    head = {"format": FORMAT, "kind": "ecrnn gradflow", "environment": environment}
    table, figure = gradient_flow_table(flows), draw_gradient_flow(flows)
    return write_measurement("gradflow", TITLE, head, "flows", flows, table, figure, out)


def draw_gradient_flow(flows: Sequence[Flow]) -> Figure:
    """A panel for each initialisation (rows) and cell (columns), a line a length, dashed as clipped."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    cells, inits = (list(dict.fromkeys(values)) for values in zip(*((f.cell, f.init) for f in flows), strict=True))
    lengths = sorted({flow.steps for flow in flows})
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH, 0.7 + 1.9 * len(inits)), layout="constrained")
        panels = canvas.subplots(len(inits), len(cells), squeeze=False, sharex="row", sharey=True)
        for row, init in zip(panels, inits, strict=True):
            for axes, cell in zip(row, cells, strict=True):
                _draw(axes, [f for f in flows if (f.cell, f.init) == (cell, init)], lengths)
                axes.set_title(f"{cell.upper()}, {init_name(init)}", loc="left")
        for axes in panels[-1]:
            axes.set_xlabel("distance from the end, steps")
        handles = dict(zip(*reversed(panels[0][0].get_legend_handles_labels()), strict=True))
        names = [f"{length:,} steps" for length in lengths]
        canvas.legend([handles[name] for name in names], names, loc="outside upper left", ncols=5, frameon=False)
        summary = "; ".join(f"{f.cell} {init_name(f.init)}, {f.steps:,} steps: {f.verdict}" for f in flows)
        svg = to_svg(canvas, "fig-gradflow", f"{TITLE}. {summary}.")
    caption = (
        "Gradient of the last state by the input of each step; distance 0 is the step read last. Dotted: 1. Dashed, "
        f"where it differs: after the norm of all weights' gradients is clipped at {flows[0].clip:g}. Clipping lowers "
        "the whole curve and leaves its form, so it stops the explosion and helps nothing against vanishing. What "
        f"leaves the panel is beyond {_LOWEST:g} or {_HIGHEST:g}."
    )
    return Figure("gradflow", TITLE, caption, svg)


def _draw(axes: Axes, flows: Sequence[Flow], lengths: Sequence[int]) -> None:
    for flow in sorted(flows, key=lambda flow: -flow.steps):  # the shortest on top
        colour, marker = _LOOKS[lengths.index(flow.steps) % len(_LOOKS)]
        look: dict[str, Any] = {"color": colour, "marker": marker, "markersize": 4, "markevery": [-1]}
        axes.plot(*_drawn(flow, 1.0), label=f"{flow.steps:,} steps", **look)
        if flow.factor < 0.9:
            axes.plot(*_drawn(flow, flow.factor), ls=(0, (4, 2)), lw=1.2, **look)
    axes.axhline(1, color=MUTED, lw=1, ls=":")
    axes.set_yscale("log")
    axes.set_ylim(_LOWEST, _HIGHEST)
    axes.set_yticks([1e-12, 1e-6, 1, 1e6, 1e12], ["1e-12", "1e-6", "1", "1e6", "1e12"])
    axes.minorticks_off()
    axes.grid()
    axes.set_axisbelow(True)


def _drawn(flow: Flow, factor: float) -> tuple[list[int], list[float]]:
    """Distances, at most `_POINTS` or so, and the curve there, up to where it leaves the panel for good."""
    values = [min(max(value * factor, _LOWEST / 10), _HIGHEST * 10) for value in flow.gradient]
    inside = [n for n, value in enumerate(values) if _LOWEST <= value <= _HIGHEST]
    last = min(max(inside, default=0) + 1, flow.steps - 1)
    chosen = sorted({*range(0, last, max(1, flow.steps // _POINTS)), last})
    return chosen, [values[n] for n in chosen]
