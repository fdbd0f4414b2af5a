"""Which registered data sets belong to which task, for help and error messages. Imports nothing heavy.

A task's row names them. What the names stand for lies elsewhere: images in `sources`, the others in the file of their
task that loads its data. Those of another package's task are known once the task has been asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ecrnn.core.errors import DataError, EcrnnError, UnknownNameError, unknown_name
from ecrnn.core.files import path_of
from ecrnn.core.spelling import on_disk
from ecrnn.core.tasks import TASKS, known


def names() -> list[str]:
    """All registered data sets, sorted."""
    return sorted(name for task in known() for name in task.data_sets)


def task_of(data: str) -> str | None:
    """The name of the task that a registered data set is for; None for any other name."""
    return next((task.name for task in known() if data in task.data_sets), None)


def place(data: str | Path, task: str, instead: str) -> Path | None:
    """Whether ``data`` is a registered name of ``task``, or a path; a name wins over a path of the same name.

    Args:
        data: from the user.
        task: the name of a task.
        instead: what else would do, as in "a .txt file", for the error.

    Returns:
        None for a registered name, else the path, which exists.

    Raises:
        UnknownNameError: a bare name that is neither registered nor a path.
        DataError: a path that does not exist, or a data set of another task.
    """
    names_of = TASKS[task].data_sets
    if isinstance(data, str) and data in names_of:
        return None
    path = on_disk(path_of(data, "data"))
    if path.exists():
        return path
    if isinstance(data, str) and os.sep not in data and "/" not in data:
        raise unknown_data(data, task, names_of, instead)
    raise DataError(f"{path} does not exist; give {', or '.join(filter(None, [instead, ' or '.join(names_of)]))}")


def refuse_parts(data: str | Path, *others: object) -> None:
    """Raise a DataError where other folders are named as parts of ``data``, which takes none."""
    if any(other is not None for other in others):
        raise DataError(f"--val and --test go with a folder of your own, not with {data}; omit them")


def refuse_settings(*others: object) -> None:
    """Raise a DataError where other folders are named as parts for a task that takes none."""
    if any(other is not None for other in others):
        raise DataError("--val and --test are not for this task, whose data names its parts itself; omit them")


def unknown_data(data: str, task: str, known: Iterable[str], instead: str) -> EcrnnError:
    """The error for a name that is none of ``known``, the data sets of ``task``; it says if another task has the name.

    Other arguments as for `place`.
    """
    if other := task_of(data):
        advice = ", or ".join(filter(None, [" or ".join(sorted(known)), instead]))
        return DataError(f"{data} is a data set for {other}, not for {task}; give {advice}")
    if not (known := list(known)):
        return UnknownNameError(f"there is no file or folder '{data}'; give {instead}")
    return unknown_name("data set", data, known, f"{instead} would do too, but there is none of this name")
