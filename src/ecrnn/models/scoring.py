"""Statistics of what a network wrote against what it should have written, one row an example."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.data.tokens import Words
from ecrnn.stats.ngrams import ORDER, bleu_statistics, edits


def bleu_of_captions(written: Iterable[str], references: Iterable[Sequence[str]]) -> np.ndarray:
    """Statistics of BLEU, float64 (n, 10), of lower-case words without punctuation, as captions are usually judged."""
    return _bleu(_plain, written, references)


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


def bleu_of_translations(written: Iterable[str], references: Iterable[Sequence[str]]) -> np.ndarray:
    """Statistics of BLEU, float64 (n, 10), of words by `splitter_of_translations`, which says what is raised."""
    return _bleu(splitter_of_translations(), written, references)


def _plain(text: str) -> list[str]:
    return [word for word in Words.split(text.lower()) if any(letter.isalnum() for letter in word)]


def _bleu(split: Callable[[str], list[str]], written: Iterable[str], references: Iterable[Sequence[str]]) -> np.ndarray:
    pairs = zip(written, references, strict=True)
    rows = [bleu_statistics(split(text), [split(reference) for reference in several]) for text, several in pairs]
    return np.array(rows).reshape(-1, 2 * ORDER + 2)


def character_edits(read: Iterable[str], texts: Iterable[str]) -> np.ndarray:
    """Statistics of the character error rate, float64 (n, 2): edits that mend what was read, and characters."""
    return _ratios((edits(found, text), len(text)) for found, text in zip(read, texts, strict=True))


def word_edits(read: Iterable[str], texts: Iterable[str]) -> np.ndarray:
    """Statistics of the word error rate, float64 (n, 2): as `character_edits`, of words between white space."""
    pairs = ((found.split(), text.split()) for found, text in zip(read, texts, strict=True))
    return _ratios((edits(found, text), len(text)) for found, text in pairs)


def whole_texts(read: Iterable[str], texts: Iterable[str]) -> np.ndarray:
    """Statistics of accuracy, float64 (n, 2): whether a text was read without any error, and 1."""
    return _ratios((found == text, 1) for found, text in zip(read, texts, strict=True))


def _ratios(rows: Iterable[tuple[int, int]]) -> np.ndarray:
    return np.array(list(rows), np.float64).reshape(-1, 2)
