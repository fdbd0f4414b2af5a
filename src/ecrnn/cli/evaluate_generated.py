"""What `ecrnn evaluate` says of models without classes: their metric and its relatives, and examples to look at."""

from __future__ import annotations

from pathlib import Path

import typer

from ecrnn.cli.output import console, say
from ecrnn.core.predictions import Scored
from ecrnn.report import (
    evaluate_scores,
    metric_evaluation_json,
    print_metric_evaluation,
    write_metric_evaluation,
)
from ecrnn.serving.evaluation import Judgement
from ecrnn.serving.predictor import Predictor


def report(model: Predictor, judgement: Judgement, name: str, out: Path | None, json: bool) -> None:
    """Print how well ``model`` did on the data called ``name``, and write a page and JSON into the folder ``out``."""
    scored = judgement.judged.predictions
    assert isinstance(scored, Scored)
    beside = model.beside(judgement.data, judgement.index, judgement.judged)
    evaluation = evaluate_scores(
        scored.statistics,
        task=model.task.name,
        model=model.description.model,
        data=name,
        n_note=judgement.note,
        trained_on=judgement.trained_on,
        left_out=judgement.left_out,
        files_left_out=getattr(judgement.data, "left_out", None),
        others=beside.figures,
        facts=dict(beside.facts),
        examples=list(beside.examples),
    )
    paths = write_metric_evaluation(evaluation, out) if out else {}
    if json:
        typer.echo(metric_evaluation_json(evaluation), nl=False)
        return
    print_metric_evaluation(evaluation, console())
    if paths:
        say(f"Page: {paths['evaluation.html']}")
