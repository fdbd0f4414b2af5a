"""Errors that a user can cause or meet, each with a message of one line.

Every error below is a ValueError, so callers in Python can catch them by that name; the command line prints the line
and leaves. A message says what was wrong, where, and what would be right. Programming mistakes are assertions instead.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Iterator

from ecrnn.core.text import printable

_LONGEST = 2000  # characters of a message


class EcrnnError(ValueError):
    """Base of all errors that a user can correct; its message is one line that a terminal can show."""

    def __init__(self, message: object = "") -> None:
        line = printable(message)
        if len(line) > _LONGEST:  # somebody gave a text where a name or a path belongs
            line = f"{line[: _LONGEST // 4]} [...] {line[-_LONGEST // 4 :]}"
        super().__init__(line)


@contextlib.contextmanager
def raised_as(kind: type[EcrnnError]) -> Iterator[None]:
    """Around calls that raise errors of any kind of this package: they leave as ``kind``, with the same line."""
    try:
        yield
    except kind:
        raise
    except EcrnnError as error:
        raise kind(str(error)) from error


class UnknownNameError(EcrnnError):
    """A name (model, data set, option, configuration key, scan) that does not exist."""


class SettingsError(EcrnnError):
    """A setting that is missing or out of its bounds; ``key`` names it, as in "training.lr"."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(f"{key}: {fault}")
        self.key, self.fault = key, fault


class DataError(EcrnnError):
    """A data set or an image that is missing, damaged or does not hold what it should."""


class BundleError(EcrnnError):
    """A bundle that is damaged, foreign or hostile."""


class RunDirectoryError(EcrnnError):
    """A run directory that cannot be used: of another study, in use, or not writable."""


class TrainingError(EcrnnError):
    """Training cannot go on: a loss or gradient that is not finite, a setting that the machine cannot serve."""


class NotFiniteError(EcrnnError):
    """Outputs of a network that are NaN or infinite, which no finished training leaves; ``row`` is the first example
    with such outputs."""

    def __init__(self, row: int, model: str = "the network", example: str = "") -> None:
        whose = f"the outputs of {model} for {example or f'example {row}'}"
        super().__init__(f"{whose} are not finite (NaN or infinity): its weights are damaged or far too large")
        self.row = row


_NEAR = 0.77  # of difflib's ratio: one letter wrong in five, a letter left out of four
_NUMBER = re.compile("[0-9]+")
_BEGINNING = 3  # letters that are enough where a known name begins with them


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is most likely meant for, or None: no name is better than a wrong one.

    Near are names that begin with ``name``, and those with the same first letter and few others wrong, or in another
    order, no word or number between hyphens being quite another. Of known names with dots, the last part alone counts.
    """
    names = {k.lower(): k for k in known}
    wanted = name.lower().strip("- ").replace("_", "-")
    if not wanted:
        return None
    scores = {k: _likeness(wanted, k.strip("-").replace("_", "-")) for k in names}
    best = max(scores, key=lambda k: scores[k], default=None)
    return names[best] if best is not None and scores[best][0] >= _NEAR else None


def _likeness(wanted: str, known: str) -> tuple[float, float]:
    """Likeness from 0 to 1 (below `_NEAR` it does not count), and difflib's ratio to break ties."""
    last = wanted.rpartition(".")[2]
    if "." in known:
        return _likeness_of_words(last, known.rpartition(".")[2])
    return max(_likeness_of_words(word, known) for word in {wanted, last})


def _likeness_of_words(wanted: str, known: str) -> tuple[float, float]:
    ratio = difflib.SequenceMatcher(None, wanted, known).ratio()
    if len(wanted) >= _BEGINNING and known.startswith(wanted):
        return max(ratio, 0.95), ratio
    if not wanted or not known or wanted[0] != known[0]:  # the first letter is seldom the wrong one: emnist, mnist
        return 0.0, ratio
    if not _alike_in_parts(wanted, known):
        return 0.0, ratio
    left_out = len(wanted) >= _BEGINNING and len(known) - len(wanted) <= 2 and _left_out(wanted, known)
    return max(ratio, _NEAR) if left_out or sorted(wanted) == sorted(known) else ratio, ratio


def _alike_in_parts(wanted: str, known: str) -> bool:
    """Whether each word and number is like its fellow: flickr30k is not flickr8k, crnn-tcn-16 not crnn-rnn-16."""
    numbers, others = _NUMBER.findall(wanted), _NUMBER.findall(known)
    if len(numbers) == len(others) and any(sorted(n) != sorted(o) for n, o in zip(numbers, others, strict=True)):
        return False
    words, parts = wanted.split("-"), known.split("-")
    if len(words) != len(parts) or sorted(words) == sorted(parts):
        return True
    return all(
        difflib.SequenceMatcher(None, word, part).ratio() >= 0.5 for word, part in zip(words, parts, strict=True)
    )


def _left_out(wanted: str, known: str) -> bool:
    """Whether ``wanted`` is ``known`` with letters left out."""
    rest = iter(known)
    return all(letter in rest for letter in wanted)


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> UnknownNameError:
    """The error for a name that is not among ``known``, with the nearest right one.

    >>> print(unknown_name("scan", "colums", ["rows", "columns"], where="model crnn-lstm-16"))
    unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)
    """
    known = sorted(set(known))
    close = nearest(name, known)
    hint = f"did you mean '{close}'?" if close else f"known are {', '.join(known)}"
    return UnknownNameError(f"unknown {kind} '{name}', {hint}" + (f" ({where})" if where else ""))
