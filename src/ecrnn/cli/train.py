"""`ecrnn train DATA --model NAME -o BUNDLE`: one model, kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import settings_of
from ecrnn.cli.output import say, say_json

EXAMPLE = "Example: ecrnn train photos/ --model ecrnn-bilstm-16 --epochs 30 --augment flip,crop -o my-classifier"


def train(
    context: typer.Context,
    data: options.Data = None,
    val: options.Val = None,
    test: options.Test = None,
    model: Annotated[str | None, typer.Option(help="Model name, such as cnn or ecrnn-bilstm-16.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="BUNDLE", help="Folder for the trained model.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Fraction that trains; the rest validates. Default: 0.8, or the task's.")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option(help="Weights that are kept: best or last epoch. Default: best, by the mean of 5 epochs."),
    ] = None,
    recipes: Annotated[
        Path | None,
        typer.Option(
            metavar="TUNE", help="Folder that 'ecrnn tune' wrote, whose recipe the model gets. Default: none."
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="BUNDLE",
            help="Bundle whose weights it starts from, those that fit: a folder, or cifar10. Default: none.",
            rich_help_panel=options.RECIPE_PANEL,
        ),
    ] = None,
    freeze: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="Stage up to which what --from brings stays as it is, such as cnn; or all: everything that it brings. "
            "Default: none, all trains.",
            rich_help_panel=options.RECIPE_PANEL,
        ),
    ] = None,
    resume: options.Resume = False,
    data_dir: options.DataDir = None,
    image_size: options.ImageSize = None,
    channels: options.Channels = None,
    fit: options.Fit = None,
    bad_data: options.BadData = None,
    groups: options.Groups = None,
    stratify: options.Stratify = False,
    epochs: options.Epochs = None,
    batch_size: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|auto",
            help="Number of examples per step; or auto: the default, halved until an epoch has enough steps and a step "
            "fits into memory. Default: 128, or the task's.",
            rich_help_panel=options.RECIPE_PANEL,
        ),
    ] = None,
    lr: options.Lr = None,
    schedule: options.Schedule = None,
    augment: options.Augment = None,
    class_weights: options.ClassWeights = None,
    weight_averaging: options.WeightAveraging = None,
    patience: options.Patience = None,
    seed: options.Seed = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for TensorBoard's event files, which get each epoch's metrics. Default: none.",
            rich_help_panel=options.MACHINE_PANEL,
        ),
    ] = None,
    code: options.Code = None,
    config: options.Config = None,
    assignments: options.Set = None,
    as_json: options.Json = False,
) -> None:
    """Train one model and keep it as a bundle: a folder with weights, all that they need, and a model card."""
    from ecrnn.core.config import TrainSettings
    from ecrnn.core.events import Message
    from ecrnn.core.torchrun import place
    from ecrnn.studies.fine_tuning import form_of
    from ecrnn.studies.tuned_recipes import read_recipes, trained_defaults, with_recipe

    found = read_recipes(recipes) if recipes else None
    defaults = trained_defaults(found) if found else {}
    if start is not None:
        with options.wrong_call():
            defaults = {**form_of(start, out), **defaults}
    settings = settings_of(TrainSettings, context.params, defaults)
    if out is None:
        raise options.WrongCall("name the folder for the trained model, as in -o my-classifier")

    from ecrnn.cli.metrics import checked, choice, figures, use
    from ecrnn.cli.progress import Display
    from ecrnn.models.names import parse
    from ecrnn.serving.bundle import METRICS, read_metrics
    from ecrnn.studies.places import spelt_as_it_exists
    from ecrnn.studies.train import train_bundle

    recipe = ""
    if found:
        with options.wrong_call():
            settings, recipe = with_recipe(settings, found)
    out = Path(spelt_as_it_exists(out))
    with Display(quiet=as_json or place().rank > 0) as display:
        if recipe:
            display.show(Message(recipe))
        trained = train_bundle(settings, out, resume=resume, tensorboard=tensorboard, progress=display.show)
    if place().rank > 0:  # of several processes the first alone speaks
        return
    metrics = read_metrics(out)
    if as_json:
        say_json({"bundle": str(out), **metrics})
        return
    state = "" if trained else " (finished already)"
    task = parse(settings.model).task
    checked(task, metrics, out / METRICS)
    figure = figures(task, metrics, metrics["n_validation"], "validation")
    of_epochs, *kept = choice(task, metrics)
    say(f"{settings.model} in {out}{state}: {figure}{of_epochs}")
    for line in kept:
        say(line)
    if metrics.get("test") is not None:
        say(f"Test part: {figures(task, metrics['test'], metrics['test']['n'], 'test')}")
    say(f"Use it: {use(task, str(out))}")
