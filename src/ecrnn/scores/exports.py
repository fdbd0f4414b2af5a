"""What other tools write, and which column of it is the model, the repeat and the score.

A kind of table is known by its columns, or chosen by its name. Of each role, the first column of a list that the table
has is taken; where none or more than one could be meant, the line says so and asks. What was taken is always said, by
`Choice.sentence`. The columns are those of the tools' documentation:

- MLflow: `mlflow.search_runs` and `mlflow experiments csv` write run_id, status, `metrics.*`, `params.*`, `tags.*`; the
  download of its page writes Run ID, Source Type, Status and then parameters and metrics by their bare names.
- Weights & Biases: the export of a table of runs begins Name, State, ..., Created, Runtime; config and summary by bare
  names.
- scikit-learn: `cv_results_` of a search has `split<i>_test_<scorer>`, a row a candidate; `cross_validate` gives
  `test_<scorer>` with a value a split, here by the name of the model.
- mlr3: `bmr$score()` has task_id, learner_id, iteration and measures such as classif.acc.
- aeon and tsml-eval: `<estimator>_<measure>.csv` begins "Resamples:", a row a data set; in Python, results by estimator
  and data set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ecrnn.core.errors import EcrnnError, SettingsError, unknown_name
from ecrnn.scores import cells, reshape
from ecrnn.scores.metric_names import is_known
from ecrnn.scores.score_table import Table

ROLES = (
    "model",
    "repeat",
    "score",
    "dataset",
    "n_train",
    "n_test",
    "seed",
    "split",
    "example",
    "correct",
    "label",
    "prediction",
    "state",
)
_MODELS = (
    *("model", "model_name", "model.name", "model_type", "model_id", "algorithm", "estimator", "estimator_name"),
    *("classifier", "learner", "learner_id", "method", "network", "net", "arch", "architecture", "backbone"),
)
_REPEATS = ("repeat", "resample", "iteration", "fold", "cv_fold", "split", "seed", "random_seed", "random_state")
_USUAL: Mapping[str, Sequence[str]] = {
    "model": _MODELS,
    "repeat": _REPEATS,
    "dataset": ("dataset", "data_set", "dataset_name", "task_id", "data"),
    "n_train": ("n_train", "train_size"),
    "n_test": ("n_test", "test_size"),
    "seed": ("seed", "random_seed", "random_state"),
    "split": ("split",),
}
_ASKED = "--columns"


@dataclass(frozen=True)
class Kind:
    """A kind of table.

    Attributes:
        name: by which users choose it.
        title: what it is called.
        fits: whether a table is of this kind, by its columns.
        prefixes: of columns of parameters and of scores, for those tools that write them.
        models: more columns that may name the model, where several rows share each name.
        state: the column that says whether a run has finished, and what it then says.
        columns: those of the tool itself, which hold no score.
        long: makes a row of each score, where there is none.
    """

    name: str
    title: str
    fits: Callable[[Table], bool]
    prefixes: tuple[str, str] = ("", "")
    models: tuple[str, ...] = ()
    state: tuple[str, str] | None = None
    columns: tuple[str, ...] = ()
    long: Callable[[Table], Table] | None = None


@dataclass(frozen=True)
class Choice:
    """A table of rows, and the column of each role that it has; ``score`` names the metric."""

    table: Table
    kind: Kind
    roles: Mapping[str, str]
    metric: str = ""
    parts: tuple[str, ...] = field(default=())  # of the repeat, where several columns number it

    def sentence(self) -> str:
        """What was taken for what, in a line."""
        taken = [f"{role} from '{self.roles[role]}'" for role in ROLES if role in self.roles]
        return f"{self.table.name} was read as {self.kind.title}: {', '.join(taken)}"


def _has(*columns: str) -> Callable[[Table], bool]:
    return lambda table: set(columns) <= set(table.columns)


def _begins(*names: str) -> Callable[[Table], bool]:
    return lambda table: next(iter(table.columns)).lower() in names


_MLFLOW_COLUMNS = ("Start Time", "Duration", "Run ID", "Name", "Source Type", "Source Name", "User", "Status")
_WANDB_COLUMNS = (
    "Name",
    "Agent",
    "State",
    "Notes",
    "User",
    "Tags",
    "Created",
    "Runtime",
    "Sweep",
    "Updated",
    "Hostname",
    "ID",
)
_TABLE = Kind("table", "a table of scores", lambda table: True)
_KINDS = (
    Kind(
        "mlflow",
        "MLflow runs",
        lambda table: "run_id" in table.columns and any(c.startswith("metrics.") for c in table.columns),
        prefixes=("params.", "metrics."),
        models=("tags.estimator_name", "tags.mlflow.runName"),
        state=("status", "FINISHED"),
    ),
    Kind(
        "mlflow",
        "MLflow runs, as its page exports them",
        _has("Run ID", "Source Type", "Status"),
        models=("Name",),
        state=("Status", "FINISHED"),
        columns=_MLFLOW_COLUMNS,
    ),
    Kind(
        "wandb",
        "Weights & Biases runs",
        _has("Name", "State", "Created"),
        models=("Group", "Job Type", "Name"),
        state=("State", "finished"),
        columns=_WANDB_COLUMNS,
    ),
    Kind(
        "sklearn", "scikit-learn's cv_results_", lambda table: bool(reshape.splits(table)), long=reshape.of_cv_results
    ),
    Kind("sklearn", "scikit-learn's cross_validate by model", reshape.are_validations, long=reshape.of_validations),
    Kind("mlr3", "mlr3's scores", _has("task_id", "learner_id"), columns=("nr",)),
    Kind("aeon", "tsml-eval's resamples", _begins("resamples:", "folds:"), long=reshape.of_resamples),
    Kind("aeon", "aeon's results", lambda table: table.kind == "results", long=reshape.of_estimators),
    Kind("wide", "a column a model", lambda table: False, long=reshape.of_wide),
    _TABLE,
)
KINDS = tuple(dict.fromkeys(kind.name for kind in _KINDS))


def kind_of(table: Table, name: str | None = None) -> Kind:
    """What kind of table this is.

    Args:
        table: as it was read.
        name: of the kind that it is; None: what its columns say.

    Raises:
        EcrnnError: no such kind, or the table lacks its columns, or it holds no repeats.
    """
    if name is not None and name not in KINDS:
        raise unknown_name("kind of table", name, KINDS, "--from")
    if name in ("wide", "table"):
        return next(kind for kind in _KINDS if kind.name == name)
    found = next((kind for kind in _KINDS if kind.fits(table) and name in (None, kind.name)), None)
    if found is None:
        raise EcrnnError(f"{table.name} does not look like {name}: its columns are {_some(table.columns)}")
    if _begins("estimators:")(table):
        raise EcrnnError(
            f"{table.name} has one mean a data set and no repeats, so nothing can be judged on any of them; give the "
            "files of tsml-eval's all_resamples"
        )
    if found.name == "mlr3" and "iteration" not in table.columns:
        raise EcrnnError(
            f"{table.name} has one mean of each learner and task, as of bmr$aggregate(); bmr$score() has a row an "
            "iteration"
        )
    return found


def choose(
    table: Table, kind_name: str | None = None, columns: Mapping[str, str] | None = None, metric: str | None = None
) -> Choice:
    """The column of each role.

    Args:
        table: as it was read.
        kind_name: of the kind that it is; None: what its columns say.
        columns: of roles, as the user names them; the repeat may be several, "repeat+fold".
        metric: the name of the score, as the user names it.

    Raises:
        EcrnnError: a role without a column, or a score that could be several; the line says which there are.
    """
    kind = kind_of(table, kind_name)
    long = kind.long(table) if kind.long else table
    columns = dict(columns or {})
    for role, column in columns.items():
        if role not in ROLES:
            raise unknown_name("role", role, ROLES, _ASKED)
        for part in _parts(long, role, column):
            if part not in long.columns:
                raise unknown_name("column", part, long.columns, f"{_ASKED} {role}=...")
    usual = {role: _usual(long, kind, role) for role in _USUAL}
    roles = {role: column for role, column in usual.items() if column is not None}
    if kind.state and kind.state[0] in long.columns:
        roles["state"] = kind.state[0]
    roles |= columns
    for role in ("model", "repeat"):
        if role not in roles:
            free = _some(_free(long, kind, roles))
            raise SettingsError(
                "columns",
                f"none of {table.name} is known as the {role}; {_ASKED} {role}=COLUMN names it, among {free}"
                + ("; --from wide reads a column a model" if role == "model" and kind is _TABLE else ""),
            )
    answers = _answers(long, columns)
    if answers:
        if "score" in columns:
            raise EcrnnError(f"{table.name} has a row an example, whose score follows; leave score out of {_ASKED}")
        chosen = Choice(long, kind, roles | answers, metric or "accuracy")
    else:
        score, name = _score(long, kind, roles, columns.get("score"), metric)
        chosen = Choice(long, kind, roles | {"score": score}, name)
    return replace(chosen, parts=_parts(long, "repeat", roles["repeat"]))


def _parts(table: Table, role: str, column: str) -> tuple[str, ...]:
    if role == "repeat" and column not in table.columns:
        return tuple(part.strip() for part in column.split("+"))
    return (column,)


def _usual(table: Table, kind: Kind, role: str) -> str | None:
    """The first column that a table of this kind has for a role."""
    prefix = kind.prefixes[0]
    names = {column.lower(): column for column in table.columns if column not in kind.columns}
    found = [names[f"{prefix}{name}"] for name in _USUAL[role] if f"{prefix}{name}" in names]
    if role == "repeat":  # a split that is the same everywhere numbers nothing
        found.sort(key=lambda column: len(set(map(str, table.columns[column]))) < 2)
    if found:
        return found[0]
    if role == "model":
        shared = (c for c in kind.models if c in table.columns and len(set(map(str, table.columns[c]))) < len(table))
        return next(shared, None)
    return None


def _answers(table: Table, columns: Mapping[str, str]) -> dict[str, str]:
    """The columns of a table that has a row an example."""
    found = {role: columns.get(role, role) for role in ("example", "correct", "label", "prediction")}
    found = {role: column for role, column in found.items() if column in table.columns}
    if "correct" in found:
        found = {role: column for role, column in found.items() if role in ("example", "correct")}
    elif not {"label", "prediction"} <= found.keys():
        return {}
    if "example" not in found:
        raise EcrnnError(f"{table.name} has a row an example, but no column 'example' that says which one it is")
    return found


def _score(
    table: Table, kind: Kind, roles: Mapping[str, str], asked: str | None, metric: str | None
) -> tuple[str, str]:
    """The column of the score, and the name of the metric."""
    prefix = kind.prefixes[1]
    if asked is not None:
        return asked, metric or asked.removeprefix(prefix)
    if metric is not None:
        for column in (f"{prefix}{metric}", metric):
            if column in table.columns:
                return column, metric
        if not prefix and "score" in table.columns:  # whose name says nothing
            return "score", metric
    able = [column for column in _free(table, kind, roles) if column.startswith(prefix)]
    if not prefix:
        able = [column for column in able if is_known(column)]
        able = [column for column in able if _is_numeric(table, column)] or able[:1]
    if metric is not None:
        raise unknown_name(
            "score", metric, [column.removeprefix(prefix) for column in able] or table.columns, table.name
        )
    if len(able) == 1 or (not prefix and "score" in able):
        column = able[0] if len(able) == 1 else "score"
        return column, column.removeprefix(prefix)
    if able:
        names = _some([column.removeprefix(prefix) for column in able])
        raise SettingsError("metric", f"{table.name} has several scores; --metric names one of {names}")
    free = _some(_free(table, kind, roles))
    raise SettingsError("metric", f"no column of {table.name} is known as a score; --metric names it, among {free}")


def _is_numeric(table: Table, column: str) -> bool:
    """Whether the first cells are numbers or empty."""
    return all(cells.is_number(cell) or cells.empty(cell) for cell in table.columns[column][:100])


def _free(table: Table, kind: Kind, roles: Mapping[str, str]) -> list[str]:
    """The columns that have no role yet and are none of the tool's own."""
    taken = {*roles.values(), *kind.columns}
    return [column for column in table.columns if column not in taken]


def _some(names: Sequence[str] | Mapping[str, Any], most: int = 12) -> str:
    shown = [str(name)[:60] for name in names]
    return ", ".join(shown[:most]) + (f" and {len(shown) - most} more" if len(shown) > most else "") or "none"
