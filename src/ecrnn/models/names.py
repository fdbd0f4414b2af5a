"""The grammar of model names, free of torch, so that a name can be checked before anything heavy is loaded.

    cnn[-<nodes>...] | ecnn | crnn-<cell>-<nodes>[-<nodes>...][@<scan>] | ecrnn-<cell>-<nodes>[-<nodes>...][@<scan>]
    mlp[-<nodes>][-squared] | lenet5[-1998] | alexnet[-lrn]
    rows-<cell>-<nodes>[-cnn] | parallel[-<nodes>] | frames[-<cell>-<nodes>]
    charlm[-<one-way cell>-<nodes>[-<nodes>...]]
    sentiment[-<cell>-<nodes>[-<nodes>...]] | sentiment-cnn[-<cell>-<nodes>] | sentiment-parallel
    translate[-<one-way cell>-<nodes>][-attention] | caption[-<one-way cell>-<nodes>][-attention]
    ocr[-<cell>-<nodes>[-<nodes>...]]

with <cell> one of rnn, lstm, gru, birnn, bilstm, bigru, of which the first three are one-way. The nodes are those of
the recurrent layers, or of a CNN's dense hidden layers: `cnn-1275` has as many parameters as `ecrnn-bilstm-16`. A word
at the end names another form of a model. `GRAMMAR` holds all of this, and what a bare name stands for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ecrnn.core import tasks
from ecrnn.core.errors import EcrnnError, UnknownNameError, nearest, unknown_name
from ecrnn.layers.orders import DEFAULT_SCAN, SCANS

ONE_WAY = ("rnn", "lstm", "gru")
CELLS = (*ONE_WAY, "birnn", "bilstm", "bigru")
MAX_NODES, MAX_LAYERS = 4096, 8
_LONGEST = 100  # characters; no right name is longer


@dataclass(frozen=True)
class Rule:
    """What may follow the start of a name.

    Attributes:
        task: of the models.
        bare: what a name that says neither cell nor nodes stands for; "" where there are none, None where the name must
            say them.
        cells: that it takes; a name with nodes names one of them.
        layers: with nodes, at most.
        example: a right name with nodes.
        layer: what these layers are called.
        ends: words at the end, each another form.
        scans: whether @<scan> may follow.
    """

    task: tasks.Task
    bare: str | None = ""
    cells: tuple[str, ...] = ()
    layers: int = 0
    example: str = ""
    layer: str = "recurrent layer"
    ends: tuple[str, ...] = ()
    scans: bool = False


def _crnn(example: str) -> Rule:
    return Rule(tasks.IMAGE_CLASSIFICATION, None, CELLS, MAX_LAYERS, example, scans=True)


def _decoder(task: tasks.Task, bare: str, example: str) -> Rule:
    return Rule(task, bare, ONE_WAY, 1, example, ends=("attention",))


#: By the start of a name: its family, or family and form where the form comes first.
GRAMMAR: dict[str, Rule] = {
    "cnn": Rule(tasks.IMAGE_CLASSIFICATION, layers=MAX_LAYERS, example="cnn-1275", layer="dense hidden layer"),
    "ecnn": Rule(tasks.IMAGE_CLASSIFICATION),
    "crnn": _crnn("crnn-lstm-16-16"),
    "ecrnn": _crnn("ecrnn-lstm-16-16"),
    "mlp": Rule(tasks.IMAGE_CLASSIFICATION, "128", layers=1, example="mlp-64", layer="hidden layer", ends=("squared",)),
    "lenet5": Rule(tasks.IMAGE_CLASSIFICATION, ends=("1998",)),
    "alexnet": Rule(tasks.IMAGE_CLASSIFICATION, ends=("lrn",)),
    "rows": Rule(tasks.IMAGE_CLASSIFICATION, None, CELLS, 1, "rows-lstm-64", ends=("cnn",)),
    "parallel": Rule(tasks.IMAGE_CLASSIFICATION, "64", layers=1, example="parallel-32"),
    "frames": Rule(tasks.CLIP_CLASSIFICATION, "lstm-32", CELLS, 1, "frames-gru-64"),
    "charlm": Rule(tasks.NEXT_TOKEN, "lstm-512", ONE_WAY, MAX_LAYERS, "charlm-gru-256-256"),
    "sentiment": Rule(tasks.TEXT_CLASSIFICATION, "bilstm-128", CELLS, MAX_LAYERS, "sentiment-gru-64"),
    "sentiment-cnn": Rule(tasks.TEXT_CLASSIFICATION, "", CELLS, 1, "sentiment-cnn-lstm-64"),
    "sentiment-parallel": Rule(tasks.TEXT_CLASSIFICATION),
    "translate": _decoder(tasks.TRANSLATION, "gru-512", "translate-gru-256"),
    "caption": _decoder(tasks.CAPTIONING, "lstm-256", "caption-lstm-512"),
    "ocr": Rule(tasks.TRANSCRIPTION, "bilstm-128", CELLS, MAX_LAYERS, "ocr-bilstm-64-64"),
}
FAMILIES = tuple(dict.fromkeys(start.split("-")[0] for start in GRAMMAR))
_NAMES = "names are " + ", ".join(
    f"{start}-<cell>-<nodes>" if rule.bare is None else start for start, rule in GRAMMAR.items()
)

#: What `compare` trains where no models are named.
DEFAULT_MODELS = ("cnn", "crnn-bilstm-16", "ecrnn-bilstm-16")

#: The paper's 17 configurations, in the order of its tables.
PAPER_MODELS = (
    "cnn",
    *(f"crnn-{cell}-{nodes}" for cell in ("lstm", "bilstm") for nodes in ("16", "32", "16-16", "32-32")),
    *(f"ecrnn-{cell}-{nodes}" for cell in ("lstm", "bilstm") for nodes in ("16", "32", "16-16", "32-32")),
)


@dataclass(frozen=True)
class ModelName:
    """A model name taken apart.

    ``cell`` is without "bi"; a model without recurrence, or with several kinds of it, has none. ``nodes`` are those of
    the recurrent or of the dense hidden layers, () where the model has none that a name can set. Where the name leaves
    cell and nodes to the family's usual ones, these are here. ``form`` is the word that asks for another form, or "".
    """

    family: str
    cell: str | None = None
    bidirectional: bool = False
    nodes: tuple[int, ...] = ()
    scan: str = DEFAULT_SCAN
    form: str = ""

    @property
    def start(self) -> str:
        """Of the name, the part by which `GRAMMAR` has the rest."""
        both = f"{self.family}-{self.form}"
        return both if both in GRAMMAR else self.family

    def __str__(self) -> str:
        cell = [] if self.cell is None else [("bi" if self.bidirectional else "") + self.cell]
        middle = "-".join([*cell, *map(str, self.nodes)])
        middle = "" if middle == GRAMMAR[self.start].bare else middle
        end = self.form if self.start == self.family else ""
        return "-".join(filter(None, (self.start, middle, end))) + (
            "" if self.scan == DEFAULT_SCAN else f"@{self.scan}"
        )


def parse(name: str) -> ModelName:
    """Take a model name apart.

    Raises:
        EcrnnError: the name does not follow the grammar; the line names the nearest right one.

    >>> parse("ecrnn-bilstm-16-16@rows")
    ModelName(family='ecrnn', cell='lstm', bidirectional=True, nodes=(16, 16), scan='rows', form='')
    >>> parse("charlm")
    ModelName(family='charlm', cell='lstm', bidirectional=False, nodes=(512,), scan='flatten-hwc', form='')
    """
    if len(name) > _LONGEST or not name.isprintable():
        raise EcrnnError(f"unknown model {name[:_LONGEST]!r}, {_NAMES}")
    stem, at, scan = name.partition("@")
    start, rest = _start(stem)
    if start not in GRAMMAR:
        raise _unknown_model(name, rest, scan)
    rule = GRAMMAR[start]
    if not (rule.layers or rule.ends) and (rest or at):
        raise EcrnnError(f"model '{name}': {start} takes no cell, nodes or scan, write '{start}'")
    end = rest.pop() if rest and rest[-1] in rule.ends else ""
    if not rest and rule.bare:
        rest = rule.bare.split("-")
    cell = _cell(name, start, rest, scan) if rule.cells and (rest or rule.bare is None) else ""
    sizes = rest[1:] if cell else rest
    if (sizes and not rule.layers) or any(part.isalpha() for part in sizes):
        raise _unknown_model(name, rest, scan)
    nodes = _nodes(name, sizes, rule) if sizes or cell else ()
    if at and not rule.scans:
        raise EcrnnError(f"model '{name}': {start} takes no scan, write '{stem}'")
    if at and scan not in SCANS:
        raise unknown_name("scan", scan, SCANS, where=f"model {stem}")
    family, _, form = start.partition("-")
    one_way = cell.removeprefix("bi")
    return ModelName(family, one_way or None, one_way != cell, nodes, scan or DEFAULT_SCAN, form or end)


def task(name: str) -> str:
    """The name of the task of the model ``name``, as in `ecrnn.core.tasks.TASKS`.

    Raises:
        EcrnnError: as `parse`.
    """
    return GRAMMAR[parse(name).start].task.name


def common_task(names: Iterable[str]) -> tasks.Task:
    """The one task of the models ``names``, of which there is at least one.

    Raises:
        EcrnnError: as `parse`, or models of two tasks.
    """
    first, *others = names
    for other in others:
        if task(other) != task(first):
            line = f"{first} is for {task(first)} and {other} for {task(other)}"
            raise EcrnnError(f"{line}: only models of one task can be compared")
    return tasks.TASKS[task(first)]


def _start(stem: str) -> tuple[str, list[str]]:
    """The longest start of ``stem`` that there is, or its first word, and the words behind it."""
    words = stem.split("-")
    both = "-".join(words[:2])
    return (both, words[2:]) if both in GRAMMAR else (words[0], words[1:])


def _cell(name: str, start: str, rest: list[str], scan: str) -> str:
    """The cell with which ``rest`` begins."""
    rule, first = GRAMMAR[start], rest[0] if rest else ""
    if first in rule.cells:
        return first
    usual = (rule.bare or "bilstm-16").split("-")[0]
    if not any(rest) and rule.bare is None:
        raise EcrnnError(f"model '{name}': cell and nodes are missing, as in {start}-{usual}-16")
    if all(_is_size(part) for part in rest) and len(rest) <= rule.layers:
        raise EcrnnError(f"model '{name}': the cell is missing, as in {'-'.join([start, usual, *rest])}")
    if first in CELLS:
        right = "-".join([start, first.removeprefix("bi"), *rest[1:]])
        raise EcrnnError(f"model '{name}': {start} reads in one direction, as in {right}")
    raise _unknown_model(name, rest, scan)


def _nodes(name: str, sizes: list[str], rule: Rule) -> tuple[int, ...]:
    nodes = tuple(int(size) for size in sizes if _is_size(size))
    if len(nodes) != len(sizes) or not nodes:
        raise EcrnnError(f"model '{name}': nodes must be whole numbers from 1 to {MAX_NODES}, as in {rule.example}")
    if len(nodes) > rule.layers:
        layers = rule.layer + "s" * (rule.layers > 1)
        raise EcrnnError(f"model '{name}': at most {rule.layers} {layers}, not {len(nodes)}")
    return nodes


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NODES)) and 1 <= int(text) <= MAX_NODES


def _unknown_model(name: str, rest: list[str], scan: str) -> UnknownNameError:
    sizes = [part for part in rest if _is_size(part)] or ["16"]
    known = list(_names_like(sizes, f"@{scan}" if scan in SCANS else ""))
    family = name.partition("-")[0].lower()
    if family in CELLS:  # a cell alone is most likely meant to read an image
        family, wanted = "crnn", f"crnn-{name}"
    else:
        family, wanted = nearest(family, {right.partition("-")[0] for right in known}) or "", name
    right = nearest(wanted, known)
    if not right and family:  # with the family right, the rest may be far off
        right = next(iter(difflib.get_close_matches(wanted.lower(), _of_family(known, family), n=1, cutoff=0.4)), None)
    hint = f"did you mean '{right}'?" if right else _NAMES
    return UnknownNameError(f"unknown model '{name}', {hint}")


def _of_family(names: list[str], family: str) -> list[str]:
    return [name for name in names if name.partition("-")[0] == family]


def _names_like(sizes: list[str], scan: str) -> Iterator[str]:
    """Right names of every start, cell and form, with these nodes and this scan where they fit."""
    for start, rule in GRAMMAR.items():
        nodes = sizes[: rule.layers]
        middles = [[cell, *nodes] for cell in rule.cells] or ([nodes] if nodes else [])
        if rule.bare is not None:
            middles.append([])
        for middle in middles:
            for end in ("", *rule.ends):
                yield "-".join(filter(None, (start, *middle, end))) + (scan if rule.scans else "")
