"""Rows of tasks: each names code that is there; foreign ones come by entry points and are looked for by name alone."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

import pytest

from ecrnn.core import tasks
from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS, Code, Task, default, known


@pytest.mark.parametrize("name", TASKS)
def test_every_row_names_code_that_is_there(name: str) -> None:
    task = TASKS[name]
    assert task.name == name
    for part in get_args(Code):
        if getattr(task, part):
            assert callable(task.code(part))


def test_files_that_name_no_task_are_of_images() -> None:
    assert default().name == next(iter(TASKS)) == "image-classification"
    assert [task.name for task in known()] == list(TASKS)


def test_names_are_known_without_torch_and_numpy() -> None:
    code = "import sys; from ecrnn.core.tasks import TASKS; list(TASKS.values()); "
    code += "print({'torch', 'numpy'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("set()", "")


def test_foreign_code_that_is_missing_is_one_line() -> None:
    facts = {name: getattr(default(), name) for name in ("metric", "examples", "use", "card", *get_args(Code))}
    task = Task(**{**facts, "name": "foreign", "load": "nowhere.data:load", "prepare": "json:nothing"})
    with pytest.raises(EcrnnError, match=r"^load of task 'foreign' .nowhere.data:load. cannot be imported: Modul"):
        task.code("load")
    with pytest.raises(EcrnnError, match=r"'foreign' .json:nothing. cannot be imported: AttributeError"):
        task.code("prepare")
    assert "foreign" not in TASKS
    assert tasks.known() == known()
