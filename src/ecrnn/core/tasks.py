"""What a task is, and how one is found: what a model does with an example, and by which metric it is judged.

A task is one folder, and its row here holds plain facts, free of torch: words, sizes, defaults, and where its code lies
as lazy "module:attribute" strings. ecrnn's own lie in `ecrnn.tasks`, which names its folders. They are looked up by
name when a task is asked for, as those of other packages are, so nothing here is built on them. Tasks of other packages
come through the entry-point group `ecrnn.tasks`: an entry has the task's name, and its object is the `Task`.
docs/decisions/tasks.md says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module, metadata
from typing import Any, Literal

from ecrnn.core.errors import EcrnnError

ENTRY_POINTS = "ecrnn.tasks"
LONGEST_CLASS = 1000  # characters of a class's name
MAX_CLASSES = 100_000
MAX_LENGTH = 2**20  # tokens of a text
_HOME = "ecrnn.tasks"  # the package of ecrnn's own

Code = Literal[
    "settings", "load", "prepare", "objective", "predictor", "random_batch", "has_validation", "of_arrays", "export"
]


@dataclass(frozen=True)
class Card:
    """What the model card of a bundle says of its task.

    Attributes:
        what: the model is, as "A translator".
        each: what its multiply-adds are of; ``{length}`` are the tokens of a text.
        command: that uses it; ``{folder}`` is the bundle.
        call: what follows `ecrnn.load(...)` in Python.
        limits: for what its figure does not hold.
        pixels: the size of an image, of ``{frames}``, ``{height}``, ``{width}``, ``{colours}`` and
            ``{fit}``, what is done to other shapes.
        text: whether the vocabulary is of the "Input" or the "Output", and what stands before it, of ``{length}``.
    """

    what: str
    each: str
    command: str
    call: str
    limits: str
    pixels: str = "{frames}{height}x{width} pixels, {colours}, {fit}"
    text: tuple[str, str] = ("Output", "up to {length:,} ")


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        name: as `bundle.json` and manifests hold it.
        metric: by which its models are compared, a name in `ecrnn.stats.metrics.METRICS`.
        examples: what its examples are called, in the plural; they are what a split divides.
        use: a command that uses a bundle; ``{bundle}`` is its folder.
        card: words of the model card.
        settings: which examples and in what form, an `ecrnn.core.config.TaskSettings`.
        load: from these settings, the folder of local copies, and a function that is told of progress, to examples, an
            `ecrnn.data.example_set.ExampleSet`.
        prepare: from examples, a split, these settings and those of the training to an
            `ecrnn.models.processor.Processor`, fitted on what trains.
        objective: what a training learns, from examples, split, processor, settings and seed: an
            `ecrnn.training.objective.Objective`.
        predictor: the model in use, an `ecrnn.serving.predictor.Predictor`.
        random_batch: from an `InputSpec`, n, steps and a generator to an `ecrnn.explain.batches.Batch`.
        has_validation: whether a file or folder has a part of its own to validate on; "" where none has.
        of_arrays: from X, y, a name and these settings to an `ecrnn.data.image_set.ImageSet`; "" where it takes none.
        export: how its models go into a file for other programs, an `ecrnn.serving.export.exportable.Exportable`; ""
            where they cannot.
        inputs: what a model must know of the data: fields of `ecrnn.models.spec.InputSpec`.
        usual: their values of the data set by which a model is checked, as an example.
        small: the same for which any model computes in a moment; {}: the family's usual ones.
        parts: of its `Processor`, beside the classes.
        lengths: smallest and largest `length` that it is fitted to, in tokens.
        classes: its models choose one of several classes by logits (n, classes), so that there is a confusion matrix.
        any_width: its images are lines of text, which have one height and any width.
        reads: what `ecrnn predict` gives its models: "images", "texts", other "files", or "" where it is not for them.
        suffixes: in which the names of those other files end, in small letters.
        writes: what it calls their answers.
        augmentations: of its training examples, from `ecrnn.core.augmentations`; None: whatever its objective does.
        noun: what verdicts call the examples, where that is not ``examples``.
        pipeline: what the Hugging Face hub calls the task; "" where it has no name for it.
        data_sets: names of those that its loader knows.
        defaults: settings that hold where the user says nothing, laid over those of `ecrnn.core.config`.
    """

    name: str
    metric: str
    examples: str
    use: str
    card: Card
    settings: str
    load: str
    prepare: str
    objective: str
    predictor: str
    random_batch: str
    has_validation: str = ""
    of_arrays: str = ""
    export: str = ""
    inputs: tuple[str, ...] = ()
    usual: Mapping[str, Any] = field(default_factory=dict, hash=False)
    small: Mapping[str, Any] = field(default_factory=dict, hash=False)
    parts: tuple[str, ...] = ()
    lengths: tuple[int, int] = (1, MAX_LENGTH)
    classes: bool = False
    any_width: bool = False
    reads: Literal["images", "texts", "files", ""] = "images"
    suffixes: tuple[str, ...] = ()
    writes: str = "prediction"
    augmentations: tuple[str, ...] | None = None
    noun: str = ""
    pipeline: str = ""
    data_sets: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def of_images(self) -> bool:
        """Whether an example is, or holds, an image; then it can be standardised and augmented."""
        return "image" in self.inputs

    def code(self, part: Code) -> Any:
        """The function or class that the attribute ``part`` names, imported now.

        Raises:
            EcrnnError: a task of another package names code that cannot be imported.
        """
        target: str = getattr(self, part)
        return _imported(target, "" if self.name in _built_in() else f"{part} of task '{self.name}' ({target})")


def _imported(target: str, whose: str) -> Any:
    """The attribute that "module:attribute" names; ``whose``, of foreign code, begins the line that says it cannot."""
    module, _, attribute = target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except Exception as error:
        if not whose:
            raise
        raise EcrnnError(f"{whose} cannot be imported: {type(error).__name__}: {error}") from error


@cache
def _built_in() -> Mapping[str, Task]:
    """ecrnn's own tasks by name, in the order of `ecrnn.tasks.FOLDERS`."""
    rows = [import_module(f"{_HOME}.{folder}.facts").TASK for folder in import_module(_HOME).FOLDERS]
    return {row.name: row for row in rows}


@cache
def _entries() -> Mapping[str, metadata.EntryPoint]:
    entries = {entry.name: entry for entry in metadata.entry_points(group=ENTRY_POINTS)}
    return {name: entry for name, entry in entries.items() if name not in _built_in()}


_foreign: dict[str, Task] = {}  # tasks of other packages that were asked for


def _load(entry: metadata.EntryPoint) -> Task:
    whose = f"task '{entry.name}' of {entry.dist.name if entry.dist else 'a package'} ({entry.value})"
    task = _imported(entry.value, whose)
    if not isinstance(task, Task) or task.name != entry.name:
        what = f"a task named '{task.name}'" if isinstance(task, Task) else type(task).__name__
        raise EcrnnError(f"{whose} should be an ecrnn.core.tasks.Task named '{entry.name}', not {what}")
    return task


class _Tasks(Mapping[str, Task]):
    """All tasks by name; one of another package is imported when it is asked for by its name."""

    def __getitem__(self, name: str) -> Task:
        if name in _built_in():
            return _built_in()[name]
        if name not in _foreign:
            _foreign[name] = _load(_entries()[name])
        return _foreign[name]

    def __iter__(self) -> Iterator[str]:
        yield from _built_in()
        yield from _entries()

    def __len__(self) -> int:
        return len(_built_in()) + len(_entries())


#: All tasks by name. Asking for one of another package that cannot be imported raises an `EcrnnError`.
TASKS: Mapping[str, Task] = _Tasks()


def default() -> Task:
    """The task that is meant where none is named, as in the files of early versions: the first of ecrnn's own."""
    return next(iter(_built_in().values()))


def known() -> tuple[Task, ...]:
    """ecrnn's own tasks and those of other packages that were asked for by name; the others are not imported."""
    return (*_built_in().values(), *_foreign.values())
