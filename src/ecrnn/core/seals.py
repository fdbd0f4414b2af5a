"""Digests inside files, by which a changed bit or a missing end is seen before a figure comes of it.

A JSON object has the key `digest`, over everything else in it; a text has a first line, a comment, over the lines
below. Both are in the file itself: a kill can never part them. Files without one, from before there were any, are taken
as they are; so is a text whose first line was deleted by someone who changed it and means it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError

KEY = "digest"
_START = "# SHA-256 of the lines below: "
_LINE = re.compile(re.escape(_START) + r"([0-9a-f]{64})\n")


def seal(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object with its digest in it."""
    plain = json.loads(json.dumps(value, allow_nan=False))  # as JSON reads it back
    return {**value, KEY: _digest(plain)}


def unsealed(value: Any, path: Path, *, required: bool = False) -> dict[str, Any]:
    """A JSON object without its digest, which is checked.

    Args:
        value: what `path` holds.
        path: for the error.
        required: whether it must have one.

    Raises:
        EcrnnError: it is no object, its digest is of something else, or there is none and there must be.
    """
    if not isinstance(value, dict):
        raise EcrnnError(f"{path} is damaged: it should hold an object")
    content = {key: inner for key, inner in value.items() if key != KEY}
    found = value.get(KEY)
    if (required or KEY in value) and not (isinstance(found, str) and found == _digest(content)):
        raise EcrnnError(f"{path} is damaged, or was changed by hand: it does not match its own digest")
    return content


def _digest(plain: dict[str, Any]) -> str:
    """The digest of an object from JSON; the order of its keys does not matter."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def seal_text(text: str) -> str:
    """``text`` under a comment with its digest."""
    return f"{_START}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def is_sealed(text: str) -> bool:
    """Whether ``text`` begins with a digest, which may be of something else."""
    return text.startswith(_START.rstrip())


def check_text(text: str, path: Path) -> None:
    """Raise an EcrnnError unless ``text`` matches the digest in its first line, or has none."""
    text = text.replace("\r\n", "\n")  # as other systems' tools may have written it
    if not is_sealed(text):
        return
    line = _LINE.match(text)
    if line is None or hashlib.sha256(text[line.end() :].encode()).hexdigest() != line[1]:
        raise EcrnnError(
            f"{path} is damaged, or was changed by hand: it does not match its first line; put back a copy, or delete "
            "that line if the others are right"
        )
