"""`ecrnn evaluate BUNDLE DATA`: how good a trained model is on labelled pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options

EXAMPLE = "Example: ecrnn evaluate my-classifier photos/ --out evaluation"


def evaluate(
    bundle: options.Bundle,
    data: Annotated[str, typer.Argument(metavar="DATA", help="Data set or folder with the model's classes.")],
    part: Annotated[str, typer.Option(help="auto, test, validation or all.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for a page and JSON.")] = None,
    data_dir: options.DataDir = None,
    device: options.Device = None,
    json: options.Json = False,
) -> None:
    """Judge a trained model: accuracy with interval, each class, what is taken for what."""
    from ecrnn.report.evaluation import evaluate_predictions, evaluation_json, print_evaluation, write_evaluation
    from ecrnn.serving.classifier import load
    from ecrnn.serving.evaluation import predictions_on

    classifier = load(bundle, device or "auto")
    predictions, note = predictions_on(classifier, data, data_dir=data_dir, part=part)
    evaluation = evaluate_predictions(
        predictions.label,
        predictions.logits,
        classifier.classes,
        model=classifier.description.model,
        data=Path(data).name or data,
        n_note=note,
    )
    paths = write_evaluation(evaluation, out) if out else {}
    if json:
        typer.echo(evaluation_json(evaluation), nl=False)
        return
    from rich.console import Console

    print_evaluation(evaluation, Console())
    if paths:
        typer.echo(f"Page: {paths['evaluation.html']}")
