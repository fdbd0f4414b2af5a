"""`ecrnn evaluate BUNDLE DATA`: how good a trained model is on examples whose answers are known."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ecrnn.cli import options
from ecrnn.cli.output import complain, console, say

if TYPE_CHECKING:
    from rich.console import Console

    from ecrnn.report import Decision, Evaluation, MetricEvaluation
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
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for an HTML page, JSON, and CSV.")] = None,
    data_dir: options.DataDir = None,
    temperature: Annotated[
        str | None,
        typer.Option(
            metavar="fit|NUMBER",
            help="Number that a classifier's logits are divided by; or fit: also show calibration with one fitted on "
            "one half of the examples and judged on the other. Default: 1.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            help="Probability from which on the positive one of two classes is given. Default: the more probable class."
        ),
    ] = None,
    positive: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Class that is looked for, of two. Default: the second one."),
    ] = None,
    write_rejection: Annotated[
        bool,
        typer.Option(
            "--write-rejection",
            help="Thresholds of --reject written into BUNDLE, from these examples, none of which it was trained on.",
        ),
    ] = False,
    lang: options.Lang = "en",
    beam: options.Beam = 1,
    device: options.Device = None,
    code: options.Code = None,
    as_json: options.Json = False,
) -> None:
    """Judge a trained model: its metric with interval; classes, calibration, errors; or what it writes."""
    from ecrnn.serving.evaluation import judge
    from ecrnn.serving.kept_rejection import keep_rejection
    from ecrnn.serving.load import load

    language = options.language(lang, page=out is not None)
    model = load(bundle, device or "auto")
    with options.wrong_call():
        model.search(beam)
        decision = _decision(model, temperature, threshold, positive)
        if write_rejection and not model.task.classes:
            raise options.WrongCall(f"--write-rejection is for classifiers, not for {model.task.name}")
    judgement = judge(model, data, data_dir=data_dir, part=part)
    if write_rejection:
        complain(keep_rejection(bundle, model, judgement))
    show(model, judgement, Path(data).name or data, out, as_json, decision, language)


def _decision(model: Predictor, temperature: str | None, threshold: float | None, positive: str | None) -> Decision:
    """How the probabilities of a classifier are read."""
    from ecrnn.report import Decision

    options_of = {"--temperature": temperature, "--threshold": threshold, "--positive": positive}
    if not model.task.classes:
        for option, value in options_of.items():
            if value is not None:
                raise options.WrongCall(f"{option} is for classifiers, not for {model.task.name}")
    number: Any = temperature
    if temperature is None:
        number = 1.0
    elif temperature != "fit":
        try:
            number = float(temperature)
        except ValueError as error:
            raise options.WrongCall(f"--temperature wants fit or a number above 0, not '{temperature[:40]}'") from error
    decision = Decision(number, threshold, positive)
    if model.task.classes:
        decision.check(model.classes)
    return decision


def show(
    model: Predictor,
    judgement: Judgement,
    name: str,
    out: Path | None,
    as_json: bool,
    decision: Decision | None = None,
    language: str = "en",
) -> None:
    """Print how good ``model`` is on the data called ``name``, and write a page and JSON into the folder ``out``."""
    from ecrnn import report

    if model.task.classes:
        of_classes = report.write_evaluation, report.evaluation_json, report.print_evaluation
        _show(_of_classes(model, judgement, name, decision), *of_classes, out, as_json, language)
    else:
        of_scores = report.write_metric_evaluation, report.metric_evaluation_json, report.print_metric_evaluation
        _show(_of_scores(model, judgement, name), *of_scores, out, as_json, language)


def _of_classes(model: Predictor, judgement: Judgement, name: str, decision: Decision | None) -> Evaluation:
    from ecrnn.core.predictions import Predictions
    from ecrnn.report import evaluate_predictions

    predictions = judgement.judged.predictions
    assert isinstance(predictions, Predictions)
    return evaluate_predictions(
        predictions.label,
        predictions.logits,
        model.processor.classes,
        examples=model.task.examples,
        decision=decision,
        look=lambda row: model.look(judgement.data, int(judgement.index[row])),
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
    write: Callable[[AnyEvaluation, Path, str], dict[str, Path]],
    json_of: Callable[[AnyEvaluation], str],
    print_on: Callable[[AnyEvaluation, Console], None],
    out: Path | None,
    as_json: bool,
    language: str,
) -> None:
    paths = write(evaluation, out, language) if out else {}
    if as_json:
        typer.echo(json_of(evaluation), nl=False)
        return
    print_on(evaluation, console())
    if paths:
        say(f"Page: {paths['evaluation.html']}")
