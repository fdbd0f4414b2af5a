"""Pages in another language: English text comes in as it was written, text of that language goes out.

Sentences are made in English where their figures are, and report.json holds them so; a page in another language
translates what it is given. ko.toml maps English to Korean, both with placeholders:

    "{a} is better than {b} by {size}." = "{a:이} {b}보다 {size!t} 낫습니다."

In English a placeholder whose name is n, n2, n3 and so on is a number. In Korean

- `{size!t}` is translated too, `{noun!w}` by one entry;
- `{a}` is a word, a number or a known name and stays as it is, `{text!s}` is any one phrase
  and stays, too; `{text!a}` is translated if it has an entry, else it stays;
- `{a:이}` is followed by 이 or 가, as its last sound wants.

Text without an entry is translated sentence by sentence, then by its parts between semicolons and commas; what still
has none stays English and is noted in `Translator.missing`. docs/decisions/korean-pages.md says why it is done so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from ecrnn.core.errors import EcrnnError
from ecrnn.core.particles import with_particle
from ecrnn.core.text import printable

LANGUAGES = ("en", "ko")
_LETTERS = re.compile("[A-Za-z]")
_NUMBER = re.compile("[+<>±−-]{0,2} ?[0-9](?:[0-9.,]*[0-9])?(?: ?%)?")
_SEPARATORS = ("; ", ", ")  # of lists of phrases
_LONGEST = 20_000  # characters of a text; longer ones come from elsewhere
_PARENTHESES = 8  # pairs of them that are looked at in one text
_TRIES = 1000  # phrases that are looked up for one text: names that look like sentences cost no more


class Placeholder(NamedTuple):
    """One place of a template: its name, what may stand there, and the particle behind it."""

    name: str
    kind: str
    particle: str


class Template(NamedTuple):
    """Texts with a placeholder between each two of them."""

    texts: tuple[str, ...]
    places: tuple[Placeholder, ...]


class Message(NamedTuple):
    """An entry of a catalogue."""

    english: Template
    other: Template


def checked(language: str) -> str:
    """``language``, if there are pages in it.

    Raises:
        EcrnnError: there are none.
    """
    if language not in LANGUAGES:
        raise EcrnnError(f"unknown language '{language[:40]}', pages are in {' and '.join(LANGUAGES)}")
    return language


@cache
def catalogue(language: str) -> tuple[dict[str, str], tuple[Message, ...]]:
    """Texts without placeholders as they are, and the others, those with the most fixed letters first."""
    text = Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8")
    fixed, messages = {}, []
    for english, other in tomllib.loads(text).items():
        if "{" in english:
            messages.append(Message(template(english), template(other)))
        else:
            fixed[english] = other
    return fixed, tuple(sorted(messages, key=_looseness))


def _looseness(message: Message) -> tuple[int, int]:
    """The less of a template is fixed, and the fewer of its placeholders are numbers, the later it is tried."""
    fixed = sum(map(len, message.english.texts))
    return -fixed, -sum(_is_number(place) for place in message.english.places)


def _is_number(place: Placeholder) -> bool:
    return re.fullmatch(r"n\d*", place.name) is not None


def template(text: str) -> Template:
    """A template from its text, in the notation of `str.format`."""
    texts, places = [""], []
    for fixed, name, particle, conversion in Formatter().parse(text):
        texts[-1] += fixed
        if name is not None:
            places.append(Placeholder(name, conversion or "", particle or ""))
            texts.append("")
    return Template(tuple(texts), tuple(places))


class Translator:
    """Text of pages in one language.

    Args:
        language: one of `LANGUAGES`; in "en" every text stays as it is.
        names: texts that are never translated, such as the names of models and classes.

    Attributes:
        missing: texts that had no entry.

    Raises:
        EcrnnError: there are no pages in the language.
    """

    def __init__(self, language: str, names: Iterable[str] = ()) -> None:
        known = set(names)
        self.language, self.names = checked(language), frozenset(known | set(map(printable, known)))
        self.missing: set[str] = set()
        self._known: dict[str, str | None] = {}  # of texts and of their parts
        self._tries = 0

    def __call__(self, text: str) -> str:
        """``text`` in the language of the pages."""
        if self.language == "en":
            return text
        self._tries = 0
        found = self._any(text) if len(text) <= _LONGEST else None
        if found is None:
            self.missing.add(text)
            return text
        return found

    def _any(self, text: str) -> str | None:
        """The translation of a text, or None."""
        if text not in self._known:
            self._known[text] = self._in_parts(text)
        return self._known[text]

    def _in_parts(self, text: str) -> str | None:
        found = self._whole(text)
        if found is None:
            found = self._with_remark(text)
        if found is None:
            found = self._in_a_row(re.split(r"(?<=[.!?]) ", text))
        for separator in _SEPARATORS:
            if found is None and separator in text:
                found = self._listed(text, separator)
        if found is None and " and " in text:
            found = self._last_joined(text)
        if found is None and text.endswith("."):
            found = self._any(text[:-1])
            found = None if found is None else f"{found}."
        return found

    def _with_remark(self, text: str) -> str | None:
        """A sentence, and what is said of it in parentheses before its full stop."""
        parts = re.fullmatch(r"(.+) \(([^()]+)\)\.", text)
        if parts is None:
            return None
        sentence, remark = self._any(f"{parts[1]}."), self._any(parts[2])
        return None if sentence is None or remark is None else f"{sentence.removesuffix('.')}({remark})."

    def _in_a_row(self, sentences: Sequence[str]) -> str | None:
        """The translations of two sentences or more, of which some may have one entry together."""
        found, at = [], 0
        while len(sentences) > 1 and at < len(sentences):
            for end in range(len(sentences) - (at == 0), at, -1):
                some = " ".join(sentences[at:end])
                one = self._any(some) if end == at + 1 else self._whole(some)
                if one is not None:
                    break
            else:
                return None
            found.append(one)
            at = end
        return " ".join(found) or None

    def _listed(self, text: str, separator: str) -> str | None:
        """The translations of phrases in a list."""
        found = [self._any(phrase) for phrase in text.split(separator)]
        separator = separator.replace(" and ", ", ")
        return None if None in found else separator.join(phrase for phrase in found if phrase is not None)

    def _last_joined(self, text: str) -> str | None:
        """The translation of "a and b": names, figures, or numbers of things."""
        both = text.rsplit(" and ", 1)
        if any(part not in self.names and not _NUMBER.match(part) for part in both):
            return None
        return self._listed(text, " and ")

    def _whole(self, text: str) -> str | None:
        """The translation of a text by one entry, or None."""
        if text in self.names or not _LETTERS.search(text):
            return text
        fixed, messages = catalogue(self.language)
        if text in fixed:
            return fixed[text]
        if text[0].isupper() and text[0].lower() + text[1:] in fixed:
            return fixed[text[0].lower() + text[1:]]
        self._tries += 1
        for message in messages if self._tries <= _TRIES else ():
            values = _values(message.english, text)
            if values is not None:
                found = self._filled(message.other, values)
                if found is not None:
                    return found
        return self._whole(text[0].lower() + text[1:]) if text[0].isupper() else None

    def _filled(self, other: Template, values: dict[str, str]) -> str | None:
        """The template with its values, or None where one of them has no translation."""
        parts = [other.texts[0]]
        for place, following in zip(other.places, other.texts[1:], strict=True):
            value = self._filling(values[place.name], place.kind)
            if value is None:
                return None
            parts += [with_particle(value, place.particle) if place.particle else value, following]
        return "".join(parts)

    def _filling(self, value: str, kind: str) -> str | None:
        """What stands for ``value`` in a translation, or None where it may not stand there."""
        if kind == "t":
            return self._any(value)
        if kind == "w":
            return self._whole(value)
        if kind == "s":
            return value if "; " not in value else None  # else it would be several phrases
        if kind == "a":
            return self._any(value) or value
        return value if " " not in value or value in self.names or _NUMBER.fullmatch(value) else None


def _values(english: Template, text: str) -> dict[str, str] | None:
    """What stands at the placeholders if ``text`` is of the template: each ends where the text behind it first comes,
    one in parentheses where they close, so a text takes one pass."""
    first, *inner, last = english.texts
    if not (text.startswith(first) and text.endswith(last)) or len(text) < len(first) + len(last):
        return None
    values: dict[str, str] = {}
    at, end = len(first), len(text) - len(last)
    for i, place in enumerate(english.places):
        following = english.texts[i + 1]
        stop = end if i == len(inner) else _stop(text, following, english.texts[i + 2], at + 1, end)
        value = text[at:stop]
        if stop <= at or values.setdefault(place.name, value) != value:
            return None
        if _is_number(place) and not _NUMBER.fullmatch(value):
            return None
        at = stop + len(following)
    return values


def _stop(text: str, following: str, later: str, at: int, end: int) -> int:
    """Where ``following`` begins, -1 if nowhere; if it opens a parenthesis, the one that closes before ``later``."""
    found = text.find(following, at, end)
    if not (following.endswith("(") and later.startswith(")")):
        return found
    for _ in range(_PARENTHESES):
        close = _closing(text, found + len(following)) if found >= 0 else -1
        if found < 0 or (close >= 0 and text.startswith(later, close)):
            return found
        found = text.find(following, found + 1, end)
    return -1


def _closing(text: str, at: int) -> int:
    """Where the parenthesis that was opened before ``at`` closes, -1 if nowhere."""
    depth = 1
    for found in re.finditer("[()]", text[at : at + _LONGEST]):
        depth += 1 if found[0] == "(" else -1
        if depth == 0:
            return at + found.start()
    return -1


def placeholders(one: Template) -> Collection[str]:
    """The names of a template's placeholders."""
    return {place.name for place in one.places}


def messages(language: str) -> Iterator[tuple[str, str]]:
    """All entries of a catalogue, English first."""
    text = Path(__file__).with_name(f"{language}.toml").read_text(encoding="utf-8")
    yield from tomllib.loads(text).items()
