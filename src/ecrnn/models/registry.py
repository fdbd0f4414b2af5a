"""The families of models: one row each, registered beside the class that builds the networks.

    @register("ecnn", task="image-classification")
    class ECNN(nn.Module):
        def __init__(self, name: ModelName, spec: InputSpec) -> None: ...

Names must be known before torch is loaded, so the rows of ecrnn's own families are read from the source of the modules
in `ecrnn.models`, and of `models.py` of a task: the arguments of their `register` are literals, or names of literals of
the module, as in the configuration of a package. A module is imported when a network of it is built. Families of other
packages come through the entry-point group `ecrnn.models`, those of a file through `ecrnn.models.own_code`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.core.tasks import known
from ecrnn.models.family import CELLS, MIN_SIDE, ONE_WAY, Family, Source, check_family, options_of, source_of

_HOMES = ("ecrnn.models", "ecrnn.tasks")  # packages whose families are ecrnn's own
ENTRY_POINTS = "ecrnn.models"
FILE_MODULE = "ecrnn_code_"  # before the name of a module that is a file of models
_CELLS = {"": (), "one-way": ONE_WAY, "any": CELLS}

Target = TypeVar("Target", bound=Callable[..., Any])
_NOTHING: Mapping[str, Any] = MappingProxyType({})


def register(
    name: str,
    *,
    task: str,
    estimator: bool = False,
    default: str | None = "",
    cells: str = "",
    layers: int = 0,
    layer: str = "recurrent layer",
    example: str = "",
    suffixes: tuple[str, ...] = (),
    scans: bool = False,
    min_side: int = MIN_SIDE,
    usual: Mapping[str, Any] = _NOTHING,
    areas: Mapping[str, str] = _NOTHING,
    recipe: Mapping[str, Any] = _NOTHING,
    bounds: Mapping[str, tuple[float, float]] = _NOTHING,
) -> Callable[[Target], Target]:
    """Make a family of models known; decorates the class or function that builds its networks.

    Args:
        name: lower-case words and numbers between hyphens; what users type, and what the row lets follow.
        task: such as "image-classification", see `ecrnn.core.tasks`.
        estimator: what is decorated gives a classifier of scikit-learn in place of a network, see
            `ecrnn.models.baselines`.
        default, layers, layer, example, suffixes, scans, min_side, usual, areas, recipe, bounds: see `Family`.
        cells: "any", "one-way" or "" for none.

    Returns:
        A decorator that gives back what it decorates. Networks are built by ``target(spec)``, with an `InputSpec`; a
        parameter ``name`` gets the `ModelName`. Keyword-only parameters are options, which users write as
        ``name+option=value``: each has a default, which is a bool, an int, a float or a str. The network's own
        constructor initialises it, under the seed of the trial.

    Raises:
        EcrnnError: the name is taken, or another argument is wrong.

    Examples:
        >>> import ecrnn
        >>> from torch import nn
        >>> @ecrnn.register("linear", task="image-classification", recipe={"epochs": 5})
        ... class Linear(nn.Sequential):
        ...     def __init__(self, spec, *, bias: bool = True):
        ...         channels, height, width = spec.image
        ...         super().__init__(nn.Flatten(), nn.Linear(channels * height * width, spec.classes, bias=bias))
        >>> ecrnn.build("linear+bias=false", image=(1, 8, 8), classes=10)[1].bias is None
        True
    """
    row = _row(**locals())

    def add(target: Target) -> Target:
        if getattr(target, "__module__", "").startswith(tuple(f"{home}." for home in _HOMES)):
            family = replace(row, target=f"{target.__module__}:{target.__qualname__}")
            assert family == built_in()[name], f"the row of {name} should be made of literals"
        else:
            family = replace(
                row, target=target, options=options_of(name, target), source=reading.get() or source_of(name, target)
            )
            check_family(family)
            include(family)
        return target

    return add


reading: ContextVar[Source | None] = ContextVar("reading", default=None)  # the file of models that runs now
_registered: dict[str, Family] = {}  # those that are not ecrnn's own


def include(row: Family) -> None:
    """Add a family. One that was registered in Python before is replaced: studies recognise code by its digest.

    Raises:
        EcrnnError: the name is ecrnn's own, or of another file of models.
    """
    before = families().get(row.name)
    if before is not None and (before.source is None or _other_file(before, row)):
        raise EcrnnError(f"model '{row.name}': there is a model of this name already; choose another")
    _registered[row.name] = row


def _other_file(before: Family, row: Family) -> bool:
    """Whether the two come from two files of models."""
    files = [str(getattr(one.target, "__module__", "")) for one in (before, row)]
    return files[0] != files[1] and all(file.startswith(FILE_MODULE) for file in files)


def _row(name: str, task: str, cells: str = "", **more: Any) -> Family:
    """The row with the arguments of `register`, without a target yet."""
    if cells not in _CELLS:
        raise EcrnnError(f"model '{name}': cells should be 'any', 'one-way' or '', not {cells!r}")
    return Family(name, task, "", cells=_CELLS[cells], **more)


@cache
def built_in() -> Mapping[str, Family]:
    """ecrnn's own families by name, read from the source of their modules and not imported."""
    package = Path(__file__).parents[1]
    files = [*(package / "models").glob("*.py"), *(package / "tasks").glob("*/models.py")]
    rows = [row for path in files for row in rows_in(path, package)]
    order = [task.name for task in known()]
    rows.sort(key=lambda row: (order.index(row.task), row.name))
    return MappingProxyType({row.name: row for row in rows})


def rows_in(path: Path, package: Path) -> list[Family]:
    """The rows that a module registers.

    Args:
        path: of its file.
        package: the folder of `ecrnn` that it lies in.

    Raises:
        ValueError: an argument of `register` is neither a literal nor the name of one at the top of the module.
    """
    source = path.read_text("utf-8")
    if "\n@register(" not in source:
        return []
    module = ".".join(("ecrnn", *path.relative_to(package).with_suffix("").parts))
    rows, named = [], {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            named[node.targets[0].id] = node.value
        elif isinstance(node, ast.ClassDef | ast.FunctionDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == register.__name__:
                    (name,) = (ast.literal_eval(argument) for argument in call.args)
                    facts = {str(word.arg): ast.literal_eval(_literal(word.value, named)) for word in call.keywords}
                    rows.append(replace(_row(name, **facts), target=f"{module}:{node.name}"))
    return rows


def _literal(value: ast.expr, named: Mapping[str, ast.expr]) -> ast.expr:
    """``value``, or what its name stands for."""
    return named.get(value.id, value) if isinstance(value, ast.Name) else value


def families() -> Mapping[str, Family]:
    """All families by name: ecrnn's own, then those registered; those of other packages once they are asked for."""
    return {**built_in(), **_registered} if _registered else built_in()


def find(name: str) -> Family:
    """The family of this name; one of another package is imported.

    Raises:
        EcrnnError: there is none, or it cannot be imported.
    """
    known = families()
    if name not in known and name in plugins():
        load_plugin(name)
        known = families()
    if name not in known:
        raise unknown_name("family", name, known)
    return known[name]


@cache
def _plugins() -> Mapping[str, metadata.EntryPoint]:
    return {point.name: point for point in metadata.entry_points(group=ENTRY_POINTS)}


def plugins() -> tuple[str, ...]:
    """Names of the families that other packages bring."""
    return tuple(_plugins())


def load_plugin(name: str) -> None:
    """Import the family of this name from the package that brings it.

    Raises:
        EcrnnError: it cannot be imported, or does not register this name.
    """
    point = _plugins()[name]
    whose = f"model '{name}' of {point.dist.name if point.dist else 'a package'} ({point.value})"
    try:
        point.load()
    except Exception as error:
        raise EcrnnError(f"{whose} cannot be imported: {type(error).__name__}: {error}") from error
    if name not in _registered:
        raise EcrnnError(f"{whose} does not register '{name}'")
