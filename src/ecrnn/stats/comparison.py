"""The whole comparison of k models over r repeats, as plain data: what the report prints.

    comparison = compare({"cnn": {0: correct, ...}, "ecrnn-bilstm-16": {...}}, n_train=35_000, n_test=15_000)
    print(comparison.pairs[0].sentence)

`compare_scores` does the same with one number a repeat, of which no example is known.

A difference is model_a minus model_b everywhere, in values of the metric: fractions for accuracy, where positive means
that model_a is better; where lower is better (bits, errors), negative does. Verdict and probabilities are said of
model_a and never turn: "better" is better. ``json.dumps(dataclasses.asdict(comparison), allow_nan=False)`` always
works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ecrnn.core.text import counted
from ecrnn.stats import _checks, _pairs, _scores, _sentences
from ecrnn.stats._scores import Examples, Scores, Values
from ecrnn.stats.bayes import Posterior, bayesian_correlated_t
from ecrnn.stats.bootstrap import bootstrap_difference
from ecrnn.stats.intervals import Interval, Summary, summarise
from ecrnn.stats.mcnemar import ImageTest, McNemar, accuracy_difference_interval, mcnemar, paper_test
from ecrnn.stats.metrics import ACCURACY, Metric
from ecrnn.stats.paired import PairedT, corrected_resampled_t, holm, probability_better
from ecrnn.stats.power import repeats_needed, smallest_detectable
from ecrnn.stats.verdicts import MIN_REPEATS, Verdict, repeats_warning, verdict


@dataclass(frozen=True)
class ModelScores:
    """One model: the repeats it has finished, the metric over the examples of each, their summary (None without)."""

    model: str
    repeats: tuple[int, ...]
    scores: tuple[float, ...]
    summary: Summary | None


@dataclass(frozen=True)
class Pair:
    """Two models on the repeats that both have finished; a difference is model_a minus model_b.

    ``difference`` and ``probability`` (of model_a being better) are None without a shared repeat. ``test``,
    ``p_holm``, ``posterior`` and the two figures of power need two repeats, ``verdict`` three. ``image_test`` is the
    paper's, None for scores other than right and wrong. ``image_interval``, a bootstrap over the examples, is there
    only for one trained model each on a fixed test set, ``mcnemar`` too if the scores are right and wrong.

    ``smallest_detectable`` and ``repeats_needed`` stand for power 0.8 at alpha divided by the number of
    pairs, the hardest step of Holm's adjustment. ``smallest_detectable`` is None also where no difference that the
    metric can have is as large, ``repeats_needed`` also where no number of repeats is enough.
    """

    model_a: str
    model_b: str
    repeats: tuple[int, ...]
    difference: float | None = None
    test: PairedT | None = None
    p_holm: float | None = None
    probability: Interval | None = None
    posterior: Posterior | None = None
    verdict: Verdict | None = None
    image_test: ImageTest | None = None
    smallest_detectable: float | None = None
    repeats_needed: int | None = None
    mcnemar: McNemar | None = None
    image_interval: Interval | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Comparison:
    """All models in the order given, all pairs, the settings, and what a reader must be told.

    ``repeats`` are the numbers of all repeats that any model has finished, ``metric`` is the name of one in
    `ecrnn.stats.metrics.METRICS` or `ecrnn.stats.class_scores.CLASS_SCORES`.
    """

    models: tuple[ModelScores, ...]
    pairs: tuple[Pair, ...]
    n_train: int
    n_test: int
    repeats: tuple[int, ...]
    rope: float
    alpha: float
    baseline: str | None
    fixed_test: bool
    warnings: tuple[str, ...]
    metric: str = ACCURACY.name


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
    noun: str = "images",
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
        fixed_test: the scores are of one test set that is the same in all repeats.
        noun: what sentences call the examples, in the plural.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not among the models.
        EcrnnError: no models, scores that are empty, not finite, not the metric's or, for accuracy, outside 0..1,
            models with different numbers of examples in a repeat, both baseline and pairs, a pair twice, settings out
            of range.
    """
    settings = _settings(metric, n_train, n_test, rope, alpha, seed, fixed_test, noun)
    examples = _scores.read(scores, metric)
    values = {model: {repeat: metric.value(array) for repeat, array in own.items()} for model, own in examples.items()}
    return _compare(values, examples, settings, baseline, pairs)


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
        fixed_test: the scores are of one test set that is the same in all repeats.
        noun: what sentences call the examples.

    Returns:
        As `compare`, without `image_test`, `mcnemar` and `image_interval`.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not among the models.
        EcrnnError: no models, scores that are not finite or beyond the metric's bounds, settings out of range.
    """
    settings = _settings(metric, n_train, n_test, rope, alpha, seed, fixed_test, noun)
    return _compare(_scores.read_values(scores, metric), {}, settings, baseline, pairs)


def _compare(
    values: dict[str, dict[int, float]],
    examples: dict[str, Examples],
    settings: _Settings,
    baseline: str | None,
    pairs: Sequence[tuple[str, str]] | None,
) -> Comparison:
    """From the value of each repeat; ``examples`` has none where they are not known."""
    names = _pairs.chosen(list(values), baseline, pairs)
    none: Examples = {}
    drafts = [
        _draft(
            a,
            b,
            values[a],
            values[b],
            settings,
            pairs=len(names),
            of_a=examples.get(a, none),
            of_b=examples.get(b, none),
        )
        for a, b in names
    ]
    compared = _with_verdicts(drafts, settings)
    repeats = tuple(sorted({repeat for own in values.values() for repeat in own}))
    return Comparison(
        models=tuple(_model(name, own, settings) for name, own in values.items()),
        pairs=compared,
        n_train=settings.n_train,
        n_test=settings.n_test,
        repeats=repeats,
        rope=settings.rope,
        alpha=settings.alpha,
        baseline=baseline,
        fixed_test=settings.fixed_test,
        warnings=tuple(_warnings(values, examples, repeats, compared, settings)),
        metric=settings.metric.name,
    )


@dataclass(frozen=True)
class _Settings:
    metric: Metric
    n_train: int
    n_test: int
    rope: float
    alpha: float
    seed: int
    fixed_test: bool
    noun: str


def _settings(
    metric: Metric,
    n_train: int,
    n_test: int,
    rope: float | None,
    alpha: float,
    seed: int,
    fixed_test: bool,
    noun: str,
) -> _Settings:
    """The settings of a comparison, checked."""
    alpha, rope = _checks.share("alpha", alpha), _checks.not_negative("rope", metric.rope if rope is None else rope)
    n_train, n_test = _checks.whole("n_train", n_train), _checks.whole("n_test", n_test)
    return _Settings(metric, n_train, n_test, rope, alpha, seed, fixed_test, noun)


def _model(name: str, of_repeats: dict[int, float], settings: _Settings) -> ModelScores:
    values, bounds = tuple(of_repeats.values()), (settings.metric.least, settings.metric.most)
    summary = summarise(values, settings.n_train, settings.n_test, bounds=bounds) if values else None
    return ModelScores(name, tuple(of_repeats), values, summary)


def _draft(
    model_a: str,
    model_b: str,
    a: dict[int, float],
    b: dict[int, float],
    settings: _Settings,
    *,
    pairs: int,
    of_a: Examples,
    of_b: Examples,
) -> Pair:
    """All of a pair that does not depend on the other pairs; adjusted p, verdict and sentence come after.

    ``of_a`` and ``of_b`` are the examples, where they are known.
    """
    metric, n_train, n_test, level = settings.metric, settings.n_train, settings.n_test, 1 - settings.alpha
    shared = tuple(repeat for repeat in a if repeat in b)
    pair = Pair(model_a, model_b, shared)
    if not shared:
        return pair
    differences = np.array([a[repeat] - b[repeat] for repeat in shared])
    gains = differences if metric.higher_is_better else -differences
    pair = replace(
        pair, difference=float(differences.mean()), probability=probability_better(gains, level, settings.seed)
    )
    if of_a and of_b:
        all_a, all_b = (np.concatenate([own[repeat] for repeat in shared]) for own in (of_a, of_b))
        right_a, right_b = _scores.correctness(all_a, metric), _scores.correctness(all_b, metric)
        pair = replace(pair, image_test=_image_test(right_a, right_b))
    if len(shared) == 1:
        one_test_set = settings.fixed_test and of_a and of_b
        return _on_one_test_set(pair, of_a[shared[0]], of_b[shared[0]], settings) if one_test_set else pair
    test = corrected_resampled_t(differences, n_train, n_test, level, widest=metric.widest)
    step = settings.alpha / pairs
    smallest = smallest_detectable(test.sd, test.n, n_train, n_test, alpha=step)
    needed = repeats_needed(test.difference, test.sd, n_train, n_test, alpha=step)
    return replace(
        pair,
        test=test,
        posterior=bayesian_correlated_t(gains, n_train, n_test, settings.rope),
        smallest_detectable=smallest if smallest <= metric.widest else None,
        repeats_needed=None if needed is None else max(needed, MIN_REPEATS),
    )


def _image_test(a: NDArray[np.float64] | None, b: NDArray[np.float64] | None) -> ImageTest | None:
    """The paper's test over all images of all repeats; its formula holds for right and wrong only."""
    if a is None or b is None:
        return None
    return paper_test(float(a.mean()), float(b.mean()), a.size)


def _on_one_test_set(pair: Pair, a: NDArray[np.float64], b: NDArray[np.float64], settings: _Settings) -> Pair:
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


def _with_verdicts(drafts: list[Pair], settings: _Settings) -> tuple[Pair, ...]:
    """Adjust p over all pairs that have a test, then say the word and the sentence of each pair."""
    tests = [draft.test for draft in drafts]
    adjusted = iter(holm([test.p for test in tests if test is not None]))
    pairs = []
    for draft in drafts:
        pair = draft
        if draft.test is not None and draft.posterior is not None:
            p_holm = float(next(adjusted))
            higher = settings.metric.higher_is_better
            word = verdict(draft.test, p_holm, draft.posterior, settings.alpha, higher_is_better=higher)
            pair = replace(draft, p_holm=p_holm, verdict=word)
        pairs.append(replace(pair, sentence=pair.sentence or _sentence(pair, settings)))
    return tuple(pairs)


def _sentence(pair: Pair, settings: _Settings) -> str:
    a, b, metric = pair.model_a, pair.model_b, settings.metric
    if pair.difference is None:
        return _sentences.nothing_shared(a, b)
    if pair.verdict and pair.test and pair.posterior and pair.p_holm is not None:
        return _sentences.with_verdict(
            a,
            b,
            metric,
            word=pair.verdict,
            test=pair.test,
            p_holm=pair.p_holm,
            posterior=pair.posterior,
            alpha=settings.alpha,
        )
    if pair.test:
        return _sentences.without_verdict(a, b, metric, pair.test)
    return _sentences.one_repeat(a, b, metric, pair.difference)


def _warnings(
    values: dict[str, dict[int, float]],
    examples: dict[str, Examples],
    repeats: tuple[int, ...],
    pairs: tuple[Pair, ...],
    settings: _Settings,
) -> list[str]:
    warnings = []
    behind: dict[int, list[str]] = {}  # models by the number of their repeats
    for model, own in values.items():
        if len(own) < len(repeats):
            behind.setdefault(len(own), []).append(model)
    for count, models in behind.items():
        have, their = ("has", "its") if len(models) == 1 else ("have", "their")
        names, of = ", ".join(models), f"{count} of {len(repeats)} repeats"
        warnings.append(f"{names} {have} finished {of}; {their} pairs use those shared.")
    fewest = min((len(pair.repeats) for pair in pairs), default=len(repeats))
    few = repeats_warning(fewest)
    if few and not (settings.fixed_test and fewest == 1):
        warnings.append(few)
    if settings.fixed_test and fewest == 1:
        said = f"the {settings.noun} say nothing about training again"
        warnings.append(f"One trained model each: {said}, so there is no verdict.")
    elif settings.fixed_test:
        other = f"other test {settings.noun}"
        warnings.append(f"All repeats share one test set: their spread leaves out what {other} would change.")
    sizes = {len(array) for own in examples.values() for array in own.values()}
    if any(abs(size - settings.n_test) > 1 for size in sizes):  # folds may differ by one
        scored = str(min(sizes)) if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
        noun = "examples" if max(sizes) > 1 else "example"
        warnings.append(
            f"n_test is {settings.n_test}, but repeats were scored on {scored} {noun}; "
            "the correction for overlapping splits uses n_test."
        )
    return warnings
