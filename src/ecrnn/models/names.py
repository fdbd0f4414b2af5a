"""The grammar of model names (DESIGN, section 2), free of torch, so that a name can be
checked before anything heavy is loaded.

    cnn | ecnn | crnn-<cell>-<nodes>[-<nodes>...][@<scan>] | ecrnn-<cell>-<nodes>[-<nodes>...][@<scan>]

with <cell> one of rnn, lstm, gru, birnn, bilstm, bigru.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecrnn.core.errors import EcrnnError, nearest, unknown_name
from ecrnn.layers.orders import DEFAULT_SCAN, SCANS

FAMILIES = ("cnn", "ecnn", "crnn", "ecrnn")
CELLS = ("rnn", "lstm", "gru", "birnn", "bilstm", "bigru")
MAX_NODES, MAX_LAYERS = 4096, 8

#: The paper's 17 configurations, in the order of its tables.
PAPER_MODELS = (
    "cnn",
    *(f"crnn-{cell}-{nodes}" for cell in ("lstm", "bilstm") for nodes in ("16", "32", "16-16", "32-32")),
    *(f"ecrnn-{cell}-{nodes}" for cell in ("lstm", "bilstm") for nodes in ("16", "32", "16-16", "32-32")),
)


@dataclass(frozen=True)
class ModelName:
    """A model name taken apart. ``cell`` is without "bi"; cnn and ecnn have no cell, no nodes and no scan."""

    family: str
    cell: str | None = None
    bidirectional: bool = False
    nodes: tuple[int, ...] = ()
    scan: str = DEFAULT_SCAN

    def __str__(self) -> str:
        if self.cell is None:
            return self.family
        parts = [self.family, ("bi" if self.bidirectional else "") + self.cell, *map(str, self.nodes)]
        return "-".join(parts) + ("" if self.scan == DEFAULT_SCAN else f"@{self.scan}")


def parse(name: str) -> ModelName:
    """Take a model name apart.

    Raises:
        EcrnnError: the name does not follow the grammar; the line names the nearest right one.

    >>> parse("ecrnn-bilstm-16-16@rows")
    ModelName(family='ecrnn', cell='lstm', bidirectional=True, nodes=(16, 16), scan='rows')
    """
    stem, at, scan = name.partition("@")
    family, *rest = stem.split("-")
    if family in ("cnn", "ecnn"):
        if rest or at:
            raise EcrnnError(f"model '{name}': {family} takes no cell, nodes or scan, write '{family}'")
        return ModelName(family)
    if family not in FAMILIES or not rest or rest[0] not in CELLS:
        raise _unknown_model(name, rest)
    if at and scan not in SCANS:
        raise unknown_name("scan", scan, SCANS, where=f"model {stem}")
    cell, *sizes = rest
    return ModelName(family, cell.removeprefix("bi"), cell.startswith("bi"), _nodes(name, sizes), scan or DEFAULT_SCAN)


def _nodes(name: str, sizes: list[str]) -> tuple[int, ...]:
    nodes = tuple(int(size) for size in sizes if size.isascii() and size.isdigit() and len(size) <= len(str(MAX_NODES)))
    if len(nodes) != len(sizes) or not nodes or not all(1 <= n <= MAX_NODES for n in nodes):
        raise EcrnnError(f"model '{name}': nodes must be whole numbers from 1 to {MAX_NODES}, as in crnn-lstm-16-16")
    if len(nodes) > MAX_LAYERS:
        raise EcrnnError(f"model '{name}': at most {MAX_LAYERS} recurrent layers, not {len(nodes)}")
    return nodes


def _unknown_model(name: str, rest: list[str]) -> EcrnnError:
    sizes = [part for part in rest if part.isdigit()] or ["16"]
    known = ["cnn", "ecnn"]
    known += ["-".join([family, cell, *sizes]) for family in ("crnn", "ecrnn") for cell in CELLS]
    if nearest(name, known):
        return unknown_name("model", name, known)
    return EcrnnError(f"unknown model '{name}', names are cnn, ecnn, crnn-<cell>-<nodes>, ecrnn-<cell>-<nodes>")
