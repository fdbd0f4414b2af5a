"""What was held equal between the models, what was not, and how to repeat the run."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from ecrnn.core.config import PLAN, SequentialSettings, StudySettings, merge
from ecrnn.core.form import FIT_BEFORE
from ecrnn.report import formats
from ecrnn.report.analysis.machines import machine_lines, shared_gpu_lines, version_lines
from ecrnn.report.analysis.read import StudyRecord, Trial
from ecrnn.report.analysis.schema import FairnessLine, ModelRow, scored_part
from ecrnn.report.analysis.tuned import recipes_found, recipes_line
from ecrnn.stats import Comparison, usual_looks

_OWN_OPTIONS = ("epochs", "batch_size", "lr", "device", "precision")  # of training; the others go by --set

# Settings that arguments of the command name, or that it leaves out.
_BY_ARGUMENTS = (
    "data",
    "models",
    "repeats",
    "split",
    "seeds_per_split",
    "seed",
    "data_dir",
    *("fit", "bad_data", "bad_files", "groups"),
    "fingerprint",
    "sources",
    "recipes",
    "tuned",
    "metric",
    "score_epochs",
    *PLAN,
)

_STANDARDISED = {
    "global": "standardised by one mean and deviation of the whole data",
    "per-channel": "standardised channel by channel",
}


def fairness(
    record: StudyRecord, comparison: Comparison, models: Sequence[ModelRow], epochs: int = 1
) -> tuple[FairnessLine, ...]:
    """The lines in the order in which a reviewer asks. "same" is said only of what was checked.

    Args:
        record: from `read_study`.
        comparison: comparison of its models.
        models: the rows of the models.
        epochs: whose mean the score of a training is.
    """
    return (
        _examples(record, comparison),
        _seeds(record),
        *recipes_line(record),
        _recipe(record),
        _steps(record.trials),
        _choices(record, comparison, epochs),
        _costs(models),
        *_machine(record),
        *machine_lines(record.trials),
        *version_lines(record.trials),
        *shared_gpu_lines(record.trials),
        *_skipped(record.trials),
    )


def _examples(record: StudyRecord, comparison: Comparison) -> FairnessLine:
    examples = record.task.examples
    sizes = f"{comparison.n_train:,} training and {comparison.n_test:,} {scored_part(comparison)} {examples}"
    if comparison.fixed_test:
        split = "the data set's own test part in every repeat"
    else:
        seeds = record.settings.seeds_per_split
        anew = "in every repeat" if seeds == 1 else f"after every {seeds} trainings"
        split = f"split '{record.settings.split}', drawn anew {anew}"
    one = formats.one(examples)
    text = f"{sizes}, {split}; checked {one} by {one}: within a repeat all models have the same ones."
    return FairnessLine("Data and splits", "same", text)


def _seeds(record: StudyRecord) -> FairnessLine:
    seeds: dict[int, set[Any]] = {}
    for trial in record.trials:
        seeds.setdefault(trial.repeat, set()).add(trial.facts.get("seed"))
    same = all(len(of_repeat) == 1 for of_repeat in seeds.values())
    base = f"All derive from seed {record.settings.seed} and the repeat"
    if any(None in of_repeat for of_repeat in seeds.values()):
        return FairnessLine("Seeds", "note", f"{base}; what each trial was given is not recorded.")
    if same:
        return FairnessLine("Seeds", "same", f"{base}; within a repeat all models share them.")
    return FairnessLine("Seeds", "differs", f"{base}, but some models of one repeat were given different ones.")


def _recipe(record: StudyRecord) -> FairnessLine:
    training = record.settings.training
    seen = record.task.of_images
    parts = [
        formats.plural(training.epochs, "epoch"),
        f"batches of {training.batch_size:,}",
        f"{training.optimizer} with learning rate {training.lr:g} ({training.schedule})",
        f"weight decay {training.weight_decay:g}" if training.weight_decay else "no weight decay",
        f"momentum {training.momentum:g}" if training.optimizer == "sgd" else "",
        *training.besides,
        (f"augmentation {training.augment}" if training.augment != "none" else "no augmentation") if seen else "",
        _STANDARDISED[training.standardise] if seen else "",
    ]
    text = ", ".join(part for part in parts if part)
    estimators = _estimators(record.trials)
    if record.settings.tuned:
        found = recipes_found(record, record.settings.tuned)
        text = f"{text}, but {found}." if found else f"{text}; the search changed it for no model."
        if not estimators:
            return FairnessLine("Training recipe", "differs" if found else "same", text)
    elif record.settings.recipes:
        others = "; ".join(
            f"{model} with {', '.join(f'{key} {value}' for key, value in recipe.items())}"
            for model, recipe in record.settings.recipes.items()
        )
        text = f"{text}, but {others}. These families bring a recipe of their own."
        if not estimators:
            return FairnessLine("Training recipe", "differs", text)
    if estimators:
        return _fitted_once(record, estimators, text.removesuffix("."))
    return FairnessLine(
        "Training recipe",
        "same",
        f"{text}. No model had a recipe tuned for it; another might suit some better.",
    )


def _estimators(trials: Sequence[Trial]) -> dict[str, str]:
    """The models that are classifiers of scikit-learn, and the class of each."""
    return {trial.model: str(trial.facts["estimator"]) for trial in trials if trial.facts.get("estimator")}


def _fitted_once(record: StudyRecord, estimators: dict[str, str], recipe: str) -> FairnessLine:
    named = formats.listed([f"{model} ({kind})" for model, kind in estimators.items()], most=6)
    are = "is scikit-learn's" if len(estimators) == 1 else "are scikit-learn's"
    how = "fitted once to the training values, standardised like the others', with scikit-learn's own method"
    text = f"{named} {are}, {how} and settings."
    if any(trial.model not in estimators for trial in record.trials):
        text = f"The networks: {recipe}. {text}"
    return FairnessLine("Training recipe", "differs", text)


def _steps(trials: Sequence[Trial]) -> FairnessLine:
    steps = sorted({trial.facts["steps"] for trial in trials if isinstance(trial.facts.get("steps"), int)})
    if not steps:
        none = trials and all(trial.facts.get("estimator") for trial in trials)
        return FairnessLine("Optimizer steps", "note", "None was taken." if none else "Not recorded.")
    if estimators := _estimators(trials):
        some = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
        text = f"{some} in a trial of a network; {formats.listed(list(estimators))} took none."
        return FairnessLine("Optimizer steps", "differs", text)
    if len(steps) == 1:
        return FairnessLine("Optimizer steps", "same", f"{steps[0]:,} in every trial.")
    return FairnessLine("Optimizer steps", "differs", f"{steps[0]:,} to {steps[-1]:,} in a trial.")


def _choices(record: StudyRecord, comparison: Comparison, epochs: int) -> FairnessLine:
    scored = f"{scored_part(comparison)} {record.task.examples}"
    of = "of the last epoch" if epochs == 1 else f"the mean of the last {epochs} epochs, as planned before"
    text = (
        f"Nothing was chosen on the {scored}: every figure is {of}. The best epoch is shown only "
        f"as a column of its own, and is optimistic because it is picked on the {scored}."
    )
    return FairnessLine("Choices", "note", text)


def _costs(models: Sequence[ModelRow]) -> FairnessLine:
    sizes = sorted(row.parameters for row in models if row.parameters is not None)
    times = sorted(row.seconds for row in models if row.seconds is not None)
    if len(models) < 2 or not sizes or not times:
        return FairnessLine("Size and time", "note", "See the table of costs.")
    same = sizes[0] == sizes[-1]
    size = f"all have {sizes[0]:,} parameters" if same else f"{sizes[0]:,} to {sizes[-1]:,} parameters"
    time = f"{formats.duration(times[0])} to {formats.duration(times[-1])} a trial"
    uncounted = [row.model for row in models if row.parameters is None]
    if uncounted:
        same, counted = False, f"{sizes[0]:,} parameters" if same else size
        size = f"{counted}, of {formats.listed(uncounted)} not counted"
    text = f"Models were not matched in size or time: {size}, {time}."
    return FairnessLine("Size and time", "note" if same else "differs", text)


def _machine(record: StudyRecord) -> list[FairnessLine]:
    lines = []
    for what, key in (("Device", "device"), ("Precision", "precision"), ("Threads a training", "threads")):
        values = _distinct(trial.facts.get(key) for trial in record.trials)
        status = "same" if len(values) == 1 and values != ["unknown"] else "note" if len(values) == 1 else "differs"
        tail = " in every trial." if len(values) == 1 else ", not the same in all trials."
        lines.append(FairnessLine(what, status, ", ".join(values) + tail))  # type: ignore[arg-type]
    versions = _distinct(_versions(environment) for environment in record.environments)
    status = "same" if len(versions) == 1 and "unknown" not in versions else "differs"
    text = f"{versions[0]}." if len(versions) == 1 else f"Not the same in all folders: {'; or '.join(versions)}."
    if versions == ["unknown"]:
        return [*lines, FairnessLine("Versions", "note", "Not recorded.")]
    return [*lines, FairnessLine("Versions", status, text)]  # type: ignore[arg-type]


def _skipped(trials: Sequence[Trial]) -> list[FairnessLine]:
    skipped = [trial for trial in trials if trial.facts.get("skipped_steps")]
    if not skipped:
        return []
    names = formats.listed([f"{trial.model} repeat {trial.repeat}" for trial in skipped], noun="trials")
    return [FairnessLine("Skipped steps", "differs", f"Steps with a non-finite gradient were left out in {names}.")]


def _distinct(values: Iterable[Any]) -> list[str]:
    return list(dict.fromkeys("unknown" if value is None or value == "" else str(value) for value in values))


def _versions(environment: dict[str, Any]) -> str:
    packages = environment.get("packages")
    known = packages if isinstance(packages, dict) else {}
    parts = [f"Python {environment['python']}"] if environment.get("python") else []
    parts += [f"{name} {version}" for name, version in known.items() if version]
    return ", ".join(parts)


def environment_facts(record: StudyRecord) -> dict[str, str]:
    """The machine in a few lines; several machines are joined."""
    wanted = {
        "Processor": "processor",
        "Cores": "cores",
        "Vector instructions": "cpu_capability",
        "GPU": "cuda",
        "Platform": "platform",
    }
    facts: dict[str, str] = {}
    for what, key in wanted.items():
        values = list(
            dict.fromkeys(str(environment[key]) for environment in record.environments if environment.get(key))
        )
        if values:
            facts[what] = "; ".join(values)
    versions = list(dict.fromkeys(v for v in map(_versions, record.environments) if v))
    if versions:
        facts["Versions"] = "; ".join(versions)
    return facts


def _plan(settings: StudySettings, usual: StudySettings) -> list[str]:
    """The options of what was planned."""
    pairs = ",".join(":".join(pair) for pair in settings.pairs or ())
    options = {
        "--score-epochs": settings.score_epochs if settings.score_epochs != usual.score_epochs else None,
        "--baseline": settings.baseline,
        "--pairs": pairs or None,
        "--rope": None if settings.rope is None else f"{settings.rope:g}",
    }
    return [word for option, value in options.items() if value is not None for word in (option, str(value))]


def _files(settings: StudySettings) -> list[str]:
    """The options of how a folder of files was read and split."""
    fit = settings.fit if settings.fit not in ("cut", FIT_BEFORE) else None
    options = {"--fit": fit, "--bad-data": settings.bad_data, "--groups": settings.groups}
    return [word for option, value in options.items() if value is not None for word in (option, value)]


def _sequential(settings: StudySettings) -> list[tuple[str, Any]]:
    """What a plan of looks has instead of its defaults. The sizes of a repeat are those of the data."""
    plan = settings.sequential
    if plan is None:
        return []
    usual = {**SequentialSettings().model_dump(), "looks": usual_looks(settings.repeats // settings.seeds_per_split)}
    values = plan.model_dump(exclude={"n_train", "n_test"}).items()
    return [
        (f"sequential.{key}", list(value) if key == "looks" else value)
        for key, value in values
        if value not in (None, usual[key])
    ]


def _search(settings: StudySettings) -> list[str]:
    """The options of a search for recipes; where a tuning lay, a study does not say."""
    tuned = settings.tuned
    if tuned is None:
        return []
    if tuned.part is not None:
        return ["--recipes", "TUNE"]
    space = ",".join(f"{name}={text}" for name, text in tuned.space.items())
    return ["--tune", "nested", "--budget", str(tuned.budget), "--search", tuned.search, "--space", space]


def command(record: StudyRecord) -> str:
    """The command that makes such a study again, naming what differs from the defaults."""
    settings = record.settings
    usual = StudySettings.read(merge(record.task.defaults, {"data": settings.data, "models": settings.models}))
    repeats = sorted({t.repeat for t in record.trials} | {u.repeat for u in record.unfinished})
    words = ["ecrnn", "compare", settings.data, "--models", ",".join(settings.models)]
    words += [
        "--repeats",
        str(settings.repeats if settings.sequential else repeats[-1] - repeats[0] + 1),
        "--split",
        settings.split,
        "--seed",
        str(settings.seed),
    ]
    if settings.seeds_per_split > 1:
        words += ["--seeds-per-split", str(settings.seeds_per_split)]
    if settings.sources:
        words += ["--code", "FILE"]
    words += _search(settings)
    if settings.metric not in (None, record.task.metric):
        words += ["--metric", settings.metric]
    words += _files(settings)
    words += _plan(settings, usual)
    if settings.sequential:
        words.append("--until-decided")
    assignments = [("first_repeat", repeats[0])] if repeats[0] else []
    assignments += _sequential(settings)
    by_name = {"training", "sequential", "first_repeat", *_BY_ARGUMENTS}
    for key, value in settings.model_dump(mode="json", exclude=by_name).items():
        if value != getattr(usual, key):
            assignments.append((key, value))
    for key, value in settings.training.model_dump(mode="json").items():
        if key in _OWN_OPTIONS[:3] or value != getattr(usual.training, key):
            if key in _OWN_OPTIONS:
                words += [
                    f"--{key.replace('_', '-')}",
                    f"{value:g}" if isinstance(value, float) else str(value),
                ]
            else:
                assignments.append((f"training.{key}", value))
    for key, value in assignments:
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)
