"""Plain text from untrusted files: bounded in size, UTF-8, one kind of line end.

A byte-order mark is dropped and CRLF becomes LF. Lines end at LF alone: Python's `splitlines` also splits at characters
such as U+2028, which would shift the sentences of two files against each other.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress
from ecrnn.data.downloads import RemoteFile, default_cache, obtain, read_official, reading

LARGEST_FILE = 2**30  # bytes, unpacked
MOST_LINES = 2**24
LONGEST_TEXT = 2**20  # characters of one example

# Usual names of the columns of tables: a first line of such names alone is a heading, not an example.
_NAMES = """
label labels class class_name category target targets sentiment tag intent topic y text texts sentence
sentences review comment message content document tweet x image images image_name image_id image_path img
file files filename file_name filepath file_path path name caption captions caption_text comment_text
description transcription transcript ground_truth gt source src target_text tgt source_text input output
translation original english french german korean spanish italian chinese japanese en fr de ko es it zh ja
split part set id
"""
HEADINGS = frozenset(_NAMES.split())


def read_text(path: Path) -> str:
    """The text of a file, unpacked if its name ends in .gz.

    Raises:
        DataError: as `as_text`, or it cannot be read.
    """
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is no file with text, but a folder or a device")
    with reading(path), path.open("rb") as file:
        return as_text(file, path)


def as_text(file: IO[bytes], path: Path) -> str:
    """The text that a binary stream holds; ``path`` says by its suffix .gz whether it is packed, and is for errors.

    Raises:
        DataError: damaged, larger than `LARGEST_FILE`, not UTF-8, or with NUL characters.
    """
    try:
        data = (gzip.GzipFile(fileobj=file) if path.name.endswith(".gz") else file).read(LARGEST_FILE + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is damaged or cut off; get it again") from error
    if len(data) > LARGEST_FILE:
        raise DataError(f"{path} holds more than {LARGEST_FILE} bytes, too much to keep in memory; give a part of it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        known = "UTF-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "another encoding"
        raise DataError(f"{path}, line {line}: this is not UTF-8 but {known}; save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(f"{path}, line {line}: there is a NUL character, so this is no text file")
    return text.replace("\r\n", "\n")


def official_texts(
    name: str,
    files: Sequence[RemoteFile],
    folders: Iterable[str],
    data_dir: Path | None,
    cache: Path | None,
    progress: Progress,
) -> list[tuple[str, Path]]:
    """The text of each official file of a registered data set, and where it lies.

    Arguments as for `downloads.obtain`; without ``cache`` it is `downloads.default_cache`.

    Raises:
        DataError: a file is missing or damaged, or cannot be downloaded.
    """
    cache = default_cache() if cache is None else Path(cache)
    paths = obtain(name, files, folders, None if data_dir is None else Path(data_dir), cache, progress)
    return [(as_text(io.BytesIO(read_official(p, f)), p), p) for p, f in zip(paths, files, strict=True)]


def lines_of(text: str, path: Path) -> list[str]:
    """The lines of ``text``, empty ones too, without white space at their ends; ``path`` is for errors.

    Raises:
        DataError: more than `MOST_LINES`, or a line longer than `LONGEST_TEXT`.
    """
    if text.count("\n") >= MOST_LINES:
        raise DataError(f"{path} has more than {MOST_LINES} lines; give a part of it")
    lines = [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []
    for number, line in enumerate(lines, 1):
        if len(line) > LONGEST_TEXT:
            raise DataError(f"{path}, line {number} has {len(line)} characters, more than {LONGEST_TEXT}; split it")
    return lines


def rows_of(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The rows of a .tsv file: a row a line, its columns apart by one TAB, nothing quoted or escaped.

    Empty lines are passed over, and so is a heading: a first line, before any row, whose cells are all names of
    columns, the usual ones (`HEADINGS`) or these, in capitals or not, in quotes or behind "#".

    Args:
        path: of the file.
        columns: their names, at least two.

    Yields:
        One text a column, none of them empty, without white space at their ends.

    Raises:
        DataError: as `read_text` and `lines_of`, or a line with another number of columns or an empty one.
    """
    wanted, first = " TAB ".join(columns), True
    for number, line in enumerate(lines_of(read_text(path), path), 1):
        if not line:
            continue
        row = tuple(cell.strip() for cell in line.split("\t"))
        if first and is_heading(row, columns):
            first = False
            continue
        first = False
        if len(row) != len(columns) or not all(row):
            found = f"{len(row)} column{'s' if len(row) > 1 else ''}" if all(row) else "an empty column"
            raise DataError(f"{path}, line {number} has {found}, but should hold {wanted}")
        yield row


def is_heading(row: Sequence[str], columns: Sequence[str]) -> bool:
    """Whether ``row`` names columns instead of holding an example: each cell is one of ``columns`` or of `HEADINGS`,
    and no two are the same."""
    names = [cell.lstrip("#").strip().strip("\"'").strip().lower().replace(" ", "_") for cell in row]
    return len(set(names)) == len(names) > 1 and all(name in HEADINGS or name in columns for name in names)


def fingerprint(facts: object, *columns: Sequence[str]) -> str:
    """SHA-256 (hexadecimal) over ``facts``, by its `repr`, and over ``columns`` of texts, each text with its length."""
    digest = hashlib.sha256(repr(facts).encode())
    for column in columns:
        for text in column:
            data = text.encode()
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
    return digest.hexdigest()
