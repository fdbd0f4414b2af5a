"""What a comparison says of recipes that were searched for: how, in what they differ, and which lie at an edge."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from ecrnn.core.recipe_search import TunedSettings
from ecrnn.core.search_space import shown
from ecrnn.report import formats
from ecrnn.report.analysis.read import StudyRecord, Trial
from ecrnn.report.analysis.schema import FairnessLine
from ecrnn.stats import AcrossPair, Pair

P = TypeVar("P", Pair, AcrossPair)

_MOST = 6  # recipes of a model that a line lists


def edges_of(record: StudyRecord) -> dict[str, tuple[str, ...]]:
    """By model the settings of its recipe that lie at an end of the space, in any of its trials."""
    tuned = record.settings.tuned
    if tuned is None:
        return {}
    if tuned.part is not None:
        return {model: names for model, names in tuned.edges.items() if names}
    found: dict[str, list[str]] = {}
    for trial in record.trials:
        found.setdefault(trial.model, []).extend(trial.facts.get("recipe_edges", []))
    return {model: tuple(dict.fromkeys(names)) for model, names in found.items() if names}


def with_edges(pairs: Sequence[P], edges: Mapping[str, Sequence[str]]) -> tuple[P, ...]:
    """The pairs; each verdict against a model whose recipe lies at an edge of the space says so."""

    def with_edge(pair: P) -> P:
        loser = {"worse": pair.model_a, "better": pair.model_b}.get(pair.verdict or "")
        if loser is None or loser not in edges:
            return pair
        return replace(pair, sentence=f"{pair.sentence} {of_edge(loser, edges[loser])}")

    return tuple(map(with_edge, pairs))


def of_edge(model: str, names: Sequence[str]) -> str:
    """That a model may be better than it is shown to be."""
    lies = "lies" if len(names) == 1 else "lie"
    of = f"{formats.listed(list(names))} of the recipe of {model} {lies} at the edge of the space that was searched"
    return f"But {of}, so a better recipe may lie beyond."


def losers(pairs: Sequence[Pair | AcrossPair], edges: Mapping[str, Sequence[str]]) -> list[str]:
    """A sentence for each model at an edge of the space that is said to be worse than another one."""
    worse = {pair.model_a for pair in pairs if pair.verdict == "worse"}
    worse |= {pair.model_b for pair in pairs if pair.verdict == "better"}
    return [of_edge(model, names) for model, names in edges.items() if model in worse]


def recipes_line(record: StudyRecord) -> list[FairnessLine]:
    """How the recipes were searched for, if they were."""
    tuned = record.settings.tuned
    if tuned is None:
        return []
    examples = record.task.examples
    how = "the same for every model" if tuned.search == "same" else "chosen for each model by Optuna's TPE"
    space = ", ".join(f"{name} {text}" for name, text in tuned.space.items())
    if tuned.part is not None:
        part = f"{float(tuned.part):.0%}".replace("%", " %")
        text = f"{tuned.budget} trials each, tuned on {part} of the {examples} that no verdict uses"
    else:
        text = f"{tuned.budget} trials each in every repeat, tuned among its training {examples} alone"
        text += f" ({_hours(record.trials)} in all), so the verdicts are on the models with their tuning"
    text = f"{text}; points {how}, of {space}; the first is the training without a search."
    if tuned.others:
        others = ", ".join(f"{name} {value}" for name, value in tuned.others.items())
        text += f" They were tuned with {others}, which is another training than the one here."
    edges = edges_of(record)
    for model, names in edges.items():
        text += f" {of_edge(model, names).removeprefix('But ')[:1].upper()}{of_edge(model, names)[5:]}"
    return [FairnessLine("Recipes", "differs" if edges or tuned.others else "same", text)]


def recipes_found(record: StudyRecord, tuned: TunedSettings) -> str:
    """What the recipe of each model changes, or those of its trials, in a phrase; "" where none changes anything."""
    found: dict[str, Counter[str]] = {}
    for trial in record.trials:
        if trial.facts.get("estimator"):
            continue
        of_study = record.settings.recipes.get(trial.model, {})
        recipe = of_study if tuned.part is not None else trial.facts.get("recipe", {})
        found.setdefault(trial.model, Counter())[shown(recipe) if recipe else "nothing changed"] += 1
    if {recipe for of in found.values() for recipe in of} <= {"nothing changed"}:
        return ""
    return "; ".join(f"{model} with {_listed(recipes)}" for model, recipes in found.items())


def _listed(recipes: Counter[str]) -> str:
    """The recipes of a model's trials, with how often each was found where they are several."""
    each = [f"{recipe} ({count}x)" if len(recipes) > 1 else recipe for recipe, count in recipes.most_common(_MOST)]
    more = f" or {len(recipes) - _MOST} others" if len(recipes) > _MOST else ""
    return " or ".join(each) + more


def _hours(trials: Sequence[Trial]) -> str:
    return formats.duration(sum(trial.facts.get("search_seconds") or 0.0 for trial in trials))
