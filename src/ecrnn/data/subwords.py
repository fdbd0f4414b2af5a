"""Byte-pair encoding (Sennrich et al. 2016) over the bytes of UTF-8, by the package tokenizers from the extra "text".

Pieces are written as in GPT-2, a printable character for each byte, and a space belongs to the word after it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.data.vocabulary import LONGEST, MOST, SPECIAL, VOCABULARY_FILE, Vocabulary, to_json, utf8

TOKENIZER_FILE = "tokenizer.json"  # a file of the package tokenizers, so that other programs can read it


class Subwords(Vocabulary):
    """A vocabulary of pieces of words.

    Args:
        ids: the id of each piece, 0 .. len - 1.
        merges: pairs of pieces to join, the first in the list first.
    """

    kind = "subwords"

    def __init__(self, ids: dict[str, int], merges: Sequence[tuple[str, str]]) -> None:
        tokenizers = _tokenizers()
        # Rebuilt from these two alone: text that reads like a special token is no special token, and a file from
        # elsewhere brings no patterns of its own.
        self._tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=ids, merges=list(merges)))
        self._tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        self._tokenizer.decoder = tokenizers.decoders.ByteLevel()
        self._size = len(ids)

    def __len__(self) -> int:
        return self._size

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(utf8(text)).ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; bytes that are no UTF-8 become U+FFFD, special ids are left out."""
        return self._tokenizer.decode([i for i in ids if i >= len(SPECIAL)])

    def files(self) -> dict[str, str]:
        return {VOCABULARY_FILE: to_json({"kind": self.kind}), TOKENIZER_FILE: self._tokenizer.to_str() + "\n"}


def fit_subwords(texts: Iterable[str], size: int, least: int) -> Subwords:
    """`Subwords` of at most ``size`` ids learned from ``texts``, of pairs that occur at least ``least`` times."""
    tokenizers = _tokenizers()
    trained = tokenizers.Tokenizer(tokenizers.models.BPE())
    trained.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=least,
        special_tokens=list(SPECIAL),
        initial_alphabet=alphabet,
        show_progress=False,
        max_token_length=LONGEST,
    )
    before = os.environ.get("TOKENIZERS_PARALLELISM")
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # else the package warns in every process forked from here
    try:
        trained.train_from_iterator(map(utf8, texts), trainer)
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before
    return subwords_of(json.loads(trained.to_str()))


def subwords_of(file: dict[str, Any]) -> Subwords:
    """`Subwords` of the content of a `TOKENIZER_FILE`, of which only the vocabulary and the merges are taken.

    Raises:
        BundleError: they are not as they should be.
    """
    model = file.get("model")
    model = model if isinstance(model, dict) else {}
    ids, merges = model.get("vocab"), model.get("merges")
    if model.get("type") != "BPE" or not isinstance(ids, dict) or not isinstance(merges, list):
        raise _foreign("holds no byte-pair encoding with a vocabulary and merges")
    if len(ids) > MOST or len(merges) > MOST:
        raise _foreign(f"holds more than {MOST} tokens or merges")
    if not all(type(i) is int for i in ids.values()) or sorted(ids.values()) != list(range(len(ids))):
        raise _foreign(f"should number its {len(ids)} tokens from 0 on, each once")
    if any(ids.get(token) != i for i, token in enumerate(SPECIAL)):
        raise _foreign(f"should begin with {' '.join(SPECIAL)}")
    alphabet = set(_tokenizers().pre_tokenizers.ByteLevel.alphabet())
    if not alphabet <= ids.keys():
        raise _foreign("lacks bytes")
    for token in ids.keys() - set(SPECIAL):
        if len(token) > LONGEST or not alphabet.issuperset(token):
            raise _foreign(f"holds {token!r:.40}, which is no piece of text")
    for merge in merges:
        pair = isinstance(merge, list) and len(merge) == 2 and all(isinstance(part, str) for part in merge)
        if not pair or any(ids.get(part, 0) < len(SPECIAL) for part in (*merge, "".join(merge))):
            raise _foreign(f"merges {merge!r:.40}, which are not two of its tokens to a third")
    return Subwords(ids, [(first, second) for first, second in merges])


def _foreign(fault: str) -> BundleError:
    return BundleError(f"{TOKENIZER_FILE} {fault}")


def _tokenizers() -> Any:
    try:
        import tokenizers
        from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: F401  # not loaded by the package
    except ImportError as error:
        raise EcrnnError('subwords need the package tokenizers: pip install "ecrnn[text]"') from error
    return tokenizers
