"""`ecrnn summary MODEL`: the layer table."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import image_shape
from ecrnn.cli.output import say, say_json, show
from ecrnn.core.errors import EcrnnError

EXAMPLE = "Example: ecrnn summary ecrnn-bilstm-16 --image 3x32x32 --classes 10"
_STATISTICS = (
    "; the count above includes the running mean and variance of the batch normalisations, as Keras and the paper count"
)


def summary(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, such as crnn-lstm-32-32@rows.")],
    image: options.Image = None,
    classes: options.Classes = None,
    tokens: options.Tokens = None,
    source_tokens: options.SourceTokens = None,
    frames: options.Frames = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Print a model's layers with output shapes, parameters and multiply-adds."""
    from ecrnn.models.build import make
    from ecrnn.models.names import parse
    from ecrnn.models.own_check import check_models
    from ecrnn.models.spec import InputSpec, usual
    from ecrnn.models.summary import summarise

    with options.wrong_call():
        options_spec = InputSpec(None if image is None else image_shape(image), classes, tokens, source_tokens, frames)
        name = parse(model)
        asked, defaults = vars(options_spec), vars(usual(name))
        spec = InputSpec(**{key: defaults[key] if value is None else value for key, value in asked.items()})
        needs = name.task.inputs
        if foreign := [key for key, value in asked.items() if value is not None and key not in needs]:
            raise EcrnnError(f"{model} has no {foreign[0].replace('_', ' ')}; it needs {', '.join(needs)}")
        check_models(spec, name)
        network = make(name, spec)
    found = summarise(network, spec, name)
    used = {key: getattr(spec, key) for key in needs}
    if as_json:
        import dataclasses

        say_json({"model": model, **used, **dataclasses.asdict(found)})
        return
    from rich import box
    from rich.table import Table

    title = f"{model}, {', '.join(_sized(key, value) for key, value in used.items())}"
    table = Table("no.", "area", "layer", "output", "parameters", "multiply-adds", title=title, box=box.SIMPLE_HEAD)
    for column in (0, 4, 5):
        table.columns[column].justify = "right"
    table.columns[2].no_wrap = True
    area = ""
    for number, row in enumerate(found.rows, 1):
        output = ", ".join(f"{size:,}" for size in row.output)
        shown = "" if row.area == area else row.area
        table.add_row(str(number), shown, row.layer, output, f"{row.parameters:,}", f"{row.multiply_adds:,}")
        area = row.area
    table.add_section()
    table.add_row(str(len(found.rows) + 1), "", "Total", "", f"{found.parameters:,}", f"{found.multiply_adds:,}")
    show(table)
    if found.uncounted:
        say(f"Multiply-adds are not counted of {', '.join(found.uncounted)}.")
    say(f"{found.trainable:,} parameters are trained{_STATISTICS * (found.trainable < found.parameters)}.")


def _sized(key: str, value: Any) -> str:
    if key == "image":
        return "x".join(map(str, value))
    return f"{value:,} {key.replace('_', ' ')}"
