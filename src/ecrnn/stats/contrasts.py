"""Questions about groups of models: the mean over some against the mean over others, each with a test of its own.

"Is ECRNN better than CRNN?" is one question, and eight configurations of each are eight pairs, each of which has to
stand Holm's adjustment by itself. The mean over the eight answers the question: its difference in a repeat is one
number, so the repeats are tested as those of a pair are, and the noise of eight trainings averages out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ecrnn.core.errors import EcrnnError, unknown_name
from ecrnn.stats import _one_pair
from ecrnn.stats._one_pair import Side
from ecrnn.stats._settings import Settings
from ecrnn.stats._words import with_verdicts
from ecrnn.stats.failures import with_failures
from ecrnn.stats.results import Contrast, ModelScores

Contrasts = Mapping[str, tuple[Sequence[str], Sequence[str]]]  # name -> (models, models they are set against)


@dataclass(frozen=True)
class _Group:
    side: Side
    models: tuple[str, ...]


def compared(
    sides: Sequence[Side], scores: Sequence[ModelScores], contrasts: Contrasts, settings: Settings
) -> tuple[Contrast, ...]:
    """Each contrast, p adjusted by Holm over the contrasts alone; ``scores`` are those of the ``sides``.

    Raises:
        UnknownNameError: a contrast names a model that is not there.
        EcrnnError: a side without models, or a model that is named twice.
    """
    by_name, scores_of = {side.model: side for side in sides}, {model.model: model for model in scores}
    groups = []
    for name, models in contrasts.items():
        check_sides(name, *models)
        groups.append((name, _group(name, models[0], by_name), _group(name, models[1], by_name)))
    drafts = [_one_pair.draft(plus.side, minus.side, settings, pairs=len(groups)) for _, plus, minus in groups]
    pairs = with_verdicts(drafts, (), settings)
    found = []
    for (name, plus, minus), pair in zip(groups, pairs, strict=True):
        sentence = with_failures(pair.sentence, [scores_of[model] for model in (*plus.models, *minus.models)])
        found.append(Contrast(name, plus.models, minus.models, replace(pair, sentence=sentence)))
    return tuple(found)


def check_sides(name: str, plus: Sequence[str], minus: Sequence[str]) -> None:
    """Look whether two groups of models can be set against each other.

    Raises:
        EcrnnError: a side without models, or a model that is named twice.
    """
    if not plus or not minus or len(set(plus)) < len(plus) or len(set(minus)) < len(minus):
        raise EcrnnError(f"contrast '{name}' must name models on both sides, and each once")
    if twice := set(plus) & set(minus):
        raise EcrnnError(f"contrast '{name}' has {min(twice)} on both sides")


def _group(name: str, models: Sequence[str], by_name: Mapping[str, Side]) -> _Group:
    """The mean of some models as one side: its values, and how far each example moves them."""
    for model in models:
        if model not in by_name:
            raise unknown_name("model", model, list(by_name), where=f"contrast '{name}'")
    sides = [by_name[model] for model in models]
    repeats = [repeat for repeat in sides[0].values if all(repeat in side.values for side in sides)]
    values = {repeat: float(np.mean([side.values[repeat] for side in sides])) for repeat in repeats}
    influence = {
        repeat: np.mean([side.influence[repeat] for side in sides], axis=0)
        for repeat in repeats
        if all(repeat in side.influence for side in sides)
    }
    return _Group(Side(label(models), values, influence=influence, index=sides[0].index), tuple(models))


def label(models: Sequence[str]) -> str:
    """What a sentence calls the mean of ``models``."""
    if len(models) == 1:
        return models[0]
    if len(models) == 2:
        return f"the mean of {models[0]} and {models[1]}"
    return f"the mean of {len(models)} models ({models[0]} to {models[-1]})"
