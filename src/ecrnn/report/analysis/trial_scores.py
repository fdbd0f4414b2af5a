"""The score of a trial: the mean of a metric over the last epochs that count, and its part of each example."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ecrnn.report.analysis.read import Trial
from ecrnn.stats import Comparison, Metric, Pair, mcnemar, paper_test
from ecrnn.training.epoch_values import epoch_values

Examples = dict[str, dict[int, NDArray[np.float64]]]  # by model and repeat


def score(trial: Trial, metric: Metric, counted: int) -> float:
    """The mean of ``metric`` over the last ``counted`` epochs of a trial, or as many as it has.

    Raises:
        EcrnnError: it has none.
    """
    values = _of_epochs(trial, metric, counted)
    return math.fsum(values) / len(values)


def scores_of(
    by_model: Mapping[str, Sequence[Trial]], metric: Metric, counted: int, seeds: int = 1
) -> dict[str, dict[int, float]]:
    """The `score` of each trial, or its mean over the ``seeds`` trainings of a split, by model and repeat or split."""
    found: dict[str, dict[int, float]] = {}
    for model, trials in by_model.items():
        of_split: dict[int, list[float]] = {}
        for trial in trials:
            of_split.setdefault(trial.repeat // seeds, []).append(score(trial, metric, counted))
        found[model] = {split: math.fsum(values) / len(values) for split, values in of_split.items()}
    return found


def epoch_scores(trial: Trial, metric: Metric, counted: int) -> tuple[float, ...]:
    """What `score` is the mean of, oldest first, where they are several."""
    values = _of_epochs(trial, metric, counted)
    return tuple(values) if len(values) > 1 else ()


def epochs_of(trial: Trial) -> int:
    """How many epochs of a trial are kept."""
    earlier = trial.predictions.earlier
    return 1 if earlier is None else len(earlier) + 1


def _of_epochs(trial: Trial, metric: Metric, counted: int) -> list[float]:
    return epoch_values(f"{trial.model}, repeat {trial.repeat}", trial.predictions, trial.scores, metric, counted)


def class_scores_of_repeats(trials: Sequence[Trial], name: str, counted: int, seeds: int) -> tuple[float | None, ...]:
    """The `class_score` of each trial, or its mean over the ``seeds`` trainings of a split; None where one has none."""
    of_split: dict[int, list[float | None]] = {}
    for trial in trials:
        of_split.setdefault(trial.repeat // seeds, []).append(class_score(trial, name, counted))
    found = []
    for values in of_split.values():
        known = [value for value in values if value is not None]
        found.append(math.fsum(known) / len(known) if len(known) == len(values) else None)
    return tuple(found)


def class_score(trial: Trial, name: str, counted: int) -> float | None:
    """The mean of one of `ecrnn.stats.CLASS_SCORES` over the last ``counted`` epochs; None where one has none."""
    values = [of_epoch[name] for of_epoch in trial.scores[-counted:]]
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known and len(known) == len(values) else None


def examples_of(
    by_model: Mapping[str, Sequence[Trial]], metric: Metric, counted: int, seeds: int = 1
) -> tuple[Examples, Metric]:
    """What `ecrnn.stats.compare` takes, and the metric of it, whose value is `score`, or its mean over the ``seeds``
    trainings of a split.

    Of a ratio whose second number is the example's own, such as its length, the mean over epochs is the ratio of the
    means. Other metrics are computed of each epoch by itself: an example then has the statistics of all of them.
    """
    kept: dict[tuple[str, int], list[NDArray[np.float64]]] = {}
    for model, trials in by_model.items():
        for trial in trials:
            of_epochs = [of_epoch.statistics for of_epoch in trial.predictions.epochs()[-counted:]]
            kept.setdefault((model, trial.repeat // seeds), []).extend(of_epochs)
    ratio = all(
        epochs[0].shape[1] == 2 and np.array_equal(epochs[0][:, 1], other[:, 1])
        for epochs in kept.values()
        for other in epochs
    )
    side_by_side = 1 if ratio else math.lcm(*map(len, kept.values()))
    found: Examples = {model: {} for model in by_model}
    for (model, repeat), epochs in kept.items():
        if side_by_side == 1:
            found[model][repeat] = epochs[0] if len(epochs) == 1 else np.mean(epochs, axis=0)
        else:
            found[model][repeat] = np.tile(np.concatenate(epochs, axis=1), side_by_side // len(epochs))
    return found, metric.over_epochs(side_by_side)


def with_tests_of_last_epoch(comparison: Comparison, by_model: Mapping[str, Sequence[Trial]]) -> Comparison:
    """The tests of right and wrong images, which the mean over epochs does not have, of the last epoch."""
    correct = {model: {t.repeat: t.predictions.statistics[:, 0] == 1 for t in ts} for model, ts in by_model.items()}

    def tested(pair: Pair) -> Pair:
        if not pair.repeats:
            return pair
        a, b = (np.concatenate([correct[m][r] for r in pair.repeats]) for m in (pair.model_a, pair.model_b))
        exact = mcnemar(a, b) if pair.image_interval else None
        return replace(pair, image_test=paper_test(float(a.mean()), float(b.mean()), a.size), mcnemar=exact)

    return replace(comparison, pairs=tuple(map(tested, comparison.pairs)))
