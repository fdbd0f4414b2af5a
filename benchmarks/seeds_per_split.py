"""Studies that train each split several times: are the variances told apart, and how often do verdicts err?

    python benchmarks/seeds_per_split.py --out results/seeds-per-split

Components: scores are drawn from known variances of seed, training examples and test examples. Errors: the equal
networks of `ecrnn.stats.networks`, each split trained twice, verdicts on the means of splits. Studies are drawn from
fixed seeds. The tables of docs/statistics.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.files import write_atomically
from ecrnn.stats import seed_and_split
from ecrnn.stats.simulate_families import family_errors

SEED = 20261130
N_TEST = 200
KINDS = {"seed alone": (1.0, 0.0, 0.0), "mostly seed": (0.7, 0.1, 0.2), "mostly split": (0.2, 0.3, 0.5)}
DESIGNS = ((5, 2), (10, 2), (20, 2), (10, 3), (5, 6))


def components(kind: str, splits: int, seeds: int, studies: int) -> dict[str, Any]:
    """Mean estimates of known variances that add up to 1, and how often the intervals hold them.

    What example i adds on a split is shared by its trainings; each training adds noise of its own to every example, so
    that the seed has its variance with what seed and example do together.
    """
    seed, training, images = KINDS[kind]
    rng = np.random.default_rng([SEED, splits, seeds, list(KINDS).index(kind)])
    each = 4.0  # variance of a training's own noise on one example, of which the mean over examples has 1 / N_TEST
    shared, found, held = N_TEST * images, [], []
    for _ in range(studies):
        split = rng.normal(0, training**0.5, (splits, 1, 1))
        of_seed = rng.normal(0, (seed - each / N_TEST) ** 0.5, (splits, seeds, 1))
        examples = split + of_seed + rng.normal(0, shared**0.5, (splits, 1, N_TEST))
        examples = examples + rng.normal(0, each**0.5, (splits, seeds, N_TEST))
        one = seed_and_split(examples.mean(axis=2), list(examples))
        assert one.images is not None
        assert one.training is not None
        found.append([one.seed.estimate, one.training.estimate, one.images.estimate])
        true = (seed, training + images, images)
        of = (one.seed, one.split, one.images)
        held.append([i.low <= t <= i.high for i, t in zip(of, true, strict=True)])
    means, covered = np.mean(found, axis=0), np.mean(held, axis=0)
    names = ("seed", "training", "images")
    return {
        "kind": kind,
        "splits": splits,
        "seeds": seeds,
        "studies": studies,
        "true": dict(zip(names, (seed, training, images), strict=True)),
        "mean": dict(zip(names, means.round(4).tolist(), strict=True)),
        "covered": dict(zip(("seed", "split", "images"), covered.round(4).tolist(), strict=True)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="of known variances")
    parser.add_argument("--trained", type=int, default=400, help="studies of networks")
    parser.add_argument("--out", type=Path, default=Path("results/seeds-per-split"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    rows = [components(kind, *design, given.studies) for kind, design in product(KINDS, DESIGNS)]
    for row in rows:
        print(row, flush=True)
    write_atomically(given.out / "components.json", json.dumps({"seed": SEED, "rows": rows}, indent=1) + "\n")
    errors = []
    for noise, split in product(("images", "training"), ("70:30", "90:10", "5-fold")):
        found = family_errors(
            noise, split, models=(2, 3), repeats=(5, 10), seeds_per_split=2, studies=given.trained, seed=SEED
        )
        errors += json.loads(json.dumps([asdict(row) for row in found]))
        print(errors[-2:], flush=True)
        write_atomically(given.out / "errors.json", json.dumps({"seed": SEED, "errors": errors}, indent=1) + "\n")


if __name__ == "__main__":
    main()
