"""The grammar of model names (DESIGN, section 2), free of torch, so that a name can be
checked before anything heavy is loaded.

    cnn[-<nodes>...] | ecnn | crnn-<cell>-<nodes>[-<nodes>...][@<scan>] | ecrnn-<cell>-<nodes>[-<nodes>...][@<scan>]
    mlp[-<nodes>][-squared] | lenet5[-1998] | alexnet[-lrn]

with <cell> one of rnn, lstm, gru, birnn, bilstm, bigru. The nodes are those of the recurrent layers, or of a CNN's
dense hidden layers: `cnn-1275` has as many parameters as `ecrnn-bilstm-16`. The last line are the classics; a word at
the end names another form of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from ecrnn.core.errors import EcrnnError, nearest, unknown_name
from ecrnn.layers.orders import DEFAULT_SCAN, SCANS

FAMILIES = ("cnn", "ecnn", "crnn", "ecrnn", "mlp", "lenet5", "alexnet")
CELLS = ("rnn", "lstm", "gru", "birnn", "bilstm", "bigru")
MAX_NODES, MAX_LAYERS = 4096, 8
MLP_NODES = 128  # of the hidden layer of `mlp`
#: The classics, and by what word at the end of its name another form of one is asked for.
CLASSICS: dict[str, tuple[str, ...]] = {"mlp": ("squared",), "lenet5": ("1998",), "alexnet": ("lrn",)}
_LONGEST = 100  # characters; no right name is longer
_FORMS = "names are cnn, cnn-<nodes>, ecnn, crnn-<cell>-<nodes>, ecrnn-<cell>-<nodes>, mlp, lenet5, alexnet"

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

    ``cell`` is without "bi". cnn and ecnn have no cell and no scan; ecnn has no nodes either, and cnn those of its
    dense hidden layers, if any. A classic has neither cell nor scan; ``form`` is one of `CLASSICS`, or "".
    """

    family: str
    cell: str | None = None
    bidirectional: bool = False
    nodes: tuple[int, ...] = ()
    scan: str = DEFAULT_SCAN
    form: str = ""

    def __str__(self) -> str:
        cell = [] if self.cell is None else [("bi" if self.bidirectional else "") + self.cell]
        form = [self.form] if self.form else []
        parts = [self.family, *cell, *map(str, self.nodes), *form]
        return "-".join(parts) + ("" if self.scan == DEFAULT_SCAN else f"@{self.scan}")


def parse(name: str) -> ModelName:
    """Take a model name apart.

    Raises:
        EcrnnError: the name does not follow the grammar; the line names the nearest right one.

    >>> parse("ecrnn-bilstm-16-16@rows")
    ModelName(family='ecrnn', cell='lstm', bidirectional=True, nodes=(16, 16), scan='rows', form='')
    """
    if len(name) > _LONGEST or not name.isprintable():
        raise EcrnnError(f"unknown model {name[:_LONGEST]!r}, {_FORMS}")
    stem, at, scan = name.partition("@")
    family, *rest = stem.split("-")
    if family == "ecnn":
        if rest or at:
            raise EcrnnError(f"model '{name}': ecnn takes no cell, nodes or scan, write 'ecnn'")
        return ModelName(family)
    if family == "cnn" and not any(part.isalpha() for part in rest):
        nodes = _nodes(name, rest, "cnn-1275", "dense hidden layers") if rest else ()
        if at:
            raise EcrnnError(f"model '{name}': cnn takes no scan, write '{stem}'")
        return ModelName(family, nodes=nodes)
    if family in CLASSICS:
        return _classic(name, family, rest, stem if at else "")
    if family not in ("crnn", "ecrnn") or not rest or rest[0] not in CELLS:
        raise _unknown_model(name, family, rest, scan)
    if at and scan not in SCANS:
        raise unknown_name("scan", scan, SCANS, where=f"model {stem}")
    cell, *sizes = rest
    nodes = _nodes(name, sizes, "crnn-lstm-16-16", "recurrent layers")
    return ModelName(family, cell.removeprefix("bi"), cell.startswith("bi"), nodes, scan or DEFAULT_SCAN)


def _classic(name: str, family: str, rest: list[str], stem: str) -> ModelName:
    """A classic's name, of which ``rest`` comes after the family; ``stem`` is the name before an @, if there is one."""
    if stem:
        raise EcrnnError(f"model '{name}': {family} takes no scan, write '{stem}'")
    form = rest[-1] if rest and rest[-1] in CLASSICS[family] else ""
    sizes = rest[:-1] if form else rest
    if not sizes:
        return ModelName(family, form=form)
    if family != "mlp" or any(part.isalpha() for part in sizes):
        raise _unknown_model(name, family, rest, "")
    nodes = _nodes(name, sizes, "mlp-64", "hidden layer", most=1)
    return ModelName(family, nodes=() if nodes == (MLP_NODES,) else nodes, form=form)


def _nodes(name: str, sizes: list[str], example: str, layers: str, most: int = MAX_LAYERS) -> tuple[int, ...]:
    nodes = tuple(int(size) for size in sizes if _is_size(size))
    if len(nodes) != len(sizes) or not nodes:
        raise EcrnnError(f"model '{name}': nodes must be whole numbers from 1 to {MAX_NODES}, as in {example}")
    if len(nodes) > most:
        raise EcrnnError(f"model '{name}': at most {most} {layers}, not {len(nodes)}")
    return nodes


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= len(str(MAX_NODES)) and 1 <= int(text) <= MAX_NODES


def _unknown_model(name: str, family: str, rest: list[str], scan: str) -> EcrnnError:
    if family in ("crnn", "ecrnn") and not any(rest):
        return EcrnnError(f"model '{name}': cell and nodes are missing, as in {family}-bilstm-16")
    sizes = [part for part in rest if _is_size(part)][:MAX_LAYERS] or ["16"]
    end = f"@{scan}" if scan in SCANS else ""
    known = ["cnn", "ecnn", "-".join(["cnn", *sizes])]
    known += ["-".join(["mlp", *sizes[:1], *form]) for form in ([], ["squared"])]
    known += [
        "-".join([classic, form] if form else [classic]) for classic in CLASSICS for form in ("", *CLASSICS[classic])
    ]
    known += ["-".join([family, cell, *sizes]) + end for family in ("crnn", "ecrnn") for cell in CELLS]
    if nearest(name, known):
        return unknown_name("model", name, known)
    return EcrnnError(f"unknown model '{name}', {_FORMS}")
