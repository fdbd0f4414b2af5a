"""Models compared over many data sets, as plain data: what `ecrnn report --across` prints.

    comparisons = {"mnist": compare(...), "digits": compare(...), "signs": compare_scores(...)}
    across = compare_across(comparisons)

Data sets are the sample here: a verdict is about the mean over data sets like these, and each data set counts once,
however many repeats it has. The primary test is `random_effects`; the others stand beside it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _across_sentences, _checks, _pairs, _resampling
from ecrnn.stats.bayes import Posterior
from ecrnn.stats.class_scores import metric_named
from ecrnn.stats.hierarchical import Hierarchical, hierarchical
from ecrnn.stats.improvement import improvement
from ecrnn.stats.intervals import Interval
from ecrnn.stats.metrics import Metric
from ecrnn.stats.paired import corrected_resampled_t, holm_of_known
from ecrnn.stats.random_effects import RandomEffects, Slope, random_effects, slope
from ecrnn.stats.ranks import MIN_DATA_SETS as MIN_RANKED
from ecrnn.stats.ranks import MeanRanks, mean_ranks
from ecrnn.stats.results import Comparison
from ecrnn.stats.signed_rank import Wilcoxon, bayesian_signed_rank, fewest_data_sets, wilcoxon
from ecrnn.stats.verdicts import Verdict, word

MIN_DATA_SETS = 3  # below, no verdict
FEW_DATA_SETS = 8  # below, a warning


@dataclass(frozen=True)
class OnDataSet:
    """A pair on one data set: mean difference a - b over the repeats that both have, with its own interval.

    ``standard_error``, its ``degrees_of_freedom``, ``low`` and ``high`` are None with a single repeat, and on a fixed
    test set of which single examples are not known.
    """

    data_set: str
    repeats: int
    difference: float
    standard_error: float | None
    degrees_of_freedom: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class AcrossPair:
    """Two models over the data sets on which both have a finished repeat; a difference is model_a minus model_b.

    ``effects`` (the primary test) and what is adjusted needs two data sets, ``verdict`` three. ``p_equivalent`` is of
    the two one-sided tests that the mean lies within the region of practical equivalence. ``signed_rank`` and
    ``hierarchical`` are about model_a being worse, equivalent, better; the latter needs two repeats on each of three
    data sets. ``improvement`` is the probability that model_a beats model_b in a repeat, averaged over the data sets.
    """

    model_a: str
    model_b: str
    data_sets: tuple[OnDataSet, ...]
    effects: RandomEffects | None = None
    p_holm: float | None = None
    p_equivalent: float | None = None
    p_equivalent_holm: float | None = None
    verdict: Verdict | None = None
    wilcoxon: Wilcoxon | None = None
    wilcoxon_holm: float | None = None
    signed_rank: Posterior | None = None
    hierarchical: Hierarchical | None = None
    improvement: Interval | None = None
    slopes: tuple[Slope, ...] = ()
    sentence: str = ""


@dataclass(frozen=True)
class Across:
    """All pairs over all data sets, the settings, and what a reader must be told.

    ``ranks`` is None where a diagram of mean ranks would mislead, and ``no_ranks`` says why. ``fewest`` is the
    number of data sets from which Wilcoxon's test can decide at all between so many pairs.
    """

    models: tuple[str, ...]
    data_sets: tuple[str, ...]
    pairs: tuple[AcrossPair, ...]
    metric: str
    rope: float
    alpha: float
    baseline: str | None
    moderators: tuple[str, ...]
    ranks: MeanRanks | None
    no_ranks: str
    fewest: int
    warnings: tuple[str, ...]


def compare_across(
    comparisons: Mapping[str, Comparison],
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    metric: Metric | None = None,
    rope: float | None = None,
    alpha: float = 0.05,
    moderators: Mapping[str, Mapping[str, float]] | None = None,
    seed: int = 0,
) -> Across:
    """Compare models over data sets.

    Args:
        comparisons: for each data set, in the order of the report, the comparison of the models on it, as `compare` and
            `compare_scores` give it. The data sets are different ones; splits of one are repeats of one comparison.
        baseline: compare every other model (model_a) against this one (model_b).
        pairs: compare these alone, (model_a, model_b).
        metric: that of the comparisons, where it is none of `ecrnn.stats`.
        rope: half the width of the region of practical equivalence; None takes the metric's own.
        alpha: level of the tests after Holm's adjustment over all pairs; intervals have level 1 - alpha.
        moderators: by name, the value on each data set of what may make a difference larger or smaller, such as the
            logarithm of the number of examples; named before the scores were seen.
        seed: of the random draws.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is in no comparison.
        EcrnnError: fewer than two data sets, different metrics, a moderator without a value for a data set, settings
            out of range.
    """
    if len(comparisons) < 2:
        raise EcrnnError(f"a comparison across data sets wants two of them or more, got {len(comparisons)}")
    metric = _metric(comparisons, metric)
    alpha, rope = _checks.share("alpha", alpha), _checks.not_negative("rope", metric.rope if rope is None else rope)
    for name, values in (moderators or {}).items():
        for data_set in comparisons:
            if data_set not in values:
                raise EcrnnError(f"the moderator {name} has no value for {data_set}")
    models = tuple(dict.fromkeys(one.model for comparison in comparisons.values() for one in comparison.models))
    names = _pairs.chosen(models, baseline, pairs)
    drafts = [
        _draft(a, b, comparisons, metric=metric, rope=rope, alpha=alpha, moderators=moderators or {}, seed=seed)
        for a, b in names
    ]
    ranks, no_ranks = _ranks(models, comparisons, metric, alpha)
    fewest = fewest_data_sets(max(1, len(names)), alpha)
    judged = _with_verdicts(drafts, metric, alpha, rope)
    return Across(
        models=models,
        data_sets=tuple(comparisons),
        pairs=judged,
        metric=metric.name,
        rope=rope,
        alpha=alpha,
        baseline=baseline,
        moderators=tuple(moderators or ()),
        ranks=ranks,
        no_ranks=no_ranks,
        fewest=fewest,
        warnings=tuple(_warnings(models, comparisons, judged, fewest)),
    )


def _metric(comparisons: Mapping[str, Comparison], metric: Metric | None) -> Metric:
    metrics: dict[str, str] = {}
    for data_set, comparison in comparisons.items():
        metrics.setdefault(comparison.metric, data_set)
    if len(metrics) > 1:
        (one, here), (other, there) = list(metrics.items())[:2]
        raise EcrnnError(f"{here} is compared by {one} and {there} by {other}; all data sets want one score")
    return metric or metric_named(next(iter(metrics)))


def _scores(comparison: Comparison, model: str) -> dict[int, float]:
    """The score of each repeat; none where the model is not among those compared."""
    found = (dict(zip(one.repeats, one.scores, strict=True)) for one in comparison.models if one.model == model)
    return next(found, {})


def _draft(
    a: str,
    b: str,
    comparisons: Mapping[str, Comparison],
    *,
    metric: Metric,
    rope: float,
    alpha: float,
    moderators: Mapping[str, Mapping[str, float]],
    seed: int,
) -> AcrossPair:
    """All of a pair that does not depend on the other pairs."""
    by_repeat = {}
    for name, comparison in comparisons.items():
        of_a, of_b = _scores(comparison, a), _scores(comparison, b)
        shared = [of_a[repeat] - of_b[repeat] for repeat in of_a if repeat in of_b]
        if shared:
            by_repeat[name] = shared
    on = tuple(_on(name, comparisons[name], a, b, shared, metric, alpha) for name, shared in by_repeat.items())
    pair = AcrossPair(a, b, on)
    if len(on) < 2:
        return pair
    level, sign = 1 - alpha, 1 if metric.higher_is_better else -1
    differences = np.array([one.difference for one in on])
    errors = np.array([one.standard_error or math.nan for one in on])
    known = bool(np.isfinite(errors).all())
    if not known and _resampling.sample_sd(differences) == 0:
        return pair
    effects = random_effects(differences, errors**2 if known else None, level, metric.widest)
    pair = replace(
        pair,
        effects=effects,
        p_equivalent=_resampling.t_within(effects.degrees_of_freedom, effects.mean, effects.standard_error, rope),
        wilcoxon=wilcoxon(differences),
        signed_rank=bayesian_signed_rank(sign * differences, rope, seed=seed),
        improvement=improvement([sign * np.array(shared) for shared in by_repeat.values()], level),
        slopes=tuple(
            found
            for name, values in moderators.items()
            if (found := slope(name, [values[one.data_set] for one in on], differences, level))
        ),
    )
    if known and len(on) >= MIN_DATA_SETS:
        degrees = [one.degrees_of_freedom or 1 for one in on]
        pair = replace(pair, hierarchical=hierarchical(sign * differences, errors, degrees, rope, level, metric.widest))
    return pair


def _on(
    name: str,
    comparison: Comparison,
    a: str,
    b: str,
    differences: Sequence[float],
    metric: Metric,
    alpha: float,
) -> OnDataSet:
    """The pair on one data set, with the standard error of the comparison's test, whichever way round, and its interval
    at this level."""
    repeats, mean = len(differences), float(np.mean(differences))
    found = next((pair for pair in comparison.pairs if {pair.model_a, pair.model_b} == {a, b}), None)
    test = found.test if found else None
    if test is None and repeats > 1 and not comparison.fixed_test:
        test = corrected_resampled_t(differences, comparison.n_train, comparison.n_test)
    if test is None:
        return OnDataSet(name, repeats, mean, None, None, None, None)
    df, error, widest = test.degrees_of_freedom, test.standard_error, metric.widest
    half = _resampling.t_quantile(df, 1 - alpha / 2) * error
    return OnDataSet(name, repeats, mean, error, df, max(mean - half, -widest), min(mean + half, widest))


def _with_verdicts(drafts: Sequence[AcrossPair], metric: Metric, alpha: float, rope: float) -> tuple[AcrossPair, ...]:
    """Adjust each kind of p over all pairs that have it, then say the word and the sentence of each pair."""
    adjusted = holm_of_known(draft.effects.p if draft.effects else None for draft in drafts)
    equivalent = holm_of_known(draft.p_equivalent for draft in drafts)
    ranks = holm_of_known(draft.wilcoxon.p if draft.wilcoxon else None for draft in drafts)
    pairs = []
    for draft, p, p_equivalent, p_ranks in zip(drafts, adjusted, equivalent, ranks, strict=True):
        pair = replace(draft, p_holm=p, p_equivalent_holm=p_equivalent, wilcoxon_holm=p_ranks)
        if draft.effects and draft.effects.n >= MIN_DATA_SETS and p is not None and p_equivalent is not None:
            higher = metric.higher_is_better
            pair = replace(pair, verdict=word(draft.effects.mean, p, p_equivalent, alpha, higher_is_better=higher))
        pairs.append(replace(pair, sentence=_sentence(pair, metric, rope)))
    return tuple(pairs)


def _sentence(pair: AcrossPair, metric: Metric, rope: float) -> str:
    a, b, effects = pair.model_a, pair.model_b, pair.effects
    if effects is None:
        return _across_sentences.untested(a, b, len(pair.data_sets))
    if pair.verdict is None or pair.p_holm is None or pair.p_equivalent_holm is None:
        return _across_sentences.without_verdict(a, b, metric, effects)
    return _across_sentences.with_verdict(
        a,
        b,
        metric,
        effects,
        word=pair.verdict,
        p_holm=pair.p_holm,
        p_equivalent=pair.p_equivalent_holm,
        rope=rope,
    )


def _ranks(
    models: Sequence[str], comparisons: Mapping[str, Comparison], metric: Metric, alpha: float
) -> tuple[MeanRanks | None, str]:
    """The mean ranks over the data sets that all models have, or why there are none."""
    scores = {
        model: [float(np.mean(list(by_repeat.values()))) for by_repeat in of_data_sets]
        for model in models
        if all(of_data_sets := [_scores(comparison, model) for comparison in comparisons.values()])
    }
    if len(models) < 2:
        return None, "There is one model, so nothing is ranked."
    if len(comparisons) < MIN_RANKED:
        return None, (
            f"No diagram of mean ranks: {len(comparisons)} data sets are fewer than {MIN_RANKED}, from which on ranks "
            "can tell models apart."
        )
    if len(scores) < len(models):
        missing = next(model for model in models if model not in scores)
        return None, f"No diagram of mean ranks: {missing} is not finished on every data set."
    return mean_ranks(scores, alpha, higher_is_better=metric.higher_is_better), ""


def _warnings(
    models: Sequence[str], comparisons: Mapping[str, Comparison], pairs: Sequence[AcrossPair], fewest: int
) -> list[str]:
    warnings = []
    for model in models:
        missing = [name for name, comparison in comparisons.items() if not _scores(comparison, model)]
        if missing:
            warnings.append(f"{model} has no finished repeat on {', '.join(missing)}; its pairs leave these out.")
    least = min((len(pair.data_sets) for pair in pairs), default=len(comparisons))
    if pairs and least < MIN_DATA_SETS:
        warnings.append(f"Only {least} data sets in common: no verdict below {MIN_DATA_SETS}.")
    elif pairs and least < FEW_DATA_SETS:
        warnings.append(
            f"Only {least} data sets: the spread between data sets is known poorly below {FEW_DATA_SETS}, so intervals "
            "are wide and real differences stay undecided. More data sets help, more repeats hardly do."
        )
    if pairs and least < fewest:
        warnings.append(
            f"Wilcoxon's test cannot decide anything here: with {len(pairs)} pairs it wants {fewest} data sets or more."
        )
    noisy = dict.fromkeys(one.data_set for pair in pairs for one in pair.data_sets if one.standard_error is None)
    if noisy:
        warnings.append(
            f"The noise of a training on {', '.join(noisy)} is not known (one repeat, or a fixed test set without its "
            "examples), so it is not told apart from the spread between data sets."
        )
    return warnings
