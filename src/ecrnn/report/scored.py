"""One trained model of a task without classes on data: its metric with an interval, what else was measured, and some
examples to look at, as plain data, on a terminal, in JSON and as a page. With classes: evaluation.py.

The intervals are of sampling examples like these. They say nothing about training again: for that there is a study.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from ecrnn.core.errors import DataError
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.tasks import TASKS
from ecrnn.core.text import json_text
from ecrnn.report import formats
from ecrnn.report.evaluation import EVALUATION_WARNING
from ecrnn.report.results import plain
from ecrnn.report.table import Cell, Column, Table, as_percent, text
from ecrnn.stats import METRICS, Interval, Metric, metric_interval

if TYPE_CHECKING:
    from rich.console import Console

_PNG = b"\x89PNG\r\n\x1a\n"
_PRINTED = 10  # examples on a terminal
_LONG = 240  # characters of a text on a terminal


@dataclass(frozen=True)
class Example:
    """One example to look at.

    Attributes:
        input: what the model was given: a text, or the name of a picture.
        expected: what would be right, one text or several.
        given: what the model gave.
        score: the metric on this example alone, if that says anything.
        picture: the input as a PNG file, if it is one; it is shown in the page and not kept in JSON.
    """

    input: str
    expected: tuple[str, ...]
    given: str
    score: float | None = None
    picture: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Measured:
    """One metric over all examples, with its interval; ``score`` holds values, not percent."""

    metric: Metric
    score: Interval

    @property
    def interval(self) -> str:
        """The interval in words."""
        ends = formats.interval(self.score.low, self.score.high, self.metric)
        return f"{as_percent(self.score.level)} interval {ends}"


@dataclass(frozen=True)
class ScoredEvaluation:
    """One trained model on ``n`` examples of a ``task``; the first of the ``figures`` is the task's own metric.

    ``facts`` are other things to know, such as how texts were searched for. ``trained_on``, ``left_out`` and
    ``files_left_out`` are as of `ecrnn.report.evaluation.Evaluation`.
    """

    task: str
    model: str
    data: str
    n: int
    n_note: str
    figures: tuple[Measured, ...]
    facts: Mapping[str, str]
    examples: tuple[Example, ...]
    headline: str
    warning: str
    trained_on: int | None = None
    left_out: int = 0
    files_left_out: Mapping[str, int] = field(default_factory=dict)


def evaluate_scores(
    statistics: ArrayLike,
    *,
    task: str,
    model: str,
    data: str,
    n_note: str = "",
    others: Sequence[tuple[Metric, ArrayLike]] = (),
    facts: Mapping[str, str] | None = None,
    examples: Sequence[Example] = (),
    trained_on: int | None = None,
    left_out: int = 0,
    files_left_out: Mapping[str, int] | None = None,
    seed: int = 0,
) -> ScoredEvaluation:
    """Judge a model by the statistics of its examples.

    Args:
        statistics: (n, k), those of the task's metric, one row an example.
        task: a name in `ecrnn.core.tasks.TASKS`, of a task without classes.
        model: what to call the model.
        data: what to call the data.
        n_note: which examples these are, such as "the test part"; may be empty.
        others: other metrics, each with its own (n, k) statistics of the same examples, such as `WER`.
        facts: other things to know, by what they are called, such as sacreBLEU's signature.
        examples: some to look at, in the order in which they are shown.
        trained_on, left_out, files_left_out: as `ScoredEvaluation` has them.
        seed: of the bootstraps.

    Raises:
        EcrnnError: statistics that are not the metric's.
        DataError: an example's picture is not PNG, or other metrics have other numbers of examples.
    """
    own, noun = METRICS[TASKS[task].metric], TASKS[task].examples
    rows = own.checked(statistics)
    for metric, theirs in others:
        if len(metric.checked(theirs)) != len(rows):
            raise DataError(f"{metric.title} is of {len(metric.checked(theirs))} {noun}, not of {len(rows)}")
    for example in examples:
        if example.picture is not None and not example.picture.startswith(_PNG):
            raise DataError(f"the picture of {example.input!r} is not a PNG file")
    figures = tuple(Measured(m, metric_interval(theirs, m, seed=seed)) for m, theirs in ((own, rows), *others))
    return ScoredEvaluation(
        task=task,
        model=model,
        data=data,
        n=len(rows),
        n_note=n_note,
        figures=figures,
        facts=dict(facts or {}),
        examples=tuple(examples),
        headline=f"{model} on {formats.plural(len(rows), formats.one(noun))} of {data}: "
        f"{formats.titled(figures[0].score.estimate, own)} ({figures[0].interval}).",
        warning=EVALUATION_WARNING.format(examples=noun),
        trained_on=trained_on,
        left_out=left_out,
        files_left_out=dict(files_left_out or {}),
    )


def figures_table(evaluation: ScoredEvaluation) -> Table:
    """One row a metric."""
    return Table(
        "figures",
        "Figures",
        f"Each over all {TASKS[evaluation.task].examples}. The intervals are a bootstrap's; of what is right or wrong, "
        "Wilson's.",
        (
            Column("Metric", ("metric",), "left"),
            Column("Value", ("value",)),
            Column(f"{as_percent(evaluation.figures[0].score.level)} interval", ("low", "high")),
            Column("Better", ("better",), "left"),
        ),
        tuple(
            (
                text(formats.capital(own.metric.title)),
                Cell(own.metric.measured(own.score.estimate), (own.score.estimate,), "strong"),
                Cell(formats.interval(own.score.low, own.score.high, own.metric), (own.score.low, own.score.high)),
                text("higher" if own.metric.higher_is_better else "lower"),
            )
            for own in evaluation.figures
        ),
    )


def examples_table(evaluation: ScoredEvaluation, most: int | None = None) -> Table:
    """One row an example, without pictures; ``most``: only the first, and long texts cut.

    A last column has the examples' scores, where they have some: BLEU is a figure of many.
    """
    metric, shown = evaluation.figures[0].metric, evaluation.examples[:most]
    scored = any(own.score is not None for own in shown)
    score = Column(formats.heading(formats.capital(metric.title), metric.unit), (metric.name,))

    def words(said: str) -> Cell:
        line = " ".join(said.split())
        cut = f"{line[:_LONG]}\N{HORIZONTAL ELLIPSIS}" if most is not None and len(line) > _LONG else line
        return Cell(cut, (said,))

    return Table(
        "examples",
        "Examples",
        f"{len(shown):,} of {formats.plural(evaluation.n, formats.one(TASKS[evaluation.task].examples))}.",
        (
            Column("Input", ("input",), "left"),
            Column("Expected", ("expected",), "left"),
            Column("Given", ("output",), "left"),
            *([score] if scored else []),
        ),
        tuple(
            (
                words(own.input),
                words(" | ".join(own.expected)),
                words(own.given),
                *([Cell(formats.value(own.score, metric), (own.score,))] if scored else []),
            )
            for own in shown
        ),
    )


def scored_json(evaluation: ScoredEvaluation) -> str:
    """Everything but pictures, at full precision; no NaN and no infinity."""
    own = evaluation.figures[0]
    content = {
        **{"format": 1, "kind": "ecrnn evaluation", "task": evaluation.task, "metric": own.metric.name},
        **{key: getattr(evaluation, key) for key in ("model", "data", "n", "n_note")},
        **{key: getattr(evaluation, key) for key in ("trained_on", "left_out", "files_left_out")},
        "figures": {f.metric.name: f.score for f in evaluation.figures},
        "facts": evaluation.facts,
        "examples": [
            {"input": e.input, "expected": e.expected, "given": e.given, own.metric.name: e.score}
            for e in evaluation.examples
        ],
        **{"headline": evaluation.headline, "warning": evaluation.warning},
    }
    return json_text(plain(content), indent=1) + "\n"


def scored_page(evaluation: ScoredEvaluation) -> str:
    """One self-contained HTML document that shows ``evaluation``."""
    from ecrnn.report.html import render

    noun, own = formats.capital(TASKS[evaluation.task].examples), evaluation.figures[0]
    score = f"{own.metric.measured(own.score.estimate)} ({own.interval})"
    shown = examples_table(evaluation)
    return render(
        "scored.html.j2",
        evaluation=evaluation,
        key_facts=[
            ("Model", evaluation.model),
            ("Data", evaluation.data),
            (noun, f"{evaluation.n:,}" + (f" ({evaluation.n_note})" if evaluation.n_note else "")),
            (formats.capital(own.metric.title), score),
            *evaluation.facts.items(),
        ],
        figures=figures_table(evaluation),
        examples=shown,
        rows=[
            (example, _data_uri(example.picture), [cell.text for cell in row[3:]])
            for example, row in zip(evaluation.examples, shown.rows, strict=True)
        ],
    )


def _data_uri(picture: bytes | None) -> str:
    return f"data:image/png;base64,{base64.b64encode(picture).decode()}" if picture is not None else ""


def write_scored(evaluation: ScoredEvaluation, folder: Path) -> dict[str, Path]:
    """Write ``evaluation`` as evaluation.json and evaluation.html into ``folder``, atomically; their paths by name."""
    make_folder(folder)
    contents = {"evaluation.json": scored_json(evaluation), "evaluation.html": scored_page(evaluation)}
    for name, content in contents.items():
        write_atomically(folder / name, content)
    return {name: folder / name for name in contents}


def print_scored(evaluation: ScoredEvaluation, console: Console) -> None:
    """The finding of ``evaluation``, its figures and the first examples, on a `rich` ``console``."""
    from ecrnn.report.terminal import rich_table
    from ecrnn.report.terminal import words as shown

    console.print()
    console.print(shown(evaluation.headline, "bold"))
    if evaluation.n_note:
        console.print(shown(f"Judged on {evaluation.n_note}.", "bold red" if evaluation.trained_on else ""))
    console.print(shown(evaluation.warning, "dim"))
    for what, fact in evaluation.facts.items():
        console.print(shown(f"{what}: {fact}", "dim"))
    console.print()
    for table in (figures_table(evaluation), examples_table(evaluation, _PRINTED)):
        if table.rows:
            console.print(rich_table(table, console.width))
