"""The ready-to-print sentence of a pair over data sets."""

from __future__ import annotations

from ecrnn.stats.metrics import Metric
from ecrnn.stats.random_effects import RandomEffects
from ecrnn.stats.verdicts import Verdict


def with_verdict(
    a: str,
    b: str,
    metric: Metric,
    effects: RandomEffects,
    *,
    word: Verdict,
    p_holm: float,
    p_equivalent: float,
    rope: float,
) -> str:
    """From three data sets on."""
    over = f"on average over {effects.n} data sets"
    size, interval, new = _figures(metric, effects)
    p = f"Hartung-Knapp t, Holm-adjusted {_p(p_holm)}"
    if word in ("better", "worse"):
        return f"{a} is {word} than {b} by {size} {over} ({interval}, {p}); {new}."
    standing = _standing(a, metric, effects.mean, size)
    if word == "undecided":
        return f"{a} against {b} is undecided: {standing} {over} ({interval}, {p}); {new}."
    within = f"within {metric.difference_of(f'{metric.scale * rope:g}')}"
    shown = f"{interval}, {within} by two one-sided tests, Holm-adjusted {_p(p_equivalent)}"
    return f"{a} and {b} are equivalent {over}: {standing} ({shown}); {new}."


def without_verdict(a: str, b: str, metric: Metric, effects: RandomEffects) -> str:
    """From two data sets."""
    size, interval, _ = _figures(metric, effects)
    standing = _standing(a, metric, effects.mean, size)
    return f"No verdict on {a} against {b} from {effects.n} data sets: {standing} on average ({interval})."


def untested(a: str, b: str, data_sets: int) -> str:
    """From fewer than two data sets, or equal scores whose noise is not known."""
    if data_sets < 2:
        return f"{a} and {b} share {data_sets or 'no'} data set, so nothing is compared across data sets."
    return f"{a} and {b} differ by the same on all {data_sets} data sets with one repeat each, so nothing is tested."


def _standing(a: str, metric: Metric, mean: float, size: str) -> str:
    if mean == 0:
        return f"both have the same mean {metric.title}"
    return f"{a} is {'higher' if mean > 0 else 'lower'} by {size}"


def _figures(metric: Metric, effects: RandomEffects) -> tuple[str, str, str]:
    """Size of the mean with its unit, its interval and that of a new data set, in the direction of the difference."""
    sign = -1 if effects.mean < 0 else 1
    ends = [sign * end for end in (effects.low, effects.high, effects.new_low, effects.new_high)]
    low, high, new_low, new_high = ends if sign > 0 else (ends[1], ends[0], ends[3], ends[2])
    decimals = max(0, metric.decimals - (100 * (high - low) >= 1))  # no more than the interval's width deserves

    def shown(value: float) -> str:
        return f"{round(metric.scale * value, decimals) + 0.0:.{decimals}f}"

    level = f"{100 * effects.level:g} %"
    return (
        f"{shown(abs(effects.mean))} {metric.difference_unit}",
        f"{level} interval {shown(low)} to {shown(high)}",
        f"a new data set would show {shown(new_low)} to {shown(new_high)} ({level} prediction interval)",
    )


def _p(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
