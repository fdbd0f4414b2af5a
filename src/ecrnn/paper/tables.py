"""The paper's Tables 1-5 with ours beside, in the paper's own layout, and a count of what agrees."""

from __future__ import annotations

from collections.abc import Sequence

from ecrnn.paper import printed
from ecrnn.paper.reproduction import Reproduced, Reproduction
from ecrnn.report import formats
from ecrnn.report.formats import MINUS, NOTHING
from ecrnn.report.table import Cell, Column, Table, text

MARKS = "* p < .05, ** p < .005, *** p < .0001 by the paper's image-level test, which is too optimistic"


LAYERS = "paper-table-1"  # key of the table that is the same in every study of the paper's models


def reproduction_tables(found: Reproduction, mean_of_epochs: str = "") -> tuple[Table, ...]:
    """The tables of ``found`` in the paper's order, the count of agreements first.

    Args:
        found: the paper's comparisons beside ours.
        mean_of_epochs: what our accuracies are, "mean of the last 3 epochs"; "" of the last epoch's.
    """
    note = _note(found)
    return (
        _tallies(found, note),
        _layers(found),
        _accuracies(found, note, f"the {mean_of_epochs}" if mean_of_epochs else "of the last epoch"),
        *(_comparisons(found, number, note) for number in printed.TABLES),
    )


def _note(found: Reproduction) -> str:
    if not found.departures:
        return ""
    why = "; ".join(found.departures)
    return f"This study is not the paper's experiment: {why}. The paper's figures stand here for the form alone."


def _tallies(found: Reproduction, note: str) -> Table:
    rows = []
    for tally in found.tallies:
        name = "all" if tally.table is None else f"{tally.table}: {printed.TABLES[tally.table]}"
        of_all = f"{tally.comparisons - tally.missing} of {tally.comparisons}"
        counts = (
            tally.same_sign,
            tally.same_finding,
            tally.marked,
            tally.marked_here,
            tally.confirmed,
            tally.contradicted,
        )
        first = Cell(name, (tally.table or "all",)), Cell(of_all, (tally.comparisons, tally.missing))
        rows.append((*first, *(Cell(str(n), (n,)) for n in counts)))
    return Table(
        "paper-agreement",
        "Agreement with the paper",
        "The paper's 36 comparisons, counted. Same finding: by the paper's test (p < .05) both mark a difference in "
        "the same direction, or neither does. Confirmed: marked by the paper, and the corrected resampled t test, "
        f"Holm-adjusted over the {found.family} pairs that the comparisons come to, gives the verdict in the same "
        "direction; opposite: in the other. The rest of the marked ones is undecided or equivalent here, or missing.",
        (
            Column("Paper's table", ("table",), "left"),
            Column("Made", ("comparisons", "missing")),
            Column("Same sign", ("same_sign",)),
            Column("Same finding", ("same_finding",)),
            Column("Marked in paper", ("marked_by_the_paper",)),
            Column("Marked here", ("marked_here",)),
            Column("Confirmed", ("confirmed",)),
            Column("Opposite", ("contradicted",)),
        ),
        tuple(rows),
        note=note,
    )


def _layers(found: Reproduction) -> Table:
    rows = [
        (
            Cell(str(number), (number,)),
            text(layer.area),
            text(layer.layer),
            text(", ".join(f"{size:,}" for size in layer.output)),
            Cell(formats.count(layer.parameters), (layer.parameters,)),
        )
        for number, layer in enumerate(printed.TABLE_1, start=1)
    ]
    same = "same" if found.parameters == printed.TABLE_1_TOTAL else "differs"
    ours = Cell(formats.count(found.parameters), (found.parameters,), same if found.parameters is not None else "")
    total = Cell(formats.count(printed.TABLE_1_TOTAL), (printed.TABLE_1_TOTAL,))
    number = len(rows) + 1
    rows.append((Cell(str(number), (number,)), text(""), text("Total in the paper"), text(""), total))
    rows.append((text(""), text(""), text("Total in this study's trials"), text(""), ours))
    return Table(
        LAYERS,
        "The paper's Table 1",
        f"The layers of {printed.TABLE_1_MODEL} as the paper prints them (height, width, channels), and the parameters "
        "that the trials of this study counted, in the paper's way. Other images than 3x32x32 in 10 classes give "
        "another total.",
        (
            Column("No.", ("number",)),
            Column("Area", ("area",), "left"),
            Column("Layer", ("layer",), "left"),
            Column("Output", ("output",), "left"),
            Column("Parameters", ("parameters",)),
        ),
        tuple(rows),
        row_headings=3,
    )


def _accuracies(found: Reproduction, note: str, ours: str) -> Table:
    return Table(
        "paper-accuracies",
        "The paper's accuracies and ours",
        f"Mean accuracy on the validation images. Ours is {ours}; the paper does not say of which epoch "
        "its own is. The best epoch is picked on the same images and is optimistic.",
        (
            Column("Model", ("model",), "left"),
            Column("Repeats", ("repeats",)),
            Column("Paper (%)", ("paper",)),
            Column("Ours (%)", ("ours",)),
            Column("SD (points)", ("sd",)),
            Column(f"Ours {MINUS} paper", ("gap",)),
            Column("Best epoch (%), optimistic", ("best_epoch_accuracy_optimistic",)),
        ),
        tuple(
            (
                text(model.model),
                Cell(str(model.repeats), (model.repeats,)),
                Cell(formats.percent(model.paper), (model.paper,)),
                Cell("missing" if model.ours is None else formats.percent(model.ours), (model.ours,), "strong"),
                Cell(formats.spread(model.sd), (model.sd,)),
                Cell(formats.points(model.gap), (model.gap,)),
                Cell(formats.percent(model.best_accuracy), (model.best_accuracy,), "muted"),
            )
            for model in found.models
        ),
        note=note,
    )


def _comparisons(found: Reproduction, number: int, note: str) -> Table:
    """One of Tables 2-5 as the paper lays it out, five rows for each of its own."""
    cells = [cell for cell in found.comparisons if cell.table == number]
    nodes = tuple(dict.fromkeys(cell.nodes for cell in cells))
    rows: list[tuple[Cell, ...]] = []
    for sides in dict.fromkeys((cell.side_a, cell.side_b) for cell in cells):
        line = [cell for cell in cells if (cell.side_a, cell.side_b) == sides]
        name = Cell(_short(*sides), (f"{sides[0]} {MINUS} {sides[1]}",))
        rows += [(name, text(what), *shown) for what, shown in _lines(line)]
    return Table(
        f"paper-table-{number}",
        f"The paper's Table {number}: {printed.TABLES[number]}",
        f"Differences in points by number of nodes; {MARKS}. The verdict is the corrected resampled t test's, "
        f"Holm-adjusted over the {found.family} pairs that the paper's 36 comparisons come to." + _best(cells),
        (
            Column("Models", ("comparison",), "left"),
            Column("What", ("what",), "left"),
            *(Column(size, (size,)) for size in nodes),
        ),
        tuple(rows),
        row_headings=2,
        note=note,
    )


def _short(side_a: str, side_b: str) -> str:
    """What the title of the table leaves open: the cell, or in Table 5 the family."""
    family, _, cell = side_a.partition(" ")
    return family if family == side_b.partition(" ")[0] else cell


def _lines(cells: Sequence[Reproduced]) -> list[tuple[str, list[Cell]]]:
    return [
        ("paper", [_marked(cell.paper_difference, cell.paper_stars) for cell in cells]),
        ("ours", [_marked(cell.difference, cell.stars) for cell in cells]),
        (f"ours {MINUS} paper", [Cell(formats.points(cell.gap), (cell.gap,), "muted") for cell in cells]),
        ("sign", [_word(cell.same_sign, "same", "differs") for cell in cells]),
        ("verdict", [_verdict(cell) for cell in cells]),
    ]


def _marked(difference: float | None, stars: str | None) -> Cell:
    if difference is None:
        return Cell("missing", (None,), "muted")
    return Cell(formats.points(difference) + (stars or ""), (difference,))


def _word(value: bool | None, yes: str, no: str) -> Cell:
    if value is None:
        return Cell(NOTHING, (None,))
    return text(yes, yes) if value else text(no, no)


def _verdict(cell: Reproduced) -> Cell:
    if cell.difference is None:
        return Cell(NOTHING, (None,))
    return Cell(cell.verdict or "no verdict", (cell.verdict,), cell.verdict or "none")


def _best(cells: Sequence[Reproduced]) -> str:
    """Which models the best ones are, here and there; picking them favours whoever has the luck."""
    best = [cell for cell in cells if cell.nodes == printed.BEST]
    if not best:
        return ""
    pairs = [
        f"{cell.paper_a} {MINUS} {cell.paper_b} in the paper, "
        + (f"{cell.model_a} {MINUS} {cell.model_b} here" if cell.model_a else "missing here")
        for cell in best
    ]
    return f" Best by the same accuracies that are compared, so these two flatter: {'; '.join(pairs)}."


def comparisons_table(found: Reproduction) -> Table:
    """All comparisons of ``found`` one a row, at full precision, for machines."""
    return Table(
        "paper-comparisons",
        "The paper's comparisons one by one",
        f"All of Tables 2-5; {MARKS}. A and B are the models compared here.",
        (
            Column("Table", ("table",)),
            Column("Nodes", ("nodes",), "left"),
            Column("A", ("model_a",), "left"),
            Column("B", ("model_b",), "left"),
            Column("A, paper", ("paper_model_a",), "left"),
            Column("B, paper", ("paper_model_b",), "left"),
            Column("Paper (points)", ("paper_difference", "paper_stars")),
            Column("Ours (points)", ("difference", "stars")),
            Column(f"Ours {MINUS} paper", ("gap",)),
            Column("Sign", ("same_sign",), "left"),
            Column("Finding", ("same_finding",), "left"),
            Column("p (Holm)", ("p_holm",)),
            Column("Verdict on A", ("verdict",), "left"),
        ),
        tuple(
            (
                Cell(str(cell.table), (cell.table,)),
                text(cell.nodes),
                Cell(cell.model_a or "missing", (cell.model_a,)),
                Cell(cell.model_b or "missing", (cell.model_b,)),
                text(cell.paper_a),
                text(cell.paper_b),
                _marked(cell.paper_difference, cell.paper_stars)._replace(
                    values=(cell.paper_difference, cell.paper_stars)
                ),
                _marked(cell.difference, cell.stars)._replace(values=(cell.difference, cell.stars)),
                Cell(formats.points(cell.gap), (cell.gap,)),
                _word(cell.same_sign, "same", "differs"),
                _word(cell.same_finding, "same", "differs"),
                Cell(formats.p_value(cell.p_holm), (cell.p_holm,)),
                _verdict(cell),
            )
            for cell in found.comparisons
        ),
        row_headings=2,
        note=_note(found),
    )
