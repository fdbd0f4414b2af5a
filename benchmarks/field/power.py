"""What the field study finds, and how often it errs, before anything is trained: simulated.

    python benchmarks/field/power.py

Writes results/field/power.json and prints the table of docs/field.md. Three models on some data sets, some repeats on
each; a difference of two models varies by `between` (SD, points) from data set to data set and by `within` from repeat
to repeat. The test is that of the study: the t test of Hartung and Knapp over the data sets' mean differences, Holm
over the three pairs. Everything is a function of the seed; ten seconds of one core.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from ecrnn.core.files import write_atomically
from ecrnn.core.text import json_text

POWER = Path(__file__).parents[2] / "results" / "field" / "power.json"
STUDIES, ALPHA, SEED = 20_000, 0.05, 2026
MEANS, BETWEEN, WITHIN = (1.0, 2.0, 4.0, 8.0), (1.5, 4.0, 8.0), 3.0
DESIGNS = ((12, 3), (18, 1), (18, 3), (18, 10), (30, 3))  # data sets, repeats
PAIRS = ((2, 1), (2, 0), (1, 0))  # ECRNN - CRNN, ECRNN - CNN, CRNN - CNN


def main() -> None:
    cells = [
        {"mean": mean, "between": between, "within": WITHIN, "data_sets": n, "repeats": repeats}
        | simulate(mean, between, n, repeats)
        for mean, between, (n, repeats) in product((0.0, *MEANS), BETWEEN, DESIGNS)
    ]
    text = {"format": 1, "kind": "power of the field study", "studies": STUDIES, "seed": SEED, "cells": cells}
    write_atomically(POWER, json_text(text, indent=1) + "\n")
    print("\n".join(table(cells)))


def simulate(mean: float, between: float, n: int, repeats: int, within: float = WITHIN) -> dict[str, float]:
    """Shares of studies of which ECRNN is better by ``mean`` points on average than CNN and CRNN, which are alike.

    Returns:
        "found": that show ECRNN over CNN; "false": that show a difference where there is none; "half": mean half width
        of the interval of ECRNN - CNN, "new": of its prediction interval, in points.
    """
    keys = (SEED, *(round(10 * value) for value in (mean, between, within)), n, repeats)
    generator = np.random.default_rng(keys)
    effects = between / np.sqrt(2) * generator.standard_normal((STUDIES, n, 3))
    noise = within / np.sqrt(2 * repeats) * generator.standard_normal((STUDIES, n, 3))
    scores = effects + noise
    scores[:, :, 2] += mean
    differences = np.stack([scores[:, :, a] - scores[:, :, b] for a, b in PAIRS])  # (3, STUDIES, n)
    found, errors = decisions(differences)
    half = stats.t.ppf(1 - ALPHA / 2, n - 1) * errors[1].mean()
    wrong = found.any(0) if mean == 0 else found[2]
    return {
        "found": float(found[1].mean()),
        "false": float(wrong.mean()),
        "half": float(half),
        "new": float(half * np.sqrt(n + 1)),
    }


def decisions(differences: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of P pairs (P, studies, data sets) differ after Holm over P, (P, studies), and the errors of the means."""
    pairs, _, n = differences.shape
    errors = differences.std(2, ddof=1) / np.sqrt(n)
    p = 2 * stats.t.sf(abs(differences.mean(2) / errors), n - 1)
    order = np.argsort(p, axis=0)
    passed = np.take_along_axis(p, order, 0) <= ALPHA / np.arange(pairs, 0, -1)[:, None]
    found = np.zeros_like(passed)
    np.put_along_axis(found, order, np.logical_and.accumulate(passed, axis=0), 0)
    return found, errors


def table(cells: list[dict[str, Any]]) -> list[str]:
    """The rows of docs/field.md: in % what each design finds, then its half widths in points."""
    of = {tuple(cell[key] for key in ("mean", "between", "data_sets", "repeats")): cell for cell in cells}
    rows = []
    for mean, between in product((0.0, *MEANS), BETWEEN):
        here = [of[mean, between, n, repeats] for n, repeats in DESIGNS]
        shares = [f"{100 * cell['false' if mean == 0 else 'found']:.0f}" for cell in here]
        planned = of[mean, between, 18, 3]
        shown = f"{' | '.join(shares)} | {planned['half']:.1f} | {planned['new']:.1f}"
        rows.append(f"| {mean:g} | {between:g} | {shown} |")
    return rows


if __name__ == "__main__":
    main()
