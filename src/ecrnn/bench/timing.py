"""Paired, alternating measurements: each round times every variant once, and ratios are taken within a round.

So a machine that slows down for a while slows all variants, and the ratio stays.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

Run = Callable[[int], float]  # runs that many times in a row and gives the seconds of all of them

LEAST_SECONDS = 0.02  # of one measurement: shorter runs are repeated, or the clock and the caches would decide
FEWEST_ROUNDS = 3


def timed(once: Callable[[], object]) -> Run:
    """A variant of this process as something that `alternate` can time."""

    def run(times: int) -> float:
        start = time.perf_counter()
        for _ in range(times):
            once()
        return time.perf_counter() - start

    return run


def alternate(
    variants: Mapping[str, Run],
    rounds: int,
    *,
    budget: float = math.inf,
    pause: float = 0.0,
    tick: Callable[[int, int], None] | None = None,
) -> dict[str, list[float]]:
    """Time every variant once a round.

    Every variant is run twice before, the second time to see how long it takes. The order moves on by one each round,
    so that no variant always follows the same other one.

    Args:
        variants: by name.
        rounds: how often.
        budget: seconds after which no further round begins, as far as can be foreseen; three are made in any case, or
            all where fewer were asked for.
        pause: seconds of rest before each measurement, in which the threads of another process's variant fall asleep.
        tick: called with (rounds done, rounds) after each.

    Returns:
        Seconds of one run, by name, one a round.
    """
    repeats = {}
    cost = 0.0
    for name, run in variants.items():
        run(1)
        seconds = max(run(1), 1e-9)
        repeats[name] = min(10_000, max(1, math.ceil(LEAST_SECONDS / seconds)))
        cost += seconds * repeats[name] + pause
    if math.isfinite(budget):
        rounds = min(rounds, max(FEWEST_ROUNDS, int(budget / cost)))
    times: dict[str, list[float]] = {name: [] for name in variants}
    names = list(variants)
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                time.sleep(pause)
                times[name].append(variants[name](repeats[name]) / repeats[name])
            if tick:
                tick(number + 1, rounds)
    finally:
        if collecting:
            gc.enable()
    return times


def summary(seconds: Sequence[float]) -> dict[str, Any]:
    """Median and quartiles in milliseconds, and how many measurements they are of."""
    lower, median, upper = (figure(1e3 * value) for value in np.quantile(seconds, (0.25, 0.5, 0.75)))
    return {"median_ms": median, "quartiles_ms": [lower, upper], "n": len(seconds)}


def ratio(other: Sequence[float], ours: Sequence[float]) -> float:
    """How many times faster ours is: the median over the rounds of other / ours."""
    return figure(float(np.median([a / b for a, b in zip(other, ours, strict=True)])))


def best(times: Mapping[str, Sequence[float]], names: Sequence[str]) -> str:
    """The name with the smallest median among ``names``."""
    return min(names, key=lambda name: float(np.median(times[name])))


def figure(value: float) -> float:
    """``value`` with four significant digits, as all figures are given."""
    return float(f"{value:.4g}")
