"""Figures of a trained model in a line, and the command that uses it, for every task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line

from ecrnn.cli.metrics import checked, choice, figures, use
from ecrnn.core.errors import BundleError
from ecrnn.core.tasks import TASKS

LINES = {
    "accuracy": "25.00 % of 1,200 test {examples} right (95 % interval 12.50 to 50.00)",
    "bits": "bits a character 0.2500 on 1,200 test {examples} (95 % interval 0.1250 to 0.5000)",
    "bleu": "BLEU 25.00 on 1,200 test {examples} (95 % interval 12.50 to 50.00)",
    "cer": "character error rate 25.00 % on 1,200 test {examples} (95 % interval 12.50 to 50.00)",
}
USES = {
    "image-classification": "ecrnn predict 'my model' image.png",
    "clip-classification": "ecrnn evaluate 'my model' clips/",
    "text-classification": "ecrnn predict 'my model' --text 'A sentence.'",
    "next-token": "ecrnn generate 'my model' --prompt 'Once'",
    "translation": "ecrnn predict 'my model' --text 'A sentence.'",
    "captioning": "ecrnn predict 'my model' image.png",
    "transcription": "ecrnn predict 'my model' image.png",
    "sequence-classification": "ecrnn predict 'my model' sequence.csv",
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_in_a_line(task) -> None:
    measured = {task.metric: 0.25, f"{task.metric}_low": 0.125, f"{task.metric}_high": 0.5}
    assert figures(task, measured, 1200, "test") == LINES[task.metric].format(examples=task.examples)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_use(task) -> None:
    assert use(task, "my model") == USES[task.name]


LAST = {"last_epochs": {"epochs": 5, "lowest": 0.5, "mean": 0.6, "highest": 0.7}, "epoch": 4, "epochs": 9}


def test_the_epochs_of_a_figure() -> None:
    last, kept = choice(TASKS["image-classification"], {**LAST, "kept_accuracy": 0.75, "keep_window": 5})
    assert last == " after the last epoch, 50.00 to 70.00 % over the last 5"
    assert kept == "Kept: the weights of epoch 4 of 9, 75.00 % on the same images, with which the epoch was chosen"
    assert choice(TASKS["image-classification"], {**LAST, "epoch": 9}) == [last]
    assert choice(TASKS["image-classification"], {"epoch": 4, "epochs": 9, "keep": "best"}) == [
        ", weights of epoch 4 of 9"
    ]
    last, kept = choice(TASKS["next-token"], {**LAST, "kept_bits": 2.5, "keep_window": 1})
    assert last == " after the last epoch, 0.5000 to 0.7000 bits over the last 5"
    assert "2.5000 bits on the same blocks" in kept


FIGURES = {"accuracy": 0.25, "accuracy_low": 0.125, "accuracy_high": 0.5}
WHOLE = {**FIGURES, **LAST, "n_validation": 40, "kept_accuracy": 0.75, "test": {**FIGURES, "n": 9}}


def test_figures_of_a_bundle_from_anywhere() -> None:
    path = Path("bundle", "metrics.json")
    assert checked(TASKS["image-classification"], WHOLE, path) == WHOLE
    checked(TASKS["image-classification"], {**WHOLE, "test": None, "last_epochs": None, "kept_accuracy": None}, path)
    wrong: list[Any] = [None, "x", True, [1], {}, 1e300]
    for name in (*FIGURES, "n_validation", "epoch", "epochs"):
        for value in wrong:
            with one_line(BundleError, path, f"lacks a number for {name};"):
                checked(TASKS["image-classification"], {**WHOLE, name: value}, path)
    for name, inner in (("last_epochs", "lowest"), ("test", "n"), ("test", "accuracy_high")):
        for value in ("x", [1], {**WHOLE[name], inner: None}):
            with one_line(BundleError, path, f"lacks a number for {name}."):
                checked(TASKS["image-classification"], {**WHOLE, name: value}, path)
