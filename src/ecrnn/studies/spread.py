"""How much differences of two models vary between trainings, before there are any: given, assumed, or of a study.

With k trainings on each split the score of a split is their mean, and of a difference's variance

    Var(mean of k) = Var(split) + Var(seed) / k

where the split's is that of its training and of its test examples (`ecrnn.stats.seed_and_split`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.runs import read_settings
from ecrnn.core.text import counted
from ecrnn.models.names import common_task, parse
from ecrnn.stats import Metric, seed_and_split
from ecrnn.stats._pairs import chosen
from ecrnn.stats.class_scores import metric_for
from ecrnn.training.epoch_values import score
from ecrnn.training.finished import read_finished

SEED_SHARE = 0.85  # of the variance of a difference between trainings that is the seed's, in results/why
_DISAGREE = 0.22  # share of the validation images of results/why that one of two networks gives the right class alone
_N_TEST = 15_000  # of them in each repeat
_SD = {1: 0.0099, 3: 0.0060}  # by epochs of the score: median over the 36 pairs of results/why
_SOURCE = "{points} points of the 36 pairs of results/why (CIFAR-10, {score}; median), widened to {n:,} examples"


@dataclass(frozen=True)
class Spread:
    """The variance of the difference of two models between trainings, each on a split of its own.

    ``sd`` is its root, in values of the metric, and ``seed_share`` what the seed has of it, from 0 to 1. Where both are
    from, ``source`` says.
    """

    sd: float
    seed_share: float
    source: str

    def of_means(self, seeds: int) -> float:
        """The standard deviation of the means over ``seeds`` trainings of each split."""
        return self.sd if seeds == 1 else self.sd * math.sqrt(1 - self.seed_share + self.seed_share / seeds)


def given_spread(sd: float) -> Spread:
    """What somebody has named; of the seed's share that of results/why is taken."""
    return Spread(sd, SEED_SHARE, "given")


def default_spread(metric: Metric, n_test: int, score_epochs: int = 1) -> Spread:
    """The spread that is taken where none is named, that of results/why.

    Fewer validation examples widen it: a share d of examples on which two networks differ adds d / n_test to the
    variance, which is no part of the seed's.

    Raises:
        EcrnnError: the metric is not accuracy, of which alone there is a study.
    """
    if metric.name != "accuracy":
        line = f"the SD of differences of {metric.title} between repeats is not known beforehand"
        raise EcrnnError(f"{line}; give --sd, from the report of an earlier study ('Evidence behind the verdicts')")
    epochs = 3 if score_epochs >= 3 else 1
    known = _SD[epochs]
    of_score = "mean of the last three epochs" if epochs == 3 else "last epoch"
    sampling = _DISAGREE * (1 / n_test - 1 / _N_TEST)
    variance = max(known**2 + sampling, _DISAGREE / n_test)
    source = _SOURCE.format(score=of_score, points=f"{100 * known:.2f}", n=n_test)
    return Spread(math.sqrt(variance), min(1.0, SEED_SHARE * known**2 / variance), source)


def spread_of(folder: Path, metric: Metric, n_test: int) -> Spread:
    """The spread of a study's own differences: the mean of the variances of its pairs.

    Of a study with several seeds a split the seed's share is measured; of another one it is that of results/why.

    Args:
        folder: of the study, finished or not.
        metric: of the study that is planned, which must be this study's too.
        n_test: validation examples that are planned; must be about those of the study, since they make the variance.

    Raises:
        EcrnnError: no study, one of another score or another number of examples, or one with fewer than two whole
            splits of any pair.
    """
    settings = read_settings(folder)
    if settings.tuning is not None:
        raise RunDirectoryError(f"{folder} holds a tuning; variances are those of a comparison")
    of_study = metric_for(common_task(map(parse, settings.models)), settings.metric)
    if of_study.name != metric.name:
        raise EcrnnError(f"{folder} compares by {of_study.title}, and the plan is by {metric.title}")
    scores, size = _finished(folder, settings, metric)
    if not 0.5 <= size / n_test <= 2:
        line = f"{folder} scores {size:,.0f} examples a repeat, and the plan {n_test:,}"
        raise EcrnnError(f"{line}: differences vary otherwise there; give --sd")
    pairs = chosen(settings.models, settings.baseline, settings.pairs)
    tables = [table for a, b in pairs if len(table := _differences(settings, scores[a], scores[b])) > 1]
    if not tables:
        raise EcrnnError(f"{folder} has no pair of models with two whole splits, by which differences could vary")
    means = f"mean of {counted(len(tables), 'pairs')} over {max(map(len, tables))} splits of {folder}"
    if settings.seeds_per_split == 1:
        total = float(np.mean([table.var(ddof=1) for table in tables]))
        return Spread(math.sqrt(total), SEED_SHARE, f"{means}; the seed's share as in results/why")
    found = [seed_and_split(table) for table in tables]
    seed, split = (float(np.mean([getattr(one, of).estimate for one in found])) for of in ("seed", "split"))
    return Spread(math.sqrt(seed + split), seed / (seed + split) if seed + split else SEED_SHARE, means)


def _finished(folder: Path, settings: StudySettings, metric: Metric) -> tuple[dict[str, dict[int, float]], float]:
    """The scores of a study's trainings by model and repeat, and how many examples validate, on average."""
    scores: dict[str, dict[int, float]] = {model: {} for model in settings.models}
    sizes = []
    for repeat in range(settings.first_repeat, settings.first_repeat + settings.repeats):
        for model in settings.models:
            if (trial := read_finished(folder, settings, model, repeat)) is not None:
                scores[model][repeat] = score(trial, metric, settings.score_epochs)
                sizes.append(trial.facts["n_validation"])
    if not sizes:
        raise EcrnnError(f"{folder} has no finished training")
    return scores, float(np.mean(sizes))


def _differences(settings: StudySettings, a: dict[int, float], b: dict[int, float]) -> NDArray[np.float64]:
    """(splits, seeds) of the splits that both models have whole."""
    both = {repeat: a[repeat] - b[repeat] for repeat in a if repeat in b}
    splits = [settings.repeats_of(split) for split in sorted({settings.split_number(repeat) for repeat in both})]
    return np.array([[both[repeat] for repeat in split] for split in splits if both.keys() >= {*split}])
