"""What is wrong with settings, in one line: the first of pydantic's errors, with the nearest right name."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from ecrnn.core.errors import EcrnnError, SettingsError, UnknownNameError, nearest

MAX_KEYS = 1000  # of a mapping


def check_keys(values: Any, where: str) -> None:
    """Look at keys before pydantic does, which makes an error of each of a million that are wrong.

    Raises:
        EcrnnError: a mapping has far too many keys.
    """
    mappings = [values, *values.values()] if isinstance(values, Mapping) and len(values) <= MAX_KEYS else [values]
    if any(isinstance(inner, Mapping) and len(inner) > MAX_KEYS for inner in mappings):
        raise EcrnnError(f"more than {MAX_KEYS:,} keys where settings should be" + (f" ({where})" if where else ""))


def one_line(cls: type[BaseModel], error: ValidationError, where: str) -> EcrnnError:
    """The error for the first of pydantic's; ``where`` is where the values come from."""
    first = error.errors()[0]
    path = " ".join(".".join(str(part)[:LONGEST_KEY] for part in first["loc"]).split())
    source = f" ({where})" if where else ""
    if first["type"] == "extra_forbidden":
        known = _keys(cls)
        close = nearest(path, known)
        hint = f"did you mean '{close}'?" if close else f"known are {', '.join(known)}"
        return UnknownNameError(f"unknown configuration key '{path}', {hint}{source}")
    if first["type"] == "missing":
        return EcrnnError(f"configuration key '{path}' is missing{source}")
    if first["type"] == "value_error":  # of a validator of ours, whose line says all
        return EcrnnError(f"{first['ctx']['error']}{source}")
    message = first["msg"][:1].lower() + first["msg"][1:]
    fault = f"{message}, not {_SHORT.repr(first['input'])}"
    if first["type"] == "literal_error":
        fault += _nearest_value(first["input"], first["ctx"]["expected"])
    return SettingsError(path, fault + source)


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        return repr(x) if abs(x) < 10**20 else "a number of more than 20 digits"  # which Python may refuse to write


def _nearest_value(value: Any, expected: str) -> str:
    """What to add where ``value`` is none of those that pydantic lists as "'best' or 'last'"."""
    known = re.findall(r"'([^']*)'", expected)
    text = value if isinstance(value, str) else ""
    close = _OTHER_WORDS.get(text.lower()) or nearest(text, known)
    return f", did you mean '{close}'?" if close in known else ""


_OTHER_WORDS = {"gpu": "cuda", "fp32": "float32", "float": "float32", "bf16": "bfloat16"}  # not alike, but the same
LONGEST_KEY = 100  # characters
_SHORT = _Short()  # a value may be as long as a file
_SHORT.maxstring = _SHORT.maxother = 100


def _keys(cls: type[BaseModel], prefix: str = "") -> list[str]:
    keys: list[str] = []
    for name, field in cls.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys += _keys(inner, f"{prefix}{name}.")
        else:
            keys.append(prefix + name)
    return keys
