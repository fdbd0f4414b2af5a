"""`ecrnn compare DATA`: a study, and its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ecrnn.cli import options
from ecrnn.cli.option_values import model_names, pairs_of, settings_of
from ecrnn.cli.output import complain, complain_of_failures, say, say_json

if TYPE_CHECKING:
    from ecrnn.core.config import StudySettings

EXAMPLE = "Example: ecrnn compare cifar10 --data-dir ~/data --models cnn,crnn-bilstm-16,ecrnn-bilstm-16 --repeats 10"


def compare(
    context: typer.Context,
    data: options.DataSets = None,
    val: options.Val = None,
    test: options.Test = None,
    models: options.Models = None,
    repeats: Annotated[
        int | None,
        typer.Option(
            help="Number of trainings of each model, each on a random split of its own unless --seeds-per-split says "
            "otherwise. Default: 3."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Fraction that trains (0.7), number of folds (5-fold), or own for the data's test part. Default: "
            "0.7, or the task's."
        ),
    ] = None,
    seeds_per_split: Annotated[
        int | None,
        typer.Option(
            help="Number of trainings on each split, with different seeds; --repeats 10 with 2 of them are five "
            "splits. Default: 1."
        ),
    ] = None,
    metric: options.Metric = None,
    score_epochs: Annotated[
        int | None, typer.Option(help="Number of last epochs whose mean metric is the score of a training. Default: 3.")
    ] = None,
    until_decided: Annotated[
        bool,
        typer.Option(
            "--until-decided",
            help="Looks at the results while training; pairs that are decided are not trained on. --repeats is the "
            "most that each model trains, by default 10.",
        ),
    ] = False,
    recipes: options.Recipes = None,
    tune: options.Tune = None,
    budget: options.Budget = None,
    space: options.SearchSpace = None,
    search: options.Search = None,
    baseline: options.Baseline = None,
    pairs: options.Pairs = None,
    rope: options.Rope = None,
    moderators: options.Moderators = None,
    jobs: Annotated[
        int, typer.Option(help="Number of trials that run at the same time, each in its own process.", min=1, max=256)
    ] = 1,
    trials_per_gpu: options.TrialsPerGpu = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="Place where trials run: here (this process), processes, ray (a cluster), slurm (workers submitted) "
            "or none (the study is written for 'ecrnn work'). Default: here for one job, else processes."
        ),
    ] = None,
    ray_address: options.RayAddress = None,
    collect: Annotated[
        bool,
        typer.Option(
            "--collect",
            help="Return of finished trials over Ray, from nodes that do not see the folder of the study.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option(help="Number of workers in SLURM's array. Default: 8.", min=1, max=10_000)
    ] = None,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(metavar="OPTION", help="Option of sbatch, as in '--partition=long'. May be given several times."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Script for SLURM on the standard output; nothing is written or submitted."),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for the study. Default: runs/compare-DATA, for several DATA runs/compare-across.",
        ),
    ] = None,
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
    """Train models on repeated random splits of DATA and compare them.

    Given again, the command goes on with the study: finished trials are never trained again. More models or repeats
    may be asked for. With several DATA there is a study of each below --out, and one report across them:
    ecrnn compare digits mnist photos/ --models cnn,ecnn --out runs/three
    """
    from ecrnn.cli.across_data_sets import moderators_of
    from ecrnn.cli.across_data_sets import run as run_across
    from ecrnn.core.config import StudySettings
    from ecrnn.models.names import DEFAULT_MODELS
    from ecrnn.studies.tuned_recipes import check_searches, nested_search, read_recipes, tuned_defaults, with_recipes

    _check_engine(engine, sbatch, workers, ray_address, dry_run=dry_run, collect=collect)
    named = moderators_of(moderators)
    places: list[str | None] = [*data] if data else [None]
    chosen = {**context.params, "models": model_names(models), "pairs": pairs_of(pairs), "recipes": None}
    if until_decided:
        chosen["sequential"] = {}
    with options.wrong_call():
        check_searches(recipes, tune, len(places) > 1, space, budget, search)
        if tune:
            chosen["tuned"] = nested_search(space, budget, search)
    found = read_recipes(recipes) if recipes else None
    defaults = tuned_defaults(found) if found else {"models": DEFAULT_MODELS}
    asked = [settings_of(StudySettings, {**chosen, "data": one}, defaults) for one in places]
    if found:
        with options.wrong_call():
            asked = [with_recipes(one, found) for one in asked]
    if len(asked) > 1:
        _check_several(val, test, groups, engine, until_decided=until_decided)
        folder = out or Path("runs") / "compare-across"
        return run_across(
            asked, folder, jobs=jobs, engine=engine, trials_per_gpu=trials_per_gpu, as_json=as_json, moderators=named
        )
    if named:
        raise options.WrongCall("--moderators wants several DATA, between which the difference may change")

    from ecrnn.studies.slurm import WORKERS
    from ecrnn.studies.study import default_out

    place = out or default_out(asked[0])
    if engine == "slurm":
        return _submit(
            asked[0],
            place,
            workers=workers or WORKERS,
            sbatch=sbatch or [],
            trials_per_gpu=trials_per_gpu,
            dry_run=dry_run,
            as_json=as_json,
        )
    return run(
        asked[0],
        place,
        jobs=jobs,
        engine=engine,
        ray_address=ray_address,
        collect=collect,
        trials_per_gpu=trials_per_gpu,
        as_json=as_json,
    )


def _check_engine(
    engine: str | None,
    sbatch: list[str] | None,
    workers: int | None,
    ray_address: str | None,
    *,
    dry_run: bool,
    collect: bool,
) -> None:
    """Raise a WrongCall for options of an engine that is not the one named."""
    if (sbatch or dry_run or workers) and engine != "slurm":
        line = "--workers is for --engine slurm; --jobs is the number of trials side by side"
        raise options.WrongCall("--sbatch and --dry-run are for --engine slurm" if sbatch or dry_run else line)
    if (ray_address or collect) and engine != "ray":
        raise options.WrongCall(f"{'--ray-address' if ray_address else '--collect'} is for --engine ray")


def _check_several(
    val: str | None, test: str | None, groups: Path | None, engine: str | None, *, until_decided: bool
) -> None:
    """Raise a WrongCall for options that are of one DATA, where there are several."""
    if val is not None or test is not None:
        raise options.WrongCall("--val and --test are of one DATA; with several, name folders that hold their parts")
    if groups is not None:
        raise options.WrongCall("--groups is of one DATA, whose files it names")
    if until_decided:
        raise options.WrongCall("--until-decided is of one DATA; over several every model has the same repeats")
    if engine not in (None, "here", "processes"):
        raise options.WrongCall(f"--engine {engine} is of one DATA; name one after another, with an --out each")


def run(
    settings: StudySettings,
    folder: Path,
    *,
    jobs: int,
    as_json: bool,
    engine: str | None = None,
    ray_address: str | None = None,
    collect: bool = False,
    trials_per_gpu: int | None = None,
) -> int:
    """Train what is missing of a study, show its report, and say what failed; gives the status of the command."""
    from ecrnn.cli.progress import Display
    from ecrnn.cli.report import show
    from ecrnn.studies.engines.protocol import OnRay
    from ecrnn.studies.places import spelt_as_it_exists
    from ecrnn.studies.study import NO_ENGINE, run_study

    folder = Path(spelt_as_it_exists(folder))
    with Display(quiet=as_json) as display:
        place = OnRay(ray_address, collect) if engine == "ray" else engine
        outcome = run_study(
            settings, folder, jobs=jobs, engine=place, trials_per_gpu=trials_per_gpu, progress=display.show
        )
    if engine == NO_ENGINE:
        return _written(folder, len(outcome.found), as_json=as_json)
    show([folder], baseline=settings.baseline, pairs=settings.pairs, rope=settings.rope, as_json=as_json)
    return complain_of_failures(
        [f"{model}, repeat {repeat}: {line}" for (model, repeat), line in outcome.failed.items()]
    )


def _written(folder: Path, finished: int, *, as_json: bool) -> int:
    """Say that a study lies there for workers, and how it goes on."""
    from ecrnn.core.runs import read_settings
    from ecrnn.studies.planned import planned_trials

    planned = len(planned_trials(read_settings(folder)))
    if as_json:
        say_json({"study": str(folder), "planned": planned, "finished": finished})
    else:
        say(f"{folder}: {finished} of {planned} trials are finished; 'ecrnn work {folder}' trains the others.")
    return 0


def _submit(
    settings: StudySettings,
    folder: Path,
    *,
    workers: int,
    sbatch: Sequence[str],
    trials_per_gpu: int | None,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Write a study, unless workers of it are in SLURM's queue, and submit what workers are missing."""
    import dataclasses

    from ecrnn.cli.progress import Display
    from ecrnn.core.reading import there
    from ecrnn.core.runs import STUDY, read_settings
    from ecrnn.core.text import counted
    from ecrnn.studies.places import spelt_as_it_exists
    from ecrnn.studies.slurm import preview, queued, submit, trials_left
    from ecrnn.studies.study import NO_ENGINE, run_study

    folder = Path(spelt_as_it_exists(folder))
    with options.wrong_call():
        script = preview(folder, settings, workers, sbatch, trials_per_gpu)
    if dry_run:
        typer.echo(script, nl=False)
        return 0
    waiting = trials_left(folder) if there(folder / STUDY) else None
    at_work = waiting != 0 and bool(queued(folder) and waiting)  # workers hold it, and it does not change under them
    if not at_work:
        with Display(quiet=as_json) as display:
            run_study(settings, folder, engine=NO_ENGINE, progress=display.show)
    done = submit(folder, workers, sbatch, trials_per_gpu)
    before = read_settings(folder)
    grows = at_work and (settings.repeats > before.repeats or not {*settings.models} <= {*before.models})
    if grows:
        complain(f"{folder}: workers are in the queue, so more models or repeats were not added; repeat this later")
    if as_json:
        say_json(dataclasses.asdict(done))
        return int(grows)
    left = f"{folder}: {counted(done.left, 'trials')} left to train"
    if done.workers:
        say(
            f"{left}; {counted(done.workers, 'workers')} submitted as job {done.job}, {done.queued} in the queue before"
        )
    else:
        say(f"{left}, {counted(done.queued, 'workers')} in the queue; nothing was submitted")
    say(f"'ecrnn status {folder}' shows how it stands; the same command submits what is missing.")
    return int(grows)
