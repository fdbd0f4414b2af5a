"""How gradients flow back through recurrent layers, as a table; `ecrnn.studies.gradient_flow` measures."""

from __future__ import annotations

from collections.abc import Sequence

from ecrnn.explain.gradient_flow import PART, Flow
from ecrnn.report import formats
from ecrnn.report.table import Cell, Column, Table, text

TITLE = "How gradients flow back through recurrent layers"


def gradient_flow_table(flows: Sequence[Flow]) -> Table:
    """A row for each cell, initialisation and length."""
    columns = (
        Column("cell", ("cell",), "left"),
        Column("initialisation", ("init",), "left"),
        Column("steps", ("steps",)),
        Column("first / last", ("carried",)),
        Column("gradient", ("verdict",), "left"),
        Column("norm of all", ("weight_norm",)),
        Column("clipped, times", ("factor",)),
    )
    rows = tuple(
        (
            text(flow.cell.upper()),
            Cell(init_name(flow.init), (flow.init,)),
            Cell(formats.count(flow.steps), (flow.steps,)),
            Cell(f"{flow.carried:.1e}", (flow.carried,)),
            text(flow.verdict),
            Cell(f"{flow.weight_norm:.3g}", (flow.weight_norm,)),
            Cell(f"{flow.factor:.3g}", (flow.factor,)),
        )
        for flow in flows
    )
    one = flows[0]
    caption = (
        f"Untrained layers of {one.nodes} nodes, {one.sequences} sequences of standard normal values, seed {one.seed}. "
        "A step's gradient is that of the last state by the step's input; first / last is the first step's as a part "
        f"of the last one's: under {PART:g} it vanishes, over {1 / PART:g} it explodes. Norm of all: of all weights' "
        "gradients together, for half the squared distance of the last state from a target; clipped at "
        f"{one.clip:g}, all gradients are multiplied by the same factor."
    )
    return Table("gradflow", TITLE, caption, columns, rows, row_headings=2)


def init_name(init: str) -> str:
    """Whose initialisation ``init`` is, or its spectral radius."""
    return {"keras": "Keras's", "torch": "torch's"}.get(init, f"radius {init}")
