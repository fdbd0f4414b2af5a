"""The metrics of each epoch, as trials and bundles keep them: whether they can be true, wherever the file is from."""

from __future__ import annotations

import reprlib
from typing import Any

from ecrnn.core.errors import EcrnnError

LARGEST = 10**15  # that any fact or statistic of a trial may be, in whatever unit


def check_epoch_lines(lines: object, where: str, largest: float = LARGEST) -> None:
    """Look whether metrics of epochs are numbers, a line an epoch, from the first on.

    Args:
        lines: what a file holds: a mapping an epoch, of which missing values are None.
        where: the file, for the error.
        largest: what any number may be.

    Raises:
        EcrnnError: they are not.
    """
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise EcrnnError(f"{where} must be a list of objects, one an epoch, not {reprlib.repr(lines)}")
    for number, line in enumerate(lines, 1):
        for name, value in line.items():
            if value is not None and not is_number(value, name == "epoch", largest):
                found = reprlib.repr(value)
                raise EcrnnError(f"{where}, line {number}: {name[:40]!r} must be a number, not {found}")
        if line.get("epoch") != number:
            raise EcrnnError(f"{where}, line {number}: 'epoch' must be {number}, not {line.get('epoch')}")


def is_number(value: Any, whole: bool = False, largest: float = LARGEST) -> bool:
    """Whether ``value`` is a number of JSON, no truth value, and not beyond ``largest``."""
    kinds = int if whole else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and abs(value) <= largest
