"""Models over many data sets: from one comparison a data set to everything that a report across them shows.

`analyse_studies` takes run directories, each a study of its own data set; `analyse_across` comparisons from anywhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.across_plan import MODERATORS
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.core.text import counted
from ecrnn.report import formats
from ecrnn.report.analysis.analyse import analyse
from ecrnn.report.analysis.read import StudyRecord, read_study
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
from ecrnn.stats.across import MIN_DATA_SETS
from ecrnn.stats.signed_rank import signed_rank_draws

_PROFILE_POINTS = 101
_DOTS = 400  # draws of a pair that are shown


@dataclass(frozen=True)
class ScoredDataSet:
    """One data set of a report across many: the comparison of the models on it, and what is known of it.

    ``planned`` and ``missing`` count trials. ``fingerprint`` tells data sets apart, ``folder`` is where the study lies;
    both are "" for scores from elsewhere.
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
    clouds: tuple[Cloud, ...] = field(default=(), metadata={"key": None})


def analyse_studies(
    folders: Sequence[Path],
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    moderators: Sequence[str] = (),
    named_before: bool = False,
    notes: Sequence[str] = (),
) -> AcrossAnalysis:
    """All figures of a report across studies.

    Args:
        folders: run directories, each of a data set of its own.
        baseline: compare every other model against this one. Without it, and without ``pairs``, as all studies planned
            it, or all pairs.
        pairs: compare these alone.
        rope: half the width of the region of practical equivalence; None takes the studies', or the metric's own.
        moderators: names in `ecrnn.core.across_plan.MODERATORS`.
        named_before: whether the moderators were named before the first training.
        notes: lines that stand with those of the studies.

    Raises:
        EcrnnError: a folder is no study or has nothing finished, two are of one data set, of different tasks or scores,
            an unknown baseline or moderator; one line.
    """
    folders = tuple(dict.fromkeys(folders))
    if len(folders) < 2:
        raise EcrnnError("a report across data sets wants two studies or more, each of another data set")
    records = [read_study([folder]) for folder in folders]
    tasks = {record.task.name: folder for record, folder in zip(records, folders, strict=True)}
    if len(tasks) > 1:
        (one, here), (other, there) = list(tasks.items())[:2]
        raise EcrnnError(f"{here} is a study of {one} and {there} one of {other}; a report across is of one task")
    _refuse_one_twice(records)
    plans = [record.settings for record in records]
    planned_pairs, planned_rope = _common(plans, "pairs"), _common(plans, "rope")
    planned_baseline = _common(plans, "baseline")
    notes = [*notes, *(note for record in records for note in record.notes)]
    notes += [line for record in records if (line := _damaged(record))]
    asked = [(baseline, planned_baseline), (pairs and tuple(pairs), planned_pairs), (rope, planned_rope)]
    after = any(mine not in (None, planned) for mine, planned in asked)
    if after:
        notes.append(
            "Chosen after the results: baseline, pairs or region of equivalence are not those that the studies planned."
        )
    if baseline is None and pairs is None:
        baseline, pairs = planned_baseline, planned_pairs
    names = [Path(record.settings.data).name.removesuffix(".npz") or record.settings.data for record in records]
    if len(set(names)) < len(names):
        names = [f"{name} ({folder.name})" for name, folder in zip(names, folders, strict=True)]
    return analyse_across(
        [_of_study(record, name) for record, name in zip(records, names, strict=True)],
        baseline=baseline,
        pairs=pairs,
        rope=planned_rope if rope is None else rope,
        moderators=moderators,
        named_before=named_before,
        examples=records[0].task.examples,
        warnings=notes,
        chosen_after=after,
    )


def _damaged(record: StudyRecord) -> str:
    """A sentence on the trials of a study that are there and cannot be used; "" where there are none."""
    found = [trial for trial in record.unfinished if trial.state == "damaged"]
    if not found:
        return ""
    folder, planned, first = record.folders[0], record.planned, found[0]
    which = f"{first.model}, repeat {first.repeat}"
    return f"{folder}: {len(found)} of {planned} trials are damaged and left out, first {which}: {first.reason}."


def _common(plans: Sequence[StudySettings], name: str) -> Any:
    """What all studies have planned alike, or None."""
    first, *others = (getattr(plan, name) for plan in plans)
    return first if all(other == first for other in others) else None


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
    after = ["The moderators were named after the results: their slopes are ideas, not findings."]
    return AcrossAnalysis(
        title=f"{formats.listed(across.models)} on {len(data_sets)} data sets",
        headline=_headline(across, metric, chosen_after),
        certainty=_certainty(across),
        warnings=(*across.warnings, *warnings, *(after if moderators and not named_before else [])),
        data_sets=tuple(data_sets),
        across=across,
        profiles=_profiles(across, data_sets, metric),
        examples=examples,
        named_before=named_before,
        metric=metric,
        chosen_after=chosen_after,
        clouds=tuple(_cloud(pair, pair.signed_rank, metric) for pair in across.pairs if pair.signed_rank),
    )


def _cloud(pair: AcrossPair, posterior: Posterior, metric: Metric) -> Cloud:
    sign = 1 if metric.higher_is_better else -1
    differences = [sign * one.difference for one in pair.data_sets]
    draws = signed_rank_draws(differences, posterior.rope, draws=_DOTS)
    return Cloud(pair.model_a, pair.model_b, posterior, tuple((a, b, c) for a, b, c in draws.tolist()))


def _refuse_one_twice(records: Sequence[StudyRecord]) -> None:
    """Splits of one data set are repeats, and no sample of data sets."""
    seen: dict[str, Path] = {}
    for record in records:
        fingerprint = record.settings.fingerprint
        if fingerprint in seen:
            raise EcrnnError(
                f"{seen[fingerprint]} and {record.folders[0]} are studies of one data set; a report across wants each "
                "data set once, and more splits of one are repeats of its study"
            )
        if fingerprint:
            seen[fingerprint] = record.folders[0]


def _of_study(record: StudyRecord, name: str) -> ScoredDataSet:
    comparison = analyse(record).comparison
    preprocessing = record.trials[0].facts.get("preprocessing")
    shape = preprocessing.get("image") if isinstance(preprocessing, dict) else None
    side = shape[-1] if isinstance(shape, list) and shape and isinstance(shape[-1], int) else None
    return ScoredDataSet(
        name=name,
        comparison=comparison,
        classes=len(record.classes) or None,
        image_size=side,
        epochs=record.settings.training.epochs,
        split="own" if comparison.fixed_test else record.settings.split,
        planned=record.planned,
        missing=len(record.unfinished),
        fingerprint=record.settings.fingerprint or "",
        folder=str(record.folders[0]),
    )


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


def _headline(across: Across, metric: Metric, chosen_after: bool) -> str:
    """One sentence: who is better than whom on average, or that it is not known."""
    finding = _finding(across, metric)
    return f"{finding.removesuffix('.')} (chosen after the results)." if chosen_after else finding


def _finding(across: Across, metric: Metric) -> str:
    over = f"over {len(across.data_sets)} data sets"
    judged = [pair for pair in across.pairs if pair.verdict]
    if not across.pairs:
        return f"There is one model {over}, so nothing is compared."
    if not judged:
        return f"No verdict {over}: at least {MIN_DATA_SETS} in common are wanted."
    beaten: dict[str, list[str]] = {}
    for pair in judged:
        if pair.verdict in ("better", "worse"):
            winner, loser = _winner_first(pair)
            beaten.setdefault(winner, []).append(loser)
    by_wins = sorted(beaten.items(), key=lambda item: -len(item[1]))
    sentences = [f"{winner} is better than {formats.listed(losers)}" for winner, losers in by_wins]
    equal = [f"{pair.model_a} and {pair.model_b}" for pair in judged if pair.verdict == "equivalent"]
    if equal:
        within = formats.rope(across.rope, metric)
        sentences.append(
            f"{formats.listed(equal, noun='pairs')} {'is' if len(equal) > 4 else 'are'} equivalent within {within}"
        )
    if sentences:
        return f"On average {over}, {'; '.join(sentences)}."
    return f"On average {over}, no model is shown to be better than another, nor equivalent to it."


def _winner_first(pair: AcrossPair) -> tuple[str, str]:
    return (pair.model_a, pair.model_b) if pair.verdict == "better" else (pair.model_b, pair.model_a)


def _certainty(across: Across) -> str:
    """What was tested, and what the intervals are about."""
    judged = Counter(pair.verdict for pair in across.pairs if pair.verdict)
    if not judged:
        return "Data sets are the sample: more of them are wanted, not more repeats."
    decided, equal, open_ = judged["better"] + judged["worse"], judged["equivalent"], judged["undecided"]
    return (
        f"Of {counted(judged.total(), 'pairs')}, {decided} differ{'s' if decided == 1 else ''}, {equal} "
        f"{'is' if equal == 1 else 'are'} equivalent and {open_} {'is' if open_ == 1 else 'are'} undecided (random "
        f"effects, Hartung-Knapp t over data sets, Holm-adjusted, level {across.alpha:g}). Verdicts are about the mean "
        "over data sets like these; on a single new one the difference may be any that its prediction interval holds."
    )
