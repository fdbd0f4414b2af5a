"""What a report across data sets says in words: its finding, how certain that is, and pairs that get no verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ecrnn.core.text import counted
from ecrnn.report import formats
from ecrnn.report.analysis.tuned import losers
from ecrnn.stats import Across, AcrossPair, Metric
from ecrnn.stats.across import MIN_DATA_SETS


@dataclass(frozen=True)
class Standing:
    """What a report must say of its plan beside the finding.

    ``planned`` counts the trainings of the plan, ``unfinished`` those that it still waits for, ``failed`` those of a
    model that failed, with how many ended. ``exploratory``: no verdicts and no adjustment were planned.
    """

    planned: int = 0
    unfinished: int = 0
    chosen_after: bool = False
    exploratory: bool = False
    failed: Mapping[str, tuple[int, int]] = field(default_factory=dict)


def without_verdicts(across: Across, metric: Metric) -> Across:
    """The figures of an interim report: all of them, and no word."""

    def silent(pair: AcrossPair) -> AcrossPair:
        if pair.effects is None:
            return replace(pair, verdict=None)
        size = f"{formats.difference(pair.effects.mean, metric)} {metric.difference_unit}"
        over = f"over {len(pair.data_sets)} data sets"
        sentence = f"Interim, no verdict on {pair.model_a} against {pair.model_b}: a difference of {size} {over}."
        return replace(pair, verdict=None, sentence=sentence)

    return replace(across, pairs=tuple(map(silent, across.pairs)))


def without_adjustment(across: Across, metric: Metric) -> Across:
    """The figures of exploratory pairs: interval and plain p of each, no adjusted p, and no verdict."""

    def plain(pair: AcrossPair) -> AcrossPair:
        found = replace(pair, verdict=None, p_holm=None, p_equivalent_holm=None, wilcoxon_holm=None)
        effects = pair.effects
        if effects is None:
            return found
        size = f"{formats.difference(effects.mean, metric)} {metric.difference_unit}"
        interval = formats.interval(effects.low, effects.high, metric, signed=True)
        sentence = (
            f"Exploratory, {pair.model_a} against {pair.model_b}: a difference of {size} over {effects.n} data sets "
            f"({formats.level(effects.level)} interval {interval}, p {formats.p_value(effects.p)}, not adjusted)."
        )
        return replace(found, sentence=sentence)

    return replace(across, pairs=tuple(map(plain, across.pairs)))


def headline(across: Across, metric: Metric, standing: Standing) -> str:
    """One sentence: who is better than whom on average, or that it is not known, and what failed."""
    remarks = ["chosen after the results"] if standing.chosen_after else []
    remarks += [f"{model} failed in {n} of {all_} trainings" for model, (n, all_) in standing.failed.items()]
    finding = _finding(across, metric, standing)
    return f"{finding.removesuffix('.')} ({', '.join(remarks)})." if remarks else finding


def _finding(across: Across, metric: Metric, standing: Standing) -> str:
    over = f"over {len(across.data_sets)} data sets"
    judged = [pair for pair in across.pairs if pair.verdict]
    if not across.pairs:
        return f"There is one model {over}, so nothing is compared."
    if standing.unfinished:
        ended = standing.planned - standing.unfinished
        return f"Interim, no verdict: {ended} of {counted(standing.planned, 'planned trainings')} have ended."
    if standing.exploratory:
        return f"Exploratory: {counted(len(across.pairs), 'pairs')} {over}, without adjustment and without verdict."
    if not judged:
        return f"No verdict {over}: at least {MIN_DATA_SETS} in common are wanted."
    beaten: dict[str, list[str]] = {}
    for pair in judged:
        if pair.verdict in ("better", "worse"):
            winner, loser = _winner_first(pair)
            beaten.setdefault(winner, []).append(loser)
    by_wins = sorted(beaten.items(), key=lambda item: -len(item[1]))
    sentences = [f"{winner} is better than {formats.listed(losing)}" for winner, losing in by_wins]
    equal = [f"{pair.model_a} and {pair.model_b}" for pair in judged if pair.verdict == "equivalent"]
    if equal:
        within = formats.rope(across.rope, metric)
        sentences.append(
            f"{formats.listed(equal, noun='pairs')} {'is' if len(equal) > 4 else 'are'} equivalent within {within}"
        )
    if sentences:
        return f"On average {over}, {'; '.join(sentences)}."
    return f"On average {over}, no model is shown to be better than another, nor equivalent to it."


def _winner_first(pair: AcrossPair) -> tuple[str, str]:
    return (pair.model_a, pair.model_b) if pair.verdict == "better" else (pair.model_b, pair.model_a)


def certainty(across: Across, standing: Standing, edges: Mapping[str, Sequence[str]]) -> str:
    """What was tested, what the intervals are about, and whose recipe lies at an edge of its search."""
    if standing.unfinished:
        return "A verdict is given when all trainings of the plan have ended."
    if standing.exploratory:
        return (
            "Each pair stands alone (random effects, Hartung-Knapp t over data sets): a low p is an idea, no finding."
        )
    judged = Counter(pair.verdict for pair in across.pairs if pair.verdict)
    if not judged:
        return "Data sets are the sample: more of them are wanted, not more repeats."
    decided, equal, open_ = judged["better"] + judged["worse"], judged["equivalent"], judged["undecided"]
    tested = (
        f"Of {counted(judged.total(), 'pairs')}, {decided} differ{'s' if decided == 1 else ''}, {equal} "
        f"{'is' if equal == 1 else 'are'} equivalent and {open_} {'is' if open_ == 1 else 'are'} undecided (random "
        f"effects, Hartung-Knapp t over data sets, Holm-adjusted, level {across.alpha:g}). Verdicts are about the mean "
        "over data sets like these; on a single new one the difference may be any that its prediction interval holds."
    )
    return " ".join([tested, *losers(across.pairs, edges)])
