"""Studies that train each split several times: verdicts on means of splits, seed and split told apart.

A repeat of the comparison is then a split, its score the mean over its trainings, as of one training it is the mean
over its last epochs. Failed trainings are counted as trainings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecrnn.report.analysis.read import Trial
from ecrnn.report.analysis.schema import Variation
from ecrnn.report.analysis.trial_scores import examples_of
from ecrnn.stats import Comparison, Metric, clopper_pearson, seed_and_split
from ecrnn.stats.failures import with_failures

ByModel = Mapping[str, Sequence[Trial]]
Influence = Mapping[str, Mapping[int, NDArray[np.float64]]]  # by model and repeat


def with_failed_trainings(
    comparison: Comparison, trained: Mapping[str, int], failed: Mapping[str, Sequence[int]]
) -> Comparison:
    """The comparison of split means with how many trainings failed.

    Args:
        comparison: made without them.
        trained: how many trainings of a model have a score.
        failed: the repeats in which the training of a model failed.
    """
    models = {}
    for model in comparison.models:
        repeats, finished = tuple(sorted(failed.get(model.model, ()))), trained[model.model]
        tried = len(repeats) + finished
        share = clopper_pearson(len(repeats), tried, 1 - comparison.alpha) if repeats else None
        models[model.model] = replace(model, failed=repeats, failure=share, trainings=finished)
    pairs = [
        replace(pair, sentence=with_failures(pair.sentence, [models[pair.model_a], models[pair.model_b]]))
        for pair in comparison.pairs
    ]
    return replace(comparison, models=tuple(models.values()), pairs=tuple(pairs))


def note(seeds: int) -> str:
    """What must be said of the repeats of such a report."""
    return (
        f"Each split was trained {seeds} times with different seeds. A repeat of models, pairs and verdicts is a "
        "split, and its score the mean over its trainings; in the list of trials a repeat is a training."
    )


def influence_of(by_model: ByModel, metric: Metric, counted: int) -> Influence:
    """What each example adds to the score of each trial, of a metric that follows from single examples.

    Args:
        by_model: the finished trials.
        metric: by which the models are compared.
        counted: last epochs whose mean is the score of a trial.
    """
    examples, over_epochs = examples_of(by_model, metric, counted)
    return {model: {r: over_epochs.influence(array) for r, array in of.items()} for model, of in examples.items()}


def variation(
    comparison: Comparison,
    scores: Mapping[str, Mapping[int, float]],
    influence: Influence | None,
    split: Mapping[int, int],
    seeds: int,
) -> tuple[Variation, ...]:
    """What the score of each model and the difference of each pair varies with; of whole splits, where there are two.

    Args:
        comparison: which pairs there are.
        scores: of each training, by model and repeat.
        influence: from `influence_of`; None where the scores do not follow from single examples.
        split: number of the split of each repeat.
        seeds: trainings of a whole split.
    """

    def found(a: str, b: str | None) -> Variation | None:
        names = [a] if b is None else [a, b]
        of_split: dict[int, list[int]] = {}
        for repeat in sorted(set.intersection(*(set(scores[name]) for name in names))):
            of_split.setdefault(split[repeat], []).append(repeat)
        splits = [repeats for _, repeats in sorted(of_split.items()) if len(repeats) == seeds]
        if len(splits) < 2:
            return None
        y = np.array([[_less(scores, names, r) for r in repeats] for repeats in splits])
        x = None
        if influence is not None:
            x = [np.stack([_less(influence, names, r) for r in repeats]) for repeats in splits]
        return Variation(a, b, seed_and_split(y, x, 1 - comparison.alpha))

    wanted = [(model.model, None) for model in comparison.models]
    pairs = [(pair.model_a, pair.model_b) for pair in comparison.pairs]
    return tuple(one for a, b in (*wanted, *pairs) if (one := found(a, b)) is not None)


def _less(of: Mapping[str, Mapping[int, Any]], names: Sequence[str], repeat: int) -> Any:
    """The value of the first model, less that of the second if there is one."""
    return of[names[0]][repeat] if len(names) == 1 else of[names[0]][repeat] - of[names[1]][repeat]
