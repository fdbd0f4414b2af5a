"""`ecrnn bench recurrence`, `step` and `one-image`: paired measurements against torch, Keras and ONNX Runtime."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecrnn.cli import options
from ecrnn.cli.output import say_json
from ecrnn.cli.progress import Display
from ecrnn.cli.usage import Group

if TYPE_CHECKING:
    from ecrnn.bench.keras import Keras
    from ecrnn.models.names import ModelName

EXAMPLE = "Example: ecrnn bench recurrence --hidden 16 --directions 2"
RECURRENCE_EXAMPLE = "Example: ecrnn bench recurrence --cell gru --hidden 32 --threads 2 --json > gru-32.json"
STEP_EXAMPLE = "Example: ecrnn bench step --models ecrnn-bilstm-16,cnn --rounds 15"
IMAGE_EXAMPLE = "Example: ecrnn bench one-image --models ecrnn-bilstm-16 --threads 1"

app = typer.Typer(
    cls=Group, help="Measure speed and memory against torch, Keras and ONNX Runtime, in alternating pairs."
)

Threads = Annotated[int, typer.Option(help="Number of threads of every variant.", min=1, max=1024)]
Rounds = Annotated[int, typer.Option(help="Number of measurements of every variant, taken in turn.", min=1, max=10_000)]
Memory = Annotated[bool, typer.Option("--memory/--no-memory", help="Peak memory as well, measured in fresh processes.")]
KerasPython = Annotated[
    str | None,
    typer.Option(
        metavar="PATH", help="Path of a Python that has keras and tensorflow. Default: this one, if it has them."
    ),
]
NoKeras = Annotated[bool, typer.Option("--no-keras", help="Measurement without Keras.")]
Models = Annotated[str, typer.Option(help="Model names, separated by commas.")]


@app.command("recurrence", epilog=RECURRENCE_EXAMPLE)
def recurrence(
    cell: Annotated[str, typer.Option(help="Cell: lstm, gru, rnn_tanh or rnn_relu.")] = "lstm",
    hidden: Annotated[int, typer.Option(help="Hidden size of each layer and direction.", min=1)] = 16,
    steps: Annotated[int, typer.Option(help="Number of steps per sequence.", min=1)] = 1024,
    batch: Annotated[int, typer.Option(help="Number of sequences per batch.", min=1)] = 128,
    inputs: Annotated[int, typer.Option("--input", help="Number of input features per step.", min=1)] = 1,
    layers: Annotated[int, typer.Option(help="Number of stacked layers.", min=1)] = 1,
    directions: Annotated[
        int, typer.Option(help="Number of directions: 1, or 2 for a bidirectional layer.", min=1, max=2)
    ] = 1,
    threads: Threads = 2,
    backend: Annotated[
        str, typer.Option(help="Backend of our layer: auto, cpu, cpu-bfloat16, triton, torch or reference.")
    ] = "auto",
    rounds: Rounds = 15,
    forward_only: Annotated[
        bool, typer.Option("--forward-only", help="Forward pass only, without a backward pass.")
    ] = False,
    cutoff: Annotated[
        float,
        typer.Option(
            help="Share of the largest gradient below which our backward pass may stop; 0: it runs to the first step.",
            min=0,
            max=0.5,
        ),
    ] = 1e-8,
    all_outputs: Annotated[
        bool,
        typer.Option("--all-outputs", help="Loss at the outputs of all steps, not at the last state; without Keras."),
    ] = False,
    grid: Annotated[
        str | None, typer.Option(help="Grid of shapes measured instead of one: full or small, against torch alone.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Backends that could serve, with the reasons; nothing is measured.")
    ] = False,
    keras_python: KerasPython = None,
    no_keras: NoKeras = False,
    memory: Memory = True,
    as_json: options.Json = False,
) -> None:
    """Time a recurrent layer: ours, torch.nn's and, where it is installed, Keras's on TensorFlow.

    The layer is first compared with a float64 oracle; nothing is measured if it differs.
    """
    from ecrnn.bench import checks, settings
    from ecrnn.bench import recurrence as bench
    from ecrnn.cli import bench_tables as tables

    with options.wrong_call():
        layer = settings.RecurrenceSettings(
            cell, hidden, steps, batch, inputs, layers, directions, forward_only, backend, cutoff, all_outputs
        )
        shapes = list(bench.grid(layer, grid)) if grid else []
        if grid and keras_python:
            raise options.WrongCall("--grid measures against torch alone; leave out --keras-python")
        if all_outputs and keras_python:
            raise options.WrongCall("--all-outputs measures against torch alone; leave out --keras-python")
    if explain:
        verdicts = checks.served(layer, threads)
        _show({"what": "explain", **tables.settings_of(layer), "backends": [v._asdict() for v in verdicts]}, as_json)
        return
    display = Display(quiet=as_json)
    if not grid:
        no_keras = no_keras or all_outputs
        with display, _keras(keras_python, no_keras, threads) as keras:
            tick = _ticker(display, str(layer.case))
            found = bench.measure(layer, threads, rounds, keras=keras, with_memory=memory, tick=tick)
            _show(
                {"what": "recurrence", **found, **_about(threads, rounds, keras), **_missing(keras, no_keras)}, as_json
            )
        return
    measured: list[dict[str, Any]] = []
    try:
        with display:
            checked = checks.check_grid(shapes, threads)
            for number, shape in enumerate(shapes, 1):
                found = bench.measure(
                    shape, threads, rounds, checked=checked, with_memory=False, budget=bench.GRID_SECONDS
                )
                measured.append(found)
                display.line(f"{number} of {len(shapes)}: {shape.case}: {found['ratio_stock']:.2f} x torch")
    finally:  # hours of measuring are not lost to a Ctrl-C
        if measured:
            summary = {**bench.grid_summary(measured), "complete": len(measured) == len(shapes)}
            _show({"what": "grid", "summary": summary, "shapes": measured, **_about(threads, rounds, None)}, as_json)


@app.command("step", epilog=STEP_EXAMPLE)
def step(
    models: Models = "ecrnn-bilstm-16,ecrnn-bilstm-32-32",
    batch: Annotated[int, typer.Option(help="Number of images per step.", min=2)] = 128,
    threads: Threads = 2,
    rounds: Rounds = 15,
    precision: options.Precision = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="Our step alone, beside the machine's rate; any model of images.")
    ] = False,
    keras_python: KerasPython = None,
    no_keras: NoKeras = False,
    memory: Memory = True,
    as_json: options.Json = False,
) -> None:
    """Time a training step: ours, the same network as a user of torch writes it and tuned, and in Keras.

    And how many times as long it takes as its products alone would, at the rate of this machine.
    """
    names = _names(models)
    if alone and keras_python:
        raise options.WrongCall("--alone measures no opponents; leave out --keras-python")
    from ecrnn.bench import step as bench
    from ecrnn.bench.settings import StepSettings

    display = Display(quiet=as_json)
    with display, _keras(keras_python, no_keras or alone, threads) as keras:
        found = [
            bench.measure(
                StepSettings(str(name), batch, precision or "auto"),
                threads,
                rounds,
                keras=keras,
                alone=alone,
                with_memory=memory,
                tick=_ticker(display, str(name)),
            )
            for name in names
        ]
        missing = _missing(keras, no_keras or alone)
        _show({"what": "step", "models": found, **_about(threads, rounds, keras), **missing}, as_json)


@app.command("one-image", epilog=IMAGE_EXAMPLE)
def one_image(
    models: Models = "ecrnn-bilstm-16",
    threads: Threads = 2,
    rounds: Rounds = 15,
    as_json: options.Json = False,
) -> None:
    """Time one image through a model: ours, torch's layers and, where it is installed, ONNX Runtime."""
    names = _names(models)
    from ecrnn.bench import latency as bench

    display, onnx = Display(quiet=as_json), bench.onnx_is_here()
    with display:
        found = [bench.measure(name, threads, rounds, onnx=onnx, tick=_ticker(display, str(name))) for name in names]
    missing = {} if onnx else {"missing": bench.NOT_HERE}
    _show({"what": "one-image", "models": found, **_about(threads, rounds, None), **missing}, as_json)


@contextlib.contextmanager
def _keras(python: str | None, without: bool, threads: int) -> Iterator[Keras | None]:
    """The process with Keras, or None where there is none and none was asked for."""
    from ecrnn.bench.keras import Keras, default_python

    if without and python:
        raise options.WrongCall("--no-keras and --keras-python contradict each other")
    python = None if without else python or default_python()
    if python is None:
        yield None
        return
    with Keras(python, threads) as keras:
        yield keras


def _names(models: str) -> list[ModelName]:
    from ecrnn.models.names import parse

    with options.wrong_call():
        names = [parse(name.strip()) for name in models.split(",") if name.strip()]
    if not names:
        raise options.WrongCall("--models names none; give names with commas")
    return names


def _ticker(display: Display, label: str) -> Callable[[int, int], None]:
    def tick(done: int, rounds: int) -> None:
        if done in (1, rounds):
            display.line(f"{label}: round {done} of {rounds}")

    return tick


def _about(threads: int, rounds: int, keras: Keras | None) -> dict[str, Any]:
    """What a reader needs to judge or repeat the figures."""
    from ecrnn.core.devices import environment

    about: dict[str, Any] = {"threads": threads, "rounds": rounds, "environment": environment()}
    if keras:
        about["keras"] = {**keras.versions, "failed": keras.failed}
    return about


def _missing(keras: Keras | None, without: bool) -> dict[str, str]:
    """The opponent that was not measured, for the end of the output: nothing is printed before the check has passed."""
    from ecrnn.bench.keras import NOT_HERE

    return {} if keras or without else {"missing": NOT_HERE}


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    from ecrnn.cli import bench_tables as tables

    tables.show(found)
