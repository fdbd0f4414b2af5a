"""What a study keeps, against itself: digests, settings of the trials, splits drawn again, scores of the predictions.

A digest says that a file is the one that was written with it, and whoever changes a file can write the digest anew. So
what is kept twice is compared: a trial's own settings and plan with study.yaml, its examples with the split that the
seed gives, its metrics and facts with its predictions. Whoever forges all of it alike is found by training again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import MAX_SETTINGS, StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.packed import PACKED
from ecrnn.core.predictions import Predictions, Scored
from ecrnn.core.reading import is_file, read_json, read_text, there
from ecrnn.core.runs import ENVIRONMENT, STUDY, FinishedTrial, read_environment, read_settings, trial_folder
from ecrnn.core.seals import KEY, is_sealed
from ecrnn.core.seeds import trial_seed
from ecrnn.core.text import counted
from ecrnn.core.trial_of_study import SEARCH, failure_of, other_plan, other_settings, unplanned
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.keys import Keys
from ecrnn.data.splits import parse_split
from ecrnn.serving.trained_on import STUDY_FILE, read_study
from ecrnn.stats import AUC, METRICS, auc
from ecrnn.stats.class_scores import metric_for
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.inner_search import inner_settings
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.trials import split_of
from ecrnn.studies.verification.result import Check, check
from ecrnn.training.decisions import decide
from ecrnn.training.epoch_values import score
from ecrnn.training.finished import read_whole, trial_task
from ecrnn.training.tried_points import best_recipe, search_of

_TOLERANCE = 1e-9  # of a score computed again, which may add in another order


@dataclass
class StoredStudy:
    """A study on disk and what was found in it.

    Attributes:
        folder: of the study.
        settings: of its study.yaml.
        archive: whether its trials lie in one file, without logits and weights.
        data: its examples; None: not at hand.
        facts: of each whole trial.
        labels: the class of each example that a trial has predicted, by its place in the data.
        checks: made so far.
    """

    folder: Path
    settings: StudySettings
    archive: bool
    data: ExampleSet | None = None
    facts: dict[Trial, dict[str, Any]] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    checks: list[Check] = field(default_factory=list)


def check_stored(folder: Path, data: ExampleSet | None = None) -> StoredStudy:
    """All checks of a study that need no training.

    Args:
        folder: of the study.
        data: its examples, by which splits are drawn again that keep groups or the shares of classes; None: those stay
            open, and the others need only the numbers of examples.

    Raises:
        EcrnnError: there is no study.yaml, or none that could be read without its digest.
    """
    settings = read_settings(folder)
    study = StoredStudy(folder, settings, is_file(folder / PACKED), data)
    missing, wrong = [], _Wrong()
    scores: dict[str, dict[int, float]] = {model: {} for model in settings.models}
    failed = []
    for model, repeat in planned_trials(settings):
        name = f"{model}, repeat {repeat}"
        try:
            finished = read_whole(folder, model, repeat)
            failure = None if finished else failure_of(folder, settings, model, repeat)
        except EcrnnError as error:
            wrong.trials.append(f"{name}: {error}")
            continue
        if finished is None:
            if failure is not None:
                failed.append((model, repeat))
                wrong.failed.append(f"{name} failed: {failure}")
            else:
                missing.append((model, repeat))
            continue
        study.facts[model, repeat] = finished.facts
        _check_trial(study, finished, name, wrong)
        metric = metric_for(trial_task(finished.facts), settings.metric)
        try:
            scores[model][repeat] = score(finished, metric, settings.score_epochs)
        except EcrnnError as error:
            wrong.scores.append(str(error))
    unneeded, undecided = _sequential(study, scores, failed, missing)
    for model, repeat in missing:
        if (model, repeat) not in unneeded:
            wrong.trials.append(f"{model}, repeat {repeat} is missing, which {STUDY} plans")
    wrong.trials += undecided
    others = unplanned(folder, settings)
    wrong.trials += [f"{place} lies there, a trial that {STUDY} does not plan" for place in others]
    whole = counted(len(study.facts), "trials")
    still = f"; {len(unneeded)} that were not needed to decide are missing" if unneeded else ""
    ended = "".join(f"; {line}" for line in wrong.failed)
    study.checks += [
        _seals(study),
        check("trials", f"{whole} whole, each file as its manifest says{still}{ended}", wrong.trials),
        check("plan", f"settings and plan of {whole} are those of {STUDY}", wrong.plan, _once(wrong.no_plan)),
        check("splits", f"the split of {whole} drawn again: the same examples", wrong.splits, _once(wrong.no_splits)),
        check("scores", f"scores of {whole} computed again from the predictions: the same", wrong.scores),
    ]
    return study


@dataclass
class _Wrong:
    """Lines of the checks that go through the trials."""

    trials: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    plan: list[str] = field(default_factory=list)
    no_plan: list[str] = field(default_factory=list)
    splits: list[str] = field(default_factory=list)
    no_splits: list[str] = field(default_factory=list)
    scores: list[str] = field(default_factory=list)


def _once(lines: list[str]) -> list[str]:
    """One line for trials that all lack the same."""
    return [f"{lines[0]}, and {counted(len(lines) - 1, 'other trials')} alike"] if len(lines) > 1 else lines


def _check_trial(study: StoredStudy, finished: FinishedTrial, name: str, wrong: _Wrong) -> None:
    """What one whole trial says of itself, against study.yaml and against its predictions."""
    try:
        if line := other_settings(study.folder, study.settings, finished.model, finished.repeat, finished.facts):
            wrong.plan.append(f"{name}: it was not trained by this {STUDY}: {line}")
    except EcrnnError as error:
        wrong.plan.append(f"{name}: {error}")
    if finished.plan is None:
        wrong.no_plan.append(f"{name} was trained by a version that did not note the plan in a manifest")
    elif key := other_plan(study.settings, finished.plan):
        wrong.plan.append(f"{name}: {STUDY} has another {key} than when it was trained")
    wrong.plan += [f"{name}: {line}" for line in _other_search(study, finished)]
    if study.data is None and _balanced(study.settings):
        wrong.no_splits.append(
            f"the split of {name} keeps groups or classes together, and is not drawn without the data"
        )
    else:
        wrong.splits += [f"{name}: {line}" for line in _other_split(study, finished)]
    wrong.scores += [f"{name}: {line}" for line in other_scores(finished)]


def _other_search(study: StoredStudy, finished: FinishedTrial) -> Iterator[str]:
    """What the search that lies in a trial's folder says otherwise than the trial; nothing where none is kept."""
    model, repeat, settings = finished.model, finished.repeat, study.settings
    folder = trial_folder(study.folder, model, repeat) / SEARCH
    if not (settings.nested and there(folder / STUDY)):
        return
    try:
        kept, wanted = read_settings(folder), inner_settings(settings, settings.of_trial(model, repeat))
        points = {} if kept.tuning is None else kept.tuning.points  # which another version may draw otherwise
        tuning = wanted.tuning and wanted.tuning.model_copy(update={"points": points})
        metric = metric_for(trial_task(finished.facts), settings.metric)
        found = best_recipe(search_of(folder, wanted.model_copy(update={"tuning": tuning}), model, metric))
    except EcrnnError as error:
        yield f"its search is damaged: {error}"
        return
    if found != finished.facts.get("recipe"):
        yield f"it was trained with the recipe {finished.facts.get('recipe')}, where its search found {found}"


def _other_split(study: StoredStudy, finished: FinishedTrial) -> Iterator[str]:
    facts, settings, index = finished.facts, study.settings, finished.predictions.index
    if facts.get("seed", seed := trial_seed(settings.seed, settings.drawn(finished.repeat))) != seed:
        yield f"it was trained with seed {facts['seed']}, where the study's gives {seed}"
    examples = study.data or _sizes(settings, facts, index.size)
    try:
        split = split_of(examples, settings, finished.repeat)
    except EcrnnError as error:
        yield f"its split cannot be drawn again: {error}"
        return
    if len(split.train) != facts["n_train"]:
        yield f"it was trained on {facts['n_train']:,} examples, where split {split.name} has {len(split.train):,}"
    elif not np.array_equal(split.validation, index):
        yield f"it was scored on other examples than split {split.name} draws"
    if isinstance(finished.predictions, Scored):
        return
    for place, label in zip(index.tolist(), finished.predictions.label.tolist(), strict=True):
        if study.labels.setdefault(place, label) != label:
            yield f"the class of example {place} is another than in other trials"
            return


def _balanced(settings: StudySettings) -> bool:
    """Whether a split depends on more of its examples than their number."""
    return settings.groups is not None or parse_split(settings.split).stratified


def _sizes(settings: StudySettings, facts: dict[str, Any], scored: int) -> _Sizes:
    """The data of a trial that was scored on so many examples; where recipes are tuned, not all of it takes part."""
    whole = {"n_train": facts["n_train"] + scored, "n_validation": scored if settings.split == "own" else 0}
    if "n_train_part" in facts:
        whole = {"n_train": facts["n_train_part"], "n_validation": facts.get("n_validation_part", 0)}
    total = max(whole["n_train"], facts.get("n_images", 0))
    return _Sizes(name=settings.data, fingerprint="", total=total, **whole)


@dataclass(frozen=True, kw_only=True)
class _Sizes(ExampleSet):
    """Examples of which only the numbers are known, which is all that a split depends on."""

    total: int

    def __len__(self) -> int:
        return self.total

    def keys(self) -> Keys:
        raise NotImplementedError


def other_scores(finished: FinishedTrial) -> Iterator[str]:
    """What metrics.jsonl and the facts of a trial say otherwise than its predictions, a line each."""
    metric, facts = METRICS[trial_task(finished.facts).metric], finished.facts
    kept = [metric.value(of_epoch.statistics) for of_epoch in finished.predictions.epochs()]
    name = f"validation_{metric.name}"
    for line, found in zip(finished.metrics[-len(kept) :], kept, strict=False):
        if not _same(line.get(name), found):
            yield f"metrics.jsonl has {name} {line.get(name)} after epoch {line.get('epoch')}, its predictions {found}"
    expected: dict[str, float | None] = {f"last_{metric.name}": kept[-1]}
    if len(kept) > 1:
        expected[f"score_{metric.name}"] = math.fsum(kept) / len(kept)
    if isinstance(finished.predictions, Predictions) and AUC.name in facts:
        logits = finished.predictions.logits
        expected[AUC.name] = auc(finished.predictions.label, _softmax(logits))
    known = [line[name] for line in finished.metrics if isinstance(line.get(name), int | float)]
    if known:
        expected[f"best_{metric.name}"] = max(known) if metric.higher_is_better else min(known)
    for key, value in expected.items():
        if key in facts and not _same(facts[key], value):
            yield f"manifest.json has {key} {facts[key]}, its predictions and metrics {value}"


def _softmax(logits: np.ndarray) -> np.ndarray:
    from ecrnn.models.inference import softmax

    return softmax(logits)


def _same(kept: Any, value: float | None) -> bool:
    if kept is None or value is None:
        return kept is value
    return isinstance(kept, int | float) and math.isclose(kept, value, rel_tol=_TOLERANCE, abs_tol=1e-12)


def _sequential(
    study: StoredStudy, scores: dict[str, dict[int, float]], failed: list[Trial], missing: list[Trial]
) -> tuple[set[Trial], list[str]]:
    """The trials that a study which trained until it was decided never needed, and what is wrong with its looks."""
    if study.settings.sequential is None:
        return set(), []
    tasks = [trial_task(facts) for facts in study.facts.values()]
    if not tasks:
        return set(), []
    try:
        comparison = decide(study.settings, metric_for(tasks[0], study.settings.metric), scores, failed)
    except EcrnnError as error:
        return set(), [f"its looks cannot be taken again: {error}"]
    waiting = set(comparison.waiting)
    return {trial for trial in missing if trial not in waiting}, []


def _seals(study: StoredStudy) -> Check:
    """The digests of the files that no manifest names."""
    folder, wrong, unknown = study.folder, [], []
    text = read_text(folder / STUDY, MAX_SETTINGS, folder)
    if not is_sealed(text):  # where it has a digest, `read_settings` has compared it
        unknown.append(f"{STUDY} has no digest in its first line")
    if not there(folder / ENVIRONMENT):
        unknown.append(f"there is no {ENVIRONMENT}")
    else:
        try:
            read_environment(folder)
            if KEY not in read_json(folder / ENVIRONMENT, within=folder):
                unknown.append(f"{ENVIRONMENT} has no digest, being of an earlier version")
        except EcrnnError as error:
            wrong.append(str(error))
    try:
        read_study(folder / STUDY_FILE, study.settings.fingerprint)
    except EcrnnError as error:
        wrong.append(str(error))
    return check("seals", f"{STUDY} and {ENVIRONMENT} match their digests", wrong, unknown)
