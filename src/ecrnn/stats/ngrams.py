"""The statistics of BLEU and of error rates for one example: n-grams that match, and edits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import numpy as np

ORDER = 4  # longest n-grams of BLEU


def bleu_statistics(hypothesis: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """What one sentence adds to `ecrnn.stats.metrics.BLEU` (Papineni et al. 2002, clipped counts).

    Args:
        hypothesis: its words.
        references: the words of each reference, at least one.

    Returns:
        float64 (10,): n-grams of 1 to 4 words that match, n-grams given, length of the hypothesis, length of the
        reference nearest to it, the shorter of two equally near.
    """
    assert references
    matches, counts = [], []
    for n in range(1, ORDER + 1):
        ngrams = _ngrams(hypothesis, n)
        most: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            most |= _ngrams(reference, n)
        matches.append((ngrams & most).total())
        counts.append(ngrams.total())
    length = len(hypothesis)
    nearest = min((len(reference) for reference in references), key=lambda n: (abs(n - length), n))
    return np.array([*matches, *counts, length, nearest], np.float64)


def _ngrams(words: Sequence[str], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def edits(found: Sequence[Hashable], wanted: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and replacements that turn ``found`` into ``wanted`` (Levenshtein 1966)."""
    row = list(range(len(wanted) + 1))
    for i, mine in enumerate(found, 1):
        before, row[0] = row[0], i
        for j, theirs in enumerate(wanted, 1):
            cheapest = min(row[j] + 1, row[j - 1] + 1, before + (mine != theirs))
            before, row[j] = row[j], cheapest
    return row[-1]
