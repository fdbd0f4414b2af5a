"""The evaluation of one model with classes, on a terminal and as files.

- evaluation.json: all figures at full precision; not the examples.
- predictions.csv: a row an example, with the exact probability of each class.
- evaluation.html: tables, figures, and the examples that the model gets most wrong.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from ecrnn.core.files import make_folder, whole_text, write_atomically
from ecrnn.core.text import json_text
from ecrnn.core.translation import Translator
from ecrnn.report import formats
from ecrnn.report.analysis.evaluation import Evaluation
from ecrnn.report.analysis.schema import plain
from ecrnn.report.content.evaluation_tables import (
    averages_table,
    calibration_table,
    class_table,
    confused_table,
    points_table,
    temperature_line,
)
from ecrnn.report.content.tables import MANY_CLASSES
from ecrnn.report.render import pixels
from ecrnn.report.render.csv_file import safe
from ecrnn.report.render.evaluation_figures import draw_operating_curves, draw_reliability
from ecrnn.report.render.page import on_page, render
from ecrnn.report.render.terminal import rich_table, words

if TYPE_CHECKING:
    from rich.console import Console

WORST_PRINTED = 5  # on a terminal


def evaluation_json(evaluation: Evaluation) -> str:
    """All of ``evaluation`` but its rows, at full precision; no NaN and no infinity."""
    content = {"format": 1, "kind": "ecrnn evaluation", **plain(evaluation)}
    return json_text(content, indent=1) + "\n"


def evaluation_page(evaluation: Evaluation, language: str = "en") -> str:
    """One self-contained HTML document that shows ``evaluation``.

    Args:
        evaluation: to be shown.
        language: of the page, "en" or "ko".
    """
    two = evaluation.two_classes
    return render(
        "evaluation.html.j2",
        Translator(language, _names(evaluation)),
        evaluation=evaluation,
        key_facts=_facts(evaluation),
        classes=class_table(evaluation),
        averages=averages_table(evaluation),
        confused=confused_table(evaluation),
        matrix_too=len(evaluation.classes) <= MANY_CLASSES,
        calibration=calibration_table(evaluation),
        fitted=temperature_line(evaluation),
        reliability=on_page(draw_reliability(evaluation)),
        points=points_table(evaluation),
        curves=None if two is None else on_page(draw_operating_curves(two)),
        worst=[
            (
                one,
                "" if one.image is None else pixels.uri(pixels.png(one.image)),
                100 * one.probability,
                100 * one.of_true,
            )
            for one in evaluation.worst
        ],
        wrong=int((evaluation.rows.predicted != evaluation.rows.label).sum()),
    )


def _names(evaluation: Evaluation) -> set[str]:
    """What is never translated: the model, the data, its classes and examples."""
    return {evaluation.model, evaluation.data, *(of.name for of in evaluation.classes)} | {
        one.example for one in evaluation.worst
    }


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    note = f" ({evaluation.n_note})" if evaluation.n_note else ""
    return [
        ("Model", evaluation.model),
        ("Data", evaluation.data),
        (formats.capital(evaluation.examples), f"{evaluation.n:,}{note}"),
        ("Accuracy", formats.proportion(evaluation.accuracy)),
        ("Macro F1", formats.proportion(evaluation.averages.macro_f1)),
        ("Mean cross-entropy", f"{evaluation.cross_entropy:.4f} nats"),
        ("Expected calibration error", f"{formats.percent(evaluation.calibration.ece)} %"),
        *([("Temperature", f"{evaluation.temperature:g}")] if evaluation.temperature != 1 else []),
    ]


def write_evaluation(evaluation: Evaluation, folder: Path, language: str = "en") -> dict[str, Path]:
    """Write ``evaluation`` as predictions.csv, evaluation.html and evaluation.json into ``folder``, atomically.

    Args:
        evaluation: to be written.
        folder: made where there is none.
        language: of the page, "en" or "ko"; the other files are English.

    Returns:
        Their paths by name.
    """
    make_folder(folder)
    paths = {name: folder / name for name in ("predictions.csv", "evaluation.html", "evaluation.json")}
    _write_rows(evaluation, paths["predictions.csv"])
    write_atomically(paths["evaluation.html"], evaluation_page(evaluation, language))
    write_atomically(paths["evaluation.json"], evaluation_json(evaluation))
    return paths


def _write_rows(evaluation: Evaluation, path: Path) -> None:
    """A row an example: what it is called, its class, the class given, whether that is right, and all probabilities."""
    rows, names = evaluation.rows, [result.name for result in evaluation.classes]
    lead = [formats.one(evaluation.examples), "class", "prediction", "correct"]
    with whole_text(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*lead, *(safe(f"{name} (class)" if name in lead else name) for name in names)])
        for row, (true, predicted) in enumerate(zip(rows.label.tolist(), rows.predicted.tolist(), strict=True)):
            example, _ = rows.look(row)
            head = (safe(example), safe(names[true]), safe(names[predicted]), int(true == predicted))
            writer.writerow([*head, *rows.probability[row].tolist()])


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """The finding of ``evaluation``, its classes and what is confused, on a `rich` ``console``."""
    console.print()
    console.print(words(evaluation.headline, "bold"))
    if evaluation.n_note:
        console.print(words(f"Judged on {evaluation.n_note}.", "bold red" if evaluation.trained_on else ""))
    console.print(words(f"Mean cross-entropy {evaluation.cross_entropy:.4f} nats. {evaluation.warning}", "dim"))
    console.print()
    shown = (class_table, averages_table, confused_table, calibration_table, points_table)
    for table in (make(evaluation) for make in shown):
        if table is not None and table.rows:
            console.print(rich_table(table, console.width))
    if line := temperature_line(evaluation):
        console.print(words(line))
    for one in evaluation.worst[:WORST_PRINTED]:
        console.print(words(f"Most wrong: {one.example} is {one.true}, and {100 * one.probability:.1f} % {one.given}"))
