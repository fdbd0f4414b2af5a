"""Reports as of `ecrnn.report`, and with a study of the paper's models the paper's tables in front of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn import report
from ecrnn.paper import printed
from ecrnn.paper.figure import draw_reproduction
from ecrnn.paper.reproduction import Reproduction, is_reproduction, named_pairs, reproduction
from ecrnn.paper.tables import LAYERS, MARKS, comparisons_table, reproduction_tables
from ecrnn.report import Analysis, Report, StudyRecord, Supplement
from ecrnn.report.analysis.headline import failures, with_remarks
from ecrnn.report.analysis.trial_scores import score
from ecrnn.stats import ACCURACY


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    score_epochs: int | None = None,
    difference: float | None = None,
    language: str = "en",
) -> Report:
    """Make the report of one or several run directories of one study. Arguments as `ecrnn.report.write_report`."""
    record = report.read_study(folders)
    asked: dict[str, Any] = {"baseline": baseline, "pairs": pairs, "rope": rope}
    analysis = analyse(record, **asked, score_epochs=score_epochs, difference=difference)
    return report.write_analysis(analysis, out, language)


def analyse(
    record: StudyRecord,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    score_epochs: int | None = None,
    difference: float | None = None,
) -> Analysis:
    """All figures of a study. Arguments as `ecrnn.report.analysis.analyse`.

    Of a study that has all of the paper's models, those pairs are compared that the paper compares, unless a baseline
    or others are named or were planned; the paper's tables are of these pairs in any case.
    """
    more: dict[str, Any] = {"rope": rope, "score_epochs": score_epochs, "difference": difference}
    if not is_reproduction(record):
        return report.analyse(record, baseline=baseline, pairs=pairs, **more)
    more["contrasts"] = printed.QUESTIONS
    settings = record.settings
    family = named_pairs(_means(record, score_epochs or settings.score_epochs))
    others = any(named is not None for named in (baseline, pairs, settings.baseline, settings.pairs))
    which: dict[str, Any] = {"pairs" if others else "usual_pairs": family}
    of_family = report.analyse(record, **which, **more)
    found = reproduction(record, of_family.comparison, of_family.models)
    supplement = _supplement(found, of_family)
    if others:
        return replace(report.analyse(record, baseline=baseline, pairs=pairs, **more), supplement=supplement)
    sentence = of_family.headline
    if not of_family.interim:
        finding = with_remarks(found.headline, of_family.subject, of_family.plan)
        sentence = " ".join([finding, *failures(of_family.comparison, {})])
    return replace(of_family, headline=sentence, supplement=supplement)


def _means(record: StudyRecord, epochs: int) -> dict[str, float]:
    """Mean accuracy over its repeats of each model that has a finished trial."""
    accuracies: dict[str, list[float]] = {}
    for trial in record.trials:
        accuracies.setdefault(trial.model, []).append(score(trial, ACCURACY, epochs))
    return {model: float(np.mean(values)) for model, values in accuracies.items()}


def _supplement(found: Reproduction, analysis: Analysis) -> Supplement:
    return Supplement(
        key="reproduction",
        title="Beside the paper",
        data=found,
        models=tuple(model.model for model in found.models),
        tables=reproduction_tables(found, analysis.subject.mean_of_epochs),
        long_tables=(comparisons_table(found),),
        folded=frozenset([LAYERS]),
        notes=found.departures,
        footnote=f"{MARKS}. Verdicts are the corrected test's; the files say more.",
        draw=partial(draw_reproduction, found, analysis.models, analysis.scored, analysis.subject.mean_of_epochs),
    )
