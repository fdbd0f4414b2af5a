"""Figures of a trained model in a line, and the command that uses it, for every task."""

from __future__ import annotations

import pytest

from ecrnn.cli.figures import figures, use
from ecrnn.core.tasks import TASKS

LINES = {
    "accuracy": "25.00 % of 1,200 test {examples} right (95 % interval 12.50 to 50.00)",
    "bits": "bits a character 0.2500 on 1,200 test {examples} (95 % interval 0.1250 to 0.5000)",
    "bleu": "BLEU 25.00 on 1,200 test {examples} (95 % interval 12.50 to 50.00)",
    "cer": "character error rate 25.00 % on 1,200 test {examples} (95 % interval 12.50 to 50.00)",
}
USES = {
    "image-classification": "ecrnn predict 'my model' picture.png",
    "clip-classification": "ecrnn evaluate 'my model' clips/",
    "text-classification": "ecrnn predict 'my model' --text 'A sentence.'",
    "next-token": "ecrnn generate 'my model' --prompt 'Once'",
    "translation": "ecrnn predict 'my model' --text 'A sentence.'",
    "captioning": "ecrnn predict 'my model' picture.png",
    "transcription": "ecrnn predict 'my model' picture.png",
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_in_a_line(task) -> None:
    measured = {task.metric: 0.25, f"{task.metric}_low": 0.125, f"{task.metric}_high": 0.5}
    assert figures(task, measured, 1200, "test") == LINES[task.metric].format(examples=task.examples)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_use(task) -> None:
    assert use(task, "my model") == USES[task.name]
