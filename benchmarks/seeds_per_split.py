"""Studies that train each split several times: are the variances told apart, and how often do verdicts err?

    python benchmarks/seeds_per_split.py --out results/seeds-per-split

Components: scores are drawn from known variances of seed, training examples and test examples. Errors: the equal
networks of `ecrnn.stats.networks`, each split trained twice, verdicts on the means of splits. Until decided: the same,
and normal scores, where the study is looked at after three whole splits and more. Studies are drawn from fixed seeds.
The tables of docs/statistics.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.files import write_atomically
from ecrnn.stats import seed_and_split
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.networks import Noise, Split, equal_networks
from ecrnn.stats.sequential import BETTER, EQUIVALENT, SequentialPlan, follow
from ecrnn.stats.simulate_families import family_errors

SEED = 20261130
N_TEST = 200
SPLITS = 10  # at the most, of studies until decided
SIZES: dict[Split, tuple[int, int]] = {"70:30": (700, 300), "90:10": (900, 100)}
ROPE = 6  # half the width of the region of equivalence, in standard errors after all splits
Floats = NDArray[np.float64]
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


def looked_at(differences: Floats, split: str, pairs: NDArray[np.int64], rope: float = 0.0) -> dict[str, Any]:
    """Any false better or worse in a study, its trainings, and any false equivalent of models that differ by ``rope``.

    Args:
        differences: (studies, pairs, splits) of the means of splits, where there is no difference.
        split: by whose sizes the looks are tested.
        pairs: (pairs, 2) numbers of the models; all but the first are then better by ``rope``.
        rope: half the width of the region of equivalence.
    """
    n_train, n_test = SIZES[split]
    plan = SequentialPlan(usual_looks(SPLITS), n_train, n_test, rope)
    course = follow(differences, plan)
    used = np.array(plan.looks)[course.stage]
    splits = sum(used[:, (pairs == model).any(axis=1)].max(axis=1).mean() for model in range(pairs.max() + 1))
    found = {"better or worse": float((np.abs(course.verdict) == BETTER).any(axis=1).mean())}
    if rope:
        of_first = (pairs == 0).any(axis=1)
        course = follow(differences + rope * of_first[None, :, None], plan)
        found = {"equivalent": float((course.verdict == EQUIVALENT)[:, of_first].any(axis=1).mean())}
    return found | {"splits": round(float(splits / (pairs.max() + 1)), 2)}


def normal_until_decided(split: str, models: int, seeds: int, of_seed: float, studies: int) -> dict[str, Any]:
    """Studies of normal scores: splits share the luck that the test assumes, seeds have ``of_seed`` of the variance."""
    n_train, n_test = SIZES[split]
    rho = n_test / (n_train + n_test)
    rng = np.random.default_rng([SEED, models, seeds, round(100 * of_seed), n_test])
    luck = rho**0.5 * rng.standard_normal((studies, models, 1)) + (1 - rho) ** 0.5 * rng.standard_normal(
        (studies, models, SPLITS)
    )
    scores = (1 - of_seed) ** 0.5 * luck + (of_seed / seeds) ** 0.5 * rng.standard_normal((studies, models, SPLITS))
    pairs = np.array(list(combinations(range(models), 2)))
    found = looked_at(scores[:, pairs[:, 1]] - scores[:, pairs[:, 0]], split, pairs)
    return {"split": split, "models": models, "seeds": seeds, "of_seed": of_seed, "studies": studies, **found}


def trained_until_decided(noise: Noise, split: Split, seeds: int, studies: int) -> list[dict[str, Any]]:
    """The same of equal networks that are trained on real splits; the smaller families are the first models."""
    scores = np.empty((studies, 3, SPLITS))
    for study in range(studies):
        rng = np.random.default_rng([SEED, study])
        right, _ = equal_networks(rng, noise, split, 3, SPLITS, seeds)
        scores[study] = right.mean(axis=2).reshape(3, SPLITS, seeds).mean(axis=2)
    rows = []
    for models in (2, 3):
        pairs = np.array(list(combinations(range(models), 2)))
        differences = scores[:, pairs[:, 1]] - scores[:, pairs[:, 0]]
        n_train, n_test = SIZES[split]
        error = differences.std(axis=2, ddof=1).mean() * (1 / SPLITS + n_test / n_train) ** 0.5
        found = looked_at(differences, split, pairs)
        found |= {"equivalent": looked_at(differences, split, pairs, rope=ROPE * float(error))["equivalent"]}
        rows.append({"noise": noise, "split": split, "models": models, "seeds": seeds, "studies": studies, **found})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, help="of known variances")
    parser.add_argument("--trained", type=int, default=400, help="studies of networks")
    parser.add_argument("--looks", action="store_true", help="studies until decided alone")
    parser.add_argument("--out", type=Path, default=Path("results/seeds-per-split"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    normal = [
        normal_until_decided(split, models, seeds, of_seed, 10 * given.studies)
        for split, models in product(SIZES, (2, 3))
        for seeds, of_seed in ((1, 0.0), (2, 0.0), (2, 0.3), (2, 0.85), (3, 0.85))
    ]
    trained = []
    for noise, split in product(("images", "training"), SIZES):
        trained += trained_until_decided(noise, split, 2, given.trained)
        print(trained[-2:], flush=True)
    found = {"seed": SEED, "splits": SPLITS, "normal": normal, "networks": trained}
    write_atomically(given.out / "until-decided.json", json.dumps(found, indent=1) + "\n")
    if given.looks:
        return
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
