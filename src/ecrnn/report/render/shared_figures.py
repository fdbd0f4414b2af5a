"""Drawings that reports of one data set and reports across data sets share: chances of winning, and score profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ecrnn.report import formats
from ecrnn.report.render.drawing import name_rows, new_canvas, short
from ecrnn.report.render.svg import INK, MUTED, ONE, PAPER, THREE, TWO, to_svg
from ecrnn.stats import Interval, Metric, Profile, Verdict

VERDICT_COLOURS: dict[Verdict | None, str] = {
    "better": ONE,
    "worse": TWO,
    "equivalent": THREE,
    "undecided": INK,
    None: MUTED,
}
MOST_PROFILES = 6  # models in one figure
_DASHES: tuple[Any, ...] = (
    "solid",
    (0, (5, 2)),
    (0, (1, 1.5)),
    (0, (6, 2, 1, 2)),
    (0, (3, 1)),
    (0, (8, 2, 1, 1.5, 1, 2)),
)


@dataclass(frozen=True)
class Chance:
    """How often model_a beats model_b, and the verdict on them, which gives the colour."""

    model_a: str
    model_b: str
    share: Interval
    verdict: Verdict | None


def chances_svg(chances: Sequence[Chance], label: str) -> str:
    """Bars from a half to the probability that A beats B, each with its interval.

    Args:
        chances: a row each.
        label: of the axis.
    """
    canvas, axes = new_canvas(0.85 + 0.3 * len(chances))
    axes.axvline(0.5, color=MUTED, lw=1, zorder=1)
    for y, one in enumerate(chances):
        colour, share = VERDICT_COLOURS[one.verdict], one.share
        axes.barh([y], [share.estimate - 0.5], left=0.5, height=0.5, color=colour, alpha=0.35, zorder=2)
        axes.plot([share.low, share.high], [y, y], color=colour, zorder=3)
        axes.plot([share.estimate], [y], "o", color=colour, markersize=6, markeredgecolor=PAPER, zorder=4)
        axes.annotate(
            formats.probability(share.estimate),
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            annotation_clip=False,
        )
    name_rows(axes, [f"{short(one.model_a, 24)} beats {short(one.model_b, 24)}" for one in chances])
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(label)
    shares = "; ".join(f"{o.model_a} beats {o.model_b}: {formats.probability(o.share.estimate)}" for o in chances)
    return to_svg(canvas, "fig-improvement", f"How often one model beats another. {shares}.")


def profiles_svg(
    profiles: Sequence[tuple[str, Profile]], metric: Metric, results: str, *, steps: bool, band: bool = True
) -> str:
    """For each model the share of its results that reach a score; of the first `MOST_PROFILES`.

    Args:
        profiles: models and theirs.
        metric: of the scores.
        results: what is counted: "results", "repeats".
        steps: whether a share changes at its scores alone, and not between them.
        band: whether the profiles' bands are drawn.
    """
    canvas, axes = new_canvas(3.4)
    how: Any = {"drawstyle": "steps-pre"} if steps else {}
    for i, (model, profile) in enumerate(profiles[:MOST_PROFILES]):
        colour = (ONE, TWO, THREE, INK, MUTED, ONE)[i]
        scores = [metric.scale * score for score in profile.scores]
        if band:
            step = "pre" if steps else None
            axes.fill_between(scores, profile.low, profile.high, color=colour, alpha=0.12, lw=0, step=step)
        axes.plot(scores, profile.share, color=colour, ls=_DASHES[i], label=short(model, 30), **how)
    axes.set_ylim(-0.02, 1.02)
    axes.grid()
    axes.set_axisbelow(True)
    axes.set_xlabel(f"{metric.title}{', %' if metric.unit == '%' else ''}")
    least = "at least" if metric.higher_is_better else "at most"
    axes.set_ylabel(f"share of {results} with {least} this")
    canvas.legend(loc="outside upper left", ncols=3, frameon=False)
    return to_svg(canvas, "fig-profiles", f"Score profiles of {formats.listed([model for model, _ in profiles])}.")


def left_out(profiles: Sequence[object]) -> str:
    """What is said of models that are not drawn."""
    more = len(profiles) - MOST_PROFILES
    return f" The first {MOST_PROFILES} models; {more} more are left out." if more > 0 else ""
