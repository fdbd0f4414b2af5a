"""The figure of a search for recipes: the best of n points of every model."""

from __future__ import annotations

from ecrnn.report import formats
from ecrnn.report.analysis.analyse_tuning import TuningAnalysis
from ecrnn.report.content.tuning_tables import CURVE_CAPTION, IN_ORDER_CAPTION
from ecrnn.report.figure import Figure
from ecrnn.report.render.drawing import new_canvas, short
from ecrnn.report.render.svg import FOUR, INK, MUTED, ONE, STYLE, THREE, TWO, to_svg

_COLOURS = (ONE, TWO, THREE, FOUR, INK, MUTED)
_DASHES = ("solid", (0, (5, 2)), (0, (1, 1.5)), (0, (6, 2, 1, 2)), (0, (3, 1)), (0, (8, 2, 1, 1.5, 1, 2)))
MOST_MODELS = len(_COLOURS)  # in the figure


def draw_tuning(analysis: TuningAnalysis) -> tuple[Figure, ...]:
    """The figure, where any model has been searched."""
    import matplotlib

    if not analysis.searched:
        return ()
    with matplotlib.rc_context(STYLE):
        return (_curves(analysis),)


def _curves(analysis: TuningAnalysis) -> Figure:
    metric, models = analysis.metric, analysis.searched[:MOST_MODELS]
    canvas, axes = new_canvas(3.6)
    for of, colour, dashes in zip(models, _COLOURS, _DASHES, strict=False):
        ns = range(1, len(of.curve) + 1)
        if of.best_of_n:
            low, high = ([metric.scale * end for end in ends] for ends in (of.best_of_n.low, of.best_of_n.high))
            axes.fill_between(ns, low, high, color=colour, alpha=0.12, lw=0)
        axes.plot(ns, [metric.scale * value for value in of.curve], color=colour, ls=dashes, label=short(of.model, 30))
        if of.untuned is not None:
            axes.plot([1], [metric.scale * of.untuned], "o", color=colour, markersize=5, clip_on=False)
    for crossing in analysis.crossings:
        axes.axvline(crossing.n, color=MUTED, lw=0.8, ls=(0, (1, 3)))
    axes.set_xlim(1, analysis.budget)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid()
    axes.set_axisbelow(True)
    axes.set_xlabel("points tried")
    axes.set_ylabel(f"best {metric.title}{', %' if metric.unit == '%' else ''}")
    canvas.legend(loc="outside upper left", ncols=3, frameon=False)
    more = len(analysis.searched) - MOST_MODELS
    rest = f" The first {MOST_MODELS} models; {more} more stand in the tables." if more > 0 else ""
    caption = CURVE_CAPTION if analysis.search == "same" else IN_ORDER_CAPTION
    alt = "; ".join(f"{of.model} up to {formats.with_unit(of.curve[-1], metric)}" for of in models)
    return Figure(
        "best-of-n",
        "Expected best of n points" if analysis.search == "same" else "Best of the first n points",
        f"{caption} The dots at the left are the trainings without a search.{rest}",
        to_svg(canvas, "fig-best-of-n", f"The best of n points: {alt}."),
    )
