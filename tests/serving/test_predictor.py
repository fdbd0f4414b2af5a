"""What every model in use has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from core.lines import one_line
from tiny_tasks import untrained

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.serving.predictor import Generates, ReadsFiles, ReadsTexts, has_test_part


@pytest.mark.parametrize("task", ["image-classification", "text-classification", "next-token"])
def test_what_does_not_write_has_no_beam(task: str, tmp_path: Path) -> None:
    model, _ = untrained(task, tmp_path)
    model.search(1)
    with one_line(EcrnnError, f"a beam search is for models that write texts, not for {task}"):
        model.search(2)


def test_a_test_part_lies_behind_the_training_part(tmp_path: Path) -> None:
    _, data = untrained("translation", tmp_path)
    assert not has_test_part(data)
    assert has_test_part(replace(data, n_train=20))


@pytest.mark.parametrize("task", TASKS)
def test_predictors_have_what_their_tasks_say_that_they_read(task: str) -> None:
    predictor = TASKS[task].code("predictor")
    opens = TASKS[task].reads in ("images", "files")
    assert issubclass(predictor, ReadsFiles) == opens
    assert issubclass(predictor, ReadsTexts) == (opens or TASKS[task].reads == "texts")
    assert issubclass(predictor, Generates) == (task == "next-token")
