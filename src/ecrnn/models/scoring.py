"""Statistics of what a network wrote against what it should have written, one row an example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.data.tokens import Words
from ecrnn.stats.ngrams import bleu_statistics, edits


def bleu_of_captions(written: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Statistics of BLEU, float64 (n, 10), of lower-case words without punctuation, as captions are usually judged."""
    return _bleu([_plain(text) for text in written], [[_plain(text) for text in own] for own in references])


def splitter_of_translations() -> Callable[[str], list[str]]:
    """What splits texts into words as sacreBLEU does by default ("13a"), case kept.

    Raises:
        EcrnnError: the package sacrebleu, whose rules these are, is not installed.
    """
    try:
        from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    except ImportError as error:
        raise EcrnnError("BLEU of translations needs the package sacrebleu; pip install 'ecrnn[text]'") from error
    split = Tokenizer13a()  # type: ignore[no-untyped-call]
    return lambda text: str(split(text)).split()


def bleu_of_translations(written: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """Statistics of BLEU, float64 (n, 10), of words by `splitter_of_translations`, which says what is raised."""
    words = splitter_of_translations()
    return _bleu([words(text) for text in written], [[words(text) for text in own] for own in references])


def _plain(text: str) -> list[str]:
    return [word for word in Words.split(text.lower()) if any(letter.isalnum() for letter in word)]


def _bleu(written: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> np.ndarray:
    return np.array([bleu_statistics(mine, own) for mine, own in zip(written, references, strict=True)])


def character_edits(read: Iterable[str], texts: Sequence[str]) -> np.ndarray:
    """Statistics of the character error rate, float64 (n, 2): edits that mend what was read, and characters."""
    return np.array([(edits(mine, text), len(text)) for mine, text in zip(read, texts, strict=True)], np.float64)


def word_edits(read: Iterable[str], texts: Sequence[str]) -> np.ndarray:
    """Statistics of the word error rate, float64 (n, 2): as `character_edits`, of words between white space."""
    pairs = [(mine.split(), text.split()) for mine, text in zip(read, texts, strict=True)]
    return np.array([(edits(mine, text), len(text)) for mine, text in pairs], np.float64)


def whole_texts(read: Iterable[str], texts: Sequence[str]) -> np.ndarray:
    """Statistics of accuracy, float64 (n, 2): whether a text was read without any error, and 1."""
    return np.array([(mine == text, 1) for mine, text in zip(read, texts, strict=True)], np.float64)
