"""The model card of a bundle: what it is, what was measured on which examples, what it should not be used for.

The card is `card.md.j2`; the words of a task are its `Card` (core/tasks.py).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecrnn.core.form import Fit
from ecrnn.core.text import counted, json_text, one_line
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.models.summary import LENGTH
from ecrnn.stats.class_scores import metric_named
from ecrnn.stats.metrics import METRICS

if TYPE_CHECKING:
    from jinja2 import Template


_FITS: dict[Fit, str] = {
    "cut": "resized by the shorter side and cropped in the middle",
    "pad": "resized by the longer side and padded with black",
    "stretch": "stretched where its shape is another",
    "cut-half-pixels": "resized by the shorter side and cropped in the middle",
}


def model_card(model: ModelName, processor: Processor, metrics: dict[str, Any], folder: str) -> str:
    """Markdown text of a bundle, from its model's name, its parts and its `metrics.json`."""
    task, folder = processor.task, one_line(folder)
    trials = metrics.get("trials", {})
    scored = metric_named(trials.get("metric", task.metric))
    how = ""
    if "score" in trials:
        epochs = trials["score_epochs"]
        over = f" over the last {epochs} epochs" if epochs > 1 else ""
        how = f"by {scored.title}{over}, this one {scored.measured(trials['score'])}, "
    return _template().render(
        model=model,
        version=version("ecrnn"),
        task=task,
        metric=METRICS[task.metric],
        metrics=metrics,
        scored=scored,
        how=how,
        epoch_chosen=metrics["keep"] == "best" and metrics["epochs"] > 1,
        each=task.card.each.format(length=LENGTH),
        inputs=list(_inputs(processor)),
        command=task.card.command.format(folder=shlex.quote(folder)),
        folder=json_text(folder),
    )


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # it is Markdown: see `_escaped`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(escaped=_escaped, counted=counted)
    return environment.get_template("card.md.j2")


def _inputs(processor: Processor) -> Iterator[tuple[str, str]]:
    """What goes in, and what may come out: name and text of rows of the table."""
    words = processor.task.card
    if processor.preprocessing is not None:
        channels, height, width = processor.preprocessing.image
        frames = "" if processor.frames is None else f"{processor.frames} frames of "
        colours = "grey" if channels == 1 else "RGB"
        yield (
            "Input",
            words.pixels.format(
                frames=frames, height=height, width=width, colours=colours, fit=_FITS[processor.preprocessing.fit]
            ),
        )
    if processor.source_vocabulary is not None:
        source = processor.source_vocabulary
        yield "Input", f"up to {processor.length:,} {source.kind}, of a vocabulary of {len(source):,}"
    if processor.vocabulary is not None:
        side, lead = words.text
        most = "" if processor.length is None else lead.format(length=processor.length)
        yield side, f"{most}{processor.vocabulary.kind}, of a vocabulary of {len(processor.vocabulary):,}"
    if processor.classes:
        names = [_escaped(name) for name in processor.classes]
        shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        yield "Classes", f"{len(names)}: {shown}"


def _escaped(text: str) -> str:
    """``text`` as Markdown that shows it as it is: no table cell, emphasis, code, link or HTML in it."""
    return "".join("\\" + c if c in "\\`*_[]<>|~&$#!" else c for c in one_line(text))
