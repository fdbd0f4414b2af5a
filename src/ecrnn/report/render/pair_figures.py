"""Figures beside the differences of a report: how often a model wins, by how much, and which scores it reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.content.effects_table import Effect, effects, removed
from ecrnn.report.figure import Figure
from ecrnn.report.formats import MINUS
from ecrnn.report.render.drawing import name_rows, new_canvas, short
from ecrnn.report.render.shared_figures import MOST_PROFILES, VERDICT_COLOURS, Chance, chances_svg, profiles_svg
from ecrnn.report.render.svg import MUTED, PAPER, to_svg
from ecrnn.stats import Metric, Profile, clopper_pearson
from ecrnn.stats.verdicts import MIN_REPEATS

MOST_PAIRS = 24
_FEWEST_SCORES = 5  # of a model, for a profile to show more than the dots of its scores do
_FEW_BANDS = 2  # models; the bands of more cover each other


def draw_chances(analysis: Analysis) -> Figure | None:
    """P(A beats B) of each pair; None where no pair has the repeats for a verdict."""
    pairs = [
        Chance(pair.model_a, pair.model_b, pair.probability, pair.verdict)
        for pair in analysis.comparison.pairs
        if pair.probability is not None and len(pair.repeats) >= MIN_REPEATS
    ]
    if not pairs:
        return None
    return Figure(
        "improvement",
        "How often one model beats another",
        "Share of the repeats in which A scores better than B, ties counted half, with Clopper and Pearson's interval, "
        "which takes the repeats as independent. It counts wins and not their sizes; the verdicts are the mean's."
        + _first(len(pairs)),
        chances_svg(pairs[:MOST_PAIRS], "probability that A beats B in a repeat"),
    )


def _first(pairs: int) -> str:
    return f" The first {MOST_PAIRS} pairs of {pairs}; the table has all." if pairs > MOST_PAIRS else ""


def draw_effects(analysis: Analysis) -> Figure | None:
    """The size of each difference, in standard deviations and as a share of what B leaves; None without a test."""
    found, metric = effects(analysis), analysis.metric
    if not found:
        return None
    shown = found[:MOST_PAIRS]
    relative = [one for one in shown if one.removed is not None]
    panels = 2 if relative else 1
    canvas, grid = new_canvas(0.9 + 0.32 * len(shown), 1, panels, sharey=True, squeeze=False)
    _dots(grid[0][0], shown, [(one.low, one.size, one.high) for one in shown])
    grid[0][0].set_xlabel("standard deviations between repeats")
    if relative:
        ends = [(one.removed_low, one.removed, one.removed_high) for one in shown]
        _dots(grid[0][1], shown, [tuple(100 * (end or 0.0) for end in three) for three in ends])
        grid[0][1].set_xlabel(f"{removed(metric)}, %")
    name_rows(grid[0][0], [f"{short(one.model_a, 24)} {MINUS} {short(one.model_b, 24)}" for one in shown])
    if relative:
        grid[0][1].tick_params(axis="y", length=0)
        grid[0][1].spines["left"].set_visible(False)
        grid[0][1].grid(axis="x")
        grid[0][1].set_axisbelow(True)
    level = f"{100 * (1 - analysis.comparison.alpha):g} %"
    sizes = "; ".join(f"{one.model_a} minus {one.model_b}: {formats.number(one.size)}" for one in shown)
    share = f" Right: the {removed(metric)}, in percent." if relative else ""
    return Figure(
        "effects",
        "How large the differences are",
        f"{'Left: t' if relative else 'T'}he gain of A over B, divided by its standard deviation between repeats: 1 "
        f"is as much as one repeat differs from another.{share} Right of 0 A is better. Lines are the {level} "
        f"intervals of the difference on these scales, the divisor taken as known.{_first(len(found))}",
        to_svg(canvas, "fig-effects", f"Gains in standard deviations. {sizes}."),
    )


def _dots(axes: object, effects: Sequence[Effect], ends: Sequence[tuple[float, ...]]) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axes, Axes)
    axes.axvline(0, color=MUTED, lw=1, zorder=1)
    for y, (one, (low, middle, high)) in enumerate(zip(effects, ends, strict=True)):
        colour = VERDICT_COLOURS[one.verdict]
        axes.plot([low, high], [y, y], color=colour, zorder=2)
        axes.plot([middle], [y], "o", color=colour, markersize=6, markeredgecolor=PAPER, zorder=3)


def draw_profiles(analysis: Analysis) -> Figure | None:
    """Which share of its repeats reaches each score; None for few repeats or one model."""
    rows, metric = analysis.models, analysis.metric
    if len(rows) < 2 or min(len(row.scores) for row in rows) < _FEWEST_SCORES:
        return None
    sign = 1 if metric.higher_is_better else -1
    best = sorted(rows, key=lambda row: -sign * row.summary.mean)[:MOST_PROFILES]
    shown = [row for row in rows if row in best]
    every = sorted({score for row in shown for score in row.scores})
    margin = 0.02 * (every[-1] - every[0])
    at, level = np.array([every[0] - margin, *every, every[-1] + margin]), 1 - analysis.comparison.alpha
    least = "at least" if metric.higher_is_better else "at most"
    band = len(shown) <= _FEW_BANDS
    pearson = (
        f" The band is Clopper and Pearson's {formats.level(level)} interval of each share by itself, which takes the "
        "repeats as independent."
    )
    more = f" The {len(shown)} models with the best means; {len(rows) - len(shown)} more are left out."
    return Figure(
        "profiles",
        "Score profiles",
        f"Share of the repeats of a model that reach {least} a score. A curve that lies "
        f"{'right' if metric.higher_is_better else 'left'} of another one at every height has the better scores "
        f"throughout; where two cross, neither has.{pearson if band else ''}{more if len(shown) < len(rows) else ''}",
        profiles_svg(
            [(row.model, _profile(row.scores, at, metric, level)) for row in shown],
            metric,
            "repeats",
            steps=True,
            band=band,
        ),
    )


def _profile(scores: Sequence[float], at: np.ndarray, metric: Metric, level: float) -> Profile:
    values = np.array(scores)
    reached = [int(((values >= one) if metric.higher_is_better else (values <= one)).sum()) for one in at]
    shares = [clopper_pearson(count, len(scores), level) for count in reached]
    low, high = tuple(share.low for share in shares), tuple(share.high for share in shares)
    return Profile(tuple(at.tolist()), tuple(share.estimate for share in shares), low, high, level)
