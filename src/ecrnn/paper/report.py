"""Reports as of `ecrnn.report`, and with a study of the paper's models the paper's tables in front of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from ecrnn import report
from ecrnn.paper.figure import draw_reproduction
from ecrnn.paper.reproduction import Reproduction, is_reproduction, named_pairs, reproduction
from ecrnn.paper.tables import LAYERS, MARKS, comparisons_table, reproduction_tables
from ecrnn.report import Analysis, Report, StudyRecord, Supplement
from ecrnn.stats import ACCURACY


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    difference: float | None = None,
) -> Report:
    """Make the report of one or several run directories of one study. Arguments as `ecrnn.report.write_report`."""
    record = report.read_study(folders)
    analysis = analyse(record, baseline=baseline, pairs=pairs, rope=rope, difference=difference)
    return report.write_analysis(analysis, out)


def analyse(
    record: StudyRecord,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    difference: float | None = None,
) -> Analysis:
    """All figures of a study. Arguments as `ecrnn.report.analysis.analyse`.

    Of a study that has all of the paper's models, those pairs are compared that the paper compares, unless a baseline
    or others are named; the paper's tables are of these pairs in any case.
    """
    if not is_reproduction(record):
        return report.analyse(record, baseline=baseline, pairs=pairs, rope=rope, difference=difference)
    of_pairs = report.analyse(record, pairs=named_pairs(_means(record)), rope=rope, difference=difference)
    found = reproduction(record, of_pairs.comparison, of_pairs.models)
    supplement = _supplement(found, of_pairs)
    if baseline is None and pairs is None:
        return replace(of_pairs, headline=found.headline, supplement=supplement)
    against = report.analyse(record, baseline=baseline, pairs=pairs, rope=rope, difference=difference)
    return replace(against, supplement=supplement)


def _means(record: StudyRecord) -> dict[str, float]:
    """Mean accuracy over its repeats of each model that has a finished trial."""
    accuracies: dict[str, list[float]] = {}
    for trial in record.trials:
        accuracies.setdefault(trial.model, []).append(ACCURACY.value(trial.predictions.statistics))
    return {model: float(np.mean(values)) for model, values in accuracies.items()}


def _supplement(found: Reproduction, analysis: Analysis) -> Supplement:
    return Supplement(
        key="reproduction",
        title="Beside the paper",
        data=found,
        models=tuple(model.model for model in found.models),
        tables=reproduction_tables(found),
        long_tables=(comparisons_table(found),),
        folded=frozenset([LAYERS]),
        notes=found.departures,
        footnote=f"{MARKS}. Verdicts are the corrected test's; the files say more.",
        draw=partial(draw_reproduction, found, analysis.models, analysis.scored),
    )
