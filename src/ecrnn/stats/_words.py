"""What is said of all pairs together: p adjusted over them, the verdicts, the sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ecrnn.stats import _sentences
from ecrnn.stats._settings import Settings
from ecrnn.stats.paired import holm
from ecrnn.stats.results import Pair
from ecrnn.stats.verdicts import verdict


def with_verdicts(drafts: Sequence[Pair], settings: Settings) -> tuple[Pair, ...]:
    """Adjust p over all pairs that have a test, then say the word and the sentence of each pair."""
    adjusted = iter(holm([draft.test.p for draft in drafts if draft.test is not None]))
    crossed = iter(holm([draft.crossed.p for draft in drafts if draft.crossed is not None]))
    pairs = []
    for draft in drafts:
        pair = draft
        if draft.test is not None and draft.posterior is not None:
            p_holm = float(next(adjusted))
            higher = settings.metric.higher_is_better
            word = verdict(draft.test, p_holm, draft.posterior, settings.alpha, higher_is_better=higher)
            pair = replace(draft, p_holm=p_holm, verdict=word)
        if draft.crossed is not None:
            pair = replace(pair, crossed_p_holm=float(next(crossed)))
        pairs.append(replace(pair, sentence=pair.sentence or _sentence(pair, settings)))
    return tuple(pairs)


def _sentence(pair: Pair, settings: Settings) -> str:
    a, b, metric, noun = pair.model_a, pair.model_b, settings.metric, settings.noun
    if pair.difference is None:
        return _sentences.nothing_shared(a, b)
    if pair.verdict and pair.test and pair.posterior and pair.p_holm is not None:
        return _sentences.with_verdict(
            a,
            b,
            metric,
            word=pair.verdict,
            test=pair.test,
            p_holm=pair.p_holm,
            posterior=pair.posterior,
            alpha=settings.alpha,
            noun=noun,
        )
    if pair.test:
        return _sentences.without_verdict(a, b, metric, pair.test, noun)
    if len(pair.repeats) > 1:
        return _sentences.without_examples(a, b, metric, pair.difference, len(pair.repeats), noun)
    return _sentences.one_repeat(a, b, metric, pair.difference)
