"""The verdicts of a study that trained until it was decided, in the place of those of a fixed number of repeats.

The decisions are taken again from `study.yaml` and the finished trials, as the study itself took them. Every figure of
a pair is then of the repeats of its last look, and its interval is the repeated one: after stopping at a look that
suited, the usual p and interval would be too good.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from ecrnn.report import formats
from ecrnn.report.analysis.headline import tally
from ecrnn.report.analysis.read import StudyRecord, Trial
from ecrnn.report.analysis.trial_scores import scores_of
from ecrnn.stats import Comparison, Metric, Pair, SequentialComparison, SequentialPair
from ecrnn.stats.failures import with_failures
from ecrnn.training.decisions import decide

ByModel = Mapping[str, Sequence[Trial]]


def decisions(record: StudyRecord, by_model: ByModel, metric: Metric) -> SequentialComparison | None:
    """What was decided in a study; None where it trains all models on all repeats."""
    settings = record.settings
    if settings.sequential is None:
        return None
    failed = [(model, repeat) for model, repeats in record.failed.items() for repeat in repeats]
    return decide(settings, metric, scores_of(by_model, metric, settings.score_epochs), failed)


def without_needless(record: StudyRecord, decided: SequentialComparison | None) -> StudyRecord:
    """The record without the trials that a study which trains until it is decided does not wait for."""
    if decided is None:
        return record
    kept = tuple(
        trial
        for trial in record.unfinished
        if trial.state != "not started" or (trial.model, trial.repeat) in decided.waiting
    )
    return replace(record, unfinished=kept, planned=record.planned - len(record.unfinished) + len(kept))


def with_sequential_verdicts(
    comparison: Comparison,
    decided: SequentialComparison,
    by_model: ByModel,
    metric: Metric,
    compare_pair: Callable[[ByModel, tuple[str, str]], Pair],
    seeds: int = 1,
) -> Comparison:
    """The comparison with each pair as it stood at its last look.

    Args:
        comparison: of all repeats.
        decided: what `decisions` gives.
        by_model: the trials.
        metric: of the verdicts.
        compare_pair: compares two models on the trials that it is given.
        seeds: trainings of each split, which is then the repeat.
    """
    models = {model.model: model for model in comparison.models}
    pairs = []
    for pair in decided.pairs:
        found = _at_its_look(pair, decided, by_model, metric, compare_pair, seeds)
        two = [models[name] for name in (pair.model_a, pair.model_b) if name in models]
        pairs.append(replace(found, sentence=with_failures(found.sentence, two)))
    kept = tuple(line for line in comparison.warnings if line.startswith("n_test"))  # others are of missing repeats
    return replace(comparison, pairs=tuple(pairs), warnings=kept)


def _at_its_look(
    pair: SequentialPair,
    decided: SequentialComparison,
    by_model: ByModel,
    metric: Metric,
    compare_pair: Callable[[ByModel, tuple[str, str]], Pair],
    seeds: int,
) -> Pair:
    names = pair.model_a, pair.model_b
    sentence = _sentence(pair, decided, metric)
    if not pair.looks:
        return Pair(*names, (), verdict=pair.verdict, sentence=sentence)
    a, b = ({trial.repeat // seeds: trial for trial in by_model[name]} for name in names)
    last = pair.looks[-1]
    splits = [split for split in a if split in b][: last.repeats]
    two = {name: [trial for trial in by_model[name] if trial.repeat // seeds in splits] for name in names}
    found = compare_pair(two, names)
    assert found.test is not None  # a look has three repeats at the least
    return replace(
        found,
        test=replace(found.test, low=last.low, high=last.high),
        p_holm=pair.p_holm,
        p_equivalent_holm=pair.p_equivalent_holm,
        crossed=None,
        crossed_p_holm=None,
        smallest_detectable=None,
        repeats_needed=None,
        verdict=pair.verdict,
        sentence=sentence,
    )


def _sentence(pair: SequentialPair, decided: SequentialComparison, metric: Metric) -> str:
    a, b = pair.model_a, pair.model_b
    if not pair.looks:
        return f"{a} and {b} share too few finished repeats to be looked at, so they are undecided."
    last, most = pair.looks[-1], decided.plan.looks[-1]
    size = f"{formats.value(abs(last.difference), metric)} {metric.difference_unit}"
    ends = formats.interval(last.low, last.high, metric, signed=True)
    level = formats.level(1 - decided.plan.alpha)
    evidence = f"repeated {level} interval {ends}, sequential {_p(pair.p_holm)}, Holm-adjusted"
    at = f"at the look after {last.repeats} of at most {most} repeats"
    if pair.verdict in ("better", "worse"):
        return f"{a} is {pair.verdict} than {b} by {size}, decided {at} ({evidence})."
    standing = f"{a} is {'higher' if last.difference > 0 else 'lower'} by {size}"
    if pair.verdict == "equivalent":
        rope = formats.rope(decided.plan.rope, metric)
        shown = f"sequential {_p(pair.p_equivalent_holm)} of two one-sided tests, Holm-adjusted"
        return f"{a} and {b} are equivalent, within {rope}, decided {at}: {standing} ({evidence}; {shown})."
    why = {
        "given up": f"given up {at}, since the last look could hardly decide it",
        "last look": f"the last look, after {last.repeats} repeats, did not decide it",
        "open": f"still open after {last.repeats} repeats",
    }[pair.closed]
    return f"{a} against {b} is undecided, {why}: {standing} ({evidence})."


def _p(p: float) -> str:
    shown = formats.p_value(p)
    return f"p {shown}" if shown.startswith(("<", ">")) else f"p = {shown}"


def sequential_certainty(
    decided: SequentialComparison, trained: int, models: int, metric: Metric, seeds: int = 1
) -> str:
    """How the verdicts came about, what errs how often, and what was saved.

    Args:
        decided: what `decisions` gives.
        trained: trainings of the study.
        models: of the study.
        metric: of the verdicts.
        seeds: trainings of each split.
    """
    plan = decided.plan
    level, words = formats.level(plan.alpha), [pair.verdict for pair in decided.pairs]
    looks = f"{', '.join(map(str, plan.looks))} {'repeats' if seeds == 1 else 'splits'}"
    most = models * seeds * plan.looks[-1]
    return (
        f"{tally(len(words), words, plan.rope, metric)}. Looks were planned after {looks}, and a "
        f"pair that a look closed was not trained on: {trained} of at most {most} trainings. "
        f"Corrected resampled t with sequential boundaries, Holm-adjusted over the pairs: at most {level} for any "
        f"false better or worse, and {level} for any false equivalent, at all looks together."
    )
