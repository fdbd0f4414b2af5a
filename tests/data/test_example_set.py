"""What every set of examples has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from core.lines import one_line

from ecrnn.core.config import TrainSettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS, Task
from ecrnn.data.example_set import ExampleSet, LabelledSet
from ecrnn.data.keys import Keys, of_texts
from ecrnn.studies.tasks import load_examples


@dataclass(frozen=True)
class Words(LabelledSet):
    words: tuple[str, ...]

    def keys(self) -> Keys:
        return of_texts(self.words)


def test_a_set_has_a_name_parts_and_a_length() -> None:
    words = Words(("a", "b"), labels=np.array([0, 1]), classes=("x", "y"), name="w", n_train=2, fingerprint="f")
    assert (len(words), words.n_validation, words.files, dict(words.left_out), words.notes) == (2, 0, (), {}, ())
    assert words.keys().total == 2
    with pytest.raises(TypeError, match="abstract"):
        ExampleSet(name="w", n_train=2, fingerprint="f")  # type: ignore[abstract]


def test_a_task_that_loads_something_else_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Task.code

    def code(self: Task, part: Any) -> Any:
        return (lambda settings, data_dir, loading: ["a list"]) if part == "load" else whole(self, part)

    monkeypatch.setattr(Task, "code", code)
    settings = TrainSettings(data="digits", model="cnn")
    with one_line(EcrnnError, "task 'translation' loads list, which is no ecrnn.data.example_set.ExampleSet"):
        load_examples(TASKS["translation"], settings)
