"""`ecrnn tune DATA`: a recipe for each model, found with as many trainings for all."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import model_names, settings_of
from ecrnn.cli.output import complain_of_failures, show_report

EXAMPLE = (
    "Example: ecrnn tune cifar10 --data-dir ~/data --models cnn,ecrnn-bilstm-16 --budget 16 "
    "--space 'lr=1e-4..1e-2:log,batch_size=32|128' -o runs/tune"
)


def tune(
    context: typer.Context,
    data: options.Data = None,
    models: options.Models = None,
    budget: options.Budget = None,
    space: options.SearchSpace = None,
    search: options.Search = None,
    tune_part: Annotated[
        str | None,
        typer.Option(
            metavar="FRACTION",
            help="Part of the training examples that is tuned on, and that no verdict of 'ecrnn compare --recipes' "
            "uses. Default: 0.2.",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(help="Fraction of the tuning part that trains; the rest scores the points. Default: 0.7."),
    ] = None,
    metric: options.Metric = None,
    score_epochs: Annotated[
        int | None, typer.Option(help="Number of last epochs whose mean metric is the score of a training. Default: 3.")
    ] = None,
    jobs: Annotated[
        int,
        typer.Option(help="Number of trainings that run at the same time, each in a process.", min=1, max=256),
    ] = 1,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the tuning. Default: runs/tune-DATA.")
    ] = None,
    val: options.Val = None,
    test: options.Test = None,
    data_dir: options.DataDir = None,
    image_size: options.ImageSize = None,
    channels: options.Channels = None,
    fit: options.Fit = None,
    bad_data: options.BadData = None,
    groups: options.Groups = None,
    stratify: options.Stratify = False,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    lr: options.Lr = None,
    augment: options.Augment = None,
    seed: options.Seed = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
    code: options.Code = None,
    config: options.Config = None,
    assignments: options.Set = None,
    as_json: options.Json = False,
) -> int:
    """Search for a recipe for each model, with as many trainings for all, on a part of DATA that no verdict uses.

    'ecrnn compare DATA --recipes TUNE' compares the models with their recipes on the rest. The first point is the
    recipe without a search: --lr, --epochs and the others. Given again, the command goes on with the search.
    """
    from ecrnn.core.config import StudySettings
    from ecrnn.models.names import DEFAULT_MODELS
    from ecrnn.studies.tuned_recipes import tuning_search

    with options.wrong_call():
        asked = tuning_search(space, budget, search, tune_part)
    chosen = {**context.params, **asked, "models": model_names(models), "split": split or "0.7"}
    settings = settings_of(StudySettings, chosen, {"models": DEFAULT_MODELS})

    from ecrnn.cli.progress import Display
    from ecrnn.report import print_tuning, write_tuning_report
    from ecrnn.studies.places import spelt_as_it_exists
    from ecrnn.studies.study import default_out, run_study

    folder = Path(spelt_as_it_exists(out or default_out(settings)))
    with Display(quiet=as_json, each="point") as display:
        outcome = run_study(settings, folder, jobs=jobs, progress=display.show)
    show_report(write_tuning_report(folder), print_tuning, as_json=as_json)
    return complain_of_failures([f"{model}, point {n}: {line}" for (model, n), line in outcome.failed.items()])
