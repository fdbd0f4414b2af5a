"""The scores of a table, read row by row: for each data set one score, or the answers, of each model in each repeat.

A repeat is one training and one score: a second row of the same model and repeat is refused, because more rows than
trainings would make any test too sure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.text import counted
from ecrnn.scores import cells
from ecrnn.scores.exports import Choice
from ecrnn.scores.score_table import Table
from ecrnn.stats import Metric

MAX_MODELS = 100
MAX_REPEATS = 10_000
MAX_DATA_SETS = 1000
MOST = 1e15  # that any score may be, as in a study
PARTS_OF_DATA = ("test", "val", "valid", "validation", "eval", "dev", "holdout", "train")  # no names of a split


@dataclass(frozen=True)
class Answers:
    """What a model answered in one repeat, in the order of the examples.

    Attributes:
        example: (n,) int64, which of the data set's examples, ascending.
        correct: (n,) bool.
        label, prediction: (n,) int64, classes by number; empty where only right and wrong are known.
    """

    example: np.ndarray
    correct: np.ndarray
    label: np.ndarray
    prediction: np.ndarray


@dataclass
class Scores:
    """What a table holds of one data set.

    Attributes:
        dataset: its name, "" where the table names none.
        values: one score of each model and repeat, of tables that have a row a score.
        answers: those of each model and repeat, of tables that have a row an example.
        classes: names of the classes, where labels and predictions are known.
        sizes: n_train and n_test of each repeat, where the table has them.
        seeds, splits: of each model and repeat, where the table has them.
        unfinished: model, repeat and state of runs that did not finish.
    """

    dataset: str
    values: dict[str, dict[int, float]] = field(default_factory=dict)
    answers: dict[str, dict[int, Answers]] = field(default_factory=dict)
    classes: tuple[str, ...] = ()
    sizes: dict[str, dict[int, int]] = field(default_factory=lambda: {"n_train": {}, "n_test": {}})
    seeds: dict[tuple[str, int], str] = field(default_factory=dict)
    splits: dict[tuple[str, int], str] = field(default_factory=dict)
    unfinished: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def models(self) -> list[str]:
        """Names in the order of the table."""
        return list(self.values or self.answers)

    @property
    def repeats(self) -> list[int]:
        """The numbers of all repeats of any model."""
        return sorted({repeat for of_model in (self.values or self.answers).values() for repeat in of_model})

    @property
    def one_test_set(self) -> str:
        """Why all repeats are of one test set, or "" where they are not known to be."""
        named = {split for split in self.splits.values() if split.lower() not in PARTS_OF_DATA}
        if len(self.repeats) < 2:
            return ""
        if (
            len(named) == 1
            and len(self.splits) > 1
            and not any(split.lower() in PARTS_OF_DATA for split in self.splits.values())
        ):
            return f"all repeats have the split '{named.pop()}'"
        sets = {answers.example.tobytes() for of in self.answers.values() for answers in of.values()}
        return "all repeats are scored on the same examples" if len(sets) == 1 else ""


class _Reader:
    """Fills the `Scores` of each data set from the rows of all tables."""

    def __init__(self, metric: Metric | None, percent: bool) -> None:
        self.metric, self.percent = metric, percent
        self.found: dict[str, Scores] = {}
        self.places: dict[tuple[str, str, int], str] = {}  # of the row that each score is from
        self.examples: dict[tuple[str, str, int], list[tuple[str, int, Choice]]] = {}
        self.numbers: dict[tuple[str, ...], int] = {}  # of repeats that have a name
        self.numbered: dict[str, tuple[bool, str]] = {}  # by data set, whether repeats have numbers, and in which table

    def read(self, choice: Choice) -> None:
        numbers, numbered = self._repeats(choice)
        for row in range(len(choice.table)):
            roles, table = choice.roles, choice.table
            model = cells.name(table, row, roles["model"])
            dataset = cells.name(table, row, roles["dataset"]) if "dataset" in roles else ""
            scores = self.found.setdefault(dataset, Scores(dataset))
            first, where = self.numbered.setdefault(dataset, (numbered, table.name))
            if first != numbered:
                one, other = (where, table.name) if first else (table.name, where)
                raise EcrnnError(
                    f"repeats have numbers in {one} and names in {other}, so which are the same is not known; "
                    "models are paired by repeat, so both want the same numbers or the same names"
                )
            repeat = numbers[row]
            if "state" in roles and choice.kind.state:
                state = str(table.columns[roles["state"]][row]).strip()
                if state != choice.kind.state[1]:
                    scores.unfinished.append((model, repeat, state or "unknown"))
                    continue
            self._facts(scores, choice, row, model, repeat)
            if "score" in roles:
                self._place(choice, row, (dataset, model, repeat))
                scores.values.setdefault(model, {})[repeat] = self._value(table, row, roles["score"])
            else:
                example = cells.name(table, row, roles["example"])
                self.examples.setdefault((dataset, model, repeat), []).append((example, row, choice))
            if len(self.found) > MAX_DATA_SETS or len(scores.values) > MAX_MODELS:
                raise EcrnnError(f"{table.name} has more than {MAX_MODELS} models or {MAX_DATA_SETS:,} data sets")

    def _repeats(self, choice: Choice) -> tuple[list[int], bool]:
        """The number of each row's repeat: what stands there, or the place of a name among those seen; and which."""
        table, parts = choice.table, choice.parts
        numbered = len(parts) == 1 and all(_is_whole(cell) for cell in table.columns[parts[0]])
        if numbered or parts == ("repeat",):
            return [cells.whole(table, row, parts[0]) for row in range(len(table))], True
        names = [tuple(cells.name(table, row, part) for part in parts) for row in range(len(table))]
        return [self.numbers.setdefault(name, len(self.numbers)) for name in names], False

    def _place(self, choice: Choice, row: int, key: tuple[str, str, int]) -> None:
        """Note where a score is from; a second one of the same training is refused."""
        here = f"{choice.table.name}, row {choice.table.numbers[row]}"
        first = self.places.setdefault(key, here)
        if first is not here:
            raise EcrnnError(
                f"{here} is a second score of {key[1]} in repeat {key[2]}{f' on {key[0]}' if key[0] else ''}, after "
                f"{first}: a repeat is one training with one score; --columns repeat=COLUMN names what numbers them"
            )

    def _value(self, table: Table, row: int, column: str) -> float:
        value = cells.number(table, row, column)
        if self.metric is None:
            return value
        most = 100 if self.percent else self.metric.most
        value_is = f"{table.where(row, column)}: {value:g}"
        if value > most:
            hint = "is above 100" if self.percent else "is above 1; --percent reads scores in percent"
            raise EcrnnError(f"{value_is} {hint}")
        if value < self.metric.least:
            raise EcrnnError(f"{value_is} is below {self.metric.least:g}")
        if abs(value) > MOST:
            raise EcrnnError(f"{value_is} is larger than any score, {MOST:g}, whatever its unit")
        return value / 100 if self.percent else value

    def _facts(self, scores: Scores, choice: Choice, row: int, model: str, repeat: int) -> None:
        """Sizes, seed and split, which the rows of a repeat should share."""
        table, roles = choice.table, choice.roles
        for size, known in scores.sizes.items():
            if size in roles:
                value = cells.whole(table, row, roles[size], at_least=1)
                if known.setdefault(repeat, value) != value:
                    where = table.where(row, roles[size])
                    raise EcrnnError(
                        f"{where} is {value:,}, but {known[repeat]:,} in another row of repeat {repeat}: models are "
                        "paired by repeat, so they share its examples"
                    )
        for role, facts in (("seed", scores.seeds), ("split", scores.splits)):
            if role in roles and not cells.empty(table.columns[roles[role]][row]):
                facts[model, repeat] = cells.name(table, row, roles[role])

    def answered(self) -> None:
        """Sort the rows of examples into answers, once all are read."""
        for dataset, scores in self.found.items():
            keys = [key for key in self.examples if key[0] == dataset]
            order = {name: i for i, name in enumerate(sorted({e for key in keys for e, _, _ in self.examples[key]}))}
            classes = self._classes(keys)
            number = {name: i for i, name in enumerate(classes)}
            firsts: dict[int, tuple[str, Answers]] = {}
            for key in keys:
                answers = self._of_trial(key, order, number)
                model, first = firsts.setdefault(key[2], (key[1], answers))
                _check_same(key[1], answers, model, first, key[2])
                scores.answers.setdefault(key[1], {})[key[2]] = answers
            scores.classes = classes

    def _classes(self, keys: Sequence[tuple[str, str, int]]) -> tuple[str, ...]:
        found = {
            cells.name(choice.table, row, choice.roles[role])
            for key in keys
            for _, row, choice in self.examples[key]
            for role in ("label", "prediction")
            if role in choice.roles
        }
        return tuple(sorted(found, key=lambda name: (not name.isdigit(), int(name) if name.isdigit() else 0, name)))

    def _of_trial(self, key: tuple[str, str, int], order: dict[str, int], number: dict[str, int]) -> Answers:
        rows = sorted(self.examples[key], key=lambda one: order[one[0]])
        for (before, first, _), (name, row, choice) in pairwise(rows):
            if name == before:
                table = choice.table
                raise EcrnnError(
                    f"{table.name}, row {table.numbers[row]} is a second answer of {key[1]} in repeat {key[2]} for "
                    f"example '{name}', after row {table.numbers[first]}"
                )
        example = np.array([order[name] for name, _, _ in rows], np.int64)
        none = np.zeros(0, np.int64)
        if "correct" in rows[0][2].roles:
            correct = [cells.flag(choice.table, row, choice.roles["correct"]) for _, row, choice in rows]
            return Answers(example, np.array(correct, bool), none, none)
        label, prediction = (
            np.array([number[cells.name(c.table, row, c.roles[role])] for _, row, c in rows], np.int64)
            for role in ("label", "prediction")
        )
        return Answers(example, label == prediction, label, prediction)


def _is_whole(cell: object) -> bool:
    if isinstance(cell, (int, float)):
        return not isinstance(cell, bool) and cell >= 0 and cell == cell // 1
    text = cell.strip().removesuffix(".0") if isinstance(cell, str) else ""  # as pandas writes a column with gaps
    return text.isascii() and text.isdigit() and len(text) < 16


def _check_same(model: str, answers: Answers, other: str, theirs: Answers, repeat: int) -> None:
    """Models are paired example by example."""
    if not np.array_equal(answers.example, theirs.example):
        sizes = f"{counted(len(answers.example), 'examples')} and {len(theirs.example):,}"
        raise EcrnnError(
            f"{model} and {other} are scored on other examples in repeat {repeat} ({sizes}): models are paired example "
            "by example"
        )
    if not np.array_equal(answers.label, theirs.label):
        raise EcrnnError(f"{model} and {other} have other labels for the same examples in repeat {repeat}")


def read_scores(choices: Sequence[Choice], metric: Metric | None = None, *, percent: bool = False) -> dict[str, Scores]:
    """The scores of each data set.

    Args:
        choices: the tables, all with a row a score or all with a row an example.
        metric: of the scores, for its bounds.
        percent: whether scores stand in percent.

    Raises:
        EcrnnError: a cell that does not hold what it should, a second score of one training, models of one repeat with
            other examples; the line names the row.
    """
    reader = _Reader(metric, percent)
    for choice in choices:
        reader.read(choice)
    reader.answered()
    scores = {name: found for name, found in reader.found.items() if found.models}
    if not scores:
        raise EcrnnError(f"{choices[0].table.name} has no finished run")
    values = [value for found in scores.values() for of in found.values.values() for value in of.values()]
    if percent and values and max(values) <= 0.01:
        raise EcrnnError("--percent is for scores in percent, but none is above 1")
    for found in scores.values():
        if len(found.models) > MAX_MODELS or len(found.repeats) > MAX_REPEATS:
            raise EcrnnError(f"a report has at most {MAX_MODELS} models and {MAX_REPEATS:,} repeats")
    return scores
