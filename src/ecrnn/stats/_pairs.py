"""Which models are compared with which: all pairs, all against a baseline, or those that were named."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from ecrnn.core.errors import EcrnnError, unknown_name


def chosen(
    models: Sequence[str], baseline: str | None, pairs: Sequence[tuple[str, str]] | None
) -> list[tuple[str, str]]:
    """The pairs as (model_a, model_b); without a baseline and without ``pairs`` each model against those before it.

    Raises:
        UnknownNameError: the baseline, or a model of ``pairs``, is not among the models.
        EcrnnError: both are given, a pair twice, or a model with itself.
    """
    if pairs is not None:
        return _named(models, baseline, pairs)
    if baseline is None:
        return [(later, earlier) for earlier, later in combinations(models, 2)]
    if baseline not in models:
        raise unknown_name("baseline", baseline, models, where="compare")
    return [(model, baseline) for model in models if model != baseline]


def _named(models: Sequence[str], baseline: str | None, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    if baseline is not None:
        raise EcrnnError("give a baseline or pairs to compare, not both")
    for name in (name for pair in pairs for name in pair):
        if name not in models:
            raise unknown_name("model", name, models, where="pairs of compare")
    if len({frozenset(pair) for pair in pairs}) < len(pairs) or any(a == b for a, b in pairs):
        raise EcrnnError("pairs must name two different models each, and each pair once")
    return list(pairs)
