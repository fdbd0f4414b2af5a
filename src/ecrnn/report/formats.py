"""Numbers as a reader wants them: fractions come in, percent and points go out, or a metric's own unit. Text for
people, never for CSV or JSON."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from ecrnn.core.text import counted
from ecrnn.stats import ACCURACY, Interval, Metric

MINUS = "\N{MINUS SIGN}"
NOTHING = "\N{EN DASH}"  # a cell without a value


def value(number: float | None, metric: Metric) -> str:
    """A metric's value as it is shown, without its unit, which stands in the heading."""
    if number is None:
        return NOTHING
    shown = f"{metric.scale * number:.{metric.decimals}f}"
    return shown.lstrip("-") if float(shown) == 0 else shown.replace("-", MINUS)


def difference(number: float | None, metric: Metric) -> str:
    """A difference of two values, with its sign: 0.0383 of accuracy is "+3.83"."""
    if number is None:
        return NOTHING
    shown = f"{metric.scale * number:+.{metric.decimals}f}"
    return shown[1:] if float(shown) == 0 else shown.replace("-", MINUS)


def with_unit(number: float, metric: Metric) -> str:
    """A value with its unit: "73.25 %", "1.5132 bits", "41.20 BLEU"."""
    return f"{value(number, metric)} {metric.unit or metric.title}"


def titled(number: float, metric: Metric) -> str:
    """A value with what it is: "1.5132 bits a character", "4.20 % character error rate", "41.20 BLEU"."""
    unit = f" {metric.unit}" if metric.unit == "%" else ""  # others are part of the title
    return f"{value(number, metric)}{unit} {metric.title}"


def percent(fraction: float | None) -> str:
    """0.7325 is "73.25"; the unit stands in the heading."""
    return value(fraction, ACCURACY)


def points(fraction: float | None) -> str:
    """A difference, with its sign: 0.0383 is "+3.83"."""
    return difference(fraction, ACCURACY)


def rope(size: float, metric: Metric) -> str:
    """Half the width of a region of practical equivalence: "0.5 points", "1 point"."""
    shown = f"{metric.scale * size:g}"
    return f"{shown} {one(metric.points) if shown == '1' else metric.points}"


def spread(fraction: float | None) -> str:
    """A standard deviation in points, without a sign."""
    return percent(fraction)


def heading(title: str, unit: str) -> str:
    """ "Mean (%)", or "Mean" of what has no unit."""
    return f"{title} ({unit})" if unit else title


def one(noun: str) -> str:
    """The singular of what examples are called: "image"."""
    return noun.removesuffix("s")


def capital(text: str) -> str:
    """With a capital letter at the beginning."""
    return text[:1].upper() + text[1:]


def p_value(p: float | None) -> str:
    """Four decimals below 0.01, three above, and "< 0.0001" rather than a zero."""
    if p is None:
        return NOTHING
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.4f}" if p < 0.01 else f"{p:.3f}"


def probability(share: float | None) -> str:
    """Three decimals; the ends are never rounded to certainty."""
    if share is None:
        return NOTHING
    if share < 0.001:
        return "< 0.001" if share > 0 else "0"
    return "> 0.999" if 0.999 < share < 1 else f"{share:.3f}".replace("1.000", "1")


def count(number: float | None) -> str:
    """A whole number with thousands separators; a mean of unequal counts is rounded."""
    return NOTHING if number is None else f"{round(number):,}"


def number(figure: float | None, decimals: int = 2) -> str:
    """A plain figure, such as a t statistic."""
    return NOTHING if figure is None else f"{figure:.{decimals}f}".replace("-", MINUS)


def duration(seconds: float | None) -> str:
    """A time in the two units that matter: "0.42 s", "12.3 s", "4 min 12 s", "2 h 05 min"."""
    if seconds is None:
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    if minutes < 24 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"


def interval(low: float | None, high: float | None, metric: Metric = ACCURACY, *, signed: bool = False) -> str:
    """Both ends as they are shown; ``signed``, those of a difference."""
    show = difference if signed else value
    return NOTHING if low is None or high is None else f"{show(low, metric)} to {show(high, metric)}"


def level(share: float) -> str:
    """The level of an interval: 0.95 is "95 %"."""
    return f"{100 * share:g} %"


def proportion(share: Interval) -> str:
    """A share with its interval, in percent."""
    return f"{percent(share.estimate)} % ({level(share.level)} interval {interval(share.low, share.high)})"


def moment(iso: str) -> str:
    """2026-01-10T10:00:00+00:00 as "2026-01-10 10:00 UTC"; what is no such time stays as it is."""
    try:
        time = datetime.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{time.astimezone(UTC) if time.tzinfo else time:%Y-%m-%d %H:%M}{' UTC' if time.tzinfo else ''}"


def plural(n: int, noun: str) -> str:
    """ "1 repeat", "3 repeats"."""
    return counted(n, f"{noun}s")


def listed(names: Sequence[str], most: int = 4, noun: str = "models") -> str:
    """ "a, b and c", or only how many they are when they are more than ``most``."""
    if len(names) > most:
        return f"{len(names):,} {noun}"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else f"no {noun}"
