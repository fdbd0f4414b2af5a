"""The model card of a bundle: what it is, what was measured on which examples, what it should not be used for."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

from ecrnn.core.tasks import Task
from ecrnn.core.text import counted, json_text, one_line
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.models.summary import LENGTH
from ecrnn.stats.metrics import METRICS, Metric

_CARD = """# {model} on {data}

{what} trained with [ecrnn](https://pypi.org/project/ecrnn/) {version}.

| | |
|---|---|
| Model | `{model}`, {parameters:,} parameters, {multiply_adds:,} multiply-adds {each} |
{inputs}
| Trained on | {examples} of {data}, {epochs}, {recipe} |
{figures}

{choice}

## Use

```
{command}
```

```python
import ecrnn
ecrnn.load({folder}){call}
```

## Limits

{limits}

{terms}

Settings are in `{settings}`, all figures in `metrics.json`.
"""


def model_card(model: ModelName, processor: Processor, metrics: dict[str, Any], folder: str) -> str:
    """Markdown text of a bundle, from its model's name, its parts and its `metrics.json`."""
    words, folder = processor.task.card, one_line(folder)
    return _CARD.format(
        **{k: metrics[k] for k in ("parameters", "multiply_adds", "recipe")},
        data=_escaped(metrics["data"]),
        model=model,
        version=version("ecrnn"),
        what=words.what,
        each=words.each.format(length=LENGTH),
        examples=counted(metrics["n_train"], processor.task.examples),
        epochs=counted(metrics["epochs"], "epochs"),
        inputs="\n".join(f"| {name} | {text} |" for name, text in _inputs(processor)),
        figures="\n".join(_figures(processor.task, metrics)),
        choice=_choice(processor.task, metrics),
        limits=words.limits,
        terms=metrics.get("terms")
        or f"{_escaped(metrics['data'])} is the user's choice; its terms are not known here.",
        settings="config.yaml" if "trials" in metrics else "train.yaml",
        command=words.command.format(folder=shlex.quote(folder)),
        folder=json_text(folder),
        call=words.call,
    )


def _inputs(processor: Processor) -> Iterator[tuple[str, str]]:
    """What goes in, and what may come out: name and text of rows of the table."""
    words = processor.task.card
    if processor.preprocessing is not None:
        channels, height, width = processor.preprocessing.image
        frames = "" if processor.frames is None else f"{processor.frames} frames of "
        colours = "grey" if channels == 1 else "RGB"
        yield "Input", words.pixels.format(frames=frames, height=height, width=width, colours=colours)
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


def _figures(task: Task, metrics: dict[str, Any]) -> list[str]:
    """A row of the table for each part of the data that the model was judged on, the test part first."""
    judged = [("", metrics, metrics["n_validation"], "validation")]
    if "test" in metrics:
        judged.insert(0, ("Test ", metrics["test"], metrics["test"]["n"], "test"))
    metric = METRICS[task.metric]
    rows = []
    for part, own, n, kind in judged:
        name = part + metric.title if part else metric.title[0].upper() + metric.title[1:]
        value, low, high = (own[metric.name + end] for end in ("", "_low", "_high"))
        interval = f"(95 % interval {metric.shown(low)} to {metric.shown(high)})"
        where = f"on {counted(n, f'{kind} {task.examples}')} {interval}{_last_epochs(metric, own)}"
        rows.append(f"| {name} | **{metric.measured(value)}** {where} |")
    if (kept := metrics.get(f"kept_{metric.name}")) is not None and _was_chosen(metrics):
        where = f"on the same {task.examples}, with which its epoch was chosen: no estimate for others"
        rows.append(f"| Kept weights | {metric.measured(kept)} {where} |")
    return rows


def _last_epochs(metric: Metric, own: dict[str, Any]) -> str:
    """That a figure is the last epoch's, and how much the last ones differ; nothing where that is not known."""
    last = own.get("last_epochs")
    if last is None:
        return ""
    lowest, highest = metric.shown(last["lowest"]), metric.measured(last["highest"])
    return f" after the last epoch; {lowest} to {highest} over the last {last['epochs']} epochs"


def _choice(task: Task, metrics: dict[str, Any]) -> str:
    """What was chosen on the validation examples, and which figure to believe."""
    what = task.examples
    if _was_chosen(metrics):
        text = _chosen_epoch(task, metrics)
    elif "trials" not in metrics:
        text = f"The weights are those of the last epoch; nothing was chosen on the validation {what}."
    else:
        text = f"The weights are those of the last epoch of {_trial(task, metrics)}"
    if "test" in metrics:
        text += (
            f"\nThe test {what} are the data set's own. They were used neither to train nor to choose: theirs is the "
            "figure to expect."
        )
    return text


def _was_chosen(metrics: dict[str, Any]) -> bool:
    """Whether the epoch of the weights was one of several that could have been kept."""
    return bool(metrics["keep"] == "best" and metrics["epochs"] > 1)


def _chosen_epoch(task: Task, metrics: dict[str, Any]) -> str:
    """How the epoch was chosen whose weights were kept, and what the figures are worth."""
    metric, what, window = METRICS[task.metric], task.examples, metrics.get("keep_window", 1)
    by = f"its {metric.title}" if window == 1 else f"the mean {metric.title} of up to {window} epochs that end with it"
    expected = "" if "test" in metrics else " Expect about the last epoch's; a test set tells more."
    return (
        f"The weights are those of epoch {metrics['epoch']} of {metrics['epochs']}, chosen by {by} on these validation "
        f"{what}.\nBecause they were chosen on them, their own figure is optimistic.{expected}"
    )


def _trial(task: Task, metrics: dict[str, Any]) -> str:
    """Which trial of its study a model is, and what came of choosing it."""
    metric, what = METRICS[task.metric], task.examples
    study = f"the study {_escaped(metrics['study'])} (split {metrics['split']}, seed {metrics['seed']})"
    count, best, mean = (metrics["trials"][key] for key in ("finished", "best", "mean"))
    trial = f"repeat {metrics['repeat']} in {study}"
    if count == 1:
        return f"{trial}, the only finished trial of this model there: nothing was chosen on the validation {what}."
    own = f"mean {metric.measured(mean)}, each on its own validation {what}"
    others = f"of its {count} finished trials of this model ({own})"
    if metric.better(best, metrics[metric.name]):
        return f"{trial}, one {others}; the best has {metric.measured(best)}."
    return (
        f"{trial}, the best {others}. Because it was chosen for that, its validation {metric.title} is a little "
        "optimistic."
    )


def _escaped(text: str) -> str:
    """``text`` as Markdown that shows it as it is: no table cell, emphasis, code, link or HTML in it."""
    return "".join("\\" + c if c in "\\`*_[]<>|~&$#!" else c for c in one_line(text))
