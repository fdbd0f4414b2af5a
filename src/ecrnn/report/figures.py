"""The figures of a report, drawn with matplotlib (imported here, when a figure is wanted) in the page's own
colours.

No colour carries a meaning alone: markers, dashes and words say the same. Each figure has a text that says
what it shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecrnn.report import formats
from ecrnn.report.formats import MINUS
from ecrnn.report.results import Analysis, Curve, ModelRow
from ecrnn.report.svg import GRID, INK, MUTED, ONE, PAPER, STYLE, THREE, TWO, to_svg
from ecrnn.stats import Pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

WIDTH = 8.4  # inches; 605 pt, 806 px
MOST_PAIRS = 24
_DASHES = (0, (4, 2))
_VERDICTS = {  # colour, marker, filled
    "better": (ONE, "o", True),
    "worse": (TWO, "s", True),
    "equivalent": (THREE, "D", True),
    "undecided": (INK, "o", False),
    None: (MUTED, "o", False),
}


@dataclass(frozen=True)
class Figure:
    """``svg`` is an element to stand in a page, safe as it is; ``caption`` is text."""

    key: str
    title: str
    caption: str
    svg: str


def draw_figures(analysis: Analysis) -> tuple[Figure, ...]:
    """All figures for which there is something to show, in the order of a report."""
    import matplotlib

    drawn = []
    with matplotlib.rc_context(STYLE):
        for draw in (_accuracies, _differences, _accuracy_curves, _loss_curves, _accuracy_and_cost):
            figure = draw(analysis)
            if figure is not None:
                drawn.append(figure)
    return tuple(drawn)


def _canvas(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Canvas, Any]:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
    return canvas, canvas.subplots(rows, columns, **options)


def _rows_axis(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _short(name: str, most: int = 44) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}\N{HORIZONTAL ELLIPSIS}"


def _accuracies(analysis: Analysis) -> Figure:
    rows = analysis.models
    canvas, axes = _canvas(0.75 + 0.36 * len(rows))
    for y, row in enumerate(rows):
        mean = 100 * row.summary.mean
        if row.summary.low is not None and row.summary.high is not None:
            axes.plot([100 * row.summary.low, 100 * row.summary.high], [y, y], color=ONE, zorder=2)
        if len(row.scores) > 1:
            offsets = [0.22 + 0.05 * (i % 3 - 1) for i in range(len(row.scores))]
            xs = [100 * score for score in row.scores]
            axes.plot(xs, [y + o for o in offsets], "o", color=MUTED, markersize=3, alpha=0.75, mew=0, zorder=1)
        axes.plot([mean], [y], "o", color=ONE, markersize=7, markeredgecolor=PAPER, zorder=3)
        axes.annotate(
            formats.percent(row.summary.mean),
            (mean, y),
            (0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
        )
    _rows_axis(axes, [row.model for row in rows])
    axes.set_xlabel(f"accuracy on the {analysis.pictures} pictures, %")
    level = 100 * rows[0].summary.level
    said = "; ".join(_accuracy_said(row) for row in rows)
    return Figure(
        "accuracies",
        "Accuracy of each model",
        f"Mean over the repeats (large dot), corrected {level:g} % interval (line) and the single repeats "
        "(small dots). "
        "Overlapping intervals do not mean that two models are equal: the repeats are paired, see the "
        "differences.",
        to_svg(canvas, "fig-accuracies", f"Accuracy of each model. {said}."),
    )


def _accuracy_said(row: ModelRow) -> str:
    ends = formats.interval(row.summary.low, row.summary.high)
    return f"{row.model}: {formats.percent(row.summary.mean)} %, interval {ends}"


def _differences(analysis: Analysis) -> Figure | None:
    comparison = analysis.comparison
    pairs = [pair for pair in comparison.pairs if _ends(pair) is not None]
    if not pairs:
        return None
    part = ""
    if len(pairs) > MOST_PAIRS:
        best = analysis.best.model
        pairs = [pair for pair in pairs if best in (pair.model_a, pair.model_b)][:MOST_PAIRS]
        part = f" Only the pairs with {best}, which has the highest mean; the table has all."
    canvas, axes = _canvas(0.85 + 0.34 * len(pairs))
    rope = 100 * comparison.rope
    axes.axvspan(-rope, rope, color=GRID, alpha=0.65, lw=0, zorder=0)
    axes.axvline(0, color=MUTED, lw=1, zorder=1)
    for y, pair in enumerate(pairs):
        low, high = _ends(pair) or (0.0, 0.0)
        colour, marker, filled = _VERDICTS[pair.verdict]
        axes.plot([100 * low, 100 * high], [y, y], color=colour, zorder=2)
        face = colour if filled else PAPER
        difference = 100 * (pair.difference or 0.0)
        axes.plot([difference], [y], marker, color=colour, markerfacecolor=face, markersize=7, mew=1.6, zorder=3)
        axes.annotate(
            f"{formats.points(pair.difference)}  {pair.verdict or 'no verdict'}",
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            annotation_clip=False,
        )
    _rows_axis(axes, [f"{_short(pair.model_a, 24)} {MINUS} {_short(pair.model_b, 24)}" for pair in pairs])
    axes.set_xlabel(f"difference A {MINUS} B, points of accuracy")
    level = f"{100 * (1 - comparison.alpha):g} %"
    how = "bootstrap over the pictures" if pairs[0].test is None else "corrected resampled t"
    said = "; ".join(
        f"{pair.model_a} minus {pair.model_b}: {formats.points(pair.difference)} points, {pair.verdict or 'no verdict'}"
        for pair in pairs
    )
    return Figure(
        "differences",
        "Differences between models",
        f"Mean difference and its {level} interval ({how}), with the verdict on A. The shaded band is the "
        "region of "
        f"practical equivalence, \N{PLUS-MINUS SIGN}{rope:g} points.{part}",
        to_svg(canvas, "fig-differences", f"Differences between models. {said}."),
    )


def _ends(pair: Pair) -> tuple[float, float] | None:
    if pair.test is not None:
        return pair.test.low, pair.test.high
    return None if pair.image_interval is None else (pair.image_interval.low, pair.image_interval.high)


def _accuracy_curves(analysis: Analysis) -> Figure | None:
    return _curves(analysis, "accuracy", "accuracy, %", 100.0)


def _loss_curves(analysis: Analysis) -> Figure | None:
    return _curves(analysis, "loss", "cross-entropy", 1.0)


def _curves(analysis: Analysis, quantity: str, label: str, scale: float) -> Figure | None:
    curves = {(curve.model, str(curve.quantity)): curve for curve in analysis.curves}
    names = [row.model for row in analysis.models if (row.model, f"validation_{quantity}") in curves]
    if not names:
        return None
    columns = min(3, len(names)) if len(names) != 4 else 2
    rows = math.ceil(len(names) / columns)
    canvas, grid = _canvas(0.8 + 1.8 * rows, rows, columns, sharex=True, sharey=True, squeeze=False)
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
        _band(axes, held_out[i], scale, ONE, "solid")
        axes.set_title(_short(names[i], 30), loc="left")
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        if i + columns >= len(names):
            axes.set_xlabel("epoch")
            axes.tick_params(labelbottom=True)
        axes.xaxis.get_major_locator().set_params(integer=True)
    for axes in grid[:, 0]:
        axes.set_ylabel(label)
    _legend(canvas, analysis)
    said = "; ".join(f"{curve.model} ends at {_figure(curve, scale)}" for curve in held_out)
    return Figure(
        f"{quantity}-curves",
        f"{'Accuracy' if quantity == 'accuracy' else 'Loss'} while training",
        f"Mean over the repeats after each epoch: {analysis.pictures} pictures (solid) and training "
        "pictures (dashed), "
        "the band from the lowest to the highest repeat. Thin lines: the other models' means.",
        to_svg(
            canvas,
            f"fig-{quantity}-curves",
            f"Mean {quantity} on the {analysis.pictures} pictures by epoch. {said}.",
        ),
    )


def _legend(canvas: Canvas, analysis: Analysis) -> None:
    from matplotlib.lines import Line2D

    lines = [
        Line2D([], [], color=ONE, label=f"{analysis.pictures} pictures"),
        Line2D([], [], color=TWO, ls=_DASHES, label="training pictures"),
    ]
    if len(analysis.models) > 1:
        lines.append(Line2D([], [], color=MUTED, alpha=0.45, lw=1, label=f"other models, {analysis.pictures}"))
    canvas.legend(handles=lines, loc="outside upper left", ncols=3, frameon=False)


def _band(axes: Axes, curve: Curve, scale: float, colour: str, dashes: Any) -> None:
    low, high = [scale * v for v in curve.low], [scale * v for v in curve.high]
    axes.fill_between(curve.epochs, low, high, color=colour, alpha=0.18, lw=0, zorder=2)
    marker = "o" if len(curve.epochs) == 1 else ""
    axes.plot(curve.epochs, [scale * v for v in curve.mean], marker=marker, ls=dashes, color=colour, zorder=3)


def _figure(curve: Curve, scale: float) -> str:
    return f"{scale * curve.mean[-1]:.2f}{' %' if scale > 1 else ''} after epoch {curve.epochs[-1]}"


def _accuracy_and_cost(analysis: Analysis) -> Figure | None:
    measures: list[tuple[str, Callable[[ModelRow], float | None]]] = [
        ("parameters", lambda row: row.parameters),
        ("training time a trial, seconds", lambda row: row.seconds),
    ]
    rows = [row for row in analysis.models if all((of(row) or 0) > 0 for _, of in measures)]
    if len(rows) < 2:
        return None
    height = max(2.6, 0.5 + 0.2 * len(rows))
    canvas, panels = _canvas(height, 1, 2, sharey=True)
    for axes, (label, of) in zip(panels, measures, strict=True):
        xs = [float(of(row) or 0) for row in rows]
        if max(xs) > 10 * min(xs):
            axes.set_xscale("log")
        axes.plot(xs, [100 * row.summary.mean for row in rows], "o", color=ONE, markersize=6)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}" if x >= 10 else f"{x:g}")
        if not max(xs) > 10 * min(xs):
            axes.xaxis.set_major_locator(_few())
            axes.margins(x=0.12)
        axes.set_xlabel(label)
        axes.grid()
        axes.set_axisbelow(True)
    panels[0].set_ylabel("mean accuracy, %")
    _name_points(panels[1], rows, height)
    said = "; ".join(
        f"{row.model}: {formats.percent(row.summary.mean)} % with {formats.count(row.parameters)} "
        "parameters in "
        f"{formats.duration(row.seconds)}"
        for row in rows
    )
    return Figure(
        "cost",
        "Accuracy and cost",
        "Mean accuracy against size and training time; each point is a model, named at the right.",
        to_svg(canvas, "fig-cost", f"Accuracy and cost. {said}."),
    )


def _few() -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])


def _name_points(axes: Axes, rows: Sequence[ModelRow], height: float) -> None:
    """Names in a column at the right, kept apart, each with a thin line to its point."""
    ordered = sorted(rows, key=lambda row: row.summary.mean)
    low, high = axes.get_ylim()
    apart = 0.17 / max(2.0, height - 0.7)  # of the height, for one line of text
    places: list[float] = []
    for row in ordered:
        wanted = (100 * row.summary.mean - low) / (high - low)
        places.append(max(wanted, places[-1] + apart) if places else wanted)
    over = max(0.0, places[-1] - 1.0)
    for row, place in zip(ordered, places, strict=True):
        axes.annotate(
            _short(row.model, 24),
            (row.seconds or 0.0, 100 * row.summary.mean),
            (1.06, place - over),
            textcoords="axes fraction",
            va="center",
            fontsize=8.5,
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.6, "shrinkA": 1, "shrinkB": 4},
            annotation_clip=False,
        )
