"""`ecrnn compare DATA`: a study, and its report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options

EXAMPLE = "Example: ecrnn compare cifar10 --data-dir ~/data --models cnn,crnn-bilstm-16,ecrnn-bilstm-16 --repeats 10"


def compare(
    data: options.Data = None,
    models: Annotated[str | None, typer.Option(help="Model names, with commas. Default: cnn, crnn-bilstm-16, ecrnn-bilstm-16.")] = None,
    repeats: Annotated[int | None, typer.Option(help="Random splits; each model is trained on each. Default: 3.")] = None,
    split: Annotated[str | None, typer.Option(help="Part that trains (0.7), folds (5-fold), or own. Default: 0.7.")] = None,
    baseline: Annotated[str | None, typer.Option(help="Compare every model with this one only.")] = None,
    rope: Annotated[float, typer.Option(help="Points of accuracy, as a fraction, below which a difference does not matter.")] = 0.005,
    jobs: Annotated[int, typer.Option(help="Trials side by side, each in a process of its own.", min=1, max=256)] = 1,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the study. Default: runs/compare-DATA.")] = None,
    data_dir: options.DataDir = None,
    image_size: options.ImageSize = None,
    channels: options.Channels = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    lr: options.Lr = None,
    augment: options.Augment = None,
    seed: options.Seed = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
    config: options.Config = None,
    assignments: options.Set = None,
    json: options.Json = False,
) -> int:
    """Train models on repeated random splits of DATA and compare them.

    Given again, the command goes on with the study: finished trials are never trained again. More models or repeats
    may be asked for.
    """
    from ecrnn.api import DEFAULT_MODELS
    from ecrnn.cli.progress import Display
    from ecrnn.cli.report import show
    from ecrnn.core.config import StudySettings
    from ecrnn.studies.study import default_out, run_study, trials

    training = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "augment": augment,
        "device": device,
        "precision": precision,
        "threads": threads,
    }
    given = {
        "data": data,
        "data_dir": str(data_dir) if data_dir else None,
        "image_size": image_size,
        "channels": channels,
        "models": [name.strip() for name in models.split(",") if name.strip()] if models else None,
        "repeats": repeats,
        "split": split,
        "seed": seed,
        "training": training,
    }
    values = options.layered(config, given, assignments)
    settings = StudySettings.read({"models": DEFAULT_MODELS, **values}, str(config) if config else "")
    folder = out or default_out(settings)
    with Display(len(trials(settings)), quiet=json) as display:
        outcome = run_study(settings, folder, jobs=jobs, progress=display.tick, loading=display.bytes, told=display.line)
    show([folder], baseline=baseline, rope=rope, json=json)
    return 1 if outcome.failed else 0
