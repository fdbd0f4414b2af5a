"""How often the intervals over data sets miss, on a grid of designs: python benchmarks/across_coverage.py [FILE]

Writes results/across/coverage.json and prints the table of docs/statistics.md. Ten minutes of one core; each cell has a
seed of its own, so the same file comes out again.
"""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from itertools import product
from pathlib import Path

import numpy as np

from ecrnn.core.files import write_atomically
from ecrnn.core.text import json_text
from ecrnn.stats import AcrossMisses, misses_across

STUDIES = 5000
DATA_SETS, REPEATS, BETWEEN = (5, 8, 20), (3, 10), (0.0, 1.0, 2.0)
NOISE = {  # correlation of repeats, unequal spreads, tails of the true differences
    "as the corrected t takes it": (0.3, 0.0, math.inf),
    "as measured for small networks": (0.02, 0.0, math.inf),
    "unequal and heavy tails": (0.02, 0.5, 4.0),
}


def main(out: Path) -> None:
    cells = []
    for seed, (kind, n, repeats, between) in enumerate(product(NOISE, DATA_SETS, REPEATS, BETWEEN)):
        correlation, unequal, tails = NOISE[kind]
        found = misses_across(
            np.random.default_rng(seed),
            n,
            repeats,
            between,
            correlation=correlation,
            unequal=unequal,
            tails=tails,
            studies=STUDIES,
        )
        cells.append({"noise": kind, "seed": seed, **asdict(found)})
        print(row(kind, found), flush=True)
    write_atomically(out, json_text({"format": 1, "kind": "misses across", "cells": cells}, indent=1) + "\n")


def row(kind: str, found: AcrossMisses) -> str:
    rates = (found.mean, found.new, found.wilcoxon, found.weighted_mean, found.weighted_new)
    shown = " | ".join(f"{100 * rate:.1f}" for rate in rates)
    return f"| {kind} | {found.data_sets} | {found.repeats} | {found.between:g} | {shown} |"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path("results/across/coverage.json"))
