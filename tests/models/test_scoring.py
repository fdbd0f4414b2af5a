"""Statistics of what was written, against sacrebleu."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import sacrebleu
from core.lines import one_line

from ecrnn.core.errors import EcrnnError
from ecrnn.models.scoring import bleu_of_captions, bleu_of_translations, character_edits, whole_texts, word_edits
from ecrnn.stats.metrics import BLEU, CER

WRITTEN = [
    'Un homme, en "T-shirt" bleu, lit 3.5 pages.',
    "Deux chiens courent sur l'herbe verte &amp; jouent.",
    "",
    "  la fille   saute ",
    "A B-52 -- ($1,000.50)!",
]
REFERENCES = [
    'Un homme en "T-shirt" bleu lit 3,5 pages.',
    "Deux chiens courent sur l'herbe & jouent.",
    "Rien.",
    "La fille saute",
    "A B-52 -- ($1,000.50)!",
]


def test_translations_are_those_of_sacrebleu() -> None:
    found = bleu_of_translations(WRITTEN, [[text] for text in REFERENCES])
    expected = sacrebleu.corpus_bleu(WRITTEN, [REFERENCES], tokenize="13a")
    assert found.shape == (5, 10)
    assert found.dtype == np.float64
    assert found.sum(0).tolist() == [*expected.counts, *expected.totals, expected.sys_len, expected.ref_len]
    assert BLEU.value(found) == pytest.approx(expected.score / 100)
    for row, mine, own in zip(found, WRITTEN, REFERENCES, strict=True):
        alone = sacrebleu.corpus_bleu([mine], [[own]], tokenize="13a")
        assert row.tolist() == [*alone.counts, *alone.totals, alone.sys_len, alone.ref_len]


def test_captions_have_no_case_and_no_punctuation() -> None:
    written = ["a dog runs .", "two Dogs , on the grass"]
    references = [["A dog runs!", "The dog is running."], ["Two dogs on the grass."]]
    found = bleu_of_captions(iter(written), references)
    assert found.tolist() == [[3, 2, 1, 0, 3, 2, 1, 0, 3, 3], [5, 4, 3, 2, 5, 4, 3, 2, 5, 5]]
    assert bleu_of_captions(["..."], [["dog"]]).tolist() == [[0] * 8 + [0, 1]]


def test_character_edits() -> None:
    found = character_edits(iter(["abc", "", "xy"]), ["abd", "zz", ""])
    assert found.tolist() == [[1, 3], [2, 2], [2, 0]]
    assert CER.value(found) == 1.0


def test_word_edits_and_whole_texts() -> None:
    read, texts = ["a dog  runs", "", "the cat"], ["a dog ran off", "two words", "the cat"]
    assert word_edits(iter(read), texts).tolist() == [[2, 4], [2, 2], [0, 2]]
    assert whole_texts(iter(read), texts).tolist() == [[0, 1], [0, 1], [1, 1]]


def test_nothing_written() -> None:
    assert bleu_of_captions([], []).shape == bleu_of_translations([], []).shape == (0, 10)
    for made in (character_edits, word_edits, whole_texts):
        assert made([], []).shape == (0, 2)
    with pytest.raises(ValueError, match="shorter"):
        bleu_of_captions(["a", "b"], [["a"]])


def test_without_sacrebleu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.tokenizers.tokenizer_13a", None)
    with one_line(EcrnnError, "sacrebleu", "pip install 'ecrnn[text]'"):
        bleu_of_translations(["a"], [["a"]])
