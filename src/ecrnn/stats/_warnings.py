"""What a reader of a comparison must be told beside its figures."""

from __future__ import annotations

from collections.abc import Sequence

from ecrnn.stats._one_pair import Side
from ecrnn.stats._settings import Settings
from ecrnn.stats.results import Pair
from ecrnn.stats.verdicts import repeats_warning


def warnings(sides: Sequence[Side], repeats: Sequence[int], pairs: Sequence[Pair], settings: Settings) -> list[str]:
    """A sentence each."""
    fewest = min((len(pair.repeats) for pair in pairs), default=len(repeats))
    return [
        *_behind(sides, len(repeats)),
        *_few(fewest, settings),
        *(_one_test_set(fewest, sides, settings) if settings.fixed_test else ()),
        *_sizes(sides, settings),
    ]


def _behind(sides: Sequence[Side], repeats: int) -> list[str]:
    """Models that have finished less than others."""
    behind: dict[int, list[str]] = {}  # models by the number of their repeats
    for side in sides:
        if len(side.values) < repeats:
            behind.setdefault(len(side.values), []).append(side.model)
    lines = []
    for count, models in behind.items():
        have, their = ("has", "its") if len(models) == 1 else ("have", "their")
        names, of = ", ".join(models), f"{count} of {repeats} repeats"
        lines.append(f"{names} {have} finished {of}; {their} pairs use those shared.")
    return lines


def _few(fewest: int, settings: Settings) -> list[str]:
    few = repeats_warning(fewest)
    return [few] if few and not (settings.fixed_test and fewest == 1) else []


def _one_test_set(fewest: int, sides: Sequence[Side], settings: Settings) -> list[str]:
    noun = settings.noun
    if fewest == 1:
        return [f"One trained model each: the {noun} say nothing about training again, so there is no verdict."]
    if not all(side.influence for side in sides if side.values):
        return [
            f"All repeats share one test set, and of each there is one score: what other test {noun} would change is "
            "not known, so there is no verdict."
        ]
    return [
        f"All repeats share one training and one test set: verdicts and intervals are over seeds and test {noun}, and "
        f"say nothing about other training {noun}."
    ]


def _sizes(sides: Sequence[Side], settings: Settings) -> list[str]:
    every = [len(array) for side in sides for array in side.examples.values()]
    sizes = set(every)
    far = any(abs(size - settings.n_test) > 1 for size in sizes)  # folds may differ by one
    if not far and (not every or abs(sum(every) / len(every) - settings.n_test) <= 0.5):  # and n_test be their mean
        return []
    scored = str(min(sizes)) if len(sizes) == 1 else f"{min(sizes)} to {max(sizes)}"
    noun = "examples" if max(sizes) > 1 else "example"
    used = "the variance over seeds and examples" if settings.fixed_test else "the correction for overlapping splits"
    return [f"n_test is {settings.n_test}, but repeats were scored on {scored} {noun}; {used} uses n_test."]
