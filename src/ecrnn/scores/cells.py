"""What stands in a cell: a number, a whole number, a name, yes or no; or a line that says where and what is wrong."""

from __future__ import annotations

import math
import re
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.spelling import nfc
from ecrnn.scores.score_table import Table

LONGEST_NAME = 200  # characters
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_NOTHING = ("", "nan", "na", "n/a", "none", "null", "<na>", "nat")
_FLAGS = {"1": True, "0": False, "true": True, "false": False, "1.0": True, "0.0": False, "yes": True, "no": False}


def empty(cell: Any) -> bool:
    """Whether nothing stands there, or NaN."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return str(cell).strip().lower() in _NOTHING


def is_number(cell: Any) -> bool:
    """Whether a finite number stands there."""
    if isinstance(cell, (int, float)):
        return not isinstance(cell, bool) and math.isfinite(cell)
    text = cell.strip() if isinstance(cell, str) else ""
    return bool(_NUMBER.fullmatch(text)) and math.isfinite(float(text))


def number(table: Table, row: int, column: str) -> float:
    """A finite number.

    Raises:
        EcrnnError: something else stands there.
    """
    cell = table.columns[column][row]
    if is_number(cell):
        return float(cell)
    if empty(cell):
        what = "empty" if cell is None or not str(cell).strip() else str(cell).strip()
        raise EcrnnError(f"{table.where(row, column)} is {what}; a number belongs there")
    text = str(cell).strip()
    hint = "; --percent reads scores in percent, without the sign" if text.endswith("%") else ""
    hint = "; a decimal point belongs there, no comma" if re.fullmatch(r"\d+,\d+", text) else hint
    raise EcrnnError(f"{table.where(row, column)}: '{text[:100]}' is no number{hint}")


def whole(table: Table, row: int, column: str, at_least: int = 0) -> int:
    """A whole number.

    Raises:
        EcrnnError: something else stands there, or a smaller one.
    """
    value = number(table, row, column)
    if value != int(value) or abs(value) > 2**53:
        raise EcrnnError(f"{table.where(row, column)}: {value:g} is no whole number")
    if value < at_least:
        raise EcrnnError(f"{table.where(row, column)}: {value:g} is below {at_least}")
    return int(value)


def name(table: Table, row: int, column: str) -> str:
    """A text that is not empty; numbers become text, whole ones without a point.

    Raises:
        EcrnnError: nothing stands there, or too long a text.
    """
    cell = table.columns[column][row]
    if isinstance(cell, str):
        text = cell.strip()  # a class may be called "none"
    else:
        text = "" if empty(cell) else str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip()
    if not text:
        raise EcrnnError(f"{table.where(row, column)} is empty; a name belongs there")
    if len(text) > LONGEST_NAME:
        raise EcrnnError(f"{table.where(row, column)} has {len(text):,} characters; names have up to {LONGEST_NAME}")
    return nfc(text)


def flag(table: Table, row: int, column: str) -> bool:
    """Right or wrong: 1 or 0, true or false.

    Raises:
        EcrnnError: something else stands there.
    """
    text = str(table.columns[column][row]).strip().lower()
    if text not in _FLAGS:
        raise EcrnnError(f"{table.where(row, column)}: '{text[:100]}' is neither 1 (right) nor 0 (wrong)")
    return _FLAGS[text]
