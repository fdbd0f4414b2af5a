"""The plan of a study: what was written down before its first training, and what of a report was not in it.

A verdict's error is that of its plan: what is compared, by which score, and how many repeats there are. A report that
chooses something else after the results were there says so, and one that comes before the planned repeats are finished
gives no verdict: whoever looks at every repeat and stops when it suits errs three times as often.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.report import formats
from ecrnn.report.analysis.read import StudyRecord
from ecrnn.report.analysis.schema import Plan
from ecrnn.stats import Comparison, Metric, Pair


@dataclass(frozen=True)
class Choices:
    """What a report compares: as planned, but for what it was asked for."""

    baseline: str | None
    pairs: tuple[tuple[str, str], ...] | None
    rope: float | None
    score_epochs: int
    asked: bool  # for a baseline or pairs


def choices(
    settings: StudySettings,
    finished: Collection[str],
    baseline: str | None,
    pairs: Sequence[tuple[str, str]] | None,
    rope: float | None,
    score_epochs: int | None,
    usual_pairs: Sequence[tuple[str, str]] | None,
) -> Choices:
    """What is compared where a report is asked for this; None: as planned.

    Of what was planned, and not asked for, those models are compared that are ``finished``, in one repeat at least.

    Raises:
        EcrnnError: both baseline and pairs, or more epochs than the study keeps.
    """
    if baseline is not None and pairs is not None:
        raise EcrnnError("give a baseline or pairs to compare, not both")
    kept = settings.score_epochs
    if score_epochs is not None and not 1 <= score_epochs <= kept:
        epochs = "epoch" if kept == 1 else f"{kept} epochs"
        raise EcrnnError(f"the study keeps the predictions of the last {epochs}; --score-epochs is 1 to {kept}")
    asked = baseline is not None or pairs is not None
    if not asked:
        baseline, pairs = settings.baseline, usual_pairs if settings.pairs is None else settings.pairs
        if baseline is not None:
            baseline, pairs = (baseline, None) if baseline in finished else (None, ())
        pairs = None if pairs is None else [pair for pair in pairs if {*pair} <= {*finished}]
    return Choices(
        baseline=baseline,
        pairs=_tuples(pairs),
        rope=settings.rope if rope is None else rope,
        score_epochs=score_epochs or kept,
        asked=asked,
    )


def plan_of(record: StudyRecord, chosen: Choices, metric: Metric) -> Plan | None:
    """The plan of a study, and how far the report keeps to it; None where the study is from before there were plans."""
    settings = record.settings
    if settings.planned_repeats is None:
        return None
    after = [] if record.one_plan else ["which models are compared: the folders were planned apart"]
    planned_rope = metric.rope if settings.rope is None else settings.rope
    compared = ("baseline", "pairs") if chosen.asked else ()
    planned = {key: getattr(settings, key) for key in (*compared, "score_epochs")} | {"rope": planned_rope}
    now = {key: getattr(chosen, key) for key in planned} | ({"rope": planned_rope} if chosen.rope is None else {})
    others = [key for key in planned if now[key] != planned[key]]
    after += [f"{key} {_shown(now[key])}, where {_shown(planned[key])} was planned" for key in others]
    return Plan(
        metric=metric.name,
        score_epochs=settings.score_epochs,
        baseline=settings.baseline,
        pairs=settings.pairs,
        rope=planned_rope,
        repeats=settings.planned_repeats // settings.seeds_per_split,
        repeats_now=settings.repeats // settings.seeds_per_split,
        chosen_after=tuple(after),
        unfinished=unfinished_of(record),
    )


def unfinished_of(record: StudyRecord) -> int:
    """How many trainings the plan still waits for. One that failed is a result: the same settings fail again."""
    settings = record.settings
    if settings.planned_repeats is None:
        return 0
    begun = sum(trial.state in ("unfinished", "not started") for trial in record.unfinished)
    return begun + len(settings.models) * max(0, settings.planned_repeats - settings.repeats)


def notes(plan: Plan | None, until_decided: bool = False) -> tuple[str, ...]:
    """What a reader must be told of how a report keeps to the plan; ``until_decided``: of a study that stopped then."""
    if plan is None:
        return ()
    lines = [f"Chosen after the results: {choice}." for choice in plan.chosen_after]
    if until_decided and plan.chosen_after:
        lines.append(
            "The study stopped when its planned pairs were decided; what was chosen afterwards is tested as if the "
            "number of repeats had been fixed, and errs more often than the level says."
        )
    if plan.repeats_now > plan.repeats:
        lines.append(
            f"The plan was {formats.plural(plan.repeats, 'repeat')} and was changed to {plan.repeats_now}: whoever "
            "goes on after results were seen errs more often than the level says."
        )
    return tuple(lines)


def without_verdicts(comparison: Comparison, plan: Plan, metric: Metric) -> Comparison:
    """The comparison of an interim report: every figure, and no word."""

    def silent(pair: Pair) -> Pair:
        size = (
            "" if pair.difference is None else f"{formats.difference(pair.difference, metric)} {metric.difference_unit}"
        )
        standing = f"a difference of {size} after" if size else "no difference yet after"
        shared = f"{len(pair.repeats)} of {formats.plural(max(plan.repeats, plan.repeats_now), 'planned repeat')}"
        sentence = f"Interim, no verdict on {pair.model_a} against {pair.model_b}: {standing} {shared}."
        return replace(pair, verdict=None, sentence=sentence)

    return replace(comparison, pairs=tuple(map(silent, comparison.pairs)), contrasts=())


def _tuples(pairs: Sequence[tuple[str, str]] | None) -> tuple[tuple[str, str], ...] | None:
    return None if pairs is None else tuple((a, b) for a, b in pairs)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return ",".join(":".join(pair) for pair in value) if isinstance(value, tuple) else f"{value}"
