"""What is said of all pairs together: p adjusted over them, the verdicts, the sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ecrnn.stats import _sentences
from ecrnn.stats._settings import Settings
from ecrnn.stats.failures import with_failures
from ecrnn.stats.paired import holm_of_known
from ecrnn.stats.results import ModelScores, Pair
from ecrnn.stats.verdicts import verdict


def with_verdicts(drafts: Sequence[Pair], models: Sequence[ModelScores], settings: Settings) -> tuple[Pair, ...]:
    """Adjust p over all pairs that have a test, then say the word and the sentence of each pair."""
    adjusted = holm_of_known(None if draft.test is None else draft.test.p for draft in drafts)
    equivalent = holm_of_known(draft.p_equivalent for draft in drafts)
    crossed = holm_of_known(None if draft.crossed is None else draft.crossed.p for draft in drafts)
    by_name = {model.model: model for model in models}
    pairs = []
    for draft, p, p_equivalent, p_crossed in zip(drafts, adjusted, equivalent, crossed, strict=True):
        pair = replace(draft, p_holm=p, p_equivalent_holm=p_equivalent, crossed_p_holm=p_crossed)
        if draft.test is not None and p is not None and p_equivalent is not None:
            higher = settings.metric.higher_is_better
            word = verdict(draft.test, p, p_equivalent, settings.alpha, higher_is_better=higher)
            pair = replace(pair, verdict=word)
        two = [by_name[name] for name in (pair.model_a, pair.model_b) if name in by_name]
        pairs.append(replace(pair, sentence=with_failures(pair.sentence or _sentence(pair, settings), two)))
    return tuple(pairs)


def _sentence(pair: Pair, settings: Settings) -> str:
    a, b, metric, noun = pair.model_a, pair.model_b, settings.metric, settings.noun
    if pair.difference is None:
        return _sentences.nothing_shared(a, b)
    if pair.verdict and pair.test and pair.p_holm is not None and pair.p_equivalent_holm is not None:
        return _sentences.with_verdict(
            a,
            b,
            metric,
            word=pair.verdict,
            test=pair.test,
            p_holm=pair.p_holm,
            p_equivalent=pair.p_equivalent_holm,
            rope=settings.rope,
            alpha=settings.alpha,
            noun=noun,
        )
    if pair.test:
        return _sentences.without_verdict(a, b, metric, pair.test, noun)
    if len(pair.repeats) > 1:
        return _sentences.without_examples(a, b, metric, pair.difference, len(pair.repeats), noun)
    return _sentences.one_repeat(a, b, metric, pair.difference)
