"""`ecrnn plan DATA`: what a study will cost, before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import model_names, pairs_of, settings_of
from ecrnn.cli.output import say, say_json, show

if TYPE_CHECKING:
    from ecrnn.studies.planning import Design, StudyPlan

EXAMPLE = "Example: ecrnn plan cifar10 --data-dir ~/data --models cnn,ecrnn-bilstm-16 --difference 1"


def plan(
    context: typer.Context,
    data: options.Data = None,
    models: options.Models = None,
    difference: Annotated[
        float | None,
        typer.Option(help="True difference, in points of the metric, that would matter to you: it is to be found."),
    ] = None,
    sd: Annotated[
        float | None,
        typer.Option(
            help="SD, in points, of the differences of two models between repeats, as an earlier report shows it. "
            "Default: that of results/why, for accuracy."
        ),
    ] = None,
    variances: Annotated[
        Path | None,
        typer.Option(
            metavar="STUDY",
            help="Folder of an earlier study, whose variances of seed and split are taken in place of --sd. Default: "
            "none.",
        ),
    ] = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            help="Number of trainings of each model, at the most. Default: 10 on each seed of --seeds-per-split."
        ),
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Part that trains (0.7) or folds (5-fold). Default: 0.7, or the task's.")
    ] = None,
    seeds_per_split: Annotated[
        int | None,
        typer.Option(
            help="Number of trainings on each split, with different seeds; --repeats 10 with 2 of them are five "
            "splits. Default: 1."
        ),
    ] = None,
    metric: options.Metric = None,
    baseline: options.Baseline = None,
    pairs: options.Pairs = None,
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
) -> None:
    """Say how many trainings and hours a verdict on DATA needs, before anything is trained.

    Some seconds of an epoch of each model are timed and extrapolated to a whole training. The fixed design trains all
    models on all repeats; the sequential one, 'ecrnn compare --until-decided', stops pairs that are decided.
    """
    import dataclasses

    from ecrnn.core.config import StudySettings
    from ecrnn.models.names import DEFAULT_MODELS

    if difference is None or not difference > 0:
        raise options.WrongCall("name the difference that would matter, in points above 0, as in --difference 1")
    if sd is not None and not sd > 0:
        raise options.WrongCall(f"--sd must be above 0, not {sd:g}")
    chosen = {**context.params, "models": model_names(models), "pairs": pairs_of(pairs)}
    settings = settings_of(StudySettings, chosen, {"models": DEFAULT_MODELS, "sequential": {}})

    from ecrnn.cli.progress import Display
    from ecrnn.models.names import common_task, parse
    from ecrnn.stats.class_scores import metric_for
    from ecrnn.studies.planning import plan_study

    scale = metric_for(common_task(map(parse, settings.models)), settings.metric).scale
    with Display(quiet=as_json) as display:
        found = plan_study(
            settings,
            difference=difference / scale,
            sd=None if sd is None else sd / scale,
            variances=variances,
            progress=display.show,
        )
    if as_json:
        say_json({"format": 1, "kind": "ecrnn plan", **dataclasses.asdict(found)})
        return
    _show(found, difference, scale, measured=variances is not None)


def _show(plan: StudyPlan, difference: float, scale: float, *, measured: bool) -> None:
    from rich import box
    from rich.table import Table

    from ecrnn.cli.progress import duration
    from ecrnn.core.text import counted

    pairs = counted(len(plan.pairs), "pairs")
    say(f"{plan.data}: {plan.n_train:,} examples train and {plan.n_test:,} validate in each repeat; {pairs}.")
    seeds, between = plan.seeds_per_split, "repeats"
    if seeds > 1:
        between = (
            f"means of {seeds} seeds a split (of one training's variance {100 * plan.seed_share:.0f} % is the seed's)"
        )
    say(f"Difference {difference:g}, {plan.differing} to each other model; SD {scale * plan.sd:.2f} between {between}.")
    table = Table("model", "one training", "timed", box=box.SIMPLE_HEAD)
    for model in plan.models:
        timed = f"{model.steps:,} of {model.steps_an_epoch * model.epochs:,} steps"
        table.add_row(model.model, duration(model.seconds), timed)
    show(table)
    what = "repeats" if seeds == 1 else "splits"
    columns = (
        "design",
        what,
        "finds it",
        "trainings",
        "hours",
        "if there is none",
        "hours",
        "at most",
        "hours",
        "interval",
    )
    table = Table(*columns, box=box.SIMPLE_HEAD)
    for column in table.columns[1:]:
        column.justify = "right"
    enough = f"{100 * plan.power:.0f} %"
    for name, design in (
        ("fixed", plan.fixed),
        ("until decided", plan.sequential),
        (f"fixed, finds {enough}", plan.enough_fixed),
        (f"until decided, finds {enough}", plan.enough_sequential),
    ):
        table.add_row(name, *(_cells(design, scale) if design else ("none up to 60", *[""] * 8)))
    show(table)
    say(
        "Hours are of one training at a time on this machine, as it is now. They are extrapolated from the steps above."
    )
    if plan.sd_source != "given":
        hint = "" if measured else " Give --sd or --variances from a study of such data if you can."
        say(f"SD: {plan.sd_source}. It decides the numbers of repeats.{hint}")


def _cells(design: Design, scale: float) -> tuple[str, ...]:
    return (
        str(design.repeats),
        f"{100 * design.found:.0f} %",
        f"{design.trainings:.1f}",
        _hours(design.hours),
        f"{design.trainings_equal:.1f}",
        _hours(design.hours_equal),
        str(design.most_trainings),
        _hours(design.most_hours),
        f"\N{PLUS-MINUS SIGN}{scale * design.half_width:.2f}",
    )


def _hours(hours: float) -> str:
    return f"{hours:.1f}" if hours >= 0.95 else f"{hours:.2f}"
