"""`ecrnn gradcheck MODEL`: are its gradients right?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import image_shape
from ecrnn.cli.output import say, say_json, show

if TYPE_CHECKING:
    from ecrnn.explain.gradcheck import GradientCheck

EXAMPLE = "Example: ecrnn gradcheck ecrnn-bilstm-16 --image 3x16x16"


def gradcheck(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Model name, or rnn, lstm or gru for the layer alone, with outputs at all steps."
        ),
    ],
    image: options.Image = None,
    classes: options.Classes = None,
    samples: Annotated[
        int, typer.Option(help="Number of entries checked in each parameter tensor, the largest gradient among them.")
    ] = 8,
    seed: Annotated[int, typer.Option(help="Seed of weights, inputs and the entries checked.")] = 0,
    code: options.Code = None,
    as_json: options.Json = False,
) -> int:
    """Compare a model's gradients with central differences, in float64; the status is 1 if something is wrong.

    mlp, rnn, lstm and gru (ecrnn gradcheck lstm) are compared with the equations by hand too, and the float32 kernels
    of recurrent layers with the same equations in float64. docs/gradients.md says what is measured.
    """
    from ecrnn.explain.gradcheck import gradcheck as check

    with options.wrong_call():
        found = check(model, None if image is None else image_shape(image), classes, samples, seed)
    if as_json:
        import dataclasses

        say_json({"good": found.good, **dataclasses.asdict(found)})
    else:
        _show(found)
    return 0 if found.good else 1


def _show(found: GradientCheck) -> None:
    from rich import box
    from rich.table import Table

    table = Table("tensor", "shape", "checked", "worst at", "analytic", "difference", "error", box=box.SIMPLE_HEAD)
    for number, column in enumerate(table.columns):
        column.justify, column.no_wrap = "right" if number in (2, 4, 5, 6) else "left", True
    for tensor in found.tensors:
        shape, worst = "x".join(map(str, tensor.shape)), tensor.worst
        if worst is None:
            table.add_row(tensor.name, shape, "0", "all at kinks")
            continue
        index = ",".join(map(str, worst.index))
        values = f"{worst.analytic:.9g}", f"{worst.difference:.9g}", f"{worst.error:.1e}"
        table.add_row(tensor.name, shape, str(tensor.checked), index, *values)
    show(table)
    checked, kinks = sum(t.checked for t in found.tensors), sum(t.kinks for t in found.tensors)
    at_kinks = f", {kinks:,} more lie at kinks" if kinks else ""
    say(f"{found.model}: {checked:,} of {found.parameters:,} parameters compared in float64{at_kinks}.")
    for tensor in found.wrong:
        if tensor.worst is None:
            say(f"Wrong: nothing of {tensor.name} could be compared, all {tensor.kinks} places lie at kinks.")
        else:
            worst = tensor.worst
            both = f"autograd {worst.analytic:.9g}, central difference {worst.difference:.9g}"
            line = f"Wrong: {tensor.name} at {worst.index}: {both}, relative error {worst.error:.1e}"
            say(f"{line}, tolerance {found.tolerance:g}.")
    if found.by_hand:
        by_hand, bad = found.by_hand, found.by_hand.error > found.by_hand.tolerance
        line = f"relative error at most {by_hand.error:.1e}, in {by_hand.tensor}, tolerance {by_hand.tolerance:g}"
        say(f"{'Wrong' if bad else 'Right'}: by hand ({by_hand.equations}), all gradients: {line}.")
    for kernel in found.kernels:
        what = "the C++ kernels" if kernel.backend == "cpu" else "torch's kernels, the C++ ones are not there,"
        line = f"{kernel.layer} in float32 by {what} against the float64 equations"
        say(f"Wrong: {line}: {kernel.fault}." if kernel.fault else f"Right: {line}.")
    say("The gradients are right." if found.good else "The gradients are WRONG.")
