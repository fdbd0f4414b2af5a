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
| Accuracy | **{accuracy:.2f} %** on {n_validation:,} validation pictures (95 % interval {low:.2f} to {high:.2f}) |

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
picture of something else. The pictures' own licence applies to what is made from them; {data} is the user's choice
and its terms are not part of this folder. Settings are in `train.yaml`, all figures in `metrics.json`.
"""


def model_card(description: Description, metrics: dict[str, Any], folder: str) -> str:
    """Markdown text from a bundle's description and its `metrics.json`."""
    channels, height, width = description.preprocessing["image"]
    folder = _visible(folder)
    names = [_escaped(name) for name in description.classes]
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    if metrics["keep"] == "best":
        choice = (
            f"The weights are those of epoch {metrics['epoch']}, the best of {metrics['epochs']} on these validation "
            "pictures. Because they were chosen on them, the accuracy is a little optimistic; a test set tells more."
        )
    else:
        choice = "The weights are those of the last epoch; nothing was chosen on the validation pictures."
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
        accuracy=100 * metrics["accuracy"],
        low=100 * metrics["accuracy_low"],
        high=100 * metrics["accuracy_high"],
        choice=choice,
        folder_in_shell=shlex.quote(folder),
        folder_in_python=json.dumps(folder, ensure_ascii=False),
    )


def _visible(text: str) -> str:
    """``text`` with a space for every character that starts a line or controls a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _escaped(text: str) -> str:
    """``text`` as Markdown that shows it as it is: no table cell, emphasis, code, link or HTML in it."""
    return "".join("\\" + c if c in "\\`*_[]<>|~&$#!" else c for c in _visible(text))
