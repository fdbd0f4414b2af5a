"""The finding in a sentence, and a second one that says how sure it is. Only what the verdicts allow is
claimed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ecrnn.report import formats
from ecrnn.report.results import ModelRow
from ecrnn.stats import Comparison, Pair

_FLIPPED = {"better": "worse", "worse": "better"}


def headline(comparison: Comparison, models: Sequence[ModelRow]) -> str:
    """One sentence: who is better than whom, or that it is not known."""
    best = max(models, key=lambda row: row.summary.mean)
    if len(models) == 1:
        what = "test" if comparison.fixed_test else "validation"
        spread = f", SD {formats.spread(best.summary.sd)} points" if best.summary.sd is not None else ""
        repeats = formats.plural(best.summary.n, "repeat")
        given = f"{best.model} gives {_accuracy(best)} of the {what} pictures the right class"
        return f"{given} ({repeats}{spread})."
    if not any(pair.verdict for pair in comparison.pairs):
        return _without_verdict(comparison, models, best)
    if comparison.baseline is not None:
        return _against_baseline(comparison, models)
    return _best_of_all(comparison, models, best)


def certainty(comparison: Comparison, models: Sequence[ModelRow]) -> str:
    """How many repeats, which test, how small a difference it could have found."""
    tested = [pair for pair in comparison.pairs if pair.test is not None]
    if len(models) == 1:
        return "There is one model, so nothing is compared."
    if not tested:
        if any(pair.mcnemar for pair in comparison.pairs):
            return (
                "One trained model each on one fixed test set: the tests tell these trained models apart, "
                "and say "
                "nothing about training again."
            )
        return "From one repeat nothing can be said about what another split or seed would change."
    counted = Counter(pair.verdict for pair in tested)
    decided = counted["better"] + counted["worse"]
    tally = f"Of {formats.plural(len(comparison.pairs), 'pair')}, {decided} differ{'s' if decided == 1 else ''}, "
    tally += f"{counted['equivalent']} {'is' if counted['equivalent'] == 1 else 'are'} equivalent within "
    tally += f"{100 * comparison.rope:g} points, and {counted['undecided']} "
    tally += f"{'is' if counted['undecided'] == 1 else 'are'} undecided "
    tally += f"(corrected resampled t, Holm-adjusted, level {comparison.alpha:g})."
    if not any(pair.verdict for pair in tested):
        tally = "No verdict is given below 3 repeats."
    sizes = sorted(pair.smallest_detectable for pair in tested if pair.smallest_detectable is not None)
    if not sizes:
        return tally
    ends = [formats.percent(sizes[0]), formats.percent(sizes[-1])]
    size = f"{ends[0]} points" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} points, depending on the pair,"
    shared = sorted({len(pair.repeats) for pair in tested})
    repeats = str(shared[0]) if len(shared) == 1 else f"{shared[0]} to {shared[-1]}"
    return f"{tally} From {repeats} repeats, a true difference of {size} would be found 8 times in 10."


def _accuracy(row: ModelRow) -> str:
    return f"{formats.percent(row.summary.mean)} %"


def _without_verdict(comparison: Comparison, models: Sequence[ModelRow], best: ModelRow) -> str:
    top = [row.model for row in models if row.summary.mean == best.summary.mean]
    if len(top) == len(models):
        standing = f"all {len(models)} models have the mean accuracy {_accuracy(best)}"
    else:
        standing = f"{formats.listed(top)} {'has' if len(top) == 1 else 'have'} the highest mean accuracy, "
        standing += _accuracy(best)
    if len(models) == 2 and len(top) == 1:
        other = next(row for row in models if row is not best)
        standing = f"{best.model} has {_accuracy(best)} and {other.model} {_accuracy(other)}"
    fewest = min((len(pair.repeats) for pair in comparison.pairs), default=0)
    repeats = formats.plural(fewest, "shared repeat")
    return f"No verdict: {standing}, but {repeats} cannot tell them apart for sure."


def _against_baseline(comparison: Comparison, models: Sequence[ModelRow]) -> str:
    name = comparison.baseline
    base = next(row for row in models if row.model == name)
    pairs = comparison.pairs
    if len(pairs) <= 3:
        return f"Against {name} ({_accuracy(base)}): {'; '.join(_said(pair) for pair in pairs)}."
    parts = []
    for word in ("better", "worse", "equivalent", "undecided"):
        own = [pair for pair in pairs if pair.verdict == word]
        if own:
            parts.append(f"{formats.listed([pair.model_a for pair in own], most=2)} {_is(len(own), word)}")
    top = max((pair for pair in pairs if pair.difference is not None), key=lambda pair: pair.difference or 0.0)
    return (
        f"Against {name} ({_accuracy(base)}): {'; '.join(parts)}; the largest difference is {top.model_a}'s, "
        f"{formats.points(top.difference)} points ({top.verdict or 'no verdict'})."
    )


def _is(number: int, word: str) -> str:
    return f"{'is' if number == 1 else 'are'} {word}"


def _said(pair: Pair) -> str:
    if pair.verdict is None:
        return f"{pair.model_a} has no verdict"
    return f"{pair.model_a} is {pair.verdict} ({formats.points(pair.difference)} points)"


def _best_of_all(comparison: Comparison, models: Sequence[ModelRow], best: ModelRow) -> str:
    pictures = f"{'test' if comparison.fixed_test else 'validation'} pictures"
    verdicts = {row.model: _verdict(comparison.pairs, best.model, row.model) for row in models if row is not best}
    beaten = [name for name, word in verdicts.items() if word == "better"]
    if len(beaten) == len(verdicts):
        others = [row for row in models if row is not best]
        if len(others) <= 3:
            against = formats.listed([_accuracy(row) for row in others])
        else:
            beaten = [f"all {len(others)} others"]
            runner = max(others, key=lambda row: row.summary.mean)
            against = f"{_accuracy(runner)} of the next, {runner.model}"
        return (
            f"{best.model} is better than {formats.listed(beaten)}: {_accuracy(best)} of the {pictures} are "
            "right, "
            f"against {against}."
        )
    parts = [f"better than {formats.listed(beaten)}"] if beaten else []
    for word, phrase in (
        ("equivalent", "equivalent to"),
        ("undecided", "undecided against"),
        (None, "without verdict against"),
    ):
        own = [name for name, said in verdicts.items() if said == word]
        if own:
            parts.append(f"{phrase} {formats.listed(own)}")
    lead = f"{best.model} has the highest mean accuracy, {_accuracy(best)}"
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
