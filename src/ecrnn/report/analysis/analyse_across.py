"""Models over many data sets: from one comparison a data set to everything that a report across them shows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ecrnn.core.across_plan import MODERATORS
from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.report import formats
from ecrnn.report.analysis.across_headline import Standing, certainty, headline, without_adjustment, without_verdicts
from ecrnn.report.analysis.tuned import with_edges
from ecrnn.stats import (
    Across,
    AcrossPair,
    Comparison,
    Metric,
    Posterior,
    Profile,
    compare_across,
    metric_named,
    profile,
)
from ecrnn.stats.signed_rank import signed_rank_draws

_PROFILE_POINTS = 101
_DOTS = 400  # draws of a pair that are shown


@dataclass(frozen=True)
class ScoredDataSet:
    """One data set of a report across many: the comparison of the models on it, and what is known of it.

    ``planned`` and ``missing`` count trials. ``fingerprint`` tells data sets apart, ``folder`` is where the study lies;
    both are "" for scores from elsewhere. ``failed`` counts the trainings of a model that failed.
    """

    name: str
    comparison: Comparison
    classes: int | None = None
    image_size: int | None = None
    epochs: int | None = None
    split: str = ""
    planned: int = 0
    missing: int = 0
    fingerprint: str = ""
    folder: str = ""
    failed: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelProfile:
    """The share of a model's results, over data sets and repeats, that are at least as good as each score."""

    model: str
    profile: Profile


@dataclass(frozen=True)
class Cloud:
    """Draws of the Bayesian signed-rank test of a pair: parts of the weight where model_a is worse, equivalent, better.

    ``posterior`` is that of the test, of many more draws.
    """

    model_a: str
    model_b: str
    posterior: Posterior
    draws: tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class AcrossAnalysis:
    """Everything a report across data sets shows.

    ``named_before`` says whether the moderators were written down before the first training, ``metric`` by which the
    models are compared, ``chosen_after`` that pairs, baseline or region of equivalence are not those that were planned.
    ``exploratory``: no p is adjusted and nothing is judged. ``unfinished`` of the ``planned`` trainings have not ended,
    so that no verdict is given.
    """

    title: str
    headline: str
    certainty: str
    warnings: tuple[str, ...]
    data_sets: tuple[ScoredDataSet, ...]
    across: Across
    profiles: tuple[ModelProfile, ...]
    examples: str
    named_before: bool
    metric: Metric = field(metadata={"key": None})
    chosen_after: bool = False
    exploratory: bool = False
    planned: int = 0
    unfinished: int = 0
    clouds: tuple[Cloud, ...] = field(default=(), metadata={"key": None})


def analyse_across(
    data_sets: Sequence[ScoredDataSet],
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    metric: Metric | None = None,
    rope: float | None = None,
    alpha: float = 0.05,
    moderators: Sequence[str] = (),
    named_before: bool = False,
    examples: str = "examples",
    warnings: Sequence[str] = (),
    chosen_after: bool = False,
    exploratory: bool = False,
    planned: int = 0,
    unfinished: int = 0,
    edges: Mapping[str, Sequence[str]] | None = None,
) -> AcrossAnalysis:
    """All figures of a report across data sets, from a comparison a data set.

    Args:
        data_sets: in the order of the report, with different names.
        baseline: compare every other model against this one; without it all pairs are compared.
        pairs: compare these alone, in place of a baseline.
        metric: that of the comparisons, where it is none of `ecrnn.stats`.
        rope: half the width of the region of practical equivalence; None takes the metric's own.
        alpha: level of the tests after Holm's adjustment.
        moderators: names in `ecrnn.core.across_plan.MODERATORS`.
        named_before: whether the moderators were named before the first training.
        examples: what the scored examples are called, in the plural.
        warnings: lines that stand with those of the statistics.
        chosen_after: whether what is compared was chosen after the results.
        exploratory: adjust no p and give no verdict.
        planned: trainings of the plan.
        unfinished: those of them that have not ended; before all have, there is no verdict.
        edges: by model the settings of its recipe that lie at an end of the space that was searched.

    Raises:
        EcrnnError: fewer than two data sets, a name twice, a moderator that is not known of a data set, and what
            `ecrnn.stats.compare_across` refuses.
    """
    twice = [name for name, n in Counter(one.name for one in data_sets).items() if n > 1]
    if twice:
        raise EcrnnError(f"the data set '{twice[0]}' is there twice; splits of one data set are repeats of one study")
    across = compare_across(
        {one.name: one.comparison for one in data_sets},
        baseline=baseline,
        pairs=pairs,
        metric=metric,
        rope=rope,
        alpha=alpha,
        moderators={name: _moderator(name, data_sets) for name in dict.fromkeys(moderators)},
    )
    metric = metric or metric_named(across.metric)
    if unfinished:
        across = without_verdicts(across, metric)
    if exploratory:
        across = without_adjustment(across, metric)
    across = replace(across, pairs=with_edges(across.pairs, edges or {}))
    standing = Standing(planned, unfinished, chosen_after, exploratory, _failures(data_sets))
    after = ["The moderators were named after the results: their slopes are ideas, not findings."]
    return AcrossAnalysis(
        title=f"{formats.listed(across.models)} on {len(data_sets)} data sets",
        headline=headline(across, metric, standing),
        certainty=certainty(across, standing, edges or {}),
        warnings=(*across.warnings, *warnings, *(after if moderators and not named_before else [])),
        data_sets=tuple(data_sets),
        across=across,
        profiles=_profiles(across, data_sets, metric),
        examples=examples,
        named_before=named_before,
        metric=metric,
        chosen_after=chosen_after,
        exploratory=exploratory,
        planned=planned,
        unfinished=unfinished,
        clouds=tuple(_cloud(pair, pair.signed_rank, metric) for pair in across.pairs if pair.signed_rank),
    )


def _failures(data_sets: Sequence[ScoredDataSet]) -> dict[str, tuple[int, int]]:
    """By model how many trainings failed, of how many that ended."""
    failed: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    for one in data_sets:
        failed.update(one.failed)
        ended.update(one.failed)
        ended.update({model.model: model.trainings or len(model.repeats) for model in one.comparison.models})
    return {model: (n, ended[model]) for model, n in failed.items()}


def _cloud(pair: AcrossPair, posterior: Posterior, metric: Metric) -> Cloud:
    sign = 1 if metric.higher_is_better else -1
    differences = [sign * one.difference for one in pair.data_sets]
    draws = signed_rank_draws(differences, posterior.rope, draws=_DOTS)
    return Cloud(pair.model_a, pair.model_b, posterior, tuple((a, b, c) for a, b, c in draws.tolist()))


def _moderator(name: str, data_sets: Sequence[ScoredDataSet]) -> dict[str, float]:
    """Its value on each data set."""
    if name not in MODERATORS:
        raise unknown_name("moderator", name, MODERATORS)
    values = {}
    for one in data_sets:
        of = {"log-n": math.log10(one.comparison.n_train), "classes": one.classes, "image-size": one.image_size}
        value = of[name]
        if value is None:
            raise EcrnnError(f"the moderator {name} is not known of {one.name}; leave it out")
        values[one.name] = float(value)
    return values


def _profiles(across: Across, data_sets: Sequence[ScoredDataSet], metric: Metric) -> tuple[ModelProfile, ...]:
    """Of the models that every data set has."""
    sign = 1 if metric.higher_is_better else -1
    results: Mapping[str, list[np.ndarray]] = {
        model: [
            sign * np.array(one.scores)
            for data_set in data_sets
            for one in data_set.comparison.models
            if one.model == model and one.scores
        ]
        for model in across.models
    }
    whole = {model: of_sets for model, of_sets in results.items() if len(of_sets) == len(data_sets)}
    if not whole:
        return ()
    all_scores = np.concatenate([scores for of_sets in whole.values() for scores in of_sets])
    at = np.linspace(all_scores.min(), all_scores.max(), _PROFILE_POINTS)
    profiles = []
    for model, of_sets in whole.items():
        found = profile(of_sets, at)
        scores = tuple(sign * score for score in found.scores)
        profiles.append(ModelProfile(model, Profile(scores, found.share, found.low, found.high, found.level)))
    return tuple(profiles)
