"""The calls that join studies and reports: what `ecrnn compare`, `tune`, `plan` and `train` do, for Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Unpack, overload

from ecrnn.core.config import StudySettings, merge
from ecrnn.core.events import Progress, silent
from ecrnn.core.files import path_of
from ecrnn.core.keywords import Keywords
from ecrnn.core.search_space import Space
from ecrnn.models.names import DEFAULT_MODELS
from ecrnn.paper import write_report
from ecrnn.report import AcrossReport, Report, TuningReport, write_across_report, write_tuning_report
from ecrnn.serving.load import load
from ecrnn.studies.across_studies import run_across
from ecrnn.studies.array_data import ARRAYS, Arrays, images_of
from ecrnn.studies.engines.protocol import Place, check_engine
from ecrnn.studies.keyword_settings import CompareOptions, balance, check_many, names_of, nested_settings, run_code
from ecrnn.studies.places import spelt_as_it_exists
from ecrnn.studies.planning import StudyPlan, plan_study
from ecrnn.studies.settings import read_settings
from ecrnn.studies.study import default_out, run_study
from ecrnn.studies.train import train_bundle
from ecrnn.studies.tuned_recipes import (
    check_searches,
    nested_search,
    read_recipes,
    training_settings,
    tuned_defaults,
    tuning_search,
    with_recipes,
)


@overload
def compare(  # type: ignore[overload-overlap]  # a text is a sequence of texts too, and means this one
    data: str | Path | Arrays,
    models: Sequence[str] | Mapping[str, str | Callable[..., Any]] = ...,
    repeats: int | None = ...,
    **options: Unpack[CompareOptions],
) -> Report: ...


@overload
def compare(
    data: Sequence[str | Path],
    models: Sequence[str] | Mapping[str, str | Callable[..., Any]] = ...,
    repeats: int | None = ...,
    **options: Unpack[CompareOptions],
) -> AcrossReport: ...


def compare(
    data: str | Path | Arrays | Sequence[str | Path],
    models: Sequence[str] | Mapping[str, str | Callable[..., Any]] = DEFAULT_MODELS,
    repeats: int | None = None,
    *,
    until_decided: bool = False,
    recipes: str | Path | None = None,
    tune: Literal["nested"] | None = None,
    space: Space | None = None,
    budget: int | None = None,
    search: Literal["same", "tpe"] | None = None,
    split: str | float | None = None,
    seeds_per_split: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    trials_per_gpu: int | None = None,
    engine: Place = None,
    code: str | Path | None = None,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    channels: Literal[1, 3] | None = None,
    groups: Any = None,
    stratify: bool = False,
    metric: str | None = None,
    score_epochs: int | None = None,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    moderators: Sequence[str] = (),
    progress: Progress = silent,
    **more: Unpack[Keywords],
) -> Report | AcrossReport:
    """Train models on repeated random splits and compare them. Called again, it trains only what is not finished.

    What the verdicts rest on, ``repeats``, ``metric``, ``score_epochs``, ``baseline`` or ``pairs``, and ``rope``, is
    written down before the first training; a study that goes on keeps it.

    Args:
        data: a registered data set such as "digits", or a folder with one sub-folder a class; for texts see
            docs/systems.md. Or arrays (X, y): images (n, H, W) or (n, H, W, C), uint8 or floats between 0 and 1, and a
            label each, texts or numbers, which are kept in the study's folder. Or a list of several data sets.
        models: model names of one task, see `ecrnn.models.names`; or a mapping of names of your own to functions or
            classes that build networks, as `ecrnn.register` takes them, to classifiers of scikit-learn, such as
            ``SVC()``, or to model names.
        repeats: trainings of each model, each on a split of its own. Default: 3, with ``until_decided`` 10.
        until_decided: look at the results while training, and train pairs no further that are decided or can hardly
            be; ``repeats`` is the most of each model. See docs/how-to/until-decided.md.
        recipes: folder of a tuning (`ecrnn.tune`), whose recipes the models get; no trial trains or validates on what
            was tuned on. What is not said here is as it was tuned. See docs/how-to/tuning.md.
        tune: "nested": each trial searches for its recipe first, among its training examples alone, and then trains
            with it on all of them: ``budget`` + 1 trainings a trial.
        space, budget, search: of that search, as of `ecrnn.tune`.
        split: the part of the examples that trains ("0.7"), folds ("5-fold"), or "own" for the data set's own test
            part; default: the task's, "0.7" for images.
        seeds_per_split: trainings on each split, with other seeds: ten repeats with two are five splits. Default: 1.
        seed: of splits, weights and order; the same for all models of a repeat.
        jobs, trials_per_gpu: trials side by side; on each GPU at the most, and with one job as many on all of them.
        engine: where trials run: "here", in this process, one after another; "processes", each in a process of its own;
            "ray", or `ecrnn.studies.engines.protocol.OnRay` for a cluster that is there; or one of your own, see there.
            "none" and "slurm" are of the command line. Default: "here" for one job, else "processes".
        code: a Python file with your models, which is run.
        out: the study's folder; default `runs/compare-<data>`, for arrays `runs/compare-arrays`. Of several data sets
            the folder that holds a study of each, default `runs/compare-across`.
        data_dir: local copies of registered data sets in their official layout.
        image_size: pixels a side that images are brought to; default the data set's own, 32 for a folder.
        channels: 1 for grey, 3 for RGB; default the data set's own, 3 for a folder.
        groups: examples that no split parts, such as the images of one patient. For a folder a file, CSV with the
            columns file and group or .jsonl; for arrays one group an example, numbers or texts.
        stratify: random splits keep each class's share in both parts.
        metric: the score on which the verdicts are, named before the first training: of classifiers "accuracy",
            "macro-f1", "balanced-accuracy" or "auc" (one class against the others, averaged); default: the task's.
        score_epochs: last epochs, or as many as there are, over which the score of a training is the mean; default 3.
        baseline: compare every model with this one only.
        pairs: compare these models alone, each first one with its second one, in place of a baseline.
        rope: half the width of the region of practical equivalence, in values of the metric: 0.005 of an accuracy is
            half a point. Default: the metric's, 0.005, for bits 0.01.
        moderators: of several data sets, what may change a difference: "log-n", "classes", "image-size".
        progress: called with everything that happens, loading, steps, epochs, messages: see `ecrnn.core.events`.
        **more: settings of the training (epochs, batch_size, lr, ...) and of the data (val and test, other folders of
            the same classes; fit, "cut", "pad" or "stretch", of images of other shapes; length, tokens, ... of texts):
            see `ecrnn.core.keywords.Keywords`. Bounds and defaults are those of the task, see `ecrnn.tasks`.

    Returns:
        The report: `analysis` holds every figure, `paths` the files under `<out>/report`. Of several data sets: the
        report across them.

    Raises:
        EcrnnError: wrong names, data or settings; one line says what would be right.

    Examples:
        >>> import ecrnn
        >>> report = ecrnn.compare("digits", ["cnn", "ecnn"], repeats=2, image_size=8, epochs=2)
        >>> [row.model for row in report.analysis.models]
        ['cnn', 'ecnn']
    """
    check_engine(engine)
    run_code(code)
    folder = Path(spelt_as_it_exists(path_of(out, "out"))) if out else None
    many = not isinstance(data, str | Path | tuple)
    check_many(many, moderators, groups, until_decided=until_decided)
    check_searches(recipes, tune, many, space, budget, search)
    found = None if recipes is None else read_recipes(path_of(recipes, "recipes"))
    if found is not None and models is DEFAULT_MODELS:
        models = found.settings.models
    if isinstance(data, tuple):
        folder = folder or Path("runs") / "compare-arrays"
        places = [folder / ARRAYS]
    else:
        places = [path_of(one, "data") for one in ([data] if isinstance(data, str | Path) else data)]
    asked = {
        **nested_settings(more, data_dir, split, image_size=image_size, channels=channels, seed=seed),
        **balance(data, groups, stratify),
        "models": names_of(models, str(places[0])) if places else (),
        "repeats": repeats,
        "seeds_per_split": seeds_per_split,
        "metric": metric,
        "score_epochs": score_epochs,
        "baseline": baseline,
        "pairs": pairs,
        "rope": rope,
        "sequential": {} if until_decided else None,
        "tuned": nested_search(space, budget, search) if tune else None,
    }
    asked = asked if found is None else merge(tuned_defaults(found), asked)
    studies = [read_settings(StudySettings, {**asked, "data": str(place)}) for place in places]
    studies = studies if found is None else [with_recipes(study, found) for study in studies]
    where: Any = {"jobs": jobs, "engine": engine, "trials_per_gpu": trials_per_gpu, "progress": progress}
    if many:
        run_across(studies, folder := folder or Path("runs") / "compare-across", moderators=moderators, **where)
        return write_across_report([folder])
    (settings,) = studies
    arrays = images_of(data, settings, groups) if isinstance(data, tuple) else None
    run_study(settings, folder := folder or default_out(settings), arrays=arrays, **where)
    return write_report([folder], baseline=baseline, pairs=pairs, rope=rope)


def tune(
    data: str | Path | Arrays,
    models: Sequence[str] | Mapping[str, str | Callable[..., Any]] = DEFAULT_MODELS,
    *,
    budget: int | None = None,
    space: Space | None = None,
    search: Literal["same", "tpe"] = "same",
    tune_part: str | float = "0.2",
    split: str | float = "0.7",
    seed: int = 0,
    jobs: int = 1,
    engine: Place = None,
    code: str | Path | None = None,
    out: str | Path | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    channels: Literal[1, 3] | None = None,
    groups: Any = None,
    stratify: bool = False,
    metric: str | None = None,
    score_epochs: int | None = None,
    progress: Progress = silent,
    **more: Unpack[Keywords],
) -> TuningReport:
    """Search for a recipe for each model, with as many trainings for all, on examples that no verdict uses.

    `compare` with ``recipes`` takes what is found. Called again, the search goes on with what is not finished.

    Args:
        data, models, seed, jobs, engine, code, data_dir, image_size, channels, groups, stratify: as in `compare`.
        metric, score_epochs, progress, more: as in `compare`; ``more`` is the recipe of the first point, untuned.
        budget: points, so trainings a model; default 16. The first is the recipe without a search.
        space: what is searched, "lr=1e-4..1e-2:log,batch_size=32|128", or a mapping of settings to "1e-4..1e-2:log" or
            to values; default "lr=1e-4..1e-2:log,weight_decay=0..1e-3". The seed is never tuned.
        search: "same": the same scrambled Sobol points for every model; "tpe": Optuna's, one study a model.
        tune_part: part of the training examples that is tuned on; the seed draws it, and `compare` leaves it out.
        split: fraction of that part that trains; the rest scores the points.
        out: the tuning's folder; default `runs/tune-<data>`, for arrays `runs/tune-arrays`.

    Returns:
        The report: its `analysis` holds every point and the best recipes, its `paths` the files written.

    Raises:
        EcrnnError: wrong names, data, space or settings, or Optuna is missing; one line says what would be right.

    Examples:
        >>> import ecrnn
        >>> report = ecrnn.tune("digits", ["cnn", "ecnn"], budget=2, image_size=8, epochs=1)
        >>> [len(model.curve) for model in report.analysis.models]
        [2, 2]
    """
    check_engine(engine)
    run_code(code)
    place = "arrays" if isinstance(data, tuple) else str(path_of(data, "data"))
    asked = {
        **nested_settings(more, data_dir, split, image_size=image_size, channels=channels, seed=seed),
        **balance(data, groups, stratify),
        "data": place,
        "models": names_of(models, place),
        "metric": metric,
        "score_epochs": score_epochs,
        **tuning_search(space, budget, search, str(tune_part)),
    }
    folder = Path(spelt_as_it_exists(path_of(out, "out"))) if out else None
    if isinstance(data, tuple):
        folder = folder or Path("runs") / "tune-arrays"
        asked["data"] = str(folder / ARRAYS)
    settings = read_settings(StudySettings, asked)
    arrays = images_of(data, settings, groups) if isinstance(data, tuple) else None
    folder = folder or default_out(settings)
    run_study(settings, folder, arrays=arrays, jobs=jobs, engine=engine, progress=progress)
    return write_tuning_report(folder)


def plan(
    data: str | Path | Arrays,
    models: Sequence[str] | Mapping[str, str | Callable[..., Any]] = DEFAULT_MODELS,
    *,
    difference: float,
    sd: float | None = None,
    variances: str | Path | None = None,
    repeats: int | None = None,
    split: str | float | None = None,
    seeds_per_split: int | None = None,
    seed: int = 0,
    code: str | Path | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    channels: Literal[1, 3] | None = None,
    groups: Any = None,
    stratify: bool = False,
    metric: str | None = None,
    score_epochs: int | None = None,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    progress: Progress = silent,
    **more: Unpack[Keywords],
) -> StudyPlan:
    """Say how many trainings and hours a verdict needs, before anything is trained.

    Some seconds of an epoch of each model are timed here and now, and extrapolated to a whole training; what the fixed
    design and the one of `compare` with ``until_decided`` find is simulated.

    Args:
        data, models, split, seeds_per_split, seed, code, data_dir, image_size, channels, groups: as in `compare`.
        stratify, metric, score_epochs, baseline, pairs, progress, more: as in `compare`.
        difference: true difference that would matter, in values of the metric: 0.01 of an accuracy is a point.
        sd: standard deviation of the differences of two models between repeats, as an earlier report shows it. Default:
            that of the study in results/why, for accuracy.
        variances: folder of an earlier study, whose variances of seed and split are taken in place of ``sd``.
        repeats: trainings of each model at the most; default 10, with several seeds a split on each.

    Returns:
        Both designs, with ``repeats`` and with as many repeats as find the difference 8 times in 10.

    Raises:
        EcrnnError: wrong names, data or settings; no default for ``sd``.

    Examples:
        >>> import ecrnn
        >>> plan = ecrnn.plan("digits", ["cnn", "ecnn"], difference=0.05, sd=0.02, image_size=8, epochs=2)
        >>> plan.sequential.trainings < plan.fixed.trainings
        True
    """
    run_code(code)
    place = "arrays" if isinstance(data, tuple) else str(path_of(data, "data"))
    numbers = {"repeats": repeats, "seeds_per_split": seeds_per_split, "score_epochs": score_epochs, "seed": seed}
    asked = {
        **nested_settings(more, data_dir, split, image_size=image_size, channels=channels, **numbers),
        **balance(data, groups, stratify),
        "data": place,
        "models": names_of(models, place),
        "sequential": {},
        "metric": metric,
        "baseline": baseline,
        "pairs": pairs,
    }
    settings = read_settings(StudySettings, asked)
    arrays = images_of(data, settings, groups) if isinstance(data, tuple) else None
    return plan_study(settings, difference=difference, sd=sd, variances=variances, arrays=arrays, progress=progress)


def train(
    data: str | Path | Arrays,
    model: str,
    out: str | Path,
    *,
    split: str | float | None = None,
    keep: Literal["best", "last"] = "best",
    keep_window: int | None = None,
    seed: int = 0,
    recipes: str | Path | None = None,
    start: str | Path | None = None,
    freeze: str | None = None,
    resume: bool = False,
    tensorboard: str | Path | None = None,
    code: str | Path | None = None,
    data_dir: str | Path | None = None,
    image_size: int | None = None,
    channels: Literal[1, 3] | None = None,
    groups: Any = None,
    stratify: bool = False,
    progress: Progress = silent,
    **more: Unpack[Keywords],
) -> Any:
    """Train one model to be kept, and leave it in a folder (a bundle).

    Args:
        data, data_dir, image_size, channels, groups, stratify, seed, code, progress, more: as in `compare`.
        model: a model name.
        out: the bundle's folder, new or empty; arrays are not kept in it.
        split: the part that trains; the rest validates. Default: the task's, "0.8" for images.
        keep: weights of the epoch that is best on the validation examples, or of the last.
        keep_window: the best epoch is that with the best mean metric over so many epochs up to it; default 5.
        recipes: folder of a tuning (`ecrnn.tune`), whose recipe the model gets; what is not said is as it was tuned.
        start: a bundle, a folder or "cifar10", at whose weights and image size it starts: docs/how-to/fine-tune.md.
        freeze: stage up to which what it takes does not move, such as "cnn"; "all": all it takes.
        resume: go on with the training in ``out``, unfinished or with more ``epochs``; see docs/how-to/train.md.
        tensorboard: folder for TensorBoard's event files with each epoch's metrics; extra `tensorboard`.

    Returns:
        The trained model, as `ecrnn.load` gives it.

    Raises:
        EcrnnError: wrong names, data or settings; one line says what would be right.

    Examples:
        >>> import ecrnn
        >>> ecrnn.train("digits", "cnn", "digits-cnn", image_size=8, epochs=3).metrics["accuracy"] > 0.8
        True
    """
    run_code(code)
    split = split or ("0.8" if isinstance(data, tuple) and not more.get("val") else None)  # whatever "arrays" holds
    asked = {
        **nested_settings(more, data_dir, split, image_size=image_size, channels=channels, seed=seed),
        **balance(data, groups, stratify),
        "data": "arrays" if isinstance(data, tuple) else str(path_of(data, "data")),
        "model": model,
        "keep": keep,
        "keep_window": keep_window,
        "start": None if start is None else str(path_of(start, "start")),
        "freeze": freeze,
    }
    folder = Path(spelt_as_it_exists(path_of(out, "out")))
    settings = training_settings(asked, None if recipes is None else path_of(recipes, "recipes"), progress, folder)
    arrays = images_of(data, settings, groups) if isinstance(data, tuple) else None
    train_bundle(settings, folder, arrays=arrays, resume=resume, tensorboard=tensorboard, progress=progress)
    return load(folder)
