"""Tables that have no row a score, made long: a row for each model and repeat."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.scores.score_table import MAX_ROWS, Table

_SPLIT = re.compile(r"split(\d{1,5})_test_(.+)")


def splits(table: Table) -> dict[str, dict[int, str]]:
    """By scorer, the column of each split in scikit-learn's cv_results_; nothing in other tables."""
    found: dict[str, dict[int, str]] = {}
    for column in table.columns:
        if match := _SPLIT.fullmatch(column):
            found.setdefault(match[2], {})[int(match[1])] = column
    return found


def of_cv_results(table: Table) -> Table:
    """A row a candidate and split. A candidate is called by the parameters in which the candidates differ."""
    scorers = splits(table)
    parameters = [column for column in table.columns if column.startswith("param_")]
    differ = [c for c in parameters if len({str(cell) for cell in table.columns[c]}) > 1] or parameters
    rows = []
    for row, number in enumerate(table.numbers):
        named = [f"{column.removeprefix('param_')}={table.columns[column][row]}" for column in differ]
        for split in sorted({split for columns in scorers.values() for split in columns}):
            scores = {s: table.columns[of[split]][row] for s, of in scorers.items() if split in of}
            rows.append((number, {"model": ", ".join(named) or "the estimator", "split": split, **scores}))
    return _long(table, rows)


def are_validations(table: Table) -> bool:
    """Whether these are results of scikit-learn's cross_validate by the name of their model."""
    return table.kind == "results" and all(_tested(result) for result in table.columns["result"])


def of_validations(table: Table) -> Table:
    """A row a model and split."""
    rows = []
    for row, model in enumerate(table.columns["model"]):
        scores = _tested(table.columns["result"][row])
        lengths = {len(values) for values in scores.values()}
        if len(lengths) != 1:
            raise EcrnnError(f"{table.name}: the scores of {model} should have one length, not {sorted(lengths)}")
        for split in range(lengths.pop()):
            cells = {name: values[split] for name, values in scores.items()}
            rows.append((table.numbers[row], {"model": model, "split": split, **cells}))
    return _long(table, rows)


def _tested(result: Mapping[str, Any]) -> dict[str, list[Any]]:
    tested = {str(key)[5:]: values for key, values in result.items() if str(key).startswith("test_")}
    return {name: _listed(values) for name, values in tested.items()}


def of_estimators(table: Table) -> Table:
    """aeon's results, a mapping of data sets for each estimator: a row a resample."""
    rows = []
    for row, model in enumerate(table.columns["model"]):
        for dataset, scores in table.columns["result"][row].items():
            for repeat, score in enumerate(_listed(scores)):
                cells = {"model": model, "dataset": dataset, "repeat": repeat, "score": score}
                rows.append((table.numbers[row], cells))
    return _long(table, rows)


def of_resamples(table: Table) -> Table:
    """tsml-eval's file of one estimator, with a row a data set and a column a resample."""
    model, _, measure = Path(table.name).stem.rpartition("_")
    if not model:
        raise EcrnnError(f"{table.name} should be called <estimator>_<measure>.csv, as tsml-eval writes it")
    first, *resamples = table.columns
    rows = []
    for row, number in enumerate(table.numbers):
        for resample in resamples:
            cells = {"model": model, "dataset": table.columns[first][row], "repeat": resample}
            rows.append((number, {**cells, measure: table.columns[resample][row]}))
    return _long(table, rows)


def of_wide(table: Table) -> Table:
    """A table with a column a model and a row a repeat; `dataset` and `repeat` may stand beside the models."""
    beside = [column for column in ("dataset", "repeat") if column in table.columns]
    models = [column for column in table.columns if column not in beside]
    rows = []
    seen: dict[str, int] = {}  # rows of each data set so far
    for row, number in enumerate(table.numbers):
        dataset = str(table.columns["dataset"][row]) if "dataset" in beside else ""
        seen[dataset] = seen.get(dataset, -1) + 1
        cells = {"repeat": seen[dataset], **{column: table.columns[column][row] for column in beside}}
        rows += [(number, {"model": model, **cells, "score": table.columns[model][row]}) for model in models]
    return _long(table, rows)


def _listed(values: Any) -> list[Any]:
    values = values.tolist() if hasattr(values, "tolist") else values
    return list(values) if isinstance(values, (list, tuple)) else [values]


def _long(table: Table, rows: list[tuple[int, dict[str, Any]]]) -> Table:
    if len(rows) > MAX_ROWS:
        raise EcrnnError(f"{table.name} holds more than {MAX_ROWS:,} scores")
    columns = dict.fromkeys(column for _, cells in rows for column in cells)
    return Table(
        table.name, {column: [cells.get(column) for _, cells in rows] for column in columns}, [n for n, _ in rows]
    )
