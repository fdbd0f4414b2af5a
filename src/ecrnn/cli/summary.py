"""`ecrnn summary MODEL`: the layer table."""

from __future__ import annotations

from typing import Annotated

import typer

from ecrnn.cli import options

EXAMPLE = "Example: ecrnn summary ecrnn-bilstm-16 --image 3x32x32 --classes 10"
_STATISTICS = (
    "; the count above includes the running mean and variance of the batch normalisations, as Keras and the paper count"
)


def summary(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model name, such as crnn-lstm-32-32@rows.")],
    image: options.Image = None,
    classes: options.Classes = 10,
    json: options.Json = False,
) -> None:
    """Print a model's layers with output shapes, parameters and multiply-adds."""
    from ecrnn.models.registry import build, usual_image
    from ecrnn.models.summary import summarise

    with options.wrong_call():
        shape = usual_image(model) if image is None else options.image_shape(image)
        network = build(model, shape, classes)
    found = summarise(network, shape)
    if json:
        import dataclasses
        import json as json_format

        typer.echo(json_format.dumps({"model": model, "image": shape, **dataclasses.asdict(found)}, indent=2))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    title = f"{model}, {'x'.join(map(str, shape))}, {classes} classes"
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
    Console().print(table)
    typer.echo(f"{found.trainable:,} parameters are trained{_STATISTICS * (found.trainable < found.parameters)}.")
