"""`ecrnn gradflow`: how gradients vanish, explode and are clipped."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import console, say

EXAMPLE = "Example: ecrnn gradflow --cells rnn,lstm --steps 64,256 --init 0.5,keras,2 --clip 1 -o runs/gradflow"


def gradflow(
    cells: Annotated[str, typer.Option(help="Cells, separated by commas: rnn, lstm, gru.")] = "rnn,lstm,gru",
    steps: Annotated[str, typer.Option(help="Lengths of the sequences in steps, separated by commas.")] = "32,128,512",
    init: Annotated[
        str,
        typer.Option(
            help="Initialisations, separated by commas: keras, torch, or spectral radii of the recurrent matrices."
        ),
    ] = "0.5,keras,2,8",
    clip: Annotated[float, typer.Option(help="Largest norm of the gradient; a longer one is clipped to it.")] = 1.0,
    hidden_size: Annotated[
        int, typer.Option("--hidden-size", "--nodes", help="Hidden size of each layer.", min=1, max=512)
    ] = 16,
    sequences: Annotated[int, typer.Option(help="Number of sequences in the batch.", min=1, max=4096)] = 32,
    seed: Annotated[int, typer.Option(help="Seed of weights and sequences.", min=0)] = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the figure and the tables.")] = Path(
        "runs/gradflow"
    ),
    as_json: options.Json = False,
) -> None:
    """Draw the gradient over the steps of untrained RNN, LSTM and GRU side by side: vanishing, exploding, clipped.

    Writes gradflow.svg, gradflow.json, gradflow.csv and gradflow.md. docs/gradients.md says what is measured.
    """
    from ecrnn.core.devices import environment
    from ecrnn.report.content.gradient_flow_table import gradient_flow_table
    from ecrnn.report.render.gradient_flow_files import write_gradient_flow
    from ecrnn.studies.gradient_flow import gradient_flows

    with options.wrong_call():
        lengths = [_length(part) for part in _parts(steps)]
        measured = gradient_flows(
            _parts(cells), _parts(init), lengths, clip=clip, hidden_size=hidden_size, sequences=sequences, seed=seed
        )
    flows = list(measured)
    paths = write_gradient_flow(flows, out, environment())
    if as_json:
        typer.echo(paths["gradflow.json"].read_text(encoding="utf-8"), nl=False)
        return
    from ecrnn.report.render.terminal import rich_table

    console().print(rich_table(gradient_flow_table(flows)))
    say(f"Figure: {paths['gradflow.svg']}, with JSON, CSV and Markdown beside it")


def _parts(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise options.WrongCall(f"--steps wants whole numbers, as in 32,128,512, not '{text}'")
    return int(text)
