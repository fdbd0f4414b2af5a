"""Texts to token ids and back: vocabularies of characters, bytes, words or subwords, and their files in a bundle.

In every kind the ids 0 to 3 are special, and no text is encoded to `PAD`, `BEGIN` or `END`; models add those.

    characters  one id a character, as it stands: nothing is normalised, no case changed
    bytes       one id a byte of UTF-8, always 260 ids; nothing is unknown
    words       one id a word or punctuation mark; white space is not kept
    subwords    byte-pair encoding (Sennrich et al. 2016) of UTF-8; nothing is unknown and nothing is lost. It needs
                the package tokenizers, from the extra "text"

A vocabulary for CTC is one of characters, its blank is `PAD`.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from ecrnn.core.errors import BundleError, EcrnnError, SettingsError, unknown_name

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unknown>", "<begin>", "<end>")  # how the special ids are shown
KINDS = ("characters", "bytes", "words", "subwords")

MOST = 2**20  # ids
LONGEST = 256  # characters of a word; a longer one is unknown
DEFAULT_SUBWORDS = 8000  # ids, where no size is asked for
VOCABULARY_FILE, TOKENIZER_FILE = "vocabulary.json", "tokenizer.json"
_LARGEST_FILE = 2**28  # characters
_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


class Vocabulary:
    """Token ids of one kind; `fit` and `from_files` make one.

    Two are equal if they are of one kind and encode alike. The number of ids, special ones among them, is ``len(v)``.
    """

    kind: ClassVar[str]

    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, without BEGIN and END; what the vocabulary lacks is UNKNOWN."""
        raise NotImplementedError

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``, each in 0..len - 1; special ids are left out."""
        raise NotImplementedError

    def files(self) -> dict[str, str]:
        """The content of the files, by name, that `from_files` reads; the same for equal vocabularies."""
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.files() == other.files()

    def __hash__(self) -> int:
        return hash((self.kind, len(self)))


class _Listed(Vocabulary):
    """One id a listed token, from 4 on."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tuple(tokens)
        self._ids = {token: i for i, token in enumerate(self._tokens, len(SPECIAL))}

    def __len__(self) -> int:
        return len(SPECIAL) + len(self._tokens)

    @staticmethod
    def split(text: str) -> Sequence[str]:
        """The tokens that ``text`` consists of."""
        raise NotImplementedError

    def encode(self, text: str) -> list[int]:
        ids = self._ids
        return [ids.get(token, UNKNOWN) for token in self.split(text)]

    def _decoded(self, ids: Iterable[int]) -> list[str]:
        return [self._tokens[i - len(SPECIAL)] for i in ids if i >= len(SPECIAL)]

    def files(self) -> dict[str, str]:
        return {VOCABULARY_FILE: _json({"kind": self.kind, "tokens": self._tokens})}


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
        return {VOCABULARY_FILE: _json({"kind": self.kind})}


class Subwords(Vocabulary):
    """Byte-pair encoding over bytes of UTF-8, a space belonging to the word after it.

    Args:
        ids: the id of each piece, 0 .. len - 1. A piece is written as in GPT-2, a printable character for each byte.
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
        return self._tokenizer.encode(_utf8(text)).ids

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; bytes that are no UTF-8 become U+FFFD, special ids are left out."""
        return self._tokenizer.decode([i for i in ids if i >= len(SPECIAL)])

    def files(self) -> dict[str, str]:
        return {VOCABULARY_FILE: _json({"kind": self.kind}), TOKENIZER_FILE: self._tokenizer.to_str() + "\n"}


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
        return _fit_subwords(texts, size or DEFAULT_SUBWORDS, least)
    counts: Counter[str] = Counter()
    listed = Characters if kind == "characters" else Words
    for text in texts:
        counts.update(listed.split(text))
    able = [t for t, n in counts.items() if n >= least and len(t) <= LONGEST and _utf8(t) == t]
    kept = sorted(able, key=lambda token: (-counts[token], token))[: (size or MOST) - len(SPECIAL)]
    if not kept:
        raise SettingsError("texts", f"hold no {kind} that occur {least} times, so there is no vocabulary of them")
    return listed(sorted(kept) if kind == "characters" else kept)


def _fit_subwords(texts: Iterable[str], size: int, least: int) -> Subwords:
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
        trained.train_from_iterator(map(_utf8, texts), trainer)
    finally:
        if before is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = before
    return _subwords(json.loads(trained.to_str())["model"])


def from_files(kind: str, read: Callable[[str], str]) -> Vocabulary:
    """The vocabulary whose `Vocabulary.files` were written, from files that nobody vouches for.

    Args:
        kind: one of `KINDS`, as the bundle says it.
        read: gives the content of a file by its name.

    Raises:
        BundleError: another kind, or tokens that are not as they should be.
        EcrnnError: the package tokenizers is missing; or what ``read`` raises.
    """
    if kind not in KINDS:
        raise BundleError(f"tokens are of the kind {kind!r:.40}, but known are {', '.join(KINDS)}")
    described = _object(read(VOCABULARY_FILE), VOCABULARY_FILE)
    if described.get("kind") != kind:
        raise BundleError(f"{VOCABULARY_FILE} is not of the kind '{kind}'")
    if kind == "bytes":
        return Bytes()
    if kind == "subwords":
        model = _object(read(TOKENIZER_FILE), TOKENIZER_FILE).get("model")
        return _subwords(model if isinstance(model, dict) else {})
    tokens = described.get("tokens")
    listed = Characters if kind == "characters" else Words
    if not isinstance(tokens, list) or not 0 < len(tokens) <= MOST - len(SPECIAL):
        raise BundleError(f"{VOCABULARY_FILE} should hold a list of 1 to {MOST - len(SPECIAL)} tokens")
    for token in tokens:
        able = isinstance(token, str) and len(token) <= LONGEST and _utf8(token) == token
        if not able or list(listed.split(token)) != [token]:
            raise BundleError(f"{VOCABULARY_FILE} holds {token!r:.40}, which is not one of {kind}")
    if len(set(tokens)) < len(tokens):
        twice = Counter(tokens).most_common(1)[0][0]
        raise BundleError(f"{VOCABULARY_FILE} holds {twice!r:.40} twice")
    return listed(tokens)


def _subwords(model: dict[str, Any]) -> Subwords:
    """`Subwords` of the entry "model" of a file of the package tokenizers; BundleError if anything is off."""
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
    return Subwords(ids, [(left, right) for left, right in merges])


def _foreign(fault: str) -> BundleError:
    return BundleError(f"{TOKENIZER_FILE} {fault}")


def _object(text: str, name: str) -> dict[str, Any]:
    if len(text) > _LARGEST_FILE:
        raise BundleError(f"{name} is larger than any vocabulary")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} is not valid JSON: {str(error).splitlines()[0]:.100}") from error
    if not isinstance(value, dict):
        raise BundleError(f"{name} should hold an object")
    return value


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _utf8(text: str) -> str:
    """``text`` with "?" for what UTF-8 cannot hold: lone surrogates, from file names and broken JSON."""
    return text.encode(errors="replace").decode()


def _tokenizers() -> Any:
    try:
        import tokenizers
        from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: F401  # not loaded by the package
    except ImportError as error:
        raise EcrnnError('subwords need the package tokenizers: pip install "ecrnn[text]"') from error
    return tokenizers
