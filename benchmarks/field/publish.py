"""Keep the field study in small, and compute from that everything that docs/field.md shows.

    python benchmarks/field/publish.py WORK

results/field gets archives of the studies, a table of the second block's scores and the searches for recipes. What is
derived from these files, `derive` writes; tests/test_field.py compares it with what was committed.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from data_sets import PRIMARY, TUNING
from plan import (
    CNN,
    CODE,
    COUNTS,
    CRNN,
    EXPLORATORY,
    FLOOR,
    NETWORKS,
    ORDERS,
    PAIRS,
    POSITIONS,
    SPACE,
    step_model,
)
from run import BLOCK, FIELD, RECIPES, STEP_TUNING
from scipy import stats as scipy_stats

from ecrnn.core.across_plan import read_plan, studies_of, write_plan
from ecrnn.core.config import read_yaml
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.reading import read_json, there
from ecrnn.core.search_space import parse_space, read_space
from ecrnn.core.text import json_text
from ecrnn.models.own_code import load_code
from ecrnn.report import (
    AcrossAnalysis,
    ScoredDataSet,
    StudyRecord,
    analyse,
    archive_study,
    read_study,
    write_across_report,
)
from ecrnn.report.analysis.plan import unfinished_of
from ecrnn.scores.judging import How, judge_across, read
from ecrnn.stats import corrected_resampled_t, holm, random_effects
from ecrnn.training.tried_points import read_tuning

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results" / "field"
SCORES, SECOND, SEARCHES = "superclasses.csv", "superclasses.json", "tuning.json"
RUN_STEPS, STEPS = "steps", "secondary/steps"  # of the results deeper, as it is none of the studies of across.yaml
SECOND_PAIRS = (*PAIRS, (POSITIONS, CRNN), (POSITIONS, CNN))
KEPT = ("report.md", "report.json", "report-forest-1.svg", "report-forest-2.svg", "report-forest-3.svg")
CLEAR = 0.05  # of accuracy above the floor


def main(work: Path) -> None:
    for one in PRIMARY:
        archive_study(work / FIELD / one.name, RESULTS / one.name)
    write_plan(RESULTS, read_plan(work / FIELD))
    archive_study(work / RUN_STEPS, RESULTS / STEPS)
    if len(studies_of(work / BLOCK, read_plan(work / BLOCK))) > 1:  # what is left out where time is short
        with tempfile.TemporaryDirectory() as place:
            written = write_across_report([work / BLOCK], Path(place), exploratory=True)
            header, rows = written.paths["report-results.csv"].read_text().split("\n", 1)
            write_atomically(RESULTS / SCORES, f"{header.replace('score', 'accuracy')}\n{rows}")
            write_atomically(RESULTS / SECOND, json_text(trained(written.analysis), indent=1) + "\n")
    write_atomically(RESULTS / SEARCHES, json_text(searches(work), indent=1) + "\n")
    os.chdir(ROOT)  # a report says where its studies lie
    results = RESULTS.relative_to(ROOT)
    derive(results, results)


def trained(analysis: AcrossAnalysis) -> dict[str, Any]:
    """How many trainings were planned, how many of them have not ended, and which models failed how often."""
    failed = {one.name: dict(one.failed) for one in analysis.data_sets if one.failed}
    return {"planned": analysis.planned, "unfinished": analysis.unfinished, "failed": failed}


def searches(work: Path) -> dict[str, Any]:
    """Every point of every search, and the recipes that came of them."""
    load_code(CODE)
    places = [*(work / "tuning" / one.name for one in TUNING), work / STEP_TUNING]
    found = {
        place.name: {search.model: [asdict(point) for point in search.points] for search in read_tuning(place).models}
        for place in places
    }
    return {"format": 1, "kind": "searches of the field study", "points": found, **read_yaml(work / RECIPES, work)}


def edges(folder: Path) -> dict[str, list[str]]:
    """By model the settings of its recipe that lie at an end of the space of the searches, or of what was tried."""
    found = read_json(folder / SEARCHES)
    points = [one["point"] for of in found["points"].values() for tried in of.values() for one in tried]
    ends: dict[str, list[str]] = {}
    for dimension in read_space(parse_space(SPACE)):
        name = dimension.name
        values = [point[name] for point in points if name in point]
        for model, recipe in found["recipes"].items():
            if name in recipe and (dimension.near_end(recipe[name]) or recipe[name] in (min(values), max(values))):
                ends.setdefault(model, []).append(name)
    return ends


def derive(folder: Path, out: Path) -> None:
    """Write everything that follows from the archives and tables in ``folder``."""
    at_edges = edges(folder)
    primary = _report([folder], out / "report", edges=at_edges)
    _report([folder], out / "exploratory", KEPT[:2], pairs=EXPLORATORY, exploratory=True)
    if there(folder / SCORES):
        with tempfile.TemporaryDirectory() as place:
            judge_across(read(folder / SCORES), How(pairs=SECOND_PAIRS), place, exploratory=True)
            _keep(Path(place), out / "superclasses", KEPT[:2])
    of_steps = read_study([folder / STEPS])
    failed_steps = {model: len(repeats) for model, repeats in of_steps.failed.items()}
    answers = {
        "format": 1,
        "kind": "answers of the field study",
        "primary": trained(primary),
        "secondary": {"unfinished": unfinished_of(of_steps), "failed": failed_steps},
        "superclasses": read_json(folder / SECOND) if there(folder / SECOND) else {},
        "edges": at_edges,
        "sensitivity": sensitivity(primary.data_sets),
        "steps": asdict(contrasts(*step_scores(of_steps))),
    }
    write_atomically(out / "answers.json", json_text(answers, indent=1) + "\n")


def _report(folders: Sequence[Path], out: Path, names: Sequence[str] = KEPT, **how: Any) -> AcrossAnalysis:
    with tempfile.TemporaryDirectory() as place:
        written = write_across_report(folders, Path(place), **how)
        _keep(Path(place), out, names)
    return written.analysis


def _keep(folder: Path, out: Path, names: Sequence[str]) -> None:
    make_folder(out)
    for name in names:
        shutil.copyfile(folder / name, out / name)


# Sensitivity of the primary analysis


def differences(one: ScoredDataSet, chance: float | None = None) -> dict[tuple[str, str], float]:
    """By pair the mean difference over the repeats that both models have; with ``chance`` that of failed trainings."""
    scores: dict[str, dict[int, float]] = {}
    for model in one.comparison.models:
        scores[model.model] = dict(zip(model.repeats, model.scores, strict=True))
        if chance is not None:
            scores[model.model] |= dict.fromkeys(model.failed, chance)
    if chance is not None:  # a model that never succeeded is not in the comparison
        scores |= {model: dict.fromkeys(range(n), chance) for model, n in one.failed.items() if model not in scores}
    found = {}
    for a, b in (*PAIRS, *((network, FLOOR) for network in NETWORKS)):
        of_a, of_b = scores.get(a, {}), scores.get(b, {})
        if both := [of_a[repeat] - of_b[repeat] for repeat in of_a if repeat in of_b]:
            found[a, b] = float(np.mean(both))
    return found


def sensitivity(data_sets: Sequence[ScoredDataSet]) -> dict[str, dict[str, Any]]:
    """The primary differences under other choices of data sets: for each choice by pair n, mean, low, high and p."""
    whole = {one.name: differences(one) for one in data_sets}
    choices = {f"without {name}": {k: v for k, v in whole.items() if k != name} for name in whole}
    if {"cifar10", "cifar100"} <= whole.keys():
        one, other = whole["cifar10"], whole["cifar100"]
        joined = {pair: (one[pair] + other[pair]) / 2 for pair in one.keys() & other.keys()}
        rest = {name: of for name, of in whole.items() if name not in ("cifar10", "cifar100")}
        choices["cifar10 and cifar100 as one"] = {**rest, "cifar": joined}
    choices["networks clearly above the floor"] = {
        name: of
        for name, of in whole.items()
        if max(of.get((network, FLOOR), -math.inf) for network in NETWORKS) > CLEAR
    }
    choices["failed trainings at chance"] = {one.name: differences(one, 1 / (one.classes or 2)) for one in data_sets}
    return {choice: _effects(of) for choice, of in choices.items()}


def _effects(by_data_set: Mapping[str, Mapping[tuple[str, str], float]]) -> dict[str, Any]:
    found = {}
    for a, b in PAIRS:
        known = [of[a, b] for of in by_data_set.values() if (a, b) in of]
        if len(known) > 2:
            effects = random_effects(known)
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


def step_scores(study: StudyRecord) -> tuple[np.ndarray, int, int]:
    """Scores (orders, counts, repeats) of the repeats that all networks have finished, training images and scored
    images of a repeat."""
    comparison = analyse(study).comparison
    of = {one.model: dict(zip(one.repeats, one.scores, strict=True)) for one in comparison.models}
    table = [[of.get(step_model(count, order), {}) for count in COUNTS] for order in ORDERS]
    whole = sorted(set.intersection(*(set(scores) for row in table for scores in row)))
    scores = np.array([[[scores[repeat] for repeat in whole] for scores in row] for row in table])
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
        order_of_any_permutation=crossed_mean(by_permutation, n_train, n_test),
    )


def crossed_mean(table: np.ndarray, n_train: int, n_test: int) -> dict[str, float]:
    """The mean of a table (J, R) of which rows and columns are both random, with Satterthwaite's degrees of freedom.

    Columns are random splits of one data set, which share images, so that their mean square counts
    1 + R n_test / n_train times, as in the corrected resampled t test (Nadeau and Bengio 2003). The variance of the
    mean is (MS rows + that - MS rest) / (J R), and at least MS rest / (J R).
    """
    rows, columns = table.shape
    mean = table.mean()
    rest = table - table.mean(1, keepdims=True) - table.mean(0) + mean
    squares = np.array(
        [
            columns * table.mean(1).var(ddof=1),
            rows * table.mean(0).var(ddof=1) * (1 + columns * n_test / n_train),
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
    main(Path(sys.argv[1]).resolve())
