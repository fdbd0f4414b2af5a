"""The finding in a sentence, and a second one that says how sure it is. Only what the verdicts allow is
claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ecrnn.report import formats
from ecrnn.report.analysis.schema import ModelRow, Plan, Subject, best_row, test_name
from ecrnn.stats import Comparison, Metric, Pair, Verdict
from ecrnn.stats.failures import failures_of
from ecrnn.stats.verdicts import MIN_REPEATS

_FLIPPED = {"better": "worse", "worse": "better"}


def headline(comparison: Comparison, models: Sequence[ModelRow], subject: Subject, plan: Plan | None = None) -> str:
    """One sentence: who is better than whom, or that it is not known; no verdict before the plan is carried out."""
    finding = _interim(models, subject, plan) or _finding(comparison, models, subject)
    return with_remarks(finding, subject, plan)


def with_remarks(sentence: str, subject: Subject, plan: Plan | None) -> str:
    """A finding with what must be said of its score and its plan."""
    remarks = [subject.mean_of_epochs, "chosen after the results" if plan and plan.chosen_after else ""]
    more = ", ".join(filter(None, remarks))
    return f"{sentence.removesuffix('.')} ({more})." if more else sentence


def _interim(models: Sequence[ModelRow], subject: Subject, plan: Plan | None) -> str:
    """What is said before the planned repeats are finished; "" after that, and where nothing is compared."""
    if plan is None or not plan.unfinished or len(models) == 1:
        return ""
    best = best_row(models, subject.metric)
    standing = f"{best.model} has {_standing(subject.metric)} so far, {_mean(best, subject.metric)}"
    return f"Interim, no verdict: {_waiting(plan)}; {standing}."


def _waiting(plan: Plan) -> str:
    are = "is" if plan.unfinished == 1 else "are"
    return f"{formats.plural(plan.unfinished, 'planned training')} {are} not finished"


def _finding(comparison: Comparison, models: Sequence[ModelRow], subject: Subject) -> str:
    metric, scored = subject.metric, subject.scored
    best = best_row(models, metric)
    if len(models) == 1:
        sd = best.summary.sd
        spread = f", SD {formats.value(sd, metric)} {metric.points}" if sd is not None else ""
        repeats = formats.plural(best.summary.n, "repeat")
        result = f"{best.model} has {formats.titled(best.summary.mean, metric)} on the {scored}"
        if metric.binary:
            result = f"{best.model} gives {_mean(best, metric)} of the {scored} the right class"
        return f"{result} ({repeats}{spread})."
    if not any(pair.verdict for pair in comparison.pairs):
        return _without_verdict(comparison, models, best, metric)
    if comparison.baseline is not None:
        return _against_baseline(comparison, models, metric)
    clause = f"of the {scored} are right" if metric.binary else f"on the {scored}"
    return _best_of_all(comparison, models, best, metric, clause)


def failures(comparison: Comparison, failed: Mapping[str, Sequence[int]]) -> list[str]:
    """A sentence for each model of which a training failed, also for those that have no score at all."""
    compared = {model.model for model in comparison.models}
    lines = [failures_of(model) for model in comparison.models if model.failure]
    for model, repeats in failed.items():
        if model not in compared:
            lines.append(f"{model} failed in all {formats.plural(len(repeats), 'training')} and is not compared.")
    return lines


def certainty(
    comparison: Comparison,
    models: Sequence[ModelRow],
    subject: Subject,
    plan: Plan | None = None,
    looks: Sequence[int] = (),
) -> str:
    """How many repeats, which test, how small a difference it could have found. ``looks``: of a sequential study."""
    metric = subject.metric
    if plan is not None and plan.unfinished and len(models) > 1:
        when = f"when all {formats.plural(max(plan.repeats, plan.repeats_now), 'repeat')} of the plan are finished"
        if looks:
            when = f"at looks, after {', '.join(map(str, looks))} repeats"
        return f"A verdict is given {when}; {_waiting(plan)}."
    tested = [pair for pair in comparison.pairs if pair.test is not None]
    if len(models) == 1:
        return "There is one model, so nothing is compared."
    if not tested:
        return _untested(comparison, metric, subject.examples)
    level, words = formats.level(comparison.alpha), [pair.verdict for pair in tested]
    counted = f"{tally(len(comparison.pairs), words, comparison.rope, metric)} "
    counted += (
        f"({test_name(comparison, subject.examples)}, Holm-adjusted over the pairs: at most {level} for any false "
    )
    counted += f"better or worse, and {level} for any false equivalent)."
    if not any(pair.verdict for pair in tested):
        return f"No verdict is given below {MIN_REPEATS} repeats."
    sizes = sorted(pair.smallest_detectable for pair in tested if pair.smallest_detectable is not None)
    if not sizes:
        return (
            f"{counted} From so few repeats not even the largest difference that can be would be found 8 times in 10."
        )
    ends = [formats.value(size, metric) for size in (sizes[0], sizes[-1])]
    size = f"{ends[0]} {metric.points}"
    if ends[0] != ends[1]:
        size = f"{ends[0]} to {ends[1]} {metric.points}, depending on the pair,"
    shared = sorted({len(pair.repeats) for pair in tested})
    repeats = str(shared[0]) if len(shared) == 1 else f"{shared[0]} to {shared[-1]}"
    return f"{counted} From {repeats} repeats, a true difference of {size} would be found 8 times in 10."


def tally(pairs: int, verdicts: Iterable[Verdict | None], rope: float, metric: Metric) -> str:
    """How many of so many ``pairs`` differ, are equivalent and undecided; the beginning of a sentence."""
    of = Counter(verdicts)
    decided, equal, open_ = of["better"] + of["worse"], of["equivalent"], of["undecided"]
    return (
        f"Of {formats.plural(pairs, 'pair')}, {decided} differ{'s' if decided == 1 else ''}, "
        f"{equal} {'is' if equal == 1 else 'are'} equivalent within {formats.rope(rope, metric)}, and "
        f"{open_} {'is' if open_ == 1 else 'are'} undecided"
    )


def _untested(comparison: Comparison, metric: Metric, examples: str) -> str:
    if any(pair.image_interval for pair in comparison.pairs):
        what = "tests" if metric.binary else "intervals"
        return (
            f"One trained model each on one fixed test set: the {what} tell these trained models apart, and say "
            "nothing about training again."
        )
    if comparison.fixed_test and len(comparison.repeats) > 1:
        what = f"what other test {examples} would change"
        return f"One score a repeat on one test set does not tell {what}, so there is no verdict."
    return "From one repeat nothing can be said about what another split or seed would change."


def _mean(row: ModelRow, metric: Metric) -> str:
    return formats.with_unit(row.summary.mean, metric)


def _standing(metric: Metric) -> str:
    return f"the {'highest' if metric.higher_is_better else 'lowest'} mean {metric.title}"


def _without_verdict(comparison: Comparison, models: Sequence[ModelRow], best: ModelRow, metric: Metric) -> str:
    top = [row.model for row in models if row.summary.mean == best.summary.mean]
    if len(top) == len(models):
        standing = f"all {len(models)} models have the mean {metric.title} {_mean(best, metric)}"
    else:
        standing = f"{formats.listed(top)} {'has' if len(top) == 1 else 'have'} {_standing(metric)}, "
        standing += _mean(best, metric)
    if len(models) == 2 and len(top) == 1:
        other = next(row for row in models if row is not best)
        standing = (
            f"{best.model} has {formats.titled(best.summary.mean, metric)} and {other.model} {_mean(other, metric)}"
        )
    fewest = min((len(pair.repeats) for pair in comparison.pairs), default=0)
    repeats = formats.plural(fewest, "shared repeat")
    return f"No verdict: {standing}, but {repeats} cannot tell them apart for sure."


def _against_baseline(comparison: Comparison, models: Sequence[ModelRow], metric: Metric) -> str:
    name = comparison.baseline
    base = next(row for row in models if row.model == name)
    pairs, against = comparison.pairs, f"Against {name} ({formats.titled(base.summary.mean, metric)})"
    if len(pairs) <= 3:
        return f"{against}: {'; '.join(_verdict_words(pair, metric) for pair in pairs)}."
    parts = []
    for word in ("better", "worse", "equivalent", "undecided"):
        alike = [pair for pair in pairs if pair.verdict == word]
        if alike:
            parts.append(f"{formats.listed([pair.model_a for pair in alike], most=2)} {_is(len(alike), word)}")
    sign = 1 if metric.higher_is_better else -1
    found = [pair for pair in pairs if pair.difference is not None]
    top = max(found, key=lambda pair: sign * (pair.difference or 0.0))
    return (
        f"{against}: {'; '.join(parts)}; the largest difference is {top.model_a}'s, "
        f"{formats.difference(top.difference, metric)} {metric.points} ({top.verdict or 'no verdict'})."
    )


def _is(number: int, word: str) -> str:
    return f"{'is' if number == 1 else 'are'} {word}"


def _verdict_words(pair: Pair, metric: Metric) -> str:
    if pair.verdict is None:
        return f"{pair.model_a} has no verdict"
    return f"{pair.model_a} is {pair.verdict} ({formats.difference(pair.difference, metric)} {metric.points})"


def _best_of_all(
    comparison: Comparison, models: Sequence[ModelRow], best: ModelRow, metric: Metric, clause: str
) -> str:
    """``clause`` is what is said of the best mean: that so many examples are right, or which examples it is on."""
    verdicts = {row.model: _verdict(comparison.pairs, best.model, row.model) for row in models if row is not best}
    beaten = [name for name, word in verdicts.items() if word == "better"]
    if len(beaten) == len(verdicts):
        others = [row for row in models if row is not best]
        if len(others) <= 3:
            against = formats.listed([_mean(row, metric) for row in others])
        else:
            beaten = [f"all {len(others)} others"]
            runner = best_row(others, metric)
            against = f"{_mean(runner, metric)} of the next, {runner.model}"
        mean = (
            f"{_mean(best, metric)} {clause}"
            if metric.binary
            else f"{formats.titled(best.summary.mean, metric)} {clause}"
        )
        return f"{best.model} is better than {formats.listed(beaten)}: {mean}, against {against}."
    parts = [f"better than {formats.listed(beaten)}"] if beaten else []
    for word, phrase in (
        ("equivalent", "equivalent to"),
        ("undecided", "undecided against"),
        (None, "without verdict against"),
    ):
        alike = [name for name, verdict in verdicts.items() if verdict == word]
        if alike:
            parts.append(f"{phrase} {formats.listed(alike)}")
    lead = f"{best.model} has {_standing(metric)}, {_mean(best, metric)}"
    if not beaten:
        return f"No model is shown to be the best: {lead}, but is {' and '.join(parts)}."
    return f"{lead}, and is {' and '.join([', '.join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)}."


def _verdict(pairs: Sequence[Pair], a: str, b: str) -> str | None:
    """The verdict on ``a`` against ``b``, whichever way the pair stands."""
    for pair in pairs:
        if (pair.model_a, pair.model_b) == (a, b):
            return pair.verdict
        if (pair.model_a, pair.model_b) == (b, a):
            return None if pair.verdict is None else _FLIPPED.get(pair.verdict, pair.verdict)
    return None
