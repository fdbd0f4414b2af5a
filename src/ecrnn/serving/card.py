"""The model card of a bundle: what it is, what was measured on which pictures, what it should not be used for."""

from __future__ import annotations

import json
import shlex
from typing import Any

from ecrnn.serving.bundle import Description

_CARD = """# {model} on {data}

An image classifier trained with [ecrnn](https://pypi.org/project/ecrnn/) {version}.

| | |
|---|---|
| Model | `{model}`, {parameters:,} parameters, {multiply_adds:,} multiply-adds a picture |
| Input | {height}x{width} pixels, {colours}, resized by the shorter side and cropped in the middle |
| Classes | {n_classes}: {classes} |
| Trained on | {n_train:,} pictures of {data}, {epochs} epochs, {recipe} |
{accuracy}

{choice}

## Use

```
ecrnn predict {folder_in_shell} photo.png
```

```python
import ecrnn
ecrnn.load({folder_in_python}).predict(["photo.png"])
```

## Limits

The figure holds for pictures like those of the data set. The model always answers with one of its classes, also for a
picture of something else. The pictures' own licence applies to what is made from them.

{terms}

Settings are in `{settings}`, all figures in `metrics.json`.
"""


def model_card(description: Description, metrics: dict[str, Any], folder: str) -> str:
    """Markdown text from a bundle's description and its `metrics.json`."""
    channels, height, width = description.preprocessing["image"]
    folder = _visible(folder)
    names = [_escaped(name) for name in description.classes]
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    return _CARD.format(
        **{k: metrics[k] for k in ("parameters", "multiply_adds", "n_train", "n_validation", "epochs", "recipe")},
        data=_escaped(metrics["data"]),
        model=description.model,
        version=description.ecrnn_version,
        height=height,
        width=width,
        colours="grey" if channels == 1 else "RGB",
        n_classes=len(names),
        classes=shown,
        accuracy="\n".join(_accuracies(metrics)),
        choice=_choice(metrics),
        terms=metrics.get("terms")
        or f"{_escaped(metrics['data'])} is the user's choice; its terms are not known here.",
        settings="config.yaml" if "trials" in metrics else "train.yaml",
        folder_in_shell=shlex.quote(folder),
        folder_in_python=json.dumps(folder, ensure_ascii=False),
    )


def _accuracies(metrics: dict[str, Any]) -> list[str]:
    """A row of the table for each part of the data that the model was judged on, the test part first."""
    judged = [("Accuracy", metrics, metrics["n_validation"], "validation")]
    if "test" in metrics:
        judged.insert(0, ("Test accuracy", metrics["test"], metrics["test"]["n"], "test"))
    return [
        f"| {name} | **{100 * scores['accuracy']:.2f} %** on {n:,} {part} pictures "
        f"(95 % interval {100 * scores['accuracy_low']:.2f} to {100 * scores['accuracy_high']:.2f}) |"
        for name, scores, n, part in judged
    ]


def _choice(metrics: dict[str, Any]) -> str:
    """What was chosen on the validation pictures, and which figure to believe."""
    if metrics["keep"] == "best":
        return (
            f"The weights are those of epoch {metrics['epoch']}, the best of {metrics['epochs']} on these validation "
            "pictures. Because they were chosen on them, the accuracy is a little optimistic; a test set tells more."
        )
    if "trials" not in metrics:
        return "The weights are those of the last epoch; nothing was chosen on the validation pictures."
    text = f"The weights are those of the last epoch of {_trial(metrics)}"
    if "test" in metrics:
        text += (
            "\nThe test pictures are the data set's own. They were used neither to train nor to choose: theirs is the "
            "figure to expect."
        )
    return text


def _trial(metrics: dict[str, Any]) -> str:
    """Which trial of its study a model is, and what came of choosing it."""
    study = f"the study {_escaped(metrics['study'])} (split {metrics['split']}, seed {metrics['seed']})"
    count, best, mean = (metrics["trials"][key] for key in ("finished", "best", "mean"))
    trial = f"repeat {metrics['repeat']} in {study}"
    if count == 1:
        return f"{trial}, the only finished trial of this model there: nothing was chosen on the validation pictures."
    others = (
        f"of its {count} finished trials of this model (mean {100 * mean:.2f} %, each on its own validation pictures)"
    )
    if metrics["accuracy"] < best:
        return f"{trial}, one {others}; the best has {100 * best:.2f} %."
    return (
        f"{trial}, the best {others}. Because it was chosen for that, its validation accuracy is a little optimistic."
    )


def _visible(text: str) -> str:
    """``text`` with a space for every character that starts a line or controls a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _escaped(text: str) -> str:
    """``text`` as Markdown that shows it as it is: no table cell, emphasis, code, link or HTML in it."""
    return "".join("\\" + c if c in "\\`*_[]<>|~&$#!" else c for c in _visible(text))
