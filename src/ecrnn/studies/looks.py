"""Studies that train until their pairs are decided: the plan, fixed before the first training, and what is next.

At each look every pair of models that is open has the repeats that the look needs, or with several seeds a split the
whole splits; then `ecrnn.training.decisions` says
which pairs are closed, and only models of open pairs are trained on. Nothing of it is kept: a study that was killed
finds the same trials on the disk and decides the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Message, Progress
from ecrnn.core.text import counted
from ecrnn.data.splits import Split
from ecrnn.models.names import common_task, parse
from ecrnn.stats import Metric, SequentialComparison, usual_looks
from ecrnn.stats._pairs import chosen
from ecrnn.stats.class_scores import metric_for
from ecrnn.studies.engines.protocol import OpenStudy, Trial
from ecrnn.studies.outcome import Outcome
from ecrnn.training.decisions import decide
from ecrnn.training.epoch_values import score
from ecrnn.training.finished import read_finished


def check_sequential(settings: StudySettings, before: StudySettings | None, out: Path) -> None:
    """Look whether a study may begin, or go on, with this plan.

    Args:
        settings: as given, not resolved.
        before: of the study on disk, if there is one.
        out: where it lies, for the error.

    Raises:
        EcrnnError: the repeats are none of random splits, too few, or a model is in no pair.
        RunDirectoryError: the study on disk has another plan, which is not changed once trainings are seen.
    """
    asked = settings.sequential
    if before is not None:
        planned = before.sequential
        if asked is not None and planned is None:
            line = f"{out} was begun without --until-decided, and trainings that were seen cannot be planned any more"
            raise RunDirectoryError(f"{line}; choose another --out")
        if planned is None:
            return
        changes = {} if asked is None else asked.model_dump(exclude_unset=True)
        for key, value in changes.items():
            if value is not None and value != getattr(planned, key):
                line = f"{out} was planned with {key} {_shown(getattr(planned, key))}, not {_shown(value)}"
                raise RunDirectoryError(f"{line}, and a plan does not change; leave it out, or choose another --out")
        if more := [model for model in settings.models if model not in before.models]:
            line = f"{out} trains until its pairs are decided; {more[0]} was not among its models when it was planned"
            raise RunDirectoryError(f"{line}; choose another --out")
        if "repeats" in settings.model_fields_set and settings.repeats > before.repeats:
            line = f"{out} was planned with at most {before.repeats} repeats, which are not raised"
            raise RunDirectoryError(f"{line}; choose another --out")
        return
    if asked is None:
        return
    if settings.split == "own":
        line = "--until-decided needs random splits or folds, of which the error of its looks is known"
        raise EcrnnError(f"{line}; with the data's own part (--split own) train a fixed number of repeats")
    compared = {model for pair in chosen(settings.models, settings.baseline, settings.pairs) for model in pair}
    if alone := [model for model in settings.models if model not in compared]:
        raise EcrnnError(f"{alone[0]} is in no pair that is compared, so --until-decided would never train it")
    splits = settings.repeats // settings.seeds_per_split
    looks = asked.looks or usual_looks(splits)
    if looks[-1] != splits:
        what = "repeats" if settings.seeds_per_split == 1 else "splits"
        raise EcrnnError(f"the last of sequential.looks, {looks[-1]}, must be the {what}, {splits}")


def with_sequential_plan(settings: StudySettings, splits: Sequence[Split]) -> StudySettings:
    """The settings with all of the plan filled in, as it is written down before the first training.

    Args:
        settings: of a study that begins.
        splits: of its repeats.

    Raises:
        EcrnnError: looks, sizes or levels by which nothing can be decided.
    """
    plan = settings.sequential
    if plan is None:
        return settings
    update = {
        "looks": plan.looks or usual_looks(settings.repeats // settings.seeds_per_split),
        "n_train": plan.n_train or round(float(np.mean([len(split.train) for split in splits]))),
        "n_test": plan.n_test or round(float(np.mean([len(split.validation) for split in splits]))),
    }
    whole = settings.model_copy(update={"sequential": plan.model_copy(update=update)})
    decide(whole, _metric(whole), {model: {} for model in whole.models})  # by which no look could go on is not begun
    return whole


def _metric(settings: StudySettings) -> Metric:
    return metric_for(common_task(map(parse, settings.models)), settings.metric)


class Looks:
    """The looks at a study: what its finished trials decide, and what the next look needs.

    Args:
        folder: of the study.
        settings: resolved, of a study that trains until it is decided.
    """

    def __init__(self, folder: Path, settings: StudySettings) -> None:
        self.folder, self.settings, self.metric = folder, settings, _metric(settings)
        self.scores: dict[str, dict[int, float]] = {model: {} for model in settings.models}

    def look(self, ended: Iterable[Trial], failed: Collection[Trial]) -> SequentialComparison:
        """The decisions from the trials that have ended well, whose scores are read once, and those that have failed.

        Raises:
            RunDirectoryError: a trial is not finished any more.
        """
        for model, repeat in ended:
            if repeat not in self.scores[model]:
                trial = read_finished(self.folder, self.settings, model, repeat)
                if trial is None:
                    raise RunDirectoryError(f"{self.folder}: {model}, repeat {repeat} is not finished any more")
                self.scores[model][repeat] = score(trial, self.metric, self.settings.score_epochs)
        return decide(self.settings, self.metric, self.scores, failed)

    def needed(self, comparison: SequentialComparison) -> list[Trial]:
        """The trials that the next look needs, repeat by repeat."""
        order = {model: at for at, model in enumerate(self.settings.models)}
        return sorted(comparison.waiting, key=lambda trial: (trial[1], order[trial[0]]))


def next_trials(study: OpenStudy, outcome: Outcome, progress: Progress) -> Iterator[list[Trial]]:
    """From look to look, the trials that the next one needs; after each the caller has trained them into ``outcome``.

    A trial that fails is not waited for: its pairs are looked at with the repeats that both models have.
    """
    looks = Looks(study.folder, study.settings)
    taken = 0
    while True:
        comparison = looks.look((*outcome.found, *outcome.trained), outcome.failed)
        most = max((len(pair.looks) for pair in comparison.pairs), default=0)
        if most > taken or not comparison.waiting:
            progress(Message(_standing(comparison, "repeats" if study.settings.seeds_per_split == 1 else "splits")))
            taken = most
        yield looks.needed(comparison)
        if not comparison.waiting:
            return


def _standing(comparison: SequentialComparison, what: str) -> str:
    """What a look has shown, in a line; ``what``: what it is after, "repeats" or "splits"."""
    pairs = comparison.pairs
    at = f"after {counted(max((pair.looks[-1].repeats for pair in pairs if pair.looks), default=0), what)}"
    open_pairs = [pair for pair in pairs if pair.closed == "open"]
    if not open_pairs:
        return f"looked {at}: no pair is open, nothing more is trained"
    models = ", ".join(dict.fromkeys(model for pair in open_pairs for model in (pair.model_a, pair.model_b)))
    are = "is" if len(open_pairs) == 1 else "are"
    return f"looked {at}: {len(open_pairs)} of {counted(len(pairs), 'pairs')} {are} open; next are {models}"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
