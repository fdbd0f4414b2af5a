"""Studies of many data sets: from their run directories to everything that a report across them shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.report.analysis.analyse import analyse
from ecrnn.report.analysis.analyse_across import AcrossAnalysis, ScoredDataSet, analyse_across
from ecrnn.report.analysis.read import StudyRecord, read_study
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.analysis.tuned import edges_of


def analyse_studies(
    folders: Sequence[Path],
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    moderators: Sequence[str] = (),
    named_before: bool = False,
    notes: Sequence[str] = (),
    exploratory: bool = False,
    data_sets: int = 0,
    edges: Mapping[str, Sequence[str]] | None = None,
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
        exploratory: adjust no p and give no verdict, as was planned for these pairs.
        data_sets: how many were planned; with fewer studies the report is interim and has no verdict.
        edges: by model the settings of its recipe that lie at an end of a space, beside those that the studies know.

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
    analyses = [analyse(record) for record in records]
    planned, unfinished = _waiting(records, analyses, data_sets)
    at_edges = {model: names for record in records for model, names in edges_of(record).items()} | dict(edges or {})
    asked = [(baseline, planned_baseline), (pairs and tuple(pairs), planned_pairs), (rope, planned_rope)]
    after = not exploratory and any(mine not in (None, before) for mine, before in asked)
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
        [_of_study(*study) for study in zip(records, analyses, names, strict=True)],
        baseline=baseline,
        pairs=pairs,
        rope=planned_rope if rope is None else rope,
        moderators=moderators,
        named_before=named_before,
        examples=records[0].task.examples,
        warnings=notes,
        chosen_after=after,
        exploratory=exploratory,
        planned=planned,
        unfinished=unfinished,
        edges=at_edges,
    )


def _waiting(records: Sequence[StudyRecord], analyses: Sequence[Analysis], data_sets: int) -> tuple[int, int]:
    """The trainings of the plan, and those that it still waits for; studies that are not there are as the first."""
    unfinished = [one.plan.unfinished if one.plan else 0 for one in analyses]
    ended = [len(of.trials) + sum(trial.state in ("failed", "damaged") for trial in of.unfinished) for of in records]
    planned = [ended_of + waiting for ended_of, waiting in zip(ended, unfinished, strict=True)]
    absent = planned[0] * max(0, data_sets - len(records))
    return sum(planned) + absent, sum(unfinished) + absent


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


def _of_study(record: StudyRecord, analysis: Analysis, name: str) -> ScoredDataSet:
    comparison = analysis.comparison
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
        failed={model: len(repeats) for model, repeats in record.failed.items()},
    )
