"""How often sequential verdicts err, what they find, and the trainings they save against the fixed design.

    python benchmarks/sequential.py --out results/sequential/sequential.jsonl

Studies are drawn here, repeat by repeat, with the luck that all repeats of a study share and noise of three shapes, and
carried out by `ecrnn.stats.sequential`; the fixed design is the same plan with its last look alone. Each case is one
line of JSON: rates of studies with any false word, the share of differing pairs that are found, and trainings. At the
end three models of the committed study `results/why` are carried out again from their predictions. `--tables` prints
what docs/statistics.md shows of a file.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.config import read_yaml
from ecrnn.report import read_study
from ecrnn.stats.boundaries import usual_looks
from ecrnn.stats.sequential import BETTER, EQUIVALENT, SequentialPlan, follow

Floats = NDArray[np.float64]
SPLITS = {"70:30": (7000, 3000), "90:10": (9000, 1000), "5-fold": (8000, 2000)}
REPEATS = {"70:30": (10, 30), "90:10": (10, 30), "5-fold": (5,)}
ROOT = Path(__file__).parents[1]
WHY = ("cnn", "crnn-bilstm-16", "ecrnn-bilstm-16")
AT_ONCE = 2**21  # differences


@dataclass(frozen=True)
class Case:
    """One set of simulated studies; units are standard deviations of a difference between repeats of a study.

    ``correlation`` of two repeats: "assumed", as by test images, or "training", 0.02, as measured of noisy networks.
    """

    split: str
    repeats: int
    models: int
    best: float  # the first model is so much better than the others, which are equal
    rope: float
    studies: int
    correlation: str = "assumed"
    shape: str = "normal"


def cases() -> Iterator[Case]:
    """Errors first, then false equivalents, power and other shapes of noise."""
    for split in SPLITS:
        for repeats in REPEATS[split]:
            for correlation in ("assumed", "training"):
                for models, studies in ((2, 40_000), (3, 20_000), (9, 4_000)):
                    yield Case(split, repeats, models, 0.0, 0.5, studies, correlation)
    for split in SPLITS:
        for rope in (2.0, 4.0):
            for models, studies in ((2, 40_000), (3, 20_000), (9, 4_000)):
                yield Case(split, REPEATS[split][0], models, rope, rope, studies)
    for split in ("70:30", "90:10"):
        for repeats in REPEATS[split]:
            for best in (0.0, 0.5, 1.0, 2.0, 4.0):
                yield Case(split, repeats, 2, best, 0.0, 20_000)
    yield Case("70:30", 10, 3, 4.0, 0.0, 20_000)
    for shape in ("t4", "skewed"):
        yield Case("70:30", 10, 2, 0.0, 0.0, 40_000, shape=shape)


def draw(rng: np.random.Generator, case: Case, studies: int) -> Floats:
    """(studies, models, repeats) scores."""
    n_train, n_test = SPLITS[case.split]
    rho = n_test / (n_train + n_test) if case.correlation == "assumed" else 0.02
    shapes: dict[str, Callable[[Any], Floats]] = {
        "normal": rng.standard_normal,
        "t4": lambda size: rng.standard_t(4, size) / math.sqrt(2),
        "skewed": lambda size: rng.exponential(size=size) - 1,
    }
    size = (studies, case.models, case.repeats)
    scores = shapes[case.shape](size) + math.sqrt(rho / (1 - rho)) * rng.standard_normal((*size[:2], 1))
    scores /= math.sqrt(2)
    scores[:, 0] += case.best
    return scores


def carry_out(case: Case, seed: int) -> dict[str, Any]:
    """The outcome of a case under the sequential plan and under the fixed one."""
    plan = SequentialPlan(usual_looks(case.repeats), *SPLITS[case.split], rope=case.rope)
    pairs = np.array(list(combinations(range(case.models), 2)))
    step = max(1, AT_ONCE // (len(pairs) * case.repeats))
    sums: dict[str, Floats] = {"sequential": np.zeros(4), "fixed": np.zeros(4)}
    rng = np.random.default_rng([2026, seed])
    for begin in range(0, case.studies, step):
        scores = draw(rng, case, min(step, case.studies - begin))
        differences = scores[:, pairs[:, 0]] - scores[:, pairs[:, 1]]
        for name, chosen in (("sequential", plan), ("fixed", replace(plan, looks=plan.looks[-1:]))):
            sums[name] += outcome(differences, chosen, pairs, case)
    return {**asdict(case), **{name: rates(total / case.studies, case) for name, total in sums.items()}}


def outcome(differences: Floats, plan: SequentialPlan, pairs: NDArray[np.int64], case: Case) -> Floats:
    """Sums over studies: any false better or worse, any false equivalent, pairs found, trainings."""
    truth = np.where(pairs[:, 0] == 0, case.best, 0.0)
    course = follow(differences, plan)
    differs, right = np.abs(course.verdict) == BETTER, course.verdict == np.sign(truth)
    false_equal = (course.verdict == EQUIVALENT) & (truth >= plan.rope)
    used = np.array(plan.looks)[course.stage]
    trainings = sum(used[:, (pairs == model).any(axis=1)].max(axis=1).sum() for model in range(case.models))
    found = (differs & right)[:, truth > 0].sum()
    return np.array([(differs & ~right).any(axis=1).sum(), false_equal.any(axis=1).sum(), found, trainings])


def rates(means: Floats, case: Case) -> dict[str, float | None]:
    """Shares of studies, or of the pairs with a difference, and trainings a study."""
    differing = case.models - 1 if case.best else 0
    found = float(means[2]) / differing if differing else None
    return {
        "false_difference": float(means[0]),
        "false_equivalent": float(means[1]),
        "found": None if found is None else round(found, 6),
        "trainings": round(float(means[3]), 4),
    }


def replay() -> Iterator[dict[str, Any]]:
    """Three models of results/why, as if the study had been begun with a plan; by two scores of a training."""
    study = ROOT / "results" / "why"
    curves: dict[tuple[str, int], list[float]] = {}
    for trial in read_study([study]).trials:
        curves[trial.model, trial.repeat] = [line["validation_accuracy"] for line in trial.metrics]
    sizes = read_yaml(study / "study.yaml")
    assert (sizes["split"], sizes["repeats"]) == ("0.7", 10)
    pairs = np.array(list(combinations(range(3), 2)))
    for epochs in (1, 3):
        scores = np.array([[np.mean(curves[model, repeat][-epochs:]) for repeat in range(10)] for model in WHY])
        differences = (scores[pairs[:, 0]] - scores[pairs[:, 1]])[None]
        plan = SequentialPlan(usual_looks(10), 35_000, 15_000, rope=0.005)
        for name, chosen in (("sequential", plan), ("fixed", replace(plan, looks=(10,)))):
            course = follow(differences, chosen)
            used = np.array(chosen.looks)[course.stage[0]]
            words = {BETTER: "better", -BETTER: "worse", EQUIVALENT: "equivalent", 0: "undecided"}
            yield {
                "study": "results/why",
                "score_epochs": epochs,
                "design": name,
                "pairs": [
                    {
                        "a": WHY[a],
                        "b": WHY[b],
                        "verdict": words[int(word)],
                        "repeats": int(repeats),
                        "p_holm": float(p),
                    }
                    for (a, b), word, repeats, p in zip(pairs, course.verdict[0], used, course.p_holm[0], strict=True)
                ],
                "trainings": int(sum(used[(pairs == model).any(axis=1)].max() for model in range(3))),
            }


def tables(lines: list[dict[str, Any]]) -> Iterator[str]:
    """The tables of docs/statistics.md, in Markdown."""
    simulated = [line for line in lines if "models" in line]
    usual = [line for line in simulated if line["shape"] == "normal"]
    yield "| split, at most | noise of | 2 models | 3 models | 9 models |\n|---|---|---|---|---|"
    equal = [line for line in usual if line["best"] == 0 and line["rope"]]
    for key in dict.fromkeys((line["split"], line["repeats"], line["correlation"]) for line in equal):
        of = {line["models"]: line for line in equal if (line["split"], line["repeats"], line["correlation"]) == key}
        noise = "test images" if key[2] == "assumed" else "training"
        cells = [f"{100 * of[m]['sequential']['false_difference']:.1f} %" for m in (2, 3, 9)]
        yield f"| {key[0]}, {key[1]} repeats | {noise} | {' | '.join(cells)} |"
    yield "\n| split, at most | region of equivalence | 2 models | 3 models | 9 models |\n|---|---|---|---|---|"
    edge = [line for line in usual if line["best"] and line["best"] == line["rope"]]
    for key in dict.fromkeys((line["split"], line["repeats"], line["rope"]) for line in edge):
        of = {line["models"]: line for line in edge if (line["split"], line["repeats"], line["rope"]) == key}
        cells = [f"{100 * of[m]['sequential']['false_equivalent']:.1f} %" for m in (2, 3, 9)]
        yield f"| {key[0]}, {key[1]} repeats | {key[2]:g} SD | {' | '.join(cells)} |"
    yield "\n| split, at most | difference | found, fixed | found, sequential | trainings, fixed | sequential | saved |"
    yield "|---|---|---|---|---|---|---|"
    power = [line for line in usual if line["models"] == 2 and not line["rope"]]
    for line in power:
        fixed, sequential = line["fixed"], line["sequential"]
        found = [
            f"{100 * (of['false_difference'] if of['found'] is None else of['found']):.0f} %"
            for of in (fixed, sequential)
        ]
        saved = f"{100 - 100 * sequential['trainings'] / fixed['trainings']:.0f} %"
        cells = [*found, f"{fixed['trainings']:.0f}", f"{sequential['trainings']:.1f}", saved]
        yield f"| {line['split']}, {line['repeats']} repeats | {line['best']:g} SD | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tables", action="store_true", help="print the tables of a file that is there")
    given = parser.parse_args()
    if given.tables:
        lines = [json.loads(line) for line in given.out.read_text(encoding="utf-8").splitlines()]
        print("\n".join(tables(lines)))
        return
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with given.out.open("w", encoding="utf-8") as file:
        for seed, case in enumerate(cases()):
            print(json.dumps(carry_out(case, seed)), file=file, flush=True)
        for line in replay():
            print(json.dumps(line), file=file, flush=True)


if __name__ == "__main__":
    main()
