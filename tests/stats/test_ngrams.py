"""n-grams against sacrebleu and by hand, edits against their definition."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sacrebleu

from ecrnn.stats.metrics import BLEU
from ecrnn.stats.ngrams import bleu_statistics, edits


def test_the_example_of_papineni() -> None:
    """Section 2.1: seven times "the" match twice, because a reference has two."""
    references = ["the cat is on the mat", "there is a cat on the mat"]
    found = bleu_statistics(["the"] * 7, [own.split() for own in references])
    assert found.tolist() == [2, 0, 0, 0, 7, 6, 5, 4, 7, 7]


@pytest.mark.parametrize(
    ("length", "lengths", "nearest"),
    [(5, [5], 5), (5, [4, 6], 4), (5, [6, 4], 4), (5, [7, 9], 7), (0, [3, 2], 2), (3, [0], 0)],
)
def test_the_reference_nearest_in_length(length: int, lengths: list[int], nearest: int) -> None:
    found = bleu_statistics(["a"] * length, [["b"] * own for own in lengths])
    assert found[8:].tolist() == [length, nearest]
    assert found[:4].tolist() == [0] * 4
    assert found[4:8].tolist() == [max(0, length - n) for n in range(4)]


def test_statistics_are_those_of_sacrebleu() -> None:
    draw = np.random.default_rng(0)
    words = list("abcde")
    hypotheses = [list(draw.choice(words, draw.integers(0, 12))) for _ in range(200)]
    references = [[list(draw.choice(words, draw.integers(1, 12))) for _ in range(3)] for _ in range(200)]
    rows = [bleu_statistics(mine, own) for mine, own in zip(hypotheses, references, strict=True)]
    texts = [" ".join(own) for own in hypotheses]
    streams = [[" ".join(own[k]) for own in references] for k in range(3)]
    expected = sacrebleu.corpus_bleu(texts, streams, tokenize="none", smooth_method="none")
    assert np.sum(rows, axis=0).tolist() == [
        *expected.counts,
        *expected.totals,
        expected.sys_len,
        expected.ref_len,
    ]
    assert BLEU.value(rows) == pytest.approx(expected.score / 100)


@pytest.mark.parametrize("kind", [str, list])
def test_edits(kind: type) -> None:
    @cache
    def fewest(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        return min(fewest(a[1:], b) + 1, fewest(a, b[1:]) + 1, fewest(a[1:], b[1:]) + (a[0] != b[0]))

    draw = np.random.default_rng(1)
    for _ in range(300):
        a, b = ("".join(draw.choice(list("abc"), draw.integers(0, 9))) for _ in range(2))
        assert edits(kind(a), kind(b)) == fewest(a, b) == edits(kind(b), kind(a)), (a, b)
    assert edits("kitten", "sitting") == 3
