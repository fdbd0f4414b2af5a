"""How far back RNNs read, as a table of what `ecrnn.explain.effective_memory` measured."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from statistics import median

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.memory_curve import CLASS_PART, EVERY, FINE, GRADIENT_PARTS, STATE_PARTS, Memory
from ecrnn.report import formats
from ecrnn.report.table import Cell, Column, Table, text

TITLE = "How far back the RNN reads"


def memory_table(memories: Sequence[Memory]) -> Table:
    """A row a model and direction: medians over the trials with their range.

    Args:
        memories: in any order.

    Raises:
        EcrnnError: trials of one model read sequences of different lengths.
    """
    columns = [
        Column("model", ("model",), "left"),
        Column("direction", ("direction",), "left"),
        Column("trials", ("trials",)),
        Column("steps", ("steps",)),
    ]
    names = [(f"gradient over {part:g}", f"gradient_{part:g}") for part in GRADIENT_PARTS]
    names += [(f"state within {100 * part:g} %", f"state_{part:g}") for part in STATE_PARTS]
    classes = any(memory.class_memory is not None for memory in memories)
    names += [("class", "class")] if classes else []
    columns += [Column(title, (name, f"{name}_least", f"{name}_most")) for title, name in names]
    rows = []
    for model, trials in by_model(memories):
        for k, direction in enumerate(trials[0].directions):
            same = [trial.directions[k] for trial in trials]
            rows.append(
                (
                    text(model),
                    text(direction.name),
                    Cell(formats.count(len(trials)), (len(trials),)),
                    Cell(formats.count(trials[0].steps), (trials[0].steps,)),
                    *(_ranged([one.gradient_steps[f"{part:g}"] for one in same]) for part in GRADIENT_PARTS),
                    *(_ranged([one.memory[f"{part:g}"] for one in same]) for part in STATE_PARTS),
                    *([_ranged([trial.class_memory for trial in trials])] if classes else []),
                )
            )
    return Table("memory", TITLE, _caption(memories, classes), tuple(columns), tuple(rows), row_headings=2)


def _caption(memories: Sequence[Memory], classes: bool) -> str:
    samples = [formats.count(n) for n in sorted({memory.samples for memory in memories})]
    caption = (
        "Steps from the end of each direction's reading, median over the trials (least to most). Gradient: up to the "
        "last step whose gradient is over that part of the largest. State: the effective memory, the fewest last steps "
        "that must be an image's own for the last state to stay within that part of its spread when all older ones "
        "are another image's. "
    )
    if classes:
        caption += "Class: likewise, in both directions at once, for the predicted class to change on less than "
        caption += f"{100 * CLASS_PART:g} % of the images. "
    caption += f"Every number of last steps up to {FINE} was tried, then every {EVERY}th. "
    return caption + f"{formats.listed(samples)} {'images' if classes else 'sequences'} a trial."


def _ranged(found: Sequence[int | None]) -> Cell:
    values = [value for value in found if value is not None]
    if not values:
        return Cell(formats.NOTHING, (None, None, None))
    middle, least, most = median(values), min(values), max(values)
    shown = formats.count(middle) + (f" ({least:,} to {most:,})" if least < most else "")
    return Cell(shown, (middle, least, most))


def by_model(memories: Sequence[Memory]) -> list[tuple[str, list[Memory]]]:
    """The trials of each model, in the order in which models come first.

    Raises:
        EcrnnError: trials of one model read sequences of different lengths.
    """
    ordered = sorted(memories, key=lambda memory: [m.model for m in memories].index(memory.model))
    groups = [(model, list(trials)) for model, trials in groupby(ordered, lambda memory: memory.model)]
    for model, trials in groups:
        if len({trial.steps for trial in trials}) > 1:
            raise EcrnnError(f"trials of '{model}' read sequences of different lengths; give their studies one by one")
    return groups
