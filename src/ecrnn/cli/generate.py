"""`ecrnn generate BUNDLE`: a character model writes."""

from __future__ import annotations

import sys
from itertools import chain
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say_json
from ecrnn.core.text import printable

EXAMPLE = "Example: ecrnn generate my-shakespeare --prompt 'ROMEO:' --temperature 0.8 --top-k 20 --length 400"


def generate(
    bundle: options.Bundle,
    prompt: Annotated[str, typer.Option(help="Text to continue. Default: the start of a line.")] = "\n",
    length: Annotated[int, typer.Option(help="Number of characters to write.", min=0)] = 500,
    temperature: Annotated[
        float,
        typer.Option(
            help="Temperature of the draws: below 1 safer, above 1 bolder; 0: always the likeliest character.",
            min=0,
            max=100,
        ),
    ] = 0.8,
    top_k: Annotated[
        int | None, typer.Option(help="Number of likeliest characters that are drawn from. Default: all.", min=1)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the draws. Default: another text every time.", min=0)
    ] = None,
    device: options.Device = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Write a text that goes on from a prompt, shown as it is drawn."""
    from ecrnn.cli.metrics import use
    from ecrnn.serving.load import load
    from ecrnn.serving.predictor import Generates

    model = load(bundle, device or "auto")
    if not isinstance(model, Generates):
        raise options.WrongCall(
            f"{bundle} is for {model.task.name}, not a character model; use it as in: {use(model.task, str(bundle))}"
        )
    with options.wrong_call():
        characters = model.generate(prompt, length, temperature=temperature, top_k=top_k, seed=seed)
    if as_json:
        say_json({"prompt": prompt, "text": "".join(characters)}, indent=None)
        return
    for part in chain([prompt], characters, ["\n"]):
        sys.stdout.write(printable(part, keep="\n\t"))
        sys.stdout.flush()
