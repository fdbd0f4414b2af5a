"""The ready-to-print sentence of a pair: fractions come in, points go out."""

from __future__ import annotations

from ecrnn.stats.bayes import Posterior
from ecrnn.stats.images import McNemar
from ecrnn.stats.intervals import Interval
from ecrnn.stats.paired import PairedT
from ecrnn.stats.verdicts import MIN_REPEATS, Verdict


def with_verdict(
    a: str, b: str, *, word: Verdict, test: PairedT, p_holm: float, posterior: Posterior, alpha: float
) -> str:
    """From three repeats on."""
    size, interval = _size_and_interval(test.difference, test.low, test.high, test.level)
    # The interval is of this pair alone and can leave out 0 where the adjusted p is above alpha.
    alone = f" ({_p(test.p)} before)" if test.p < alpha <= p_holm else ""
    evidence = f"({interval}, corrected resampled t, Holm-adjusted {_p(p_holm)}{alone}, {test.n} repeats)"
    if word in ("better", "worse"):
        return f"{a} is {word} than {b} by {size} points {evidence}."
    standing = _standing(a, test.difference, size)
    if word == "undecided":
        return f"{a} against {b} is undecided: {standing} {evidence}."
    surely = "significant, but too small to matter: " if p_holm < alpha else ""
    rope = f"{100 * posterior.rope:g} points with probability {_probability(posterior.equivalent)}"
    return f"{a} and {b} are equivalent, within {rope}: {surely}{standing} {evidence}."


def without_verdict(a: str, b: str, test: PairedT) -> str:
    """From two repeats."""
    size, interval = _size_and_interval(test.difference, test.low, test.high, test.level)
    standing = _standing(a, test.difference, size)
    return f"{_no_verdict(a, b, test.n)}: {standing} ({interval}, corrected resampled t, 2 repeats)."


def one_repeat(a: str, b: str, difference: float) -> str:
    """From one repeat, not on a fixed test set."""
    return f"{_no_verdict(a, b, 1)}: {_standing(a, difference, f'{100 * abs(difference):.1f}')}."


def on_one_test_set(a: str, b: str, exact: McNemar, interval: Interval, images: int) -> str:
    """From one trained model each on a fixed test set."""
    size, shown = _size_and_interval(interval.estimate, interval.low, interval.high, interval.level)
    return (
        f"{_no_verdict(a, b, 1)}: on this test set {_standing(a, interval.estimate, size)} "
        f"({shown}, bootstrap over {images:,} images, McNemar's exact {_p(exact.p)}), "
        "which says nothing about training again."
    )


def nothing_shared(a: str, b: str) -> str:
    """From no repeat at all."""
    return f"{a} and {b} share no finished repeat, so there is nothing to compare."


def _no_verdict(a: str, b: str, repeats: int) -> str:
    return f"No verdict on {a} against {b} from {repeats} of at least {MIN_REPEATS} repeats"


def _standing(a: str, difference: float, size: str) -> str:
    if difference == 0:
        return "the mean scores are equal"
    return f"{a} is {'higher' if difference > 0 else 'lower'} by {size} points"


def _size_and_interval(difference: float, low: float, high: float, level: float) -> tuple[str, str]:
    """Size of the difference and its interval in points, both in the direction of the difference."""
    if difference < 0:
        low, high = -high, -low
    decimals = 1 if 100 * (high - low) >= 1 else 2

    def points(fraction: float) -> str:
        return f"{round(100 * fraction, decimals) + 0.0:.{decimals}f}"  # + 0.0 turns -0.0 into 0.0

    return points(abs(difference)), f"{100 * level:g} % interval {points(low)} to {points(high)}"


def _p(p: float) -> str:
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def _probability(share: float) -> str:
    return "above 0.999" if share > 0.999 else f"{share:.3f}"
