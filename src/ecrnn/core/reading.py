"""Reads untrusted files: looks at them before they are opened, and never reads beyond a limit.

A run directory or a bundle may come from anywhere. What is read from one goes through here: it must be a regular file
(no named pipe, device, socket or folder), inside that folder (no link out of it), and no larger than a file of its kind
can be. It may also lie in a `trials.zip`, see `ecrnn.core.packed`. JSON is plain: finite numbers of 64 bits,
each key once, and not more values than fit in memory beside everything else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError
from ecrnn.core.packed import MAX_PACKED, Packed, place_in_packed

MAX_JSON = 16 * 2**20  # bytes
MAX_WEIGHTS = 2**40  # bytes; how many a model has is known where it is loaded, see `ecrnn.models.weights`
MAX_OTHER = 64 * 2**20  # bytes of a vocabulary; settings are far smaller
MAX_METRICS = 32 * 2**20  # bytes; a line for each of at most 100,000 epochs
MAX_VALUES = 2_000_000  # of one JSON file, an object counted as four
_SMALL = 64 * 2**20  # bytes; a file so small may be all holes
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
}


def is_file(path: Path) -> bool:
    """Whether there is a regular file, also through links; False for whatever cannot be looked at."""
    return os.path.isfile(path)


def there(path: Path) -> bool:
    """Whether there is anything of that name, a broken link too; False for whatever cannot be looked at.

    Raises:
        EcrnnError: it would lie in a `trials.zip` that is damaged.
    """
    if os.path.lexists(path):
        return True
    place = place_in_packed(path)
    return place is not None and _packed(place[0], None).holds(place[1])


def check_inside(path: Path, within: Path) -> None:
    """Look whether links lead from ``path``, which need not exist, out of the folder ``within``.

    Raises:
        EcrnnError: they do.
    """
    if not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(within)):
        raise EcrnnError(f"{path} points out of {within}; a copy of what it points to should lie there")


@contextlib.contextmanager
def opened(path: Path, limit: int, within: Path | None = None) -> Iterator[io.BufferedReader | io.BytesIO]:
    """Open a regular file for reading.

    Args:
        path: path of the file.
        limit: the most bytes that it may have.
        within: the folder that it must lie in when all links are followed; None: anywhere. That folder itself may be
            reached through links.

    Raises:
        EcrnnError: it is missing, of another kind, larger than the limit or mostly holes, points out of ``within``, or
            cannot be read, also while it is open; one line.
    """
    if place := place_in_packed(path):
        yield io.BytesIO(_packed(place[0], within).read(place[1], limit))
        return
    try:
        if within is not None:
            check_inside(path, within)
        real = os.path.realpath(path)
        _check_kind(path, os.stat(real).st_mode)  # before it is opened, which a device or a pipe would notice
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(real, flags), "rb") as file:
            status = os.fstat(file.fileno())
            _check_kind(path, status.st_mode)
            if status.st_size > limit:
                raise EcrnnError(f"{path} is larger than {limit:,} bytes, which no file of this kind should be")
            _check_holes(path, file, status.st_size)
            yield file
    except OSError as error:
        raise EcrnnError(f"cannot read {path}: {error.strerror or error}") from error


def _packed(path: Path, within: Path | None) -> Packed:
    """The `trials.zip` at ``path``; those read last are kept, as its files are asked for one after another."""
    if within is not None:
        check_inside(path, within)
    try:
        status = os.stat(path)
    except OSError as error:
        raise EcrnnError(f"cannot read {path}: {error.strerror or error}") from error
    return _packed_of(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def names_in(path: Path) -> frozenset[str]:
    """The names of the files in the `trials.zip` at ``path``.

    Raises:
        EcrnnError: it is missing or damaged.
    """
    return _packed(path, None).names


@functools.lru_cache(maxsize=2)
def _packed_of(path: Path, *_version: int) -> Packed:
    return Packed(read_bytes(path, MAX_PACKED), path)


def kind_of(mode: int) -> str:
    """What lies at a place that is no regular file, by its ``st_mode``: "a folder", "a named pipe"."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise EcrnnError(f"{path} is {kind_of(mode)}, where a file should be")


def _check_holes(path: Path, file: io.BufferedReader, size: int) -> None:
    """Raise an EcrnnError for a large file of which less than an eighth is stored: its size is but a claim."""
    if size <= _SMALL or not hasattr(os, "SEEK_DATA"):
        return
    stored, end = 0, 0
    handle = file.fileno()
    with contextlib.suppress(OSError):  # no more data, or a file system that does not tell
        while end < size and stored < size // 8:
            start = os.lseek(handle, end, os.SEEK_DATA)
            end = os.lseek(handle, start, os.SEEK_HOLE)
            stored += end - start
    os.lseek(handle, 0, os.SEEK_SET)
    if stored < size // 8:
        raise EcrnnError(f"{path} has {size:,} bytes, but only {stored:,} of them are stored; it is no whole file")


def read_bytes(path: Path, limit: int, within: Path | None = None) -> bytes:
    """The content of a regular file; arguments and errors as of `opened`."""
    with opened(path, limit, within) as file:
        if isinstance(file, io.BytesIO):  # of a `trials.zip`, whole
            return file.getvalue()
        size = os.fstat(file.fileno()).st_size
        content = file.read(size + 1)
    if len(content) > size:
        raise EcrnnError(f"{path} grows while it is read; try again when nobody writes it")
    return content


def read_text(path: Path, limit: int, within: Path | None = None) -> str:
    """The text of a regular file in UTF-8, with line ends as they are; arguments and errors as of `opened`."""
    try:
        return read_bytes(path, limit, within).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EcrnnError(f"{path} is not a text file in UTF-8") from error


def sha256(path: Path, limit: int, within: Path | None = None) -> str:
    """Hexadecimal SHA-256 of a regular file; arguments and errors as of `opened`."""
    with opened(path, limit, within) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_json(path: Path, limit: int = MAX_JSON, within: Path | None = None) -> Any:
    """What a JSON file holds; arguments as of `opened`.

    Raises:
        EcrnnError: as `opened`, or the file is not plain JSON.
    """
    return parse_json(read_text(path, limit, within), path)


def parse_json(text: str, where: Path | str) -> Any:
    """The value of plain JSON.

    Args:
        text: one value.
        where: what it is of, for the error.

    Raises:
        EcrnnError: it is no JSON, holds a number that is not finite or beyond 64 bits, a key twice, or more values than
            `MAX_VALUES`.
    """
    if text.count(",") + 2 * text.count("[") + 4 * text.count("{") > MAX_VALUES:
        raise EcrnnError(f"{where} holds more values than any file of its kind")
    try:
        value = json.loads(
            text, parse_int=_whole, parse_float=_finite, parse_constant=_constant, object_pairs_hook=_object
        )
    except (ValueError, RecursionError) as error:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise EcrnnError(f"{where} is not valid JSON: {line[:200]}") from error
    return value


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**63:
        raise ValueError(f"the whole number {digits[:20]}... is too large")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:20]} is too large")
    return value


def _constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:100]!r} stands there twice")
    return found
