"""The evaluation of one model of a task without classes, on a terminal, in JSON and as a page."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING

from ecrnn.core.files import write_files
from ecrnn.core.tasks import TASKS
from ecrnn.core.text import json_text
from ecrnn.core.translation import Translator
from ecrnn.report import formats
from ecrnn.report.analysis.metric_evaluation import MetricEvaluation
from ecrnn.report.analysis.schema import plain
from ecrnn.report.content.evaluation_tables import examples_table, figures_table
from ecrnn.report.render.page import render
from ecrnn.report.render.terminal import rich_table, words

if TYPE_CHECKING:
    from rich.console import Console

_PRINTED = 10  # examples on a terminal


def metric_evaluation_json(evaluation: MetricEvaluation) -> str:
    """All of ``evaluation`` but images, at full precision; no NaN and no infinity."""
    result = evaluation.figures[0]
    content = {
        **{"format": 1, "kind": "ecrnn evaluation", "task": evaluation.task, "metric": result.metric.name},
        **{key: getattr(evaluation, key) for key in ("model", "data", "n", "n_note")},
        **{key: getattr(evaluation, key) for key in ("trained_on", "left_out", "files_left_out")},
        "figures": {f.metric.name: f.score for f in evaluation.figures},
        "facts": evaluation.facts,
        "examples": [
            {"input": e.input, "expected": e.expected, "given": e.given, result.metric.name: e.score}
            for e in evaluation.examples
        ],
        **{"headline": evaluation.headline, "warning": evaluation.warning},
    }
    return json_text(plain(content), indent=1) + "\n"


def metric_evaluation_page(evaluation: MetricEvaluation, language: str = "en") -> str:
    """One self-contained HTML document that shows ``evaluation``.

    Args:
        evaluation: to be shown.
        language: of the page, "en" or "ko".
    """
    noun, result = formats.capital(TASKS[evaluation.task].examples), evaluation.figures[0]
    score = f"{result.metric.measured(result.score.estimate)} ({result.interval})"
    shown = examples_table(evaluation)
    return render(
        "metric_evaluation.html.j2",
        Translator(language, {evaluation.model, evaluation.data}),
        evaluation=evaluation,
        key_facts=[
            ("Model", evaluation.model),
            ("Data", evaluation.data),
            (noun, f"{evaluation.n:,}" + (f" ({evaluation.n_note})" if evaluation.n_note else "")),
            (formats.capital(result.metric.title), score),
            *evaluation.facts.items(),
        ],
        figures=figures_table(evaluation),
        examples=shown,
        rows=[
            (example, _data_uri(example.image), [cell.text for cell in row[3:]])
            for example, row in zip(evaluation.examples, shown.rows, strict=True)
        ],
    )


def _data_uri(image: bytes | None) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}" if image is not None else ""


def write_metric_evaluation(evaluation: MetricEvaluation, folder: Path, language: str = "en") -> dict[str, Path]:
    """Write ``evaluation`` as evaluation.json and evaluation.html into ``folder``, atomically; their paths by name.

    Args:
        evaluation: to be written.
        folder: made where there is none.
        language: of the page, "en" or "ko"; the JSON is English.
    """
    contents = {
        "evaluation.json": metric_evaluation_json(evaluation),
        "evaluation.html": metric_evaluation_page(evaluation, language),
    }
    return write_files(folder, contents)


def print_metric_evaluation(evaluation: MetricEvaluation, console: Console) -> None:
    """The finding of ``evaluation``, its figures and the first examples, on a `rich` ``console``."""
    console.print()
    console.print(words(evaluation.headline, "bold"))
    if evaluation.n_note:
        console.print(words(f"Judged on {evaluation.n_note}.", "bold red" if evaluation.trained_on else ""))
    console.print(words(evaluation.warning, "dim"))
    for what, fact in evaluation.facts.items():
        console.print(words(f"{what}: {fact}", "dim"))
    console.print()
    for table in (figures_table(evaluation), examples_table(evaluation, _PRINTED)):
        if table.rows:
            console.print(rich_table(table, console.width))
