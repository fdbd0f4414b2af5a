"""`ecrnn evaluate BUNDLE DATA`: how good a trained model is on examples whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ecrnn.cli import options
from ecrnn.cli.output import console, say

if TYPE_CHECKING:
    from rich.console import Console

    from ecrnn.report import Evaluation, MetricEvaluation
    from ecrnn.serving.evaluation import Judgement
    from ecrnn.serving.predictor import Predictor

    AnyEvaluation = TypeVar("AnyEvaluation", Evaluation, MetricEvaluation)

EXAMPLE = "Example: ecrnn evaluate my-classifier photos/ --out evaluation"


def evaluate(
    bundle: options.Bundle,
    data: Annotated[
        str,
        typer.Argument(metavar="DATA", help="Name of a data set, or path of a file or folder for the model's task."),
    ],
    part: Annotated[str, typer.Option(help="Part of the data: auto, test, validation or all.")] = "auto",
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for an HTML page and a JSON file.")] = None,
    data_dir: options.DataDir = None,
    beam: options.Beam = 1,
    device: options.Device = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Judge a trained model: its metric with interval; accuracy of each class, or examples of what it writes."""
    from ecrnn.serving.evaluation import judge
    from ecrnn.serving.load import load

    model = load(bundle, device or "auto")
    with options.wrong_call():
        model.search(beam)
    judgement = judge(model, data, data_dir=data_dir, part=part)
    show(model, judgement, Path(data).name or data, out, as_json)


def show(model: Predictor, judgement: Judgement, name: str, out: Path | None, as_json: bool) -> None:
    """Print how good ``model`` is on the data called ``name``, and write a page and JSON into the folder ``out``."""
    from ecrnn import report

    if model.task.classes:
        of_classes = report.write_evaluation, report.evaluation_json, report.print_evaluation
        _show(_of_classes(model, judgement, name), *of_classes, out, as_json)
    else:
        of_scores = report.write_metric_evaluation, report.metric_evaluation_json, report.print_metric_evaluation
        _show(_of_scores(model, judgement, name), *of_scores, out, as_json)


def _of_classes(model: Predictor, judgement: Judgement, name: str) -> Evaluation:
    from ecrnn.core.predictions import Predictions
    from ecrnn.report import evaluate_predictions

    predictions = judgement.judged.predictions
    assert isinstance(predictions, Predictions)
    return evaluate_predictions(
        predictions.label,
        predictions.logits,
        model.processor.classes,
        examples=model.task.examples,
        **_origin(model, judgement, name),
    )


def _of_scores(model: Predictor, judgement: Judgement, name: str) -> MetricEvaluation:
    from ecrnn.core.predictions import Scored
    from ecrnn.report import evaluate_scores

    scored = judgement.judged.predictions
    assert isinstance(scored, Scored)
    beside = model.beside(judgement.data, judgement.index, judgement.judged)
    return evaluate_scores(
        scored.statistics,
        task=model.task.name,
        others=beside.figures,
        facts=dict(beside.facts),
        examples=list(beside.examples),
        **_origin(model, judgement, name),
    )


def _origin(model: Predictor, judgement: Judgement, name: str) -> dict[str, Any]:
    """The model, the data and which of its examples were judged."""
    return {
        "model": model.description.model,
        "data": name,
        "n_note": judgement.note,
        "trained_on": judgement.trained_on,
        "left_out": judgement.left_out,
        "files_left_out": judgement.data.left_out,
    }


def _show(
    evaluation: AnyEvaluation,
    write: Callable[[AnyEvaluation, Path], dict[str, Path]],
    json_of: Callable[[AnyEvaluation], str],
    print_on: Callable[[AnyEvaluation, Console], None],
    out: Path | None,
    as_json: bool,
) -> None:
    paths = write(evaluation, out) if out else {}
    if as_json:
        typer.echo(json_of(evaluation), nl=False)
        return
    print_on(evaluation, console())
    if paths:
        say(f"Page: {paths['evaluation.html']}")
