"""The figures of a report across data sets, in the page's own colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecrnn.report import formats
from ecrnn.report.analysis.analyse_across import AcrossAnalysis
from ecrnn.report.figure import Figure
from ecrnn.report.formats import MINUS
from ecrnn.report.render.drawing import name_rows, new_canvas, short
from ecrnn.report.render.shared_figures import VERDICT_COLOURS, Chance, chances_svg, left_out, profiles_svg
from ecrnn.report.render.simplex_figure import draw_simplex
from ecrnn.report.render.svg import GRID, INK, MUTED, ONE, STYLE, to_svg
from ecrnn.stats import AcrossPair, MeanRanks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PAIRS = 12  # with a forest of their own


def draw_across(analysis: AcrossAnalysis) -> tuple[Figure, ...]:
    """All figures for which there is something to show, in the order of the report."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        pairs = [pair for pair in analysis.across.pairs if pair.effects][:MOST_PAIRS]
        drawn = [_forest(analysis, pair, number) for number, pair in enumerate(pairs, 1)]
        drawn += [_improvement(analysis)] if pairs else []
        drawn += [simplex] if (simplex := draw_simplex(analysis)) else []
        drawn += [_ranks(analysis.across.ranks)] if analysis.across.ranks else []
        drawn += [_profiles(analysis)] if len(analysis.profiles) > 1 else []
    return tuple(drawn)


def _forest(analysis: AcrossAnalysis, pair: AcrossPair, number: int) -> Figure:
    metric, effects = analysis.metric, pair.effects
    assert effects is not None
    rows = len(pair.data_sets)
    canvas, axes = new_canvas(1.0 + 0.32 * (rows + 2))
    rope = metric.scale * analysis.across.rope
    axes.axvspan(-rope, rope, color=GRID, alpha=0.65, lw=0, zorder=0)
    axes.axvline(0, color=MUTED, lw=1, zorder=1)
    for y, one in enumerate(pair.data_sets):
        if one.low is not None and one.high is not None:
            axes.plot([metric.scale * one.low, metric.scale * one.high], [y, y], color=MUTED, lw=1.4, zorder=2)
        axes.plot([metric.scale * one.difference], [y], "s", color=INK, markersize=5, zorder=3)
        _beside(axes, formats.difference(one.difference, metric), y)
    colour = VERDICT_COLOURS[pair.verdict]
    low, mean, high = (metric.scale * value for value in (effects.low, effects.mean, effects.high))
    axes.fill([low, mean, high, mean], [rows, rows - 0.26, rows, rows + 0.26], color=colour, lw=0, zorder=3)
    _beside(axes, f"{formats.difference(effects.mean, metric)}  {pair.verdict or 'no verdict'}", rows)
    new = [metric.scale * effects.new_low, metric.scale * effects.new_high]
    axes.plot(new, [rows + 1, rows + 1], "|-", color=colour, lw=3, markersize=9, alpha=0.8, zorder=3)
    axes.axhline(rows - 0.5, color=MUTED, lw=0.8)
    name_rows(axes, [*(short(one.data_set, 28) for one in pair.data_sets), "mean over data sets", "a new data set"])
    shown = [metric.scale * one.difference for one in pair.data_sets]
    ends = [metric.scale * end for one in pair.data_sets for end in (one.low, one.high) if end is not None]
    _limits(axes, [*shown, *new, low, high, -rope, rope], ends)
    a, b = short(pair.model_a, 24), short(pair.model_b, 24)
    better = "" if metric.higher_is_better else " (lower is better)"
    what = metric.title if metric.points in metric.title else f"{metric.points} of {metric.title}"
    axes.set_xlabel(f"{a} {MINUS} {b}, {what}{better}")
    level = formats.level(effects.level)
    return Figure(
        f"forest-{number}",
        f"{pair.model_a} against {pair.model_b} on each data set",
        f"Squares: mean difference on a data set, with its own {level} interval (cut where it leaves the figure). "
        f"Diamond: the mean over data sets and its interval. Bar: what one new data set would show ({level} prediction "
        "interval). The shaded band is the region of practical equivalence, "
        f"\N{PLUS-MINUS SIGN}{rope:g} {metric.points}.",
        to_svg(canvas, f"fig-forest-{number}", pair.sentence),
    )


def _limits(axes: Axes, inside: Sequence[float], ends: Sequence[float]) -> None:
    """All of ``inside``, and of the intervals so much as leaves the rest readable."""
    low, high = min(inside), max(inside)
    room = max(high - low, 1e-9)
    low, high = max(min([low, *ends]), low - room), min(max([high, *ends]), high + room)
    axes.set_xlim(low - 0.04 * (high - low), high + 0.04 * (high - low))


def _beside(axes: Axes, words: str, y: float) -> None:
    axes.annotate(words, (1.02, y), xycoords=("axes fraction", "data"), va="center", annotation_clip=False)


def _improvement(analysis: AcrossAnalysis) -> Figure:
    chances = [
        Chance(pair.model_a, pair.model_b, pair.improvement, pair.verdict)
        for pair in analysis.across.pairs
        if pair.improvement
    ]
    return Figure(
        "improvement",
        "How often one model beats another",
        "Probability that A beats B in a repeat, averaged over the data sets, with Clopper and Pearson's interval over "
        "data sets. It counts wins and not their sizes; the verdicts are the mean's.",
        chances_svg(chances[: 2 * MOST_PAIRS], "probability in a repeat, averaged over the data sets"),
    )


def _ranks(ranks: MeanRanks) -> Figure:
    """The critical-difference diagram: models at their mean ranks, bars over those that are not told apart."""
    k = len(ranks.models)
    half = (k + 1) // 2
    bars = len(ranks.cliques)
    canvas, axes = new_canvas(0.9 + 0.16 * bars + 0.26 * half)
    axes.set_xlim(0.6, k + 0.4)
    top = 0.5 + 0.55 * bars
    axes.set_ylim(top + half + 0.3, -1.2)
    axes.axis("off")
    axes.plot([1, k], [0, 0], color=INK, lw=1.2)
    for tick in range(1, k + 1):
        axes.plot([tick, tick], [0, -0.25], color=INK, lw=1.2)
        axes.annotate(str(tick), (tick, -0.4), ha="center", va="bottom", color=MUTED)
    for level, clique in enumerate(ranks.cliques):
        ends = [ranks.ranks[ranks.models.index(model)] for model in (clique[0], clique[-1])]
        y = 0.5 + 0.55 * level
        axes.plot([ends[0] - 0.03, ends[1] + 0.03], [y, y], color=ONE, lw=4, solid_capstyle="butt", zorder=3)
    for i, (model, rank) in enumerate(zip(ranks.models, ranks.ranks, strict=True)):
        left = i < half
        y = top + (i if left else k - 1 - i) + 0.4
        side = 0.95 if left else k + 0.05
        axes.plot([rank, rank, side], [0, y, y], color=MUTED, lw=1)
        name = f"{short(model, 26)}  {rank:.2f}" if left else f"{rank:.2f}  {short(model, 26)}"
        axes.annotate(
            name,
            (side, y),
            (-4 if left else 4, 0),
            textcoords="offset points",
            va="center",
            ha="right" if left else "left",
            annotation_clip=False,
        )
    summary = "; ".join(f"{model}: {rank:.2f}" for model, rank in zip(ranks.models, ranks.ranks, strict=True))
    together = "; ".join(formats.listed(clique, 20) for clique in ranks.cliques)
    return Figure(
        "ranks",
        "Mean ranks",
        f"Mean rank over {ranks.n} data sets, 1 is the best. Bars join neighbours of whom no two are told apart by "
        f"Wilcoxon's exact signed-rank test, p adjusted by Holm over all pairs, level {ranks.alpha:g}.",
        to_svg(canvas, "fig-ranks", f"Mean ranks. {summary}. Not told apart: {together or 'none'}."),
    )


def _profiles(analysis: AcrossAnalysis) -> Figure:
    metric = analysis.metric
    least = "at least" if metric.higher_is_better else "at most"
    return Figure(
        "profiles",
        "Score profiles",
        f"Share of the results, over data sets and repeats, that are {least} a score; data sets weigh alike. "
        f"The band is a bootstrap over data sets, of each score by itself.{left_out(analysis.profiles)}",
        profiles_svg([(one.model, one.profile) for one in analysis.profiles], metric, "results", steps=False),
    )
