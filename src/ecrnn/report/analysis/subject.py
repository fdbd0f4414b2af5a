"""What the scores of a study are of, in words: its facts for the top of the page, and what the page says of itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ecrnn.core.text import counted
from ecrnn.report import formats
from ecrnn.report.analysis.read import StudyRecord
from ecrnn.report.analysis.schema import Subject, scored_part
from ecrnn.stats import METRICS, Comparison
from ecrnn.stats.class_scores import metric_named

AGAIN = "This command makes such a study again. The saved `study.yaml` in the run directory holds the settings in full."


def subject_of(record: StudyRecord, comparison: Comparison, data: str, epochs: int = 1) -> Subject:
    """The words of a report of a study.

    Args:
        record: from `read_study`.
        comparison: comparison of its models.
        data: what the report calls the data.
        epochs: whose mean the score of a training is.
    """
    examples, part = record.task.examples, scored_part(comparison)
    scores = "Accuracies" if record.classes else "Scores"
    folders = ", ".join(map(str, record.folders))
    of = "of the last epoch" if epochs == 1 else f"the mean of the last {epochs} epochs"
    return Subject(
        metric=metric_named(comparison.metric),
        metric_of_epochs=METRICS[record.task.metric],
        examples=examples,
        part=part,
        moment="after the last epoch" if epochs == 1 else f"(mean of the last {epochs} epochs)",
        facts=_facts(record, comparison, data),
        again=AGAIN,
        source=f"Made by `ecrnn report` from {folders}. {scores} are {of}; nothing was chosen on the "
        f"{part} {examples}.",
        epochs=epochs,
    )


def _left_out(files: Sequence[str]) -> str:
    """The files of the data that could not be read, the first of them by name."""
    if not files:
        return ""
    shown = ", ".join(files[:5]) + (", ..." if len(files) > 5 else "")
    return f"; {counted(len(files), 'files')} that cannot be read left out: {shown}"


def _groups(table: str | None) -> str:
    return "" if table is None else f", groups of {Path(table).name} kept whole"


def _facts(record: StudyRecord, comparison: Comparison, data: str) -> tuple[tuple[str, str], ...]:
    settings = record.settings
    sizes = f"{comparison.n_train:,} train, {comparison.n_test:,} {scored_part(comparison)}"
    mark = f" (fingerprint {settings.fingerprint[:12]})" if settings.fingerprint else ""
    facts = [
        ("Data", data + mark + _left_out(settings.bad_files)),
        *([("Classes", formats.count(len(record.classes)))] if record.classes else []),
        ("Models", formats.count(len(comparison.models))),
        repeats_fact(len(comparison.repeats), settings.seeds_per_split),
        ("Trials finished", f"{record.planned - len(record.unfinished):,} of {record.planned:,}"),
        (f"{formats.capital(record.task.examples)} a repeat", sizes),
        ("Split", "the data set's own" if comparison.fixed_test else settings.split + _groups(settings.groups)),
        ("Epochs", formats.count(settings.training.epochs)),
    ]
    return (*facts, *([("Last trial ended", formats.moment(record.finished))] if record.finished else []))


def repeats_fact(repeats: int, seeds: int) -> tuple[str, str]:
    """How many repeats there are; where each of them is a split that was trained ``seeds`` times, it says so."""
    if seeds == 1:
        return "Repeats", formats.count(repeats)
    return "Splits", f"{formats.count(repeats)}, each trained {seeds} times"
