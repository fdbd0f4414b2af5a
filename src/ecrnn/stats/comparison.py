"""The whole comparison of k models over r repeats, as plain data: what the report prints.

    comparison = compare({"cnn": {0: correct, ...}, "ecrnn-bilstm-16": {...}}, n_train=35_000, n_test=15_000)
    print(comparison.pairs[0].sentence)

`compare_scores` does the same with one number a repeat, of which no example is known. What comes back: results.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecrnn.stats import _one_pair, _pairs, _scores, _settings
from ecrnn.stats._one_pair import Side
from ecrnn.stats._scores import Index, Scores, Values
from ecrnn.stats._settings import Settings
from ecrnn.stats._warnings import warnings
from ecrnn.stats._words import with_verdicts
from ecrnn.stats.contrasts import Contrasts
from ecrnn.stats.contrasts import compared as compared_groups
from ecrnn.stats.metrics import ACCURACY, Metric
from ecrnn.stats.results import Comparison


def compare(
    scores: Mapping[str, Scores],
    n_train: int,
    n_test: int,
    *,
    metric: Metric = ACCURACY,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    alpha: float = 0.05,
    seed: int = 0,
    fixed_test: bool = False,
    index: Index | None = None,
    noun: str = "images",
    difference: float | None = None,
    failed: Mapping[str, Sequence[int]] | None = None,
    contrasts: Contrasts | None = None,
) -> Comparison:
    """Compare models over repeats that share their splits.

    Args:
        scores: for each model, in the order of the report, its repeats: a mapping from the number of the
            repeat to its examples, or a sequence of such arrays, numbered from 0. The examples are the (n, k)
            statistics of ``metric``; for accuracy also (n,) scores (correctness as bool, or floats between 0 and 1).
            Within a repeat all models have the same examples in the same order. Models may have finished
            different repeats; a pair uses those that both have.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        metric: by which models are compared: the score of a repeat is the metric over its examples.
        baseline: compare every other model (model_a) against this one (model_b). Without it every model is
            model_a against each one before it.
        pairs: compare these alone, (model_a, model_b), named before the scores were seen; none is named twice.
        rope: half the width of the region of practical equivalence, in values of the metric; None takes the
            metric's own.
        alpha: level of the tests after Holm's adjustment over all pairs; intervals of pairs have level 1 -
            alpha.
        seed: of the bootstraps.
        fixed_test: all repeats have one training set and one test set, and differ in their seeds: the crossed t test
            judges (`ecrnn.stats.crossed_t`), and without ``index`` the examples have one order in all repeats. With one
            repeat there is a bootstrap over the examples, and no verdict.
        index: for each repeat (n,) which examples of the data are scored, whole numbers, in the order of the scores:
            of random splits it gives the crossed t beside the verdict.
        noun: what sentences call the examples, in the plural.
        difference: one that would matter, in values of the metric, for which each pair then says how many repeats would
            find it; without it none does.
        failed: for each model the repeats in which its training failed; sentences say how many.
        contrasts: by name two groups of models, the mean over one to be compared with the mean over the other.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not among the models.
        EcrnnError: no models, scores that are empty, not finite, not the metric's or, for accuracy, outside 0..1,
            models with different numbers of examples in a repeat, an index that does not fit them, a fixed test set
            of different sizes, both baseline and pairs, a pair twice, settings out of range.
    """
    settings = _settings.checked(metric, n_train, n_test, rope, alpha, seed, fixed_test, noun, difference)
    examples = _scores.read(scores, metric)
    places = _scores.places(examples, index, fixed_test=fixed_test)
    sides = [
        Side(
            model,
            {repeat: metric.value(array) for repeat, array in arrays.items()},
            arrays,
            {repeat: metric.influence(array) for repeat, array in arrays.items() if repeat in places},
            places,
            _scores.failed(model, arrays, failed),
        )
        for model, arrays in examples.items()
    ]
    return _compare(sides, settings, baseline, pairs, contrasts or {})


def compare_scores(
    scores: Mapping[str, Values],
    n_train: int,
    n_test: int,
    *,
    metric: Metric,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    alpha: float = 0.05,
    seed: int = 0,
    fixed_test: bool = False,
    noun: str = "images",
    difference: float | None = None,
    failed: Mapping[str, Sequence[int]] | None = None,
    contrasts: Contrasts | None = None,
) -> Comparison:
    """Compare models by one number a repeat, such as macro F1. What needs single examples is left out.

    Args:
        scores: for each model, in the order of the report, its repeats: a mapping from the number of the repeat to its
            score, or a sequence of scores, numbered from 0. Models may have finished different repeats.
        n_train: as of `compare`, like all that follow.
        n_test: scored examples in a repeat.
        metric: of which only name, bounds and direction count.
        baseline: compare every other model against this one.
        pairs: compare these alone.
        rope: half the width of the region of practical equivalence.
        alpha: level of the tests.
        seed: of the bootstraps.
        fixed_test: all repeats have one training set and one test set. One score a repeat does not tell what other
            test examples would change, so there is no verdict then.
        noun: what sentences call the examples.
        difference: one that would matter.
        failed: for each model the repeats in which its training failed.
        contrasts: by name two groups of models.

    Returns:
        As `compare`, without `crossed`, `image_test`, `mcnemar` and `image_interval`.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not among the models.
        EcrnnError: no models, scores that are not finite or beyond the metric's bounds, settings out of range.
    """
    settings = _settings.checked(metric, n_train, n_test, rope, alpha, seed, fixed_test, noun, difference)
    sides = [
        Side(model, values, failed=_scores.failed(model, values, failed))
        for model, values in _scores.read_values(scores, metric).items()
    ]
    return _compare(sides, settings, baseline, pairs, contrasts or {})


def _compare(
    sides: Sequence[Side],
    settings: Settings,
    baseline: str | None,
    pairs: Sequence[tuple[str, str]] | None,
    contrasts: Contrasts,
) -> Comparison:
    by_name = {side.model: side for side in sides}
    names = _pairs.chosen(list(by_name), baseline, pairs)
    drafts = [_one_pair.draft(by_name[a], by_name[b], settings, pairs=len(names)) for a, b in names]
    models = tuple(_one_pair.scores(side, settings) for side in sides)
    compared = with_verdicts(drafts, models, settings)
    repeats = tuple(sorted({repeat for side in sides for repeat in side.values}))
    return Comparison(
        models=models,
        pairs=compared,
        n_train=settings.n_train,
        n_test=settings.n_test,
        repeats=repeats,
        rope=settings.rope,
        alpha=settings.alpha,
        baseline=baseline,
        fixed_test=settings.fixed_test,
        warnings=tuple(warnings(sides, repeats, compared, settings)),
        metric=settings.metric.name,
        named_difference=settings.difference,
        contrasts=compared_groups(sides, models, contrasts, settings),
    )
