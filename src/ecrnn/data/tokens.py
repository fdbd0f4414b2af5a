"""Texts to token ids and back: vocabularies of characters, bytes, words or subwords, and their files in a bundle.

In every kind the ids 0 to 3 are special (see `vocabulary`), and no text is encoded to `PAD`, `BEGIN` or `END`; models
add those.

    characters  one id a character, as it stands: nothing is normalised, no case changed
    bytes       one id a byte of UTF-8, always 260 ids; nothing is unknown
    words       one id a word or punctuation mark; white space is not kept
    subwords    byte-pair encoding (see `subwords`); nothing is unknown and nothing is lost

A vocabulary for CTC is one of characters, its blank is `PAD`.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ecrnn.core.errors import BundleError, SettingsError, unknown_name
from ecrnn.data.subwords import TOKENIZER_FILE, fit_subwords, subwords_of
from ecrnn.data.vocabulary import (
    LONGEST,
    MOST,
    SPECIAL,
    UNKNOWN,
    VOCABULARY_FILE,
    Vocabulary,
    json_object,
    to_json,
    utf8,
)

KINDS = ("characters", "bytes", "words", "subwords")

DEFAULT_SUBWORDS = 8000  # ids, where no size is asked for
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class _Listed(Vocabulary):
    """One id a listed token, from 4 on."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self._tokens, len(SPECIAL))}

    def __len__(self) -> int:
        return len(SPECIAL) + len(self._tokens)

    @staticmethod
    @abstractmethod
    def split(text: str) -> Sequence[str]:
        """The tokens that ``text`` consists of."""

    def encode(self, text: str) -> list[int]:
        ids = self._ids
        return [ids.get(token, UNKNOWN) for token in self.split(text)]

    def _decoded(self, ids: Iterable[int]) -> list[str]:
        return [self._tokens[i - len(SPECIAL)] for i in ids if i >= len(SPECIAL)]

    def files(self) -> dict[str, str]:
        return {VOCABULARY_FILE: to_json({"kind": self.kind, "tokens": self._tokens})}


class Characters(_Listed):
    """One id a character."""

    kind = "characters"

    @staticmethod
    def split(text: str) -> Sequence[str]:
        return text

    def decode(self, ids: Iterable[int]) -> str:
        return "".join(self._decoded(ids))


class Words(_Listed):
    """One id a word (letters, digits and underscores, with apostrophes inside) or punctuation mark."""

    kind = "words"

    @staticmethod
    def split(text: str) -> Sequence[str]:
        return _WORD.findall(text)

    def decode(self, ids: Iterable[int]) -> str:
        """The words and marks of ``ids`` with a space between any two; special ids are left out."""
        return " ".join(self._decoded(ids))


class Bytes(Vocabulary):
    """One id a byte of UTF-8."""

    kind = "bytes"

    def __len__(self) -> int:
        return len(SPECIAL) + 256

    def encode(self, text: str) -> list[int]:
        return [byte + len(SPECIAL) for byte in text.encode(errors="replace")]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; bytes that are no UTF-8 become U+FFFD, special ids are left out."""
        return bytes(i - len(SPECIAL) for i in ids if i >= len(SPECIAL)).decode(errors="replace")

    def files(self) -> dict[str, str]:
        return {VOCABULARY_FILE: to_json({"kind": self.kind})}


def fit(kind: str, texts: Iterable[str], size: int | None = None, *, least: int = 1) -> Vocabulary:
    """A vocabulary of what occurs in ``texts``, the training part's. The same texts give the same ids.

    Args:
        kind: one of `KINDS`.
        texts: what to count; read once.
        size: the most ids, the four special ones among them; the rarest characters or words are left out, of equally
            rare ones the later in sorted order. Default: all characters or words, `DEFAULT_SUBWORDS` subwords. For
            bytes it has no meaning.
        least: how often a character, word or pair of subwords must occur. With 1 and no ``size`` no training text has
            an UNKNOWN, so nothing is learned of it.

    Raises:
        UnknownNameError: ``kind`` is none of `KINDS`.
        SettingsError: ``size`` or ``least`` is out of its bounds, or nothing is left.
        EcrnnError: the package tokenizers is missing.
    """
    if kind not in KINDS:
        raise unknown_name("kind of tokens", kind, KINDS)
    lowest = {"subwords": len(SPECIAL) + 256}.get(kind, len(SPECIAL) + 1)
    if size is not None and not lowest <= size <= MOST:
        raise SettingsError("size", f"is {size}, but a vocabulary of {kind} has {lowest} to {MOST} ids")
    if least < 1:
        raise SettingsError("least", f"is {least}, but should be 1 or more")
    if kind == "bytes":
        return Bytes()
    if kind == "subwords":
        return fit_subwords(texts, size or DEFAULT_SUBWORDS, least)
    counts: Counter[str] = Counter()
    listed = Characters if kind == "characters" else Words
    for text in texts:
        counts.update(listed.split(text))
    able = [t for t, n in counts.items() if n >= least and len(t) <= LONGEST and utf8(t) == t]
    kept = sorted(able, key=lambda token: (-counts[token], token))[: (size or MOST) - len(SPECIAL)]
    if not kept:
        raise SettingsError("texts", f"hold no {kind} that occur {least} times, so there is no vocabulary of them")
    return listed(sorted(kept) if kind == "characters" else kept)


def from_files(kind: str, read: Callable[[str], str]) -> Vocabulary:
    """The vocabulary whose `Vocabulary.files` were written, from untrusted files.

    Args:
        kind: one of `KINDS`, as in the bundle.
        read: gives the content of a file by its name.

    Raises:
        BundleError: another kind, or tokens that are not as they should be.
        EcrnnError: the package tokenizers is missing; or what ``read`` raises.
    """
    if kind not in KINDS:
        raise BundleError(f"tokens are of the kind {kind!r:.40}, but known are {', '.join(KINDS)}")
    described = json_object(read(VOCABULARY_FILE), VOCABULARY_FILE)
    if described.get("kind") != kind:
        raise BundleError(f"{VOCABULARY_FILE} is not of the kind '{kind}'")
    if kind == "bytes":
        return Bytes()
    if kind == "subwords":
        return subwords_of(json_object(read(TOKENIZER_FILE), TOKENIZER_FILE))
    tokens = described.get("tokens")
    listed = Characters if kind == "characters" else Words
    if not isinstance(tokens, list) or not 0 < len(tokens) <= MOST - len(SPECIAL):
        raise BundleError(f"{VOCABULARY_FILE} should hold a list of 1 to {MOST - len(SPECIAL)} tokens")
    for token in tokens:
        able = isinstance(token, str) and len(token) <= LONGEST and utf8(token) == token
        if not able or list(listed.split(token)) != [token]:
            raise BundleError(f"{VOCABULARY_FILE} holds {token!r:.40}, which is not one of {kind}")
    if len(set(tokens)) < len(tokens):
        twice = Counter(tokens).most_common(1)[0][0]
        raise BundleError(f"{VOCABULARY_FILE} holds {twice!r:.40} twice")
    return listed(tokens)
