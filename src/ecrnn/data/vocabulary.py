"""What every vocabulary has: special ids, bounds, and the text of its files in a bundle.

`tokens` makes vocabularies, `subwords` has the one kind that needs another package.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from ecrnn.core.errors import BundleError

PAD, UNKNOWN, BEGIN, END = range(4)
SPECIAL = ("<pad>", "<unknown>", "<begin>", "<end>")  # how the special ids are shown

MOST = 2**20  # ids
LONGEST = 256  # characters of a word; a longer one is unknown
VOCABULARY_FILE = "vocabulary.json"
_LARGEST_FILE = 2**28  # characters


class Vocabulary(ABC):
    """Token ids of one kind; `tokens.fit` and `tokens.from_files` make one.

    Two are equal if they are of one kind and encode alike. The number of ids, special ones among them, is ``len(v)``.
    """

    kind: ClassVar[str]

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of ``text``, without BEGIN and END; what the vocabulary lacks is UNKNOWN."""

    @abstractmethod
    def decode(self, ids: Iterable[int]) -> str:
        """The text of ``ids``, each in 0..len - 1; special ids are left out."""

    @abstractmethod
    def files(self) -> dict[str, str]:
        """The content of the files, by name, that `tokens.from_files` reads; the same for equal vocabularies."""

    @abstractmethod
    def __len__(self) -> int: ...

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and self.files() == other.files()

    def __hash__(self) -> int:
        return hash((self.kind, len(self)))


def json_object(text: str, name: str) -> dict[str, Any]:
    """The JSON object that the file ``name`` holds; BundleError if ``text`` is none."""
    if len(text) > _LARGEST_FILE:
        raise BundleError(f"{name} is larger than any vocabulary")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{name} is not valid JSON: {str(error).splitlines()[0]:.100}") from error
    if not isinstance(value, dict):
        raise BundleError(f"{name} should hold an object")
    return value


def to_json(value: object) -> str:
    """``value`` as a line of JSON."""
    return json.dumps(value, ensure_ascii=False) + "\n"


def utf8(text: str) -> str:
    """``text`` with "?" for what UTF-8 cannot hold: lone surrogates, from file names and broken JSON."""
    return text.encode(errors="replace").decode()
