"""The evaluation of one model with classes, on a terminal, in JSON and as a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ecrnn.core.files import write_files
from ecrnn.core.text import json_text
from ecrnn.report import formats
from ecrnn.report.analysis.evaluation import Evaluation
from ecrnn.report.analysis.schema import plain
from ecrnn.report.content.evaluation_tables import class_table, confused_table
from ecrnn.report.content.tables import MANY_CLASSES
from ecrnn.report.render.page import render
from ecrnn.report.render.terminal import rich_table, words

if TYPE_CHECKING:
    from rich.console import Console


def evaluation_json(evaluation: Evaluation) -> str:
    """All of ``evaluation`` at full precision; no NaN and no infinity."""
    content = {"format": 1, "kind": "ecrnn evaluation", **plain(evaluation)}
    return json_text(content, indent=1) + "\n"


def evaluation_page(evaluation: Evaluation) -> str:
    """One self-contained HTML document that shows ``evaluation``."""
    return render(
        "evaluation.html.j2",
        evaluation=evaluation,
        key_facts=[
            ("Model", evaluation.model),
            ("Data", evaluation.data),
            (
                formats.capital(evaluation.examples),
                f"{evaluation.n:,}" + (f" ({evaluation.n_note})" if evaluation.n_note else ""),
            ),
            ("Accuracy", formats.proportion(evaluation.accuracy)),
            ("Mean cross-entropy", f"{evaluation.cross_entropy:.4f} nats"),
        ],
        classes=class_table(evaluation),
        confused=confused_table(evaluation),
        matrix_too=len(evaluation.classes) <= MANY_CLASSES,
    )


def write_evaluation(evaluation: Evaluation, folder: Path) -> dict[str, Path]:
    """Write ``evaluation`` as evaluation.json and evaluation.html into ``folder``, atomically; their paths by name."""
    contents = {
        "evaluation.json": evaluation_json(evaluation),
        "evaluation.html": evaluation_page(evaluation),
    }
    return write_files(folder, contents)


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """The finding of ``evaluation``, its classes and what is confused, on a `rich` ``console``."""
    console.print()
    console.print(words(evaluation.headline, "bold"))
    if evaluation.n_note:
        console.print(words(f"Judged on {evaluation.n_note}.", "bold red" if evaluation.trained_on else ""))
    console.print(words(f"Mean cross-entropy {evaluation.cross_entropy:.4f} nats. {evaluation.warning}", "dim"))
    console.print()
    for table in (class_table(evaluation), confused_table(evaluation)):
        if table.rows:
            console.print(rich_table(table, console.width))
