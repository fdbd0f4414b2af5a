"""How often a report of several equal networks says anything false: the verdicts of all pairs together, in simulation.

The networks are those of networks.py, trained on real splits, so what correlates repeats is there and not put in. A
study errs when any of its pairs is "better" or "worse"; and, where all networks but the first are set to be better by
exactly the region of equivalence, when any pair with the first is "equivalent".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ecrnn.stats.crossed import crossed_t, shared_covariance
from ecrnn.stats.networks import LEARNERS, Noise, Split, equal_networks
from ecrnn.stats.paired import PairedT, corrected_resampled_t, equivalence, holm, paired_t
from ecrnn.stats.verdicts import Verdict, verdict

ROPE = 6  # half the width of the region of equivalence, in standard errors of the test that judges
ALPHA = 0.05


@dataclass(frozen=True)
class FamilyErrors:
    """Shares of ``studies`` that err at level 5 %, of networks that are equal.

    ``different`` has by the number of models the share with any false "better" or "worse", ``equivalent`` with any
    false "equivalent". ``corrected``, ``crossed`` and ``plain`` are of each test on the first pair alone. ``seeds`` is
    the share of the variance of a difference between repeats that is not the test examples'. A repeat is a split, its
    score the mean over ``seeds_per_split`` trainings.
    """

    noise: Noise
    split: Split
    repeats: int
    studies: int
    seeds: float
    different: dict[int, float]
    equivalent: dict[int, float]
    corrected: float
    crossed: float
    plain: float
    seeds_per_split: int = 1


@dataclass(frozen=True)
class _Tests:
    """Of one pair of one study."""

    corrected: PairedT
    crossed: PairedT
    plain: PairedT
    images: float  # variance of a repeat's difference over test examples


def family_errors(
    noise: Noise,
    split: Split,
    *,
    models: Sequence[int] = (2, 3, 9),
    repeats: Sequence[int] = (5, 10),
    seeds_per_split: int = 1,
    studies: int = 1000,
    seed: int = 0,
) -> list[FamilyErrors]:
    """Simulate studies and count those that err.

    Args:
        noise: where the noise of an accuracy comes from.
        split: how each repeat divides the examples.
        models: sizes of families; the smaller ones are the first models of the largest.
        repeats: splits; the smaller numbers are the first repeats of the largest.
        seeds_per_split: trainings of each model on each split, whose mean is the score of the repeat.
        studies: how many.
        seed: study s draws from seed and s, so more studies go on with the same ones.

    Returns:
        One a number of repeats.
    """
    pairs = list(combinations(range(max(models)), 2))
    tests: dict[int, list[list[_Tests]]] = {r: [] for r in repeats}
    for study in range(studies):
        rng = np.random.default_rng([seed, study])
        correct, index = _means(
            *equal_networks(rng, noise, split, max(models), max(repeats), seeds_per_split), seeds_per_split
        )
        n_train = LEARNERS[noise].total - correct.shape[2]
        for r in repeats:
            tests[r].append([_tests(correct[b, :r], correct[a, :r], index[:r], n_train) for a, b in pairs])
    counted = [_counted(noise, split, tests[r], pairs, models, r) for r in repeats]
    return [replace(row, seeds_per_split=seeds_per_split) for row in counted]


def _means(
    correct: NDArray[np.bool_], index: NDArray[np.int64], seeds: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Share of the trainings of each split that are right, (models, splits, n_test), and the examples of each split."""
    models, trainings, n_test = correct.shape
    return correct.reshape(models, trainings // seeds, seeds, n_test).mean(axis=2), index[::seeds]


def _tests(a: NDArray[np.float64], b: NDArray[np.float64], index: NDArray[np.int64], n_train: int) -> _Tests:
    examples = a - b
    d, n_test = examples.mean(axis=1), examples.shape[1]
    return _Tests(
        corrected_resampled_t(d, n_train, n_test),
        crossed_t(d, shared_covariance(list(examples), list(index)), n_test),
        paired_t(d),
        float(examples.var(axis=1).mean() / n_test),
    )


def verdicts(tests: Sequence[PairedT], rope: float) -> list[Verdict | None]:
    """The words of all pairs of a study, as `ecrnn.stats.compare` says them."""
    different, equivalent = holm([test.p for test in tests]), holm([equivalence(test, rope) for test in tests])
    return [verdict(*of, alpha=ALPHA) for of in zip(tests, different.tolist(), equivalent.tolist(), strict=True)]


def _counted(
    noise: Noise,
    split: Split,
    studies: Sequence[Sequence[_Tests]],
    pairs: Sequence[tuple[int, int]],
    models: Sequence[int],
    repeats: int,
) -> FamilyErrors:
    def judged(tests: _Tests) -> PairedT:
        return tests.crossed if split == "own" else tests.corrected

    variance = float(np.mean([tests.plain.sd**2 for study in studies for tests in study]))
    images = float(np.mean([tests.images for study in studies for tests in study]))
    rope = ROPE * float(np.mean([judged(tests).standard_error for study in studies for tests in study]))
    different, equivalent = dict.fromkeys(models, 0), dict.fromkeys(models, 0)
    for study in studies:
        for k in models:
            family = [(a, judged(tests)) for (a, b), tests in zip(pairs, study, strict=True) if b < k]
            words = verdicts([test for _, test in family], rope=0.0)
            different[k] += any(word in ("better", "worse") for word in words)
            at_the_edge = [replace(test, difference=test.difference + rope * (a == 0)) for a, test in family]
            words = verdicts(at_the_edge, rope)
            equivalent[k] += any(word == "equivalent" and a == 0 for word, (a, _) in zip(words, family, strict=True))
    first = [study[0] for study in studies]
    n = len(studies)
    return FamilyErrors(
        noise=noise,
        split=split,
        repeats=repeats,
        studies=n,
        seeds=max(0.0, 1 - images / variance),
        different={k: count / n for k, count in different.items()},
        equivalent={k: count / n for k, count in equivalent.items()},
        corrected=sum(tests.corrected.p < ALPHA for tests in first) / n,
        crossed=sum(tests.crossed.p < ALPHA for tests in first) / n,
        plain=sum(tests.plain.p < ALPHA for tests in first) / n,
    )
