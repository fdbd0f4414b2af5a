"""`judge`: from a table of scores to a report, as `ecrnn.compare` gives one of a study."""

from __future__ import annotations

import re
import reprlib
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError, SettingsError, unknown_name
from ecrnn.core.files import path_of
from ecrnn.core.reading import sha256
from ecrnn.core.spelling import nfc, on_disk
from ecrnn.report import AcrossReport, Analysis, Report, ScoredDataSet, analyse_across, write_across, write_analysis
from ecrnn.scores.exports import Choice, choose
from ecrnn.scores.metric_names import metric_of, with_places
from ecrnn.scores.records import read_scores
from ecrnn.scores.score_analysis import How, Origin, analyse_scores
from ecrnn.scores.score_table import MAX_BYTES, STDIN, Table, read_table


def judge(
    scores: Any,
    *,
    n_train: int | None = None,
    n_test: int | None = None,
    fixed_test: bool = False,
    metric: str | None = None,
    lower_is_better: bool | None = None,
    percent: bool = False,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    dataset: str | None = None,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    difference: float | None = None,
    alpha: float = 0.05,
    out: str | Path | None = None,
    language: str = "en",
) -> Report:
    """Judge scores that other programs computed, and write the report of them. Nothing is trained, torch is not needed.

    Args:
        scores: the path of a .csv, .json or .parquet file, a frame of pandas or polars, a mapping of columns, or a list
            of mappings, one a row: columns model, repeat and score, optionally dataset, n_train, n_test, seed, split;
            or a row an example: model, repeat, example, and correct, or label and prediction. Exports of MLflow,
            Weights & Biases, scikit-learn (`cv_results_`, or a mapping of `cross_validate` by model), mlr3, aeon and
            tsml-eval are known by their columns. A list of paths is read as one table.
        n_train: training examples of a repeat, where the table does not say it.
        n_test: test examples of a repeat, likewise.
        fixed_test: all repeats are of one training and one test set, and differ in their seeds.
        metric: the name of the score.
        lower_is_better: whether it is; None: what its name says.
        percent: whether scores stand in percent.
        kind: what the table is, one of `ecrnn.scores.exports.KINDS`; None: what its columns say.
        columns: which column has which role, as in ``{"model": "net", "repeat": "seed"}``.
        dataset: the one to report, where the table has several.
        baseline: compare every other model with this one alone.
        pairs: compare these alone, (model_a, model_b).
        rope: half the width of the region of practical equivalence, in values of the metric; None: half a point of
            shares, and none of other scores.
        difference: one that would matter, in points as they are shown (1 is one point of accuracy), for which the
            report then says how many repeats would find it.
        alpha: level of the tests after Holm's adjustment.
        out: the folder for the report; default `runs/judge-<file>`.
        language: of the page, "en" or "ko"; all other files are English.

    Returns:
        The report: its `analysis` holds every figure, its `paths` the files.

    Raises:
        EcrnnError: the table holds something else, or several data sets of which none is chosen; one line says where
            and what would be right.

    Examples:
        >>> import ecrnn
        >>> rows = [
        ...     {"model": model, "repeat": repeat, "accuracy": score + repeat / 100}
        ...     for model, score in (("a", 0.7), ("b", 0.8))
        ...     for repeat in range(5)
        ... ]
        >>> report = ecrnn.judge(rows, n_train=700, n_test=300)
        >>> report.analysis.comparison.pairs[0].verdict
        'better'
    """
    reading = read(scores, kind=kind, columns=columns, metric=metric, lower_is_better=lower_is_better, percent=percent)
    if dataset is None and len(reading.scores) > 1:
        raise EcrnnError(
            f"there are {len(reading.scores)} data sets, {_few(reading.scores)}; dataset= names the one to report"
        )
    how = How(n_train, n_test, fixed_test, baseline, pairs, rope, difference, alpha)
    found = judge_each(reading, how, dataset, out, language=language)
    return next(iter(found.values()))


@dataclass(frozen=True)
class Reading:
    """What was read: scores by data set, and of what and as what."""

    scores: Mapping[str, Any]
    metric: Any
    tables: tuple[Table, ...]
    choices: tuple[Choice, ...]
    settings: Mapping[str, Any]
    sources: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """What was taken for what, a line."""
        ways = "higher" if self.metric.higher_is_better else "lower"
        files = [table.name for table in self.tables]
        first = self.choices[0].sentence()
        more = f" and {len(files) - 1} more files alike" if len(files) > 1 else ""
        return f"{first}{more}; {self.metric.title}, {ways} is better"


def read(
    scores: Any,
    *,
    kind: str | None = None,
    columns: Mapping[str, str] | None = None,
    metric: str | None = None,
    lower_is_better: bool | None = None,
    percent: bool = False,
) -> Reading:
    """Read a table, or several as one. Arguments and errors as of `judge`."""
    for name, value in (("kind", kind), ("metric", metric)):
        _check_name(name, value)
    if columns is not None and not (
        isinstance(columns, Mapping) and all(isinstance(one, str) for one in columns.values())
    ):
        line = "should map what is read to a column, as in {'model': 'method'}"
        raise SettingsError("columns", f"{line}, not {reprlib.repr(columns)}")
    several = isinstance(scores, (list, tuple)) and scores and all(isinstance(one, (str, Path)) for one in scores)
    sources = [_on_disk(source) for source in (scores if several else [scores])]
    tables = tuple(read_table(source) for source in sources)
    columns = columns and {role: nfc(column) for role, column in columns.items()}
    metric = metric and nfc(metric)
    choices = tuple(choose(table, kind, columns, metric) for table in tables)
    metrics = {choice.metric for choice in choices}
    if len(metrics) > 1:
        raise EcrnnError(f"the files hold different scores: {', '.join(sorted(metrics))}; --metric names one")
    measured = metric_of(choices[0].metric, lower_is_better=lower_is_better, percent=percent)
    if percent and measured.scale == 1:
        raise EcrnnError(f"{measured.title} is never in percent")
    found = read_scores(choices, measured, percent=percent)
    measured = with_places(measured, [v for one in found.values() for of in one.values.values() for v in of.values()])
    settings = {
        "kind": choices[0].kind.name,
        "columns": dict(choices[0].roles),
        "metric": choices[0].metric,
        "higher_is_better": measured.higher_is_better,
        "percent": percent,
        "sha256": [_digest(source) for source in sources],
    }
    named = tuple(str(source) if isinstance(source, (str, Path)) else "" for source in sources)
    return Reading(found, measured, tables, choices, settings, named)


def _check_name(what: str, value: object) -> None:
    if not isinstance(value, str | None):
        raise SettingsError(what, f"should be a name, not {reprlib.repr(value)}")


def analyse_each(
    reading: Reading, how: How, dataset: str | None = None, command: Sequence[str] = ()
) -> dict[str, Analysis]:
    """All figures of each data set, or of one.

    Args:
        reading: from `read`.
        how: sizes, models and levels.
        dataset: the one; None: all.
        command: the words that give the report again, where it is not a call in Python.

    Raises:
        UnknownNameError: no such data set.
        EcrnnError: as `judge`.
    """
    _check_name("dataset", dataset)
    if dataset is not None:
        _refuse_no_column(reading)
        dataset = nfc(dataset)
        if dataset not in reading.scores:
            raise unknown_name("data set", dataset, reading.scores, reading.tables[0].name)
    chosen = list(reading.scores) if dataset is None else [dataset]
    files = tuple(table.name for table in reading.tables)
    settings = {**reading.settings, "n_train": how.n_train, "n_test": how.n_test, "fixed_test": how.fixed_test}
    origin = Origin(files, reading.sentence, shlex.join(command) if command else "ecrnn.judge(...)", settings)
    return {name: analyse_scores(reading.scores[name], reading.metric, how, origin) for name in chosen}


def judge_each(
    reading: Reading,
    how: How,
    dataset: str | None = None,
    out: str | Path | None = None,
    command: Sequence[str] = (),
    language: str = "en",
) -> dict[str, Report]:
    """Write a report of each data set, or of one.

    Args:
        reading, how, dataset: as of `analyse_each`.
        out: the folder; of several data sets, each has a folder in it. None: `runs/judge-<file>`.
        command: as of `analyse_each`.
        language: of the pages.

    Raises:
        EcrnnError: as `analyse_each`, or the files cannot be written.
    """
    analyses = analyse_each(reading, how, dataset, command)
    folder = path_of(out, "out") if out is not None else Path("runs") / f"judge-{_stem(reading.sources[0])}"
    places = _places(list(analyses))
    return {
        name: write_analysis(analysis, folder / places[name] if len(analyses) > 1 else folder, language)
        for name, analysis in analyses.items()
    }


def _refuse_no_column(reading: Reading) -> None:
    if not any(reading.scores):
        line = f"{reading.tables[0].name} has no column that names data sets"
        raise EcrnnError(f"{line}; --columns dataset=COLUMN says which it is")


def judge_across(
    reading: Reading, how: How, out: str | Path | None = None, language: str = "en", *, exploratory: bool = False
) -> AcrossReport:
    """Write one report across all data sets, of which each is a sample of one.

    Args:
        reading: from `read`.
        how: sizes, models and levels.
        out: the folder; None: `runs/judge-<file>/across`.
        language: of the page.
        exploratory: adjust no p and give no verdict.

    Raises:
        EcrnnError: as `analyse_each`, fewer than two data sets, or the files cannot be written.
    """
    _refuse_no_column(reading)
    analyses = analyse_each(reading, how)
    first = next(iter(analyses.values()))
    analysis = analyse_across(
        [
            ScoredDataSet(
                name, one.comparison, classes=len(one.classes) or None, planned=one.planned, failed=_failed(one)
            )
            for name, one in analyses.items()
        ],
        baseline=how.baseline,
        pairs=how.pairs,
        metric=first.metric,
        rope=first.comparison.rope,
        alpha=how.alpha,
        examples=first.examples,
        exploratory=exploratory,
    )
    default = Path("runs") / f"judge-{_stem(reading.sources[0])}" / "across"
    return write_across(analysis, default if out is None else path_of(out, "out"), language)


def _failed(analysis: Analysis) -> dict[str, int]:
    return {one.model: len(one.failed) for one in analysis.comparison.models if one.failed}


def _stem(source: str) -> str:
    return "scores" if source in ("", STDIN) else _plain(Path(source).stem)


def _plain(name: str) -> str:
    """A name of a folder, whatever the name holds."""
    return re.sub(r"[^\w.-]+", "-", name, flags=re.ASCII).strip(".-")[:60] or "scores"


def _places(names: Sequence[str]) -> dict[str, str]:
    """A folder for each data set; of equal ones the second has a number."""
    places: dict[str, str] = {}
    for name in names:
        place, number = _plain(name), 1
        while place.lower() in (taken.lower() for taken in places.values()):
            number += 1
            place = f"{_plain(name)}-{number}"
        places[name] = place
    return places


def _on_disk(source: Any) -> Any:
    """A file in the spelling under which it lies there; what is no file as it is."""
    return str(on_disk(Path(source))) if isinstance(source, (str, Path)) and str(source) != STDIN else source


def _digest(source: Any) -> str | None:
    """SHA-256 of a file."""
    if not isinstance(source, (str, Path)) or str(source) == STDIN:
        return None
    return sha256(Path(source), MAX_BYTES)


def _few(names: Mapping[str, Any], most: int = 6) -> str:
    shown = [name or "one without a name" for name in names]
    return ", ".join(shown[:most]) + (" and others" if len(shown) > most else "")
