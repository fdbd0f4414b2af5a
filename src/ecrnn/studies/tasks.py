"""A task's code, called: how its data is read, what is fitted on training examples, what a training learns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ecrnn.core.config import MAX_BAD_FILES, StudySettings, TaskSettings, TrainingSettings, TrainSettings, merge
from ecrnn.core.devices import resolve
from ecrnn.core.errors import DataError, EcrnnError, RunDirectoryError, SettingsError
from ecrnn.core.events import Progress, silent
from ecrnn.core.form import FIT_BEFORE, FORM
from ecrnn.core.tasks import LONGEST_CLASS, MAX_CLASSES, Task, known
from ecrnn.data import catalogue
from ecrnn.data.example_set import ExampleSet, LabelledSet
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.studies.places import spelt_as_it_exists
from ecrnn.training.objective import Objective

_SET = f"{ExampleSet.__module__}.{ExampleSet.__name__}"
AnySettings = StudySettings | TrainSettings


def task_settings(task: Task, settings: AnySettings, where: str = "") -> TaskSettings:
    """What ``task`` makes of the settings of a run: those that concern it, with its defaults and its bounds.

    Args:
        task: of the models.
        settings: of the run.
        where: what they come from, for the error.

    Raises:
        EcrnnError: one is missing or out of bounds.
    """
    kind: type[TaskSettings] = task.code("settings")
    places = {"data": settings.data, "val": settings.val, "test": settings.test}
    shared = {key: value for key in FORM if (value := getattr(settings, key)) is not None and key in kind.model_fields}
    defaults = {key: value for key, value in task.defaults.items() if key in kind.model_fields}
    return kind.read(merge(defaults, task.defaults.get("form", {}), shared, settings.form, places), where)


def check_used(task: Task, settings: AnySettings) -> None:
    """Look whether ``task`` uses what the settings say of the form of its examples.

    Raises:
        SettingsError: one is for other tasks.
    """
    kind = task.code("settings")
    for key in FORM:
        if getattr(settings, key) not in (None, FIT_BEFORE) and key not in kind.model_fields:
            users = ", ".join(other.name for other in known() if key in other.code("settings").model_fields)
            raise SettingsError(key, f"it is for {users}, not for {task.name}")


def load_examples(task: Task, settings: AnySettings, loading: Progress = silent) -> ExampleSet:
    """The data of a study or a training, whose models are for ``task``.

    Raises:
        DataError: missing or damaged data.
    """
    data_dir = Path(spelt_as_it_exists(settings.data_dir)) if settings.data_dir else None
    if not catalogue.task_of(settings.data):
        settings = settings.model_copy(update={"data": spelt_as_it_exists(settings.data)})
    others = ("val", "test", "groups")
    parts = {part: spelt_as_it_exists(place) for part in others if (place := getattr(settings, part))}
    settings = settings.model_copy(update=parts)
    data = task.code("load")(task_settings(task, settings), data_dir, loading)
    if not isinstance(data, ExampleSet):
        raise EcrnnError(f"task '{task.name}' loads {type(data).__name__}, which is no {_SET}")
    check_classes(data)
    if len(data.bad_files) > MAX_BAD_FILES or sum(map(len, data.bad_files)) > 100 * MAX_BAD_FILES:
        raise DataError(
            f"{len(data.bad_files):,} files of {data.name} cannot be read, more than the {MAX_BAD_FILES:,} that are "
            "left out and named; move them away"
        )
    return data


def check_bad_files(data: ExampleSet, before: Sequence[str]) -> None:
    """Look whether the files that cannot be read are those that a run has left out from the start.

    Args:
        data: as it is now.
        before: the files that the run has left out.

    Raises:
        RunDirectoryError: a file went bad or became readable; one line names the first.
    """
    choose = "or choose another --out"
    if gone := sorted(data.bad_files.keys() - set(before)):
        more = f" (and {len(gone) - 1} more)" if len(gone) > 1 else ""
        line = f"{gone[0]}{more} of {data.name} could be read when this was begun, and cannot be read now"
        raise RunDirectoryError(f"{line} ({data.bad_files[gone[0]]}); bring it back, {choose}")
    if back := sorted((set(before) - data.bad_files.keys()) & set(data.files)):
        more = f" (and {len(back) - 1} more)" if len(back) > 1 else ""
        line = f"{back[0]}{more} of {data.name} could not be read when this was begun, and can be read now"
        raise RunDirectoryError(f"{line}; move it away, {choose}")


def check_classes(data: ExampleSet) -> None:
    """Raise a DataError for classes with which no study and no bundle could be read again."""
    if not isinstance(data, LabelledSet):
        return
    classes = data.classes
    if len(classes) > MAX_CLASSES:
        raise DataError(f"{data.name} holds {len(classes):,} classes, more than {MAX_CLASSES:,}")
    for name in classes:
        if len(name) > LONGEST_CLASS:
            found = f"'{name[:40]}...' has {len(name):,} characters"
            raise DataError(f"{data.name}: the class {found}; give it a name of at most {LONGEST_CLASS:,}")


def has_validation(data: str, task: Task) -> bool:
    """Whether ``data`` is a file or folder, not a registered name, with a part of its own to validate on."""
    if not task.has_validation or data in task.data_sets:
        return False
    return bool(task.code("has_validation")(Path(spelt_as_it_exists(data))))


def prepare(task: Task, data: ExampleSet, split: Split, settings: AnySettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    processor: Processor = task.code("prepare")(data, split, task_settings(task, settings), settings.training)
    return processor


def objective(data: ExampleSet, split: Split, processor: Processor, settings: TrainingSettings, seed: int) -> Objective:
    """What a training learns; ``settings`` are resolved."""
    learnt: Objective = processor.task.code("objective")(data, split, processor, settings, seed)
    return learnt


def on_cpu(data: ExampleSet, split: Split, processor: Processor, settings: TrainingSettings) -> Callable[[], Objective]:
    """The examples as a training on this machine's processor sees them, read when they are asked for."""
    plain = {"device": "cpu", "precision": "float32", "batch_size": len(split.train)}
    return lambda: objective(data, split, processor, resolve(settings.model_copy(update=plain)), 0)
