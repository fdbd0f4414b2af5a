"""The figures of a report, drawn with matplotlib (imported here, when a figure is wanted) in the page's own
colours.

No colour carries a meaning alone: markers, dashes and words say the same. Each figure has a text that says
what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis, Curve, ModelRow
from ecrnn.report.figure import Figure
from ecrnn.report.formats import MINUS
from ecrnn.report.render.drawing import name_rows, new_canvas, short
from ecrnn.report.render.look_figure import draw_looks
from ecrnn.report.render.pair_figures import draw_chances, draw_effects, draw_profiles
from ecrnn.report.render.svg import GRID, INK, MUTED, ONE, PAPER, STYLE, THREE, TWO, to_svg
from ecrnn.stats import Metric, Pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

MOST_PAIRS = 24
MOST_LINES = 24  # trainings of a model that are drawn one by one
_DASHES = (0, (4, 2))
_VERDICTS = {  # colour, marker, filled
    "better": (ONE, "o", True),
    "worse": (TWO, "s", True),
    "equivalent": (THREE, "D", True),
    "undecided": (INK, "o", False),
    None: (MUTED, "o", False),
}


def draw_figures(analysis: Analysis) -> tuple[Figure, ...]:
    """All figures for which there is something to show, in the order of a report."""
    import matplotlib

    drawn = []
    with matplotlib.rc_context(STYLE):
        if analysis.supplement is not None:
            drawn.append(analysis.supplement.draw())
        beside = (draw_profiles, _differences, draw_chances, draw_effects)
        for draw in (_scores, _contrasts, *beside, draw_looks, _score_curves, _loss_curves, _score_and_cost):
            figure = draw(analysis)
            if figure is not None:
                drawn.append(figure)
    return tuple(drawn)


def _axis(metric: Metric, where: str = "") -> str:
    """What a value is, for an axis, with its unit where the title does not say it."""
    return f"{metric.title}{where}{', %' if metric.unit == '%' else ''}"


def _scores(analysis: Analysis) -> Figure:
    rows, metric = analysis.models, analysis.metric
    scale, title = metric.scale, formats.capital(metric.title)
    canvas, axes = new_canvas(0.75 + 0.36 * len(rows))
    for y, row in enumerate(rows):
        mean = scale * row.summary.mean
        if row.summary.low is not None and row.summary.high is not None:
            axes.plot([scale * row.summary.low, scale * row.summary.high], [y, y], color=ONE, zorder=2)
        if len(row.scores) > 1:
            offsets = [0.22 + 0.05 * (i % 3 - 1) for i in range(len(row.scores))]
            xs = [scale * score for score in row.scores]
            axes.plot(xs, [y + o for o in offsets], "o", color=MUTED, markersize=3, alpha=0.75, mew=0, zorder=1)
        axes.plot([mean], [y], "o", color=ONE, markersize=7, markeredgecolor=PAPER, zorder=3)
        axes.annotate(
            formats.value(row.summary.mean, metric),
            (mean, y),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    name_rows(axes, [row.model for row in rows])
    axes.set_xlabel(_axis(metric, f" on the {analysis.scored}"))
    level = 100 * rows[0].summary.level
    corrected = "" if analysis.fixed_test else "corrected "
    summary = "; ".join(_summary(row, metric) for row in rows)
    return Figure(
        "scores",
        f"{title} of each model",
        f"Mean over the repeats (large dot), {corrected}{level:g} % interval (line) and the single repeats "
        "(small dots). "
        "Overlapping intervals do not mean that two models are equal: the repeats are paired, see the "
        "differences.",
        to_svg(canvas, "fig-scores", f"{title} of each model. {summary}."),
    )


def _summary(row: ModelRow, metric: Metric) -> str:
    ends = formats.interval(row.summary.low, row.summary.high, metric)
    return f"{row.model}: {formats.with_unit(row.summary.mean, metric)}, interval {ends}"


def _differences(analysis: Analysis) -> Figure | None:
    comparison, metric = analysis.comparison, analysis.metric
    pairs = [pair for pair in comparison.pairs if _ends(pair) is not None]
    if not pairs:
        return None
    part = ""
    if len(pairs) > MOST_PAIRS:
        best = analysis.best.model
        pairs = [pair for pair in pairs if best in (pair.model_a, pair.model_b)][:MOST_PAIRS]
        top = "highest" if metric.higher_is_better else "lowest"
        part = f" Only the pairs with {best}, which has the {top} mean; the table has all."
    canvas, _ = _intervals(
        [(f"{short(pair.model_a, 24)} {MINUS} {short(pair.model_b, 24)}", pair) for pair in pairs], analysis
    )
    rope = metric.scale * comparison.rope
    level = f"{100 * (1 - comparison.alpha):g} %"
    how = f"bootstrap over the {analysis.examples}" if pairs[0].test is None else analysis.test_name
    if analysis.sequential:
        how = "repeated, of the look at which the pair was closed"
    summary = "; ".join(
        f"{pair.model_a} minus {pair.model_b}: {formats.difference(pair.difference, metric)} {metric.points}, "
        f"{pair.verdict or 'no verdict'}"
        for pair in pairs
    )
    return Figure(
        "differences",
        "Differences between models",
        f"Mean difference and its {level} interval ({how}), with the verdict on A. The shaded band is the "
        "region of "
        f"practical equivalence, \N{PLUS-MINUS SIGN}{rope:g} {metric.points}.{part}",
        to_svg(canvas, "fig-differences", f"Differences between models. {summary}."),
    )


def _contrasts(analysis: Analysis) -> Figure | None:
    """Questions about groups of models, drawn as pairs are."""
    metric, found = analysis.metric, [one for one in analysis.comparison.contrasts if _ends(one.pair) is not None]
    if not found:
        return None
    canvas, _ = _intervals([(short(one.name, 40), one.pair) for one in found], analysis)
    summary = "; ".join(
        f"{one.name}: {formats.difference(one.pair.difference, metric)} {metric.points}, "
        f"{one.pair.verdict or 'no verdict'}"
        for one in found
    )
    level = f"{100 * (1 - analysis.comparison.alpha):g} %"
    return Figure(
        "contrasts",
        "Groups of models",
        f"Mean over the models of A minus the mean over those of B, and its {level} interval ({analysis.test_name}), "
        "with the verdict on A. The shaded band is the region of practical equivalence.",
        to_svg(canvas, "fig-contrasts", f"Groups of models. {summary}."),
    )


def _intervals(rows: Sequence[tuple[str, Pair]], analysis: Analysis) -> tuple[Canvas, Axes]:
    """A row a name: difference and interval, with the verdict beside them."""
    metric = analysis.metric
    canvas, axes = new_canvas(0.85 + 0.34 * len(rows))
    rope = metric.scale * analysis.comparison.rope
    axes.axvspan(-rope, rope, color=GRID, alpha=0.65, lw=0, zorder=0)
    axes.axvline(0, color=MUTED, lw=1, zorder=1)
    for y, (_, pair) in enumerate(rows):
        low, high = _ends(pair) or (0.0, 0.0)
        colour, marker, filled = _VERDICTS[pair.verdict]
        axes.plot([metric.scale * low, metric.scale * high], [y, y], color=colour, zorder=2)
        face = colour if filled else PAPER
        difference = metric.scale * (pair.difference or 0.0)
        axes.plot([difference], [y], marker, color=colour, markerfacecolor=face, markersize=7, mew=1.6, zorder=3)
        axes.annotate(
            f"{formats.difference(pair.difference, metric)}  {pair.verdict or 'no verdict'}",
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            annotation_clip=False,
        )
    name_rows(axes, [name for name, _ in rows])
    what = metric.title if metric.points in metric.title else f"{metric.points} of {metric.title}"
    axes.set_xlabel(f"difference A {MINUS} B, {what}{'' if metric.higher_is_better else ' (lower is better)'}")
    return canvas, axes


def _ends(pair: Pair) -> tuple[float, float] | None:
    if pair.test is not None:
        return pair.test.low, pair.test.high
    return None if pair.image_interval is None else (pair.image_interval.low, pair.image_interval.high)


def _score_curves(analysis: Analysis) -> Figure | None:
    metric = analysis.metric_of_epochs
    return _curves(analysis, metric.name, metric.title, _axis(metric), metric) if metric else None


def _loss_curves(analysis: Analysis) -> Figure | None:
    return _curves(analysis, "loss", "loss", "cross-entropy" if analysis.classes else "loss", None)


def _curves(analysis: Analysis, quantity: str, title: str, label: str, metric: Metric | None) -> Figure | None:
    """``metric`` says how values are shown; losses have none."""
    curves = {(curve.model, str(curve.quantity)): curve for curve in analysis.curves}
    names = [row.model for row in analysis.models if (row.model, f"validation_{quantity}") in curves]
    if not names:
        return None
    scale = metric.scale if metric else 1.0
    columns = min(3, len(names)) if len(names) != 4 else 2
    rows = math.ceil(len(names) / columns)
    canvas, grid = new_canvas(0.8 + 1.8 * rows, rows, columns, sharex=True, sharey=True, squeeze=False)
    held_out = [curves[name, f"validation_{quantity}"] for name in names]
    for i, axes in enumerate(grid.flat):
        if i >= len(names):
            axes.set_visible(False)
            continue
        for other in held_out:
            axes.plot(other.epochs, [scale * v for v in other.mean], color=MUTED, alpha=0.45, lw=1, zorder=1)
        training = curves.get((names[i], f"train_{quantity}"))
        if training is not None:
            _band(axes, training, scale, TWO, _DASHES)
        _band(axes, held_out[i], scale, ONE, "solid", lines=True)
        axes.set_title(short(names[i], 30), loc="left")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        if i + columns >= len(names):
            axes.set_xlabel("epoch")
            axes.tick_params(labelbottom=True)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in grid[:, 0]:
        axes.set_ylabel(label)
    trained = any(curve.quantity == f"train_{quantity}" for curve in analysis.curves)
    _legend(canvas, analysis, trained)
    of = f"{analysis.scored} (solid)"
    of += f" and training {analysis.examples} (dashed)" if trained else ""
    summary = "; ".join(f"{curve.model} ends at {_last(curve, metric)}" for curve in held_out)
    return Figure(
        f"{quantity}-curves",
        f"{formats.capital(title)} while training",
        f"Mean over the trainings after each epoch: {of}. {_thin(held_out, trained)} In grey the other models' means.",
        to_svg(canvas, f"fig-{quantity}-curves", f"Mean {title} on the {analysis.scored} by epoch. {summary}."),
    )


def _thin(curves: Sequence[Curve], trained: bool) -> str:
    """What is said of single trainings beside their mean."""
    if all(1 < len(curve.trials) <= MOST_LINES for curve in curves):
        band = " the band of the training curve goes from its lowest to its highest." if trained else ""
        return f"Thin lines: every training{';' + band if band else '.'}"
    return "The band goes from the lowest to the highest training."


def _legend(canvas: Canvas, analysis: Analysis, trained: bool) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=ONE, label=analysis.scored)]
    if trained:
        lines.append(Line2D([], [], color=TWO, ls=_DASHES, label=f"training {analysis.examples}"))
    if len(analysis.models) > 1:
        lines.append(Line2D([], [], color=MUTED, alpha=0.45, lw=1, label=f"other models, {analysis.part}"))
    canvas.legend(handles=lines, loc="outside upper left", ncols=3, frameon=False)


def _band(axes: Axes, curve: Curve, scale: float, colour: str, dashes: Any, *, lines: bool = False) -> None:
    """The mean, with a thin line for each training, or a band from the lowest to the highest."""
    if lines and 1 < len(curve.trials) <= MOST_LINES:
        for trial in curve.trials:
            values = [math.nan if v is None else scale * v for v in trial]
            axes.plot(curve.epochs, values, color=colour, alpha=0.45, lw=0.6, zorder=2)
    else:
        low, high = [scale * v for v in curve.low], [scale * v for v in curve.high]
        axes.fill_between(curve.epochs, low, high, color=colour, alpha=0.18, lw=0, zorder=2)
    marker = "o" if len(curve.epochs) == 1 else ""
    axes.plot(curve.epochs, [scale * v for v in curve.mean], marker=marker, ls=dashes, color=colour, zorder=3)


def _last(curve: Curve, metric: Metric | None) -> str:
    value = formats.with_unit(curve.mean[-1], metric) if metric else f"{curve.mean[-1]:.2f}"
    return f"{value} after epoch {curve.epochs[-1]}"


def _score_and_cost(analysis: Analysis) -> Figure | None:
    metric, title = analysis.metric, formats.capital(analysis.metric.title)
    measures: list[tuple[str, Callable[[ModelRow], float | None]]] = [
        ("parameters", lambda row: row.parameters),
        ("training time a trial, seconds", lambda row: row.seconds),
    ]
    rows = [row for row in analysis.models if all((of(row) or 0) > 0 for _, of in measures)]
    if len(rows) < 2:
        return None
    height = max(2.6, 0.5 + 0.2 * len(rows))
    canvas, panels = new_canvas(height, 1, 2, sharey=True)
    for axes, (label, of) in zip(panels, measures, strict=True):
        xs = [float(of(row) or 0) for row in rows]
        if max(xs) > 10 * min(xs):
            axes.set_xscale("log")
        axes.plot(xs, [metric.scale * row.summary.mean for row in rows], "o", color=ONE, markersize=6)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 10 else f"{x:g}")
        if not max(xs) > 10 * min(xs):
            axes.xaxis.set_major_locator(_few())
            axes.margins(x=0.12)
        axes.set_xlabel(label)
        axes.grid()
        axes.set_axisbelow(True)
    panels[0].set_ylabel(f"mean {_axis(metric)}")
    _name_points(panels[1], rows, height, metric.scale)
    summary = "; ".join(
        f"{row.model}: {formats.with_unit(row.summary.mean, metric)} with {formats.count(row.parameters)} "
        "parameters in "
        f"{formats.duration(row.seconds)}"
        for row in rows
    )
    return Figure(
        "cost",
        f"{title} and cost",
        f"Mean {metric.title} against size and training time; each point is a model, named at the right.",
        to_svg(canvas, "fig-cost", f"{title} and cost. {summary}."),
    )


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])


def _name_points(axes: Axes, rows: Sequence[ModelRow], height: float, scale: float) -> None:
    """Names in a column at the right, kept apart, each with a thin line to its point."""
    ordered = sorted(rows, key=lambda row: row.summary.mean)
    low, high = axes.get_ylim()
    apart = 0.17 / max(2.0, height - 0.7)  # of the height, for one line of text
    places: list[float] = []
    for row in ordered:
        wanted = (scale * row.summary.mean - low) / (high - low)
        places.append(max(wanted, places[-1] + apart) if places else wanted)
    over = max(0.0, places[-1] - 1.0)
    for row, place in zip(ordered, places, strict=True):
        axes.annotate(
            short(row.model, 24),
            (row.seconds or 0.0, scale * row.summary.mean),
            (1.06, place - over),
            textcoords="axes fraction",
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 1, "shrinkB": 4},
            annotation_clip=False,
        )
