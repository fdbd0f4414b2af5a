"""`ecrnn evaluate BUNDLE DATA`: how good a trained model is on examples whose answers are known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.output import console, say

EXAMPLE = "Example: ecrnn evaluate my-classifier photos/ --out evaluation"


def evaluate(
    bundle: options.Bundle,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data set, file or folder of the model's task.")],
    part: Annotated[str, typer.Option(help="auto, test, validation or all.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for a page and JSON.")] = None,
    data_dir: options.DataDir = None,
    beam: options.Beam = 1,
    device: options.Device = None,
    code: options.Code = None,
    json: options.Json = False,
) -> None:
    """Judge a trained model: its metric with interval; accuracy of each class, or examples of what it writes."""
    from ecrnn.core.predictions import Predictions
    from ecrnn.report import evaluate_predictions, evaluation_json, print_evaluation, write_evaluation
    from ecrnn.serving.evaluation import judge
    from ecrnn.serving.load import load

    model = load(bundle, device or "auto")
    with options.wrong_call():
        model.search(beam)
    judgement = judge(model, data, data_dir=data_dir, part=part)
    name = Path(data).name or data
    if not model.task.classes:
        from ecrnn.cli.evaluate_generated import report

        report(model, judgement, name, out, json)
        return
    predictions = judgement.judged.predictions
    assert isinstance(predictions, Predictions)
    evaluation = evaluate_predictions(
        predictions.label,
        predictions.logits,
        model.classes,
        model=model.description.model,
        data=name,
        n_note=judgement.note,
        trained_on=judgement.trained_on,
        left_out=judgement.left_out,
        files_left_out=getattr(judgement.data, "left_out", None),
        examples=model.task.examples,
    )
    paths = write_evaluation(evaluation, out) if out else {}
    if json:
        typer.echo(evaluation_json(evaluation), nl=False)
        return
    print_evaluation(evaluation, console())
    if paths:
        say(f"Page: {paths['evaluation.html']}")
