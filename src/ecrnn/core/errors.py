"""The errors that a user of ecrnn can cause or meet, each said in one line.

Every error below is a ValueError, so callers in Python can catch them by that name; the command line prints the line
and leaves. A message says what was wrong, where, and what would be right. Programming mistakes are assertions instead.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from ecrnn.core.text import printable


class EcrnnError(ValueError):
    """Base of all errors that are the user's to mend; its message is one line that a terminal can show."""

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(message))


class UnknownNameError(EcrnnError):
    """A name (model, data set, option, configuration key, scan) that does not exist."""


class SettingsError(EcrnnError):
    """A setting that is missing or out of its bounds; ``key`` names it, as in "training.lr"."""

    def __init__(self, key: str, fault: str) -> None:
        super().__init__(f"{key}: {fault}")
        self.key, self.fault = key, fault


class DataError(EcrnnError):
    """A data set or a picture that is missing, damaged or does not hold what it should."""


class BundleError(EcrnnError):
    """A bundle that is damaged, foreign or hostile."""


class RunDirectoryError(EcrnnError):
    """A run directory that cannot be used: of another study, in use, or not writable."""


class TrainingError(EcrnnError):
    """Training cannot go on: a loss or gradient that is not finite, a setting that the machine cannot serve."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like ``name``, or None if none is like it."""
    matches = difflib.get_close_matches(name.lower(), {k.lower(): k for k in known}, n=1, cutoff=0.5)
    return next((k for k in known if k.lower() == matches[0]), None) if matches else None


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> UnknownNameError:
    """The error for a name that is not among ``known``, with the nearest right one.

    >>> print(unknown_name("scan", "colums", ["rows", "columns"], where="model crnn-lstm-16"))
    unknown scan 'colums', did you mean 'columns'? (model crnn-lstm-16)
    """
    known = sorted(set(known))
    close = nearest(name, known)
    hint = f"did you mean '{close}'?" if close else f"known are {', '.join(known)}"
    return UnknownNameError(f"unknown {kind} '{name}', {hint}" + (f" ({where})" if where else ""))
