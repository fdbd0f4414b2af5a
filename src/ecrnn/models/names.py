"""The grammar of model names, free of torch, so that a name can be checked before anything heavy is loaded.

    <family>[-<cell>][-<nodes>...][-<suffix>][@<scan>][+<option>=<value>...]

What of this may follow a family's name is said in its row (`ecrnn.models.registry`), with the cell and nodes that a
bare name stands for. A cell is one of rnn, lstm, gru, birnn, bilstm, bigru, of which the first three are one-way. The
nodes are those of the recurrent layers, or of a CNN's dense hidden layers: `cnn-1275` has as many parameters as
`ecrnn-bilstm-16`. A suffix names a variant: `lenet5-1998`. Options are those of models of your own.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ecrnn.core.errors import EcrnnError, UnknownNameError, nearest, unknown_name
from ecrnn.core.tasks import TASKS, Task
from ecrnn.layers.orders import DEFAULT_SCAN, SCANS
from ecrnn.models.family import CELLS, MAX_NODES, Family, Option, check_option
from ecrnn.models.registry import families, find, load_plugin, plugins

_LONGEST = 100  # characters; no valid name is longer

#: What `compare` trains where no models are named.
DEFAULT_MODELS = ("cnn", "crnn-bilstm-16", "ecrnn-bilstm-16")


@dataclass(frozen=True)
class ModelName:
    """A model name taken apart: what stands for a model wherever nothing is typed, printed or written.

    ``cell`` is without "bi"; a model without recurrence, or with several kinds of it, has none. ``nodes`` are those of
    the recurrent or of the dense hidden layers, () where the model has none that a name can set. Where the name leaves
    cell and nodes to the family's usual ones, these are here. ``variant`` is the suffix, or "". ``options`` are those
    that are not at their defaults, in the family's order.
    """

    family: str
    cell: str | None = None
    bidirectional: bool = False
    nodes: tuple[int, ...] = ()
    scan: str = DEFAULT_SCAN
    variant: str = ""
    options: tuple[tuple[str, Option], ...] = ()

    @property
    def row(self) -> Family:
        """The row of the family."""
        return find(self.family)

    @property
    def task(self) -> Task:
        """The task of the model."""
        return TASKS[self.row.task]

    def __str__(self) -> str:
        cell = [] if self.cell is None else [("bi" if self.bidirectional else "") + self.cell]
        middle = "-".join([*cell, *map(str, self.nodes)])
        middle = "" if middle == self.row.default else middle
        name = "-".join(filter(None, (self.family, middle, self.variant)))
        scan = "" if self.scan == DEFAULT_SCAN else f"@{self.scan}"
        return name + scan + "".join(f"+{option}={_written(value)}" for option, value in self.options)


def parse(name: str) -> ModelName:
    """Take a model name apart.

    Raises:
        EcrnnError: the name does not follow the grammar; the line names the nearest valid one.

    >>> parse("ecrnn-bilstm-16-16@rows")
    ModelName(family='ecrnn', cell='lstm', bidirectional=True, nodes=(16, 16), scan='rows', variant='', options=())
    >>> parse("charlm").nodes
    (512,)
    """
    if len(name) > _LONGEST or not name.isprintable():
        raise EcrnnError(f"unknown model {name[:_LONGEST]!r}, {_every_name()}")
    words = name.partition("+")[0].partition("@")[0].split("-")
    try:
        return _parse(name, words)
    except UnknownNameError:
        starts = ["-".join(words[:count]) for count in range(len(words), 0, -1)]
        plugin = next((start for start in starts if start in plugins()), None)
        if plugin is None or plugin in families():
            raise
    load_plugin(plugin)
    return _parse(name, words)


def _parse(name: str, words: list[str]) -> ModelName:
    """Take a name apart whose ``words`` stand before its scan and options."""
    whole, *options = name.split("+")
    stem, at, end = whole.partition("@")
    scan = end if at else None
    family, rest = _family(words)
    if family is None:
        raise _unknown_model(whole, rest, scan)
    if not (family.layers or family.suffixes or family.scans) and (rest or scan is not None):
        raise EcrnnError(f"model '{name}': {family.name} takes no cell, nodes or scan, write '{family.name}'")
    variant = rest.pop() if rest and rest[-1] in family.suffixes else ""
    if not rest and family.default:
        rest = family.default.split("-")
    cell = _cell(name, family, rest, scan) if family.cells and (rest or family.default is None) else ""
    sizes = rest[1:] if cell else rest
    if (sizes and not family.layers) or any(part.isalpha() for part in sizes):
        raise _unknown_model(name, rest, scan)
    nodes = _nodes(name, sizes, family) if sizes or cell else ()
    if scan is not None and not family.scans:
        raise EcrnnError(f"model '{name}': {family.name} takes no scan, write '{stem}'")
    if scan is not None and scan not in SCANS:
        raise unknown_name("scan", scan, SCANS, where=f"model {stem}")
    one_way = cell.removeprefix("bi")
    assigned = _options(name, family, options)
    return ModelName(family.name, one_way or None, one_way != cell, nodes, scan or DEFAULT_SCAN, variant, assigned)


def common_task(names: Iterable[ModelName]) -> Task:
    """The one task of the models ``names``, of which there is at least one.

    Raises:
        EcrnnError: models of two tasks.
    """
    first, *others = names
    for other in others:
        if other.task != first.task:
            line = f"{first} is for {first.task.name} and {other} for {other.task.name}"
            raise EcrnnError(f"{line}: only models of one task can be compared")
    return first.task


def _family(words: list[str]) -> tuple[Family | None, list[str]]:
    """The family with the longest name with which ``words`` begin, and the words behind it."""
    for count in range(len(words), 0, -1):
        if (name := "-".join(words[:count])) in families():
            return find(name), words[count:]
    return None, words[1:]


def _cell(name: str, family: Family, rest: list[str], scan: str | None) -> str:
    """The cell with which ``rest`` begins."""
    first = rest[0] if rest else ""
    if first in family.cells:
        return first
    usual = (family.default or "bilstm-16").split("-")[0]
    if not any(rest) and family.default is None:
        raise EcrnnError(f"model '{name}': cell and nodes are missing, as in {family.name}-{usual}-16")
    if all(_is_size(part) for part in rest) and len(rest) <= family.layers:
        raise EcrnnError(f"model '{name}': the cell is missing, as in {'-'.join([family.name, usual, *rest])}")
    if first in CELLS:
        example = "-".join([family.name, first.removeprefix("bi"), *rest[1:]])
        raise EcrnnError(f"model '{name}': {family.name} reads in one direction, as in {example}")
    raise _unknown_model(name, rest, scan)


def _options(name: str, family: Family, assignments: list[str]) -> tuple[tuple[str, Option], ...]:
    """The options that a name sets, without those set to their defaults."""
    values: dict[str, Option] = {}
    for assignment in assignments:
        option, equals, text = assignment.partition("=")
        if not family.options:
            raise EcrnnError(f"model '{name}': {family.name} has no options")
        if option not in family.options:
            raise unknown_name("option", option, family.options, where=f"model {family.name}")
        if not equals or option in values:
            raise EcrnnError(f"model '{name}': write an option once, as in {family.name}+{option}=value")
        values[option] = _value(family, option, text)
        check_option(family, option, values[option])
    return tuple(
        (option, values[option]) for option, default in family.options.items() if values.get(option, default) != default
    )


_TRUTH = {"true": True, "false": False}


def _value(family: Family, option: str, text: str) -> Option:
    """The value of an option, of the type of its default."""
    default = family.options[option]
    kind = next(kind for kind in _KINDS if isinstance(default, kind))
    try:
        value = _KINDS[kind](text)
    except (KeyError, ValueError):
        what = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "letters and numbers")
        found = f"model '{family.name}': {option} is {what}, as in +{option}={_written(default)}"
        raise EcrnnError(f"{found}, not '{text}'") from None
    return value


def _number(text: str) -> float:
    if not math.isfinite(value := float(text)):
        raise ValueError(text)
    return value


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


_WORD = re.compile("[A-Za-z0-9_.-]+")  # safe as a part of a folder's name
_KINDS: dict[type, Callable[[str], Option]] = {
    bool: lambda text: {"true": True, "false": False}[text.lower()],  # first, as a bool is an int too
    int: int,
    float: _number,
    str: _word,
}


def _written(value: Option) -> str:
    """A value as `_value` reads it, without a plus sign."""
    return str(value).lower().replace("e+", "e") if isinstance(value, bool | float) else str(value)


def _nodes(name: str, sizes: list[str], family: Family) -> tuple[int, ...]:
    nodes = tuple(int(size) for size in sizes if _is_size(size))
    if len(nodes) != len(sizes) or not nodes:
        raise EcrnnError(f"model '{name}': nodes must be whole numbers from 1 to {MAX_NODES}, as in {family.example}")
    if len(nodes) > family.layers:
        layers = family.layer + "s" * (family.layers > 1)
        raise EcrnnError(f"model '{name}': at most {family.layers} {layers}, not {len(nodes)}")
    return nodes


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NODES)) and 1 <= int(text) <= MAX_NODES


def _unknown_model(name: str, rest: list[str], scan: str | None) -> UnknownNameError:
    sizes = [part for part in rest if _is_size(part)] or ["16"]
    known = list(_names_like(sizes, f"@{scan}" if scan in SCANS else ""))
    family = name.partition("-")[0].lower()
    if family in CELLS:  # a cell alone is most likely meant to read an image
        family, wanted = "crnn", f"crnn-{name}"
    else:
        family, wanted = nearest(family, {candidate.partition("-")[0] for candidate in known}) or "", name
    suggestion = nearest(wanted, known)
    if not suggestion and family:  # with the right family, the rest may be far off
        close = difflib.get_close_matches(wanted.lower(), _of_family(known, family), n=1, cutoff=0.4)
        suggestion = next(iter(close), None)
    hint = f"did you mean '{suggestion}'?" if suggestion else _every_name()
    return UnknownNameError(f"unknown model '{name}', {hint}")


def _of_family(names: list[str], family: str) -> list[str]:
    return [name for name in names if name.partition("-")[0] == family]


def _names_like(sizes: list[str], scan: str) -> Iterator[str]:
    """Valid names of every family, cell and variant, with these nodes and this scan where they fit."""
    yield from plugins()
    for family in families().values():
        nodes = sizes[: family.layers]
        middles = [[cell, *nodes] for cell in family.cells] or ([nodes] if nodes else [])
        if family.default is not None:
            middles.append([])
        for middle in middles:
            for suffix in ("", *family.suffixes):
                yield "-".join(filter(None, (family.name, *middle, suffix))) + (scan if family.scans else "")


def _every_name() -> str:
    """The beginnings of all names, in a sentence."""
    needing = {family.name for family in families().values() if family.default is None}
    names = [f"{name}-<cell>-<nodes>" if name in needing else name for name in dict.fromkeys((*families(), *plugins()))]
    return "names are " + ", ".join(names)
