"""Groups of examples that a split never parts: images of one patient, one burst of photographs, copies of one image.

A table names them: CSV with the columns file and group (others are passed over), or JSON lines with these keys in a
file that ends in .jsonl. Files are named relative to the data folder, with "/" and, if one likes, "./" in front, and
compared in Unicode's normal form C. A file that the table does not name, or names with an empty group, stands alone.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ecrnn.core.errors import DataError, raised_as
from ecrnn.core.reading import parse_json
from ecrnn.core.spelling import nfc
from ecrnn.core.text import counted
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.textfiles import read_text

AnySet = TypeVar("AnySet", bound=ExampleSet)

_LONGEST = 500  # characters of an error's names


def read_groups(path: Path) -> dict[str, str]:
    """The group of each file that a table names, both in normal form C.

    Raises:
        DataError: not such a table, or one that names a file twice; one line.
    """
    text = read_text(path)
    rows = _json_lines(text, path) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(text, path)
    found: dict[str, str] = {}
    for number, file, group in rows:
        name = nfc(file).removeprefix("./")
        if name in found:
            raise DataError(f"{path}, line {number}: '{name[:_LONGEST]}' comes twice; leave one of them")
        found[name] = nfc(group)
    if not found:
        raise DataError(f"{path} names no file; give it a row for each file that is in a group")
    return found


def _csv(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heading = [cell.strip().lower() for cell in next(reader, [])]
        if not {"file", "group"} <= set(heading):
            raise DataError(f"{path} should be a CSV whose first line names the columns file and group")
        at_file, at_group = heading.index("file"), heading.index("group")
        for row in reader:
            if row and len(row) != len(heading):
                raise DataError(
                    f"{path}, line {reader.line_num} has {counted(len(row), 'columns')}, not {len(heading)}"
                )
            if row:
                yield reader.line_num, row[at_file], row[at_group].strip()
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num} is no CSV: {error}") from error


def _json_lines(text: str, path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        with raised_as(DataError):
            row = parse_json(line, f"{path}, line {number},")
        fits = isinstance(row, dict) and isinstance(row.get("file"), str)
        if not fits or not isinstance(row.get("group"), str | int):
            raise DataError(f'{path}, line {number} should be an object such as {{"file": "a/1.jpg", "group": "7"}}')
        yield number, row["file"], str(row["group"]).strip()


def of_files(table: Mapping[str, str], files: Sequence[str], path: Path, folder: Path) -> np.ndarray:
    """The group of each file: int64 (n,), numbered in the order in which they come.

    Args:
        table: from `read_groups`.
        files: of the data, relative to its folder.
        path: of the table, for the error.
        folder: of the data, for the error.

    Raises:
        DataError: the table names a file that is not among ``files``; one line names the first.
    """
    names = [nfc(file) for file in files]
    if unknown := sorted(table.keys() - set(names)):
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        line = f"{path} names '{unknown[0][:_LONGEST]}'{more}, but there is no such image in {folder}"
        raise DataError(f"{line}; names are relative to that folder, as in cats/001.jpg")
    labels = [(1, group) if (group := table.get(name, "")) else (0, name) for name in names]
    return numbered(labels)


def of_array(values: Any, count: int) -> np.ndarray:
    """The group of each of ``count`` examples from an array of numbers or texts: int64 (n,), as `of_files`.

    Raises:
        DataError: another length, or values that are no groups.
    """
    array = np.asarray(values)
    if array.shape != (count,) or array.dtype.kind not in "biuU":
        found = f"{array.dtype} of shape {array.shape}"
        raise DataError(f"groups are {found}, but should be whole numbers or texts ({count},), one for each example")
    return numbered(array.tolist())


def with_groups(data: AnySet, groups: np.ndarray) -> AnySet:
    """The same examples in groups, int64 (n,), numbered as `numbered` does; its fingerprint is another one."""
    assert groups.shape == (len(data),)
    digest = hashlib.sha256(data.fingerprint.encode() + groups.astype("<i8").tobytes()).hexdigest()
    return replace(data, groups=groups, fingerprint=digest)


def numbered(labels: Sequence[Any]) -> np.ndarray:
    """Different labels as numbers from 0, in the order in which they first come: int64 (n,)."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)


def joined(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The finest groups of which neither ``one`` nor ``other``, both int64 (n,), parts any: int64 (n,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    places = np.arange(len(one))
    first, second = (
        np.unique(groups, return_inverse=True)[1] + start for groups, start in ((one, 0), (other, len(one)))
    )
    edges = coo_array((np.ones(len(places)), (first, second)), shape=(2 * len(one), 2 * len(one)))
    _, component = connected_components(edges, directed=False)
    return numbered(component[first].tolist())


def parted(groups: np.ndarray, first: int) -> int | None:
    """The first example, from ``first`` on, whose group also has one before ``first``; None where there is none."""
    both = np.isin(groups[first:], groups[:first])
    return first + int(both.argmax()) if both.any() else None
