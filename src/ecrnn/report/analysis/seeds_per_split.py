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
from ecrnn.report.analysis.trial_scores import examples_of, scores_of
from ecrnn.stats import Comparison, Metric, clopper_pearson, seed_and_split
from ecrnn.stats.failures import with_failures

ByModel = Mapping[str, Sequence[Trial]]


def with_failed_trainings(comparison: Comparison, by_model: ByModel, failed: Mapping[str, Sequence[int]]) -> Comparison:
    """The comparison of split means with how many trainings failed.

    Args:
        comparison: made without them.
        by_model: the finished trials.
        failed: the repeats in which the training of a model failed.
    """
    models = {}
    for model in comparison.models:
        repeats = tuple(sorted(failed.get(model.model, ())))
        tried = len(repeats) + len(by_model[model.model])
        share = clopper_pearson(len(repeats), tried, 1 - comparison.alpha) if repeats else None
        models[model.model] = replace(model, failed=repeats, failure=share, trainings=len(by_model[model.model]))
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


def variation(
    by_model: ByModel, comparison: Comparison, metric: Metric, counted: int, seeds: int, *, by_examples: bool
) -> tuple[Variation, ...]:
    """What the score of each model and the difference of each pair varies with; of whole splits, where there are two.

    Args:
        by_model: the finished trials.
        comparison: which pairs there are.
        metric: by which the models are compared.
        counted: last epochs whose mean is the score of a trial.
        seeds: trainings of a split.
        by_examples: whether ``metric`` follows from single examples.
    """
    scores = scores_of(by_model, metric, counted)
    influence: dict[str, dict[int, NDArray[np.float64]]] = {}
    if by_examples:
        examples, over_epochs = examples_of(by_model, metric, counted)
        influence = {m: {r: over_epochs.influence(array) for r, array in of.items()} for m, of in examples.items()}

    def found(a: str, b: str | None) -> Variation | None:
        names = [a] if b is None else [a, b]
        repeats = set.intersection(*(set(scores[name]) for name in names))
        splits = [[s * seeds + j for j in range(seeds)] for s in sorted({r // seeds for r in repeats})]
        splits = [split for split in splits if repeats.issuperset(split)]
        if len(splits) < 2:
            return None
        y = np.array([[_less(scores, names, r) for r in split] for split in splits])
        x = [np.stack([_less(influence, names, r) for r in split]) for split in splits] if by_examples else None
        return Variation(a, b, seed_and_split(y, x, 1 - comparison.alpha))

    wanted = [(model.model, None) for model in comparison.models]
    pairs = [(pair.model_a, pair.model_b) for pair in comparison.pairs]
    return tuple(one for a, b in (*wanted, *pairs) if (one := found(a, b)) is not None)


def _less(of: Mapping[str, Mapping[int, Any]], names: Sequence[str], repeat: int) -> Any:
    """The value of the first model, less that of the second if there is one."""
    return of[names[0]][repeat] if len(names) == 1 else of[names[0]][repeat] - of[names[1]][repeat]
