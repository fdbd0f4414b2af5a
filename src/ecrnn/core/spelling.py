"""Spelling of names (classes, labels, files) as they are compared.

A name with accents or in Hangul can be spelt in two ways that look alike: composed (Linux, Windows, what people type)
and decomposed (macOS, archives made there). Everywhere in ecrnn names are compared and sorted composed, in Unicode's
normal form C; a file is opened under the name that it has on the disk.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

_COPIES = "copy|kopie|copie|copia|복사본|コピー|副本"
_COPY = re.compile(
    rf"(.+?)(?:(?: -|_)? ?(?:{_COPIES})(?: ?\(?[0-9]{{1,3}}\)?)?| \([0-9]{{1,3}}\))"
    rf"|(?:{_COPIES}) (?:of|von|de|di) (.+)",
    re.IGNORECASE,
)


def nfc(name: str) -> str:
    """``name`` composed (Unicode's normal form C); most names are so already and come back unchanged."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def order(name: str) -> tuple[str, str]:
    """The key by which names are sorted: composed, then as spelt."""
    return nfc(name), name


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of ``names`` that are spelt differently but equal when composed, or None."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(nfc(name), name)
        if other != name:
            return other, name
    return None


def alike_but_capitals(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of ``names``, of more than one letter, that are equal when composed and without capitals, or None.

    >>> alike_but_capitals(["A", "a", "Cat", "cat"])
    ('Cat', 'cat')
    """
    seen: dict[str, str] = {}
    for name in names:
        if len(nfc(name)) > 1:
            other = seen.setdefault(nfc(nfc(name).casefold()), name)
            if nfc(other) != nfc(name):
                return other, name
    return None


def nearly_alike(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of ``names`` that differ in capitals, blanks, dots at the end, width of letters or what has no width."""
    seen: dict[str, str] = {}
    pairs = []
    for name in names:
        letters = (
            letter for letter in name if unicodedata.category(letter) != "Cf"
        )  # Cf: nothing is seen, as of U+200B
        plain = " ".join(unicodedata.normalize("NFKC", "".join(letters)).casefold().split())
        other = seen.setdefault(plain.rstrip(". ") or plain, name)
        if nfc(other) != nfc(name):
            pairs.append((other, name))
    return pairs


def copies(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of ``names`` of which the second is what systems call a copy of the first, such as "cat - Copy"."""
    composed = {nfc(name): name for name in names}
    found = (((match[1] or match[2]).rstrip(), name) for name in composed if (match := _COPY.fullmatch(name)))
    return [(composed[first], composed[second]) for first, second in found if first in composed]


def on_disk(path: Path) -> Path:
    """``path`` in the spelling under which it lies on the disk; ``path`` itself where there is none."""
    if os.path.lexists(path) or str(path).isascii():
        return path
    parent = on_disk(path.parent) if path.parent != path else path
    try:
        with os.scandir(parent) as entries:
            found = sorted(entry.name for entry in entries if nfc(entry.name) == nfc(path.name))
    except OSError:
        return path
    return parent / found[0] if found else path
