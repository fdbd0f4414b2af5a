"""The ready-to-print sentence of a pair: values of a metric come in, points (or bits) go out."""

from __future__ import annotations

from ecrnn.stats.intervals import Interval
from ecrnn.stats.mcnemar import McNemar
from ecrnn.stats.metrics import Metric
from ecrnn.stats.paired import PairedT
from ecrnn.stats.verdicts import MIN_REPEATS, Verdict


def with_verdict(
    a: str,
    b: str,
    metric: Metric,
    *,
    word: Verdict,
    test: PairedT,
    p_holm: float,
    p_equivalent: float,
    rope: float,
    alpha: float,
    noun: str,
) -> str:
    """From three repeats on."""
    size, interval = _size_and_interval(metric, test.difference, test.low, test.high, test.level)
    # The interval is of this pair alone and can leave out 0 where the adjusted p is above alpha.
    alone = f" ({_p(test.p)} before)" if test.p < alpha <= p_holm else ""
    evidence = f"({interval}, {_method(test, noun)}, Holm-adjusted {_p(p_holm)}{alone}, {test.n} repeats)"
    if word in ("better", "worse"):
        return f"{a} is {word} than {b} by {size} {evidence}."
    standing = _standing(a, metric, test.difference, size)
    if word == "undecided":
        return f"{a} against {b} is undecided: {standing} {evidence}."
    surely = "significant, but too small to matter: " if p_holm < alpha else ""
    within = metric.difference_of(f"{metric.scale * rope:g}")
    shown = f"within {within} by two one-sided tests (Holm-adjusted {_p(p_equivalent)})"
    return f"{a} and {b} are equivalent, {shown}: {surely}{standing} {evidence}."


def without_verdict(a: str, b: str, metric: Metric, test: PairedT, noun: str) -> str:
    """From two repeats."""
    size, interval = _size_and_interval(metric, test.difference, test.low, test.high, test.level)
    standing = _standing(a, metric, test.difference, size)
    return f"{_no_verdict(a, b, test.n)}: {standing} ({interval}, {_method(test, noun)}, 2 repeats)."


def without_examples(a: str, b: str, metric: Metric, difference: float, repeats: int, noun: str) -> str:
    """From several repeats on a fixed test set, of which there is one score each."""
    size = f"{metric.scale * abs(difference):.{max(0, metric.decimals - 1)}f} {metric.difference_unit}"
    return (
        f"No verdict on {a} against {b}: {_standing(a, metric, difference, size)} over {repeats} repeats, but one "
        f"score a repeat does not tell what other test {noun} would change."
    )


def one_repeat(a: str, b: str, metric: Metric, difference: float) -> str:
    """From one repeat, not on a fixed test set."""
    size = f"{metric.scale * abs(difference):.{max(0, metric.decimals - 1)}f} {metric.difference_unit}"
    return f"{_no_verdict(a, b, 1)}: {_standing(a, metric, difference, size)}."


def on_one_test_set(a: str, b: str, metric: Metric, exact: McNemar | None, interval: Interval, examples: str) -> str:
    """From one trained model each on a fixed test set of so many ``examples``, such as "300 images"."""
    size, shown = _size_and_interval(metric, interval.estimate, interval.low, interval.high, interval.level)
    test = f", McNemar's exact {_p(exact.p)}" if exact else ""
    return (
        f"{_no_verdict(a, b, 1)}: on this test set {_standing(a, metric, interval.estimate, size)} "
        f"({shown}, bootstrap over {examples}{test}), "
        "which says nothing about training again."
    )


def nothing_shared(a: str, b: str) -> str:
    """From no repeat at all."""
    return f"{a} and {b} share no finished repeat, so there is nothing to compare."


def _method(test: PairedT, noun: str) -> str:
    return f"crossed t over seeds and {noun}" if test.method == "crossed t" else test.method


def _no_verdict(a: str, b: str, repeats: int) -> str:
    return f"No verdict on {a} against {b} from {repeats} of at least {MIN_REPEATS} repeats"


def _standing(a: str, metric: Metric, difference: float, size: str) -> str:
    if difference == 0:
        return f"both have the same mean {metric.title}"
    return f"{a} is {'higher' if difference > 0 else 'lower'} by {size}"


def _size_and_interval(metric: Metric, difference: float, low: float, high: float, level: float) -> tuple[str, str]:
    """Size of the difference with its unit, and its interval, both in the direction of the difference."""
    if difference < 0:
        low, high = -high, -low
    decimals = max(0, metric.decimals - (100 * (high - low) >= 1))  # no more than the interval's width deserves

    def shown(value: float, places: int = decimals) -> str:
        return f"{round(metric.scale * value, places) + 0.0:.{places}f}"  # + 0.0 turns -0.0 into 0.0

    def is_lost(end: float) -> bool:
        """Whether rounding hides on which side of 0 an end lies."""
        return end != 0 and round(metric.scale * end, decimals) == 0

    places = decimals + (is_lost(low) or is_lost(high))
    interval = f"{100 * level:g} % interval {shown(low, places)} to {shown(high, places)}"
    return f"{shown(abs(difference))} {metric.difference_unit}", interval


def _p(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"
