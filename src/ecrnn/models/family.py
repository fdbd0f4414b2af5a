"""The row of a family of models: the parts of its names, the data its networks need, how they are trained."""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.core.tasks import TASKS

ONE_WAY = ("rnn", "lstm", "gru")
CELLS = (*ONE_WAY, "birnn", "bilstm", "bigru")
MAX_NODES, MAX_LAYERS = 4096, 8
MIN_SIDE, MAX_SIDE = 8, 1024  # pixels
MAX_SOURCE = 2**20  # bytes of a file of models
_NAME = re.compile("[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 50  # characters

_OF_THE_MACHINE = {"device", "precision", "threads", "checkpoint_seconds"}  # settings that no recipe may have

Option = bool | int | float | str


@dataclass(frozen=True)
class Source:
    """The file of a model that is not ecrnn's, by which a study recognises the model.

    Attributes:
        file: its name.
        content: of the file.
        detail: of what is registered in Python, its own lines and the values it closes over: two things of one file, or
            of one cell of a notebook after another, are not the same.
        sha256: of the content, and of the detail if there is any.
    """

    file: str
    content: bytes = field(repr=False)
    detail: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content + self.detail.encode()).hexdigest()


@dataclass(frozen=True)
class Family:
    """One family of models.

    Attributes:
        name: with which the names of its models begin.
        task: of its models, a name in `ecrnn.core.tasks.TASKS`.
        target: the class or function that builds a network, or "module:attribute" where it is to be imported. It takes
            ``spec``, an `InputSpec`, and where it has such a parameter ``name``, a `ModelName`; options by keyword.
        estimator: ``target`` gives a classifier of scikit-learn, not a network.
        default: cell and nodes that a bare name stands for; "" where there are none, None where a name must say them.
        cells: that a name with nodes may name; () for a family without.
        layers: with nodes, at most.
        layer: what these layers are called.
        example: a valid name with nodes.
        suffixes: words at the end of a name, each a variant.
        scans: whether @<scan> may follow.
        min_side: the smallest image, in pixels a side.
        usual: fields of an `InputSpec` for which the family was made, where they are not its task's.
        areas: the area of modules by the beginning of their names, as `summary` shows it.
        recipe: settings of a training that hold where the user says nothing, laid over the task's.
        bounds: smallest and largest value of options that are numbers.
        options: the options and their defaults, which are the keyword-only parameters of ``target``.
        source: the file that ``target`` comes from, of families that are not ecrnn's own.
    """

    name: str
    task: str
    target: str | Callable[..., Any]
    estimator: bool = False
    default: str | None = ""
    cells: tuple[str, ...] = ()
    layers: int = 0
    layer: str = "recurrent layer"
    example: str = ""
    suffixes: tuple[str, ...] = ()
    scans: bool = False
    min_side: int = MIN_SIDE
    usual: Mapping[str, Any] = field(default_factory=dict)
    areas: Mapping[str, str] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)
    bounds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    options: Mapping[str, Option] = field(default_factory=dict)
    source: Source | None = None

    @property
    def builder(self) -> Callable[..., Any]:
        """``target``, imported."""
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        builder: Callable[..., Any] = getattr(import_module(module), attribute)
        return builder


def options_of(name: str, target: Callable[..., Any]) -> dict[str, Option]:
    """The options of a class or function that builds networks, with their defaults.

    Raises:
        EcrnnError: it cannot be called with an `InputSpec`, or an option has no default of a plain type.
    """
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError) as error:
        raise EcrnnError(f"model '{name}': register decorates a class or a function, not {target!r}") from error
    by_keyword = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    others = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name != "name"]
    if not others or any(p.default is p.empty for p in others[1:]):
        what = ", ".join(p.name for p in others) or "nothing"
        raise EcrnnError(f"model '{name}': it should take spec, and options by keyword only (after *), not {what}")
    for option in by_keyword:
        if not isinstance(option.default, Option):
            raise EcrnnError(f"model '{name}': option {option.name} needs a default that is a bool, a number or a str")
    return {option.name: option.default for option in by_keyword}


def source_of(name: str, target: Callable[..., Any]) -> Source:
    """The file that a class or function stands in; its own lines where it was typed at a prompt.

    Raises:
        EcrnnError: its source cannot be read.
    """
    detail = _arguments(name, target)
    while isinstance(target, functools.partial):
        target = target.func
    target = inspect.unwrap(target)
    try:
        lines, file = inspect.getsource(target), inspect.getsourcefile(target)
        if file is not None and Path(file).is_file():
            return Source(Path(file).name, Path(file).read_bytes(), f"{lines}\n{detail}")
        return Source(f"{name}.py", lines.encode(), detail)
    except (OSError, TypeError) as error:
        fault = "by which a study knows it again, cannot be read; write it into a file"
        raise EcrnnError(f"model '{name}': its source, {fault}") from error


def _arguments(name: str, target: Callable[..., Any]) -> str:
    """The values that a function closes over and a partial was given, in words.

    Raises:
        EcrnnError: one is no plain value, by which nothing is known again.
    """
    values: dict[str, Any] = {}
    while isinstance(target, functools.partial):
        values |= {str(number): value for number, value in enumerate(target.args)} | target.keywords
        target = target.func
    if inspect.isfunction(target):
        values |= inspect.getclosurevars(target).nonlocals
    for key, value in values.items():
        if not isinstance(value, int | float | str | bytes | tuple | list | dict | type | types.FunctionType | None):
            line = f"it closes over {key}, a {type(value).__name__}, by which a study cannot know it again"
            raise EcrnnError(f"model '{name}': {line}; make it an option with a plain default")
    words = (getattr(value, "__qualname__", None) or repr(value) for value in values.values())
    return repr(sorted(zip(values, words, strict=True)))


def check_family(row: Family) -> None:
    """Raise an EcrnnError, in one line, for a row that is not valid."""
    where = f"model '{row.name}'"
    if not _NAME.fullmatch(row.name) or len(row.name) > _LONGEST_NAME:
        raise EcrnnError(f"{where}: a name is lower-case words and numbers between hyphens, as in small-resnet")
    if row.task not in TASKS:
        raise unknown_name("task", row.task, TASKS, where)
    if not MIN_SIDE <= row.min_side <= MAX_SIDE:
        raise EcrnnError(f"{where}: min_side is {MIN_SIDE} to {MAX_SIDE} pixels, not {row.min_side}")
    for option in row.bounds:
        if option not in row.options:
            raise unknown_name("option", option, row.options, f"bounds of {where}")
    for option, value in row.options.items():
        check_option(row, option, value)
    known = TrainingSettings.model_fields.keys() - _OF_THE_MACHINE
    for key in row.recipe:
        if key not in known:
            raise unknown_name("setting", key, known, f"recipe of {where}")
    TrainingSettings.read(row.recipe, f"recipe of {where}")


def check_option(row: Family, option: str, value: Option) -> None:
    """Raise an EcrnnError unless ``value`` lies within the bounds of ``option``."""
    low, high = row.bounds.get(option, (float("-inf"), float("inf")))
    if isinstance(value, int | float) and not low <= value <= high:
        raise EcrnnError(f"model '{row.name}': {option} is {low:g} to {high:g}, not {value}")
