"""Keep the field study in small, and compute from that everything that docs/field.md shows.

    python benchmarks/field/publish.py WORK

results/field gets archives of the studies, a table of the second block's scores and the searches for recipes. What is
derived from these files, `derive` writes; tests/test_field.py compares it with what was committed.
"""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data_sets import PRIMARY, TUNING
from plan import CNN, COUNTS, CRNN, ECRNN, EXPLORATORY, FLOOR, NETWORKS, ORDERS, PAIRS, POSITIONS, step_model
from run import BLOCK, FIELD, RECIPES, STEP_TUNING
from scipy import stats as scipy_stats

from ecrnn.core.across_plan import read_plan, write_plan
from ecrnn.core.config import read_yaml
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.text import json_text
from ecrnn.report import AcrossAnalysis, analyse, archive_study, read_study, write_across_report
from ecrnn.scores.judging import How, judge_across, read
from ecrnn.stats import Comparison, corrected_resampled_t, holm, random_effects
from ecrnn.training.tried_points import read_tuning

RESULTS = Path(__file__).parents[2] / "results" / "field"
SCORES, SEARCHES, STEPS = "superclasses.csv", "tuning.json", "steps"
KEPT = ("report.md", "report.json", "report-forest-1.svg", "report-forest-2.svg", "report-forest-3.svg")
CLEAR = 0.05  # of accuracy above the floor


def main(work: Path) -> None:
    for one in PRIMARY:
        archive_study(work / FIELD / one.name, RESULTS / one.name)
    write_plan(RESULTS, read_plan(work / FIELD))
    archive_study(work / STEPS, RESULTS / STEPS)
    with tempfile.TemporaryDirectory() as place:
        written = write_across_report([work / BLOCK], Path(place))
        header, rows = written.paths["report-results.csv"].read_text().split("\n", 1)
        write_atomically(RESULTS / SCORES, f"{header.replace('score', 'accuracy')}\n{rows}")
    write_atomically(RESULTS / SEARCHES, json_text(searches(work), indent=1) + "\n")
    derive(RESULTS, RESULTS)


def searches(work: Path) -> dict[str, Any]:
    """Every point of every search, and the recipes that came of them."""
    places = [*(work / "tuning" / one.name for one in TUNING), work / STEP_TUNING]
    found = {
        place.name: {search.model: [asdict(point) for point in search.points] for search in read_tuning(place).models}
        for place in places
    }
    return {"format": 1, "kind": "searches of the field study", "points": found, **read_yaml(work / RECIPES, work)}


def derive(folder: Path, out: Path) -> None:
    """Write everything that follows from the archives and tables in ``folder``."""
    primary = _report([folder], out / "report")
    _report([folder], out / "exploratory", pairs=EXPLORATORY)
    second = ((ECRNN, CRNN), (ECRNN, CNN), (CRNN, CNN), (POSITIONS, CRNN), (POSITIONS, CNN))
    with tempfile.TemporaryDirectory() as place:
        reading = read(folder / SCORES)
        judge_across(reading, How(pairs=second), place)
        _keep(Path(place), out / "superclasses", KEPT[:2])
    comparisons = {one.name: one.comparison for one in primary.data_sets}
    answers = {
        "format": 1,
        "kind": "answers of the field study",
        "failed": {name: failures(one) for name, one in comparisons.items() if failures(one)},
        "sensitivity": sensitivity(comparisons, {one.name: one.classes or 2 for one in primary.data_sets}),
        "steps": asdict(contrasts(*step_scores(folder / STEPS))),
    }
    write_atomically(out / "answers.json", json_text(answers, indent=1) + "\n")


def _report(folders: Sequence[Path], out: Path, pairs: Sequence[tuple[str, str]] | None = None) -> AcrossAnalysis:
    with tempfile.TemporaryDirectory() as place:
        written = write_across_report(folders, Path(place), pairs=pairs)
        _keep(Path(place), out, KEPT if pairs is None else KEPT[:2])
    return written.analysis


def _keep(folder: Path, out: Path, names: Sequence[str]) -> None:
    make_folder(out)
    for name in names:
        shutil.copyfile(folder / name, out / name)


def failures(comparison: Comparison) -> dict[str, int]:
    """By model the trainings that failed."""
    return {one.model: len(one.failed) for one in comparison.models if one.failed}


# Sensitivity of the primary analysis


def means(comparison: Comparison, chance: float | None = None) -> dict[str, float]:
    """By model the mean score; with ``chance`` that of a training that failed."""
    found = {}
    for one in comparison.models:
        scores = [*one.scores, *([] if chance is None else [chance] * len(one.failed))]
        if scores:
            found[one.model] = float(np.mean(scores))
    return found


def sensitivity(comparisons: Mapping[str, Comparison], classes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """The primary differences under other choices of data sets: for each choice by pair n, mean, low, high and p.

    Args:
        comparisons: of the primary data sets, by name.
        classes: their numbers.
    """
    whole = {name: means(one) for name, one in comparisons.items()}
    choices = {f"without {name}": {k: v for k, v in whole.items() if k != name} for name in whole}
    if {"cifar10", "cifar100"} <= whole.keys():
        one, other = whole["cifar10"], whole["cifar100"]
        joined = {model: (one[model] + other[model]) / 2 for model in one.keys() & other.keys()}
        rest = {name: of for name, of in whole.items() if name not in ("cifar10", "cifar100")}
        choices["cifar10 and cifar100 as one"] = {**rest, "cifar": joined}
    choices["networks clearly above the floor"] = {
        name: of
        for name, of in whole.items()
        if FLOOR in of and max(of[model] for model in NETWORKS if model in of) > of[FLOOR] + CLEAR
    }
    choices["failed trainings at chance"] = {name: means(one, 1 / classes[name]) for name, one in comparisons.items()}
    return {choice: _differences(of) for choice, of in choices.items()}


def _differences(scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    found = {}
    for a, b in PAIRS:
        differences = [of[a] - of[b] for of in scores.values() if a in of and b in of]
        if len(differences) > 2:
            effects = random_effects(differences)
            found[f"{a} - {b}"] = {key: getattr(effects, key) for key in ("n", "mean", "low", "high", "p")}
    return found


# The secondary study: steps and order


@dataclass(frozen=True)
class Contrast:
    """One number a split: its mean with the corrected resampled t test, Holm over both contrasts; a fraction."""

    name: str
    repeats: tuple[float, ...]
    mean: float
    low: float
    high: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Steps:
    """Mean accuracy of each number of steps and order, both contrasts, and order with random permutations."""

    counts: tuple[int, ...]
    accuracies: tuple[tuple[float, ...], ...]  # by order, then by number of steps
    contrasts: tuple[Contrast, ...]
    order_of_any_permutation: dict[str, float]


def step_scores(study: Path) -> tuple[np.ndarray, int, int]:
    """Scores (orders, counts, repeats), training images and scored images of a repeat."""
    comparison = analyse(read_study([study])).comparison
    of = {one.model: one.scores for one in comparison.models}
    scores = np.array([[of[step_model(count, order)] for count in COUNTS] for order in ORDERS])
    return scores, comparison.n_train, comparison.n_test


def contrasts(scores: np.ndarray, n_train: int, n_test: int) -> Steps:
    """The two contrasts of (orders, counts, repeats) scores; order 0 is the paper's, the others permutations."""
    x = np.log2(COUNTS) - np.log2(COUNTS).mean()
    slopes = np.einsum("k,kr->r", x, scores.mean(0)) / (x @ x)
    by_permutation = (scores[:1] - scores[1:]).mean(1)  # (permutations, repeats)
    values = {"steps": slopes, "order": by_permutation.mean(0)}
    tests = {name: corrected_resampled_t(of, n_train, n_test) for name, of in values.items()}
    adjusted = holm([test.p for test in tests.values()])
    return Steps(
        counts=COUNTS,
        accuracies=tuple(tuple(row) for row in scores.mean(2).tolist()),
        contrasts=tuple(
            Contrast(name, tuple(values[name].tolist()), test.difference, test.low, test.high, test.p, float(p))
            for (name, test), p in zip(tests.items(), adjusted, strict=True)
        ),
        order_of_any_permutation=crossed_mean(by_permutation),
    )


def crossed_mean(table: np.ndarray) -> dict[str, float]:
    """The mean of a table (J, R) of which rows and columns are both random, with Satterthwaite's degrees of freedom.

    The variance of the mean is (MS rows + MS columns - MS rest) / (J R), and at least MS rest / (J R).
    """
    rows, columns = table.shape
    mean = table.mean()
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + mean
    squares = np.array(
        [
            columns * table.mean(1).var(ddof=1),
            rows * table.mean(0).var(ddof=1),
            -(rest**2).sum() / ((rows - 1) * (columns - 1)),
        ]
    )
    variance = max(squares.sum(), -squares[2])
    df = max(1.0, variance**2 / (squares**2 / [rows - 1, columns - 1, (rows - 1) * (columns - 1)]).sum())
    error = math.sqrt(variance / table.size)
    half = float(scipy_stats.t.ppf(0.975, df)) * error
    return {
        "mean": float(mean),
        "low": float(mean) - half,
        "high": float(mean) + half,
        "p": float(2 * scipy_stats.t.sf(abs(mean) / error, df)),
        "degrees_of_freedom": df,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
