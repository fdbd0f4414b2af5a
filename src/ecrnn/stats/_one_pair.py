"""All of a pair of models, or of one model, that does not depend on the others; words and adjusted p come after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.text import counted
from ecrnn.stats import _scores, _sentences
from ecrnn.stats._scores import Examples
from ecrnn.stats._settings import Settings
from ecrnn.stats.bayes import posterior
from ecrnn.stats.bootstrap import bootstrap_difference
from ecrnn.stats.crossed import covariance, crossed_t
from ecrnn.stats.intervals import clopper_pearson, summarise
from ecrnn.stats.mcnemar import ImageTest, accuracy_difference_interval, mcnemar, paper_test
from ecrnn.stats.paired import PairedT, corrected_resampled_t, equivalence, probability_better
from ecrnn.stats.power import detectable, repeats_needed, seeds_needed
from ecrnn.stats.results import ModelScores, Pair
from ecrnn.stats.verdicts import MIN_REPEATS


@dataclass(frozen=True)
class Side:
    """One model: the value of each repeat, and where they are known its examples, how far each of them moves the value,
    and which examples these are."""

    model: str
    values: Mapping[int, float]
    examples: Examples = field(default_factory=dict)
    influence: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    index: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)
    failed: tuple[int, ...] = ()


def scores(side: Side, settings: Settings) -> ModelScores:
    """One model by itself."""
    values, repeats = tuple(side.values.values()), tuple(side.values)
    failure = None
    if side.failed:
        failure = clopper_pearson(len(side.failed), len(side.failed) + len(values), 1 - settings.alpha)
    if not values:
        return ModelScores(side.model, repeats, values, None, side.failed, failure)
    bounds = settings.metric.least, settings.metric.most
    shared, known = None, len(values) > 1 and bool(side.influence)
    if settings.fixed_test and known:
        examples = [side.influence[repeat] for repeat in repeats]
        shared = covariance(examples, np.concatenate([side.index[repeat] for repeat in repeats]))
    summary = summarise(values, settings.n_train, settings.n_test, bounds=bounds, shared=shared)
    if settings.fixed_test and not known:
        summary = replace(summary, low=None, high=None)
    return ModelScores(side.model, repeats, values, summary, side.failed, failure)


def draft(a: Side, b: Side, settings: Settings, *, pairs: int) -> Pair:
    """The pair without adjusted p, verdict and sentence; ``pairs`` is how many there are."""
    metric, level = settings.metric, 1 - settings.alpha
    shared = tuple(repeat for repeat in a.values if repeat in b.values)
    pair = Pair(a.model, b.model, shared)
    if not shared:
        return pair
    differences = np.array([a.values[repeat] - b.values[repeat] for repeat in shared])
    gains = differences if metric.higher_is_better else -differences
    pair = replace(pair, difference=float(differences.mean()), probability=probability_better(gains, level))
    if a.examples and b.examples:
        all_a, all_b = (np.concatenate([side.examples[repeat] for repeat in shared]) for side in (a, b))
        right_a, right_b = _scores.correctness(all_a, metric), _scores.correctness(all_b, metric)
        pair = replace(pair, image_test=_image_test(right_a, right_b))
    if len(shared) == 1:
        one_test_set = settings.fixed_test and a.examples and b.examples
        return _on_one_test_set(pair, a.examples[shared[0]], b.examples[shared[0]], settings) if one_test_set else pair
    crossed = _crossed(a, b, shared, differences, settings)
    if settings.fixed_test:
        return pair if crossed is None else _tested(pair, crossed, settings, pairs)
    test = corrected_resampled_t(differences, settings.n_train, settings.n_test, level, widest=metric.widest)
    return _tested(replace(pair, crossed=crossed), test, settings, pairs)


def _crossed(
    a: Side, b: Side, shared: Sequence[int], differences: NDArray[np.float64], settings: Settings
) -> PairedT | None:
    """The crossed t, where it is known which example is which."""
    if not all(repeat in side.influence for side in (a, b) for repeat in shared):
        return None
    examples = [a.influence[repeat] - b.influence[repeat] for repeat in shared]
    shared_part = covariance(examples, np.concatenate([a.index[repeat] for repeat in shared]))
    return crossed_t(differences, shared_part, settings.n_test, 1 - settings.alpha, widest=settings.metric.widest)


def _tested(pair: Pair, test: PairedT, settings: Settings, pairs: int) -> Pair:
    """The pair with what follows from the test that its verdict stands on."""
    metric, step = settings.metric, settings.alpha / pairs
    smallest = detectable(test, alpha=step)
    needed = None if settings.difference is None else _needed(test, settings.difference, settings, step)
    return replace(
        pair,
        test=test,
        p_equivalent=equivalence(test, settings.rope),
        posterior=posterior(test, settings.rope, higher_is_better=metric.higher_is_better),
        smallest_detectable=smallest if smallest <= metric.widest else None,
        repeats_needed=None if needed is None else max(needed, MIN_REPEATS),
    )


def _needed(test: PairedT, difference: float, settings: Settings, alpha: float) -> int | None:
    """Repeats that find a difference which somebody names."""
    if settings.fixed_test:
        shared = max(0.0, test.standard_error**2 - test.sd**2 / test.n)
        return seeds_needed(difference, test.sd, shared, settings.n_test, alpha=alpha)
    return repeats_needed(difference, test.sd, settings.n_train, settings.n_test, alpha=alpha)


def _image_test(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> ImageTest | None:
    """The paper's test over all images of all repeats; its formula holds for right and wrong only."""
    if a is None or b is None:
        return None
    return paper_test(float(a.mean()), float(b.mean()), a.size)


def _on_one_test_set(pair: Pair, a: NDArray[np.float64], b: NDArray[np.float64], settings: Settings) -> Pair:
    """One trained model each: what the examples of the test set tell."""
    metric, level = settings.metric, 1 - settings.alpha
    right_a, right_b = _scores.correctness(a, metric), _scores.correctness(b, metric)
    exact = None
    if right_a is not None and right_b is not None:
        exact = mcnemar(right_a, right_b)
        interval = accuracy_difference_interval(right_a, right_b, level, settings.seed)
    else:
        interval = bootstrap_difference(a, b, metric, level, settings.seed)
    sentence = _sentences.on_one_test_set(
        pair.model_a, pair.model_b, metric, exact, interval, counted(len(a), settings.noun)
    )
    return replace(pair, mcnemar=exact, image_interval=interval, sentence=sentence)
