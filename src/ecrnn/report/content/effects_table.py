"""How large a difference is: in standard deviations between repeats, and as a share of what the other model leaves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ecrnn.report import formats
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.table import Cell, Column, Table, pair_table
from ecrnn.stats import Metric, Pair, Verdict


@dataclass(frozen=True)
class Effect:
    """The gain of model_a over model_b; above 0 it is better, whatever the direction of the metric.

    ``size`` is in standard deviations of the difference between repeats, ``removed`` a share of what model_b leaves,
    None where that has no end. The intervals are those of the difference.
    """

    model_a: str
    model_b: str
    size: float
    low: float
    high: float
    removed: float | None
    removed_low: float | None
    removed_high: float | None
    verdict: Verdict | None


def effects(analysis: Analysis) -> tuple[Effect, ...]:
    """Of every pair with a test and a spread between repeats."""
    found = (_effect(pair, analysis) for pair in analysis.comparison.pairs)
    return tuple(effect for effect in found if effect is not None)


def _effect(pair: Pair, analysis: Analysis) -> Effect | None:
    test, metric = pair.test, analysis.metric
    if test is None or test.sd == 0:
        return None
    sign = 1 if metric.higher_is_better else -1
    low, high = sorted((sign * test.low, sign * test.high))
    gain, left = sign * test.difference, _left(pair, analysis)
    return Effect(
        pair.model_a,
        pair.model_b,
        gain / test.sd,
        low / test.sd,
        high / test.sd,
        None if left is None else gain / left,
        None if left is None else low / left,
        None if left is None else high / left,
        pair.verdict,
    )


def _left(pair: Pair, analysis: Analysis) -> float | None:
    """What model_b leaves to gain: its errors, or its distance to the best score there is."""
    metric = analysis.metric
    rows = {row.model: dict(zip(row.repeats, row.scores, strict=True)) for row in analysis.models}
    scores = [rows[pair.model_b][repeat] for repeat in pair.repeats]
    best = metric.most if metric.higher_is_better else metric.least
    left = abs(best - math.fsum(scores) / len(scores))
    return left if math.isfinite(left) and left > 0 else None


def removed(metric: Metric) -> str:
    """What a gain is a share of, in words."""
    if metric.binary:
        return "share of B's errors that A removes"
    if not metric.higher_is_better:
        return f"share of B's {metric.title} that A removes"
    return f"share of B's distance to {metric.scale * metric.most:g} that A removes"


def effects_table(analysis: Analysis) -> Table:
    """One row a pair."""
    level, found = formats.level(1 - analysis.comparison.alpha), effects(analysis)
    return pair_table(
        [(one.model_a, one.model_b) for one in found],
        key="effects",
        title="Effect sizes",
        caption="The gain of A over B in standard deviations between repeats, and as a "
        f"{removed(analysis.metric)}, in percent. Above 0 A is better. Intervals are those of the difference, the "
        "divisor taken as known.",
        columns=(
            Column("Gain (SD)", ("gain_sd",)),
            Column(f"{level} interval", ("gain_sd_low", "gain_sd_high")),
            Column("Removed (%)", ("removed",)),
            Column(f"{level} interval", ("removed_low", "removed_high")),
        ),
        rows=[
            (
                Cell(formats.number(one.size), (one.size,), "strong"),
                Cell(f"{formats.number(one.low)} to {formats.number(one.high)}", (one.low, one.high)),
                Cell(formats.percent(one.removed), (one.removed,)),
                Cell(_ends(one), (one.removed_low, one.removed_high)),
            )
            for one in found
        ],
    )


def _ends(one: Effect) -> str:
    if one.removed_low is None or one.removed_high is None:
        return formats.NOTHING
    return f"{formats.percent(one.removed_low)} to {formats.percent(one.removed_high)}"
