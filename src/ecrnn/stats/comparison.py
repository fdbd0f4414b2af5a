"""The whole comparison of k models over r repeats, as plain data: what the report prints.

    comparison = compare({"cnn": {0: correct, ...}, "ecrnn-bilstm-16": {...}}, n_train=35_000, n_test=15_000)
    print(comparison.pairs[0].sentence)

A difference is model_a minus model_b, in fractions, everywhere: positive means that model_a is better, and
the verdict word is said of model_a. ``json.dumps(dataclasses.asdict(comparison), allow_nan=False)`` always
works.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ecrnn.core.errors import EcrnnError
from ecrnn.stats import _checks, _pairs, _sentences
from ecrnn.stats.bayes import Posterior, bayesian_correlated_t
from ecrnn.stats.images import ImageTest, McNemar, accuracy_difference_interval, mcnemar, paper_test
from ecrnn.stats.intervals import Interval, Summary, summarise
from ecrnn.stats.paired import PairedT, corrected_resampled_t, holm, probability_better
from ecrnn.stats.power import repeats_needed, smallest_detectable
from ecrnn.stats.verdicts import MIN_REPEATS, Verdict, repeats_warning, verdict

Scores = Mapping[int, ArrayLike] | Sequence[ArrayLike]  # repeat number -> (n,) score of each example


@dataclass(frozen=True)
class ModelScores:
    """One model: the repeats it has finished, its mean score in each, and their summary (None without)."""

    model: str
    repeats: tuple[int, ...]
    scores: tuple[float, ...]
    summary: Summary | None


@dataclass(frozen=True)
class Pair:
    """Two models on the repeats that both have finished; a difference is model_a minus model_b, a fraction.

    ``difference`` and ``probability`` are None without a shared repeat. ``test``, ``p_holm``, ``posterior``
    and the two figures of power need two repeats, ``verdict`` three. ``image_test`` is the paper's, None for
    scores other than right and wrong. ``mcnemar`` and ``image_interval`` are there only for one trained model
    each on a fixed test set.

    ``smallest_detectable`` and ``repeats_needed`` stand for power 0.8 at alpha divided by the number of
    pairs, the hardest step of Holm's adjustment; ``repeats_needed`` is None also where no number of repeats
    is enough.
    """

    model_a: str
    model_b: str
    repeats: tuple[int, ...]
    difference: float | None = None
    test: PairedT | None = None
    p_holm: float | None = None
    probability: Interval | None = None
    posterior: Posterior | None = None
    verdict: Verdict | None = None
    image_test: ImageTest | None = None
    smallest_detectable: float | None = None
    repeats_needed: int | None = None
    mcnemar: McNemar | None = None
    image_interval: Interval | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Comparison:
    """All models in the order given, all pairs, the settings, and what a reader must be told.

    ``repeats`` are the numbers of all repeats that any model has finished.
    """

    models: tuple[ModelScores, ...]
    pairs: tuple[Pair, ...]
    n_train: int
    n_test: int
    repeats: tuple[int, ...]
    rope: float
    alpha: float
    baseline: str | None
    fixed_test: bool
    warnings: tuple[str, ...]


def compare(
    scores: Mapping[str, Scores],
    n_train: int,
    n_test: int,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float = 0.005,
    alpha: float = 0.05,
    seed: int = 0,
    fixed_test: bool = False,
) -> Comparison:
    """Compare models over repeats that share their splits.

    Args:
        scores: for each model, in the order of the report, its repeats: a mapping from the number of the
            repeat to the (n,) scores of its examples (correctness as bool, or floats between 0 and 1), or a
            sequence of such arrays, numbered from 0. Within a repeat all models have the same examples in the
            same order. Models may have finished different repeats; a pair uses those that both have.
        n_train: training examples in a repeat.
        n_test: scored examples in a repeat.
        baseline: compare every other model (model_a) against this one (model_b). Without it every model is
            model_a against each one before it.
        pairs: compare these alone, (model_a, model_b), named before the scores were seen; none is named twice.
        rope: half the width of the region of practical equivalence, a fraction.
        alpha: level of the tests after Holm's adjustment over all pairs; intervals of pairs have level 1 -
            alpha.
        seed: of the bootstraps.
        fixed_test: the scores are of one test set that is the same in all repeats.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not among the models.
        EcrnnError: no models, scores that are empty, not finite, outside 0..1 or not of one dimension, models
            with different numbers of examples in a repeat, both baseline and pairs, a pair twice, settings out of
            range.
    """
    alpha, rope = _checks.share("alpha", alpha), _checks.not_negative("rope", rope)
    n_train, n_test = int(_checks.count("n_train", n_train)), int(_checks.count("n_test", n_test))
    examples = _read(scores)
    names = _pairs.chosen(list(examples), baseline, pairs)

    settings = _Settings(n_train, n_test, rope, alpha, seed, fixed_test)
    drafts = [_draft(a, b, examples[a], examples[b], settings, pairs=len(names)) for a, b in names]
    compared = _with_verdicts(drafts, alpha)
    repeats = tuple(sorted({repeat for own in examples.values() for repeat in own}))
    return Comparison(
        models=tuple(_model(name, own, settings) for name, own in examples.items()),
        pairs=compared,
        n_train=n_train,
        n_test=n_test,
        repeats=repeats,
        rope=rope,
        alpha=alpha,
        baseline=baseline,
        fixed_test=fixed_test,
        warnings=tuple(_warnings(examples, repeats, compared, settings)),
    )


_Examples = dict[int, NDArray[np.float64]]  # repeat -> (n,) score of each example


@dataclass(frozen=True)
class _Settings:
    n_train: int
    n_test: int
    rope: float
    alpha: float
    seed: int
    fixed_test: bool


def _read(scores: Mapping[str, Scores]) -> dict[str, _Examples]:
    """The scores as arrays, checked: each one by itself, and all models of a repeat against each other."""
    if not scores:
        raise EcrnnError("there are no models to compare")
    read: dict[str, _Examples] = {}
    first: dict[int, tuple[str, int]] = {}  # repeat -> the model seen first, and its number of examples
    for model, repeats in scores.items():
        numbered = repeats if isinstance(repeats, Mapping) else dict(enumerate(repeats))
        read[model] = {}
        for repeat in sorted(numbered):
            where = f"scores of {model} in repeat {repeat}"
            array = _checks.vector(where, numbered[repeat])
            if ((array < 0) | (array > 1)).any():
                raise EcrnnError(f"{where} must lie between 0 and 1 (are they in percent?)")
            other, size = first.setdefault(repeat, (model, array.size))
            if array.size != size:
                raise EcrnnError(
                    f"all models of a repeat must be scored on the same examples, got {size} of {other} and "
                    f"{array.size} of {model} in repeat {repeat}"
                )
            read[model][int(repeat)] = array
    return read


def _model(name: str, examples: _Examples, settings: _Settings) -> ModelScores:
    means = tuple(float(array.mean()) for array in examples.values())
    summary = summarise(means, settings.n_train, settings.n_test) if means else None
    return ModelScores(name, tuple(examples), means, summary)


def _draft(model_a: str, model_b: str, a: _Examples, b: _Examples, settings: _Settings, *, pairs: int) -> Pair:
    """All of a pair that does not depend on the other pairs; adjusted p, verdict and sentence come after."""
    n_train, n_test, level = settings.n_train, settings.n_test, 1 - settings.alpha
    shared = tuple(repeat for repeat in a if repeat in b)
    pair = Pair(model_a, model_b, shared)
    if not shared:
        return pair
    differences = np.array([a[repeat].mean() - b[repeat].mean() for repeat in shared])
    pair = replace(
        pair,
        difference=float(differences.mean()),
        probability=probability_better(differences, level, settings.seed),
        image_test=_image_test([a[repeat] for repeat in shared], [b[repeat] for repeat in shared]),
    )
    if len(shared) == 1:
        return _on_one_test_set(pair, a[shared[0]], b[shared[0]], settings) if settings.fixed_test else pair
    test = corrected_resampled_t(differences, n_train, n_test, level)
    step = settings.alpha / pairs
    needed = repeats_needed(test.difference, test.sd, n_train, n_test, alpha=step)
    return replace(
        pair,
        test=test,
        posterior=bayesian_correlated_t(differences, n_train, n_test, settings.rope),
        smallest_detectable=smallest_detectable(test.sd, test.n, n_train, n_test, alpha=step),
        repeats_needed=None if needed is None else max(needed, MIN_REPEATS),
    )


def _image_test(a: list[NDArray[np.float64]], b: list[NDArray[np.float64]]) -> ImageTest | None:
    """The paper's test over all images of all repeats; its formula holds for right and wrong only."""
    all_a, all_b = np.concatenate(a), np.concatenate(b)
    if not (_checks.is_binary(all_a) and _checks.is_binary(all_b)):
        return None
    return paper_test(float(all_a.mean()), float(all_b.mean()), all_a.size)


def _on_one_test_set(pair: Pair, a: NDArray[np.float64], b: NDArray[np.float64], settings: _Settings) -> Pair:
    """One trained model each: what the images of the test set tell, if the scores are right and wrong."""
    if pair.image_test is None:
        return pair
    interval = accuracy_difference_interval(a, b, 1 - settings.alpha, settings.seed)
    return replace(pair, mcnemar=mcnemar(a, b), image_interval=interval)


def _with_verdicts(drafts: list[Pair], alpha: float) -> tuple[Pair, ...]:
    """Adjust p over all pairs that have a test, then say the word and the sentence of each pair."""
    tests = [draft.test for draft in drafts]
    adjusted = iter(holm([test.p for test in tests if test is not None]))
    pairs = []
    for draft in drafts:
        pair = draft
        if draft.test is not None and draft.posterior is not None:
            p_holm = float(next(adjusted))
            word = verdict(draft.test, p_holm, draft.posterior, alpha)
            pair = replace(draft, p_holm=p_holm, verdict=word)
        pairs.append(replace(pair, sentence=_sentence(pair, alpha)))
    return tuple(pairs)


def _sentence(pair: Pair, alpha: float) -> str:
    a, b = pair.model_a, pair.model_b
    if pair.difference is None:
        return _sentences.nothing_shared(a, b)
    if pair.verdict and pair.test and pair.posterior and pair.p_holm is not None:
        return _sentences.with_verdict(
            a,
            b,
            word=pair.verdict,
            test=pair.test,
            p_holm=pair.p_holm,
            posterior=pair.posterior,
            alpha=alpha,
        )
    if pair.test:
        return _sentences.without_verdict(a, b, pair.test)
    if pair.mcnemar and pair.image_interval and pair.image_test:
        return _sentences.on_one_test_set(a, b, pair.mcnemar, pair.image_interval, pair.image_test.n)
    return _sentences.one_repeat(a, b, pair.difference)


def _warnings(
    examples: dict[str, _Examples], repeats: tuple[int, ...], pairs: tuple[Pair, ...], settings: _Settings
) -> list[str]:
    warnings = []
    for model, own in examples.items():
        if len(own) < len(repeats):
            warnings.append(f"{model} has finished {len(own)} of {len(repeats)} repeats; its pairs use those shared.")
    fewest = min((len(pair.repeats) for pair in pairs), default=len(repeats))
    few = repeats_warning(fewest)
    if few and not (settings.fixed_test and fewest == 1):
        warnings.append(few)
    if settings.fixed_test and fewest == 1:
        warnings.append("One trained model each: the images say nothing about training again, so there is no verdict.")
    elif settings.fixed_test:
        warnings.append("All repeats share one test set: their spread leaves out what other test images would change.")
    sizes = {array.size for own in examples.values() for array in own.values()}
    if any(abs(size - settings.n_test) > 1 for size in sizes):  # folds may differ by one
        warnings.append(
            f"n_test is {settings.n_test}, but repeats were scored on {min(sizes)} to {max(sizes)} examples; "
            "the correction for overlapping splits uses n_test."
        )
    return warnings
