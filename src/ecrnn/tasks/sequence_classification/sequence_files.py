"""Numeric sequences from untrusted files: CSV, `.ts` of the UCR and UEA archives, and `.npz`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ecrnn.core.arrays import read_arrays
from ecrnn.core.errors import DataError, EcrnnError
from ecrnn.core.spelling import nfc
from ecrnn.data.textfiles import read_text

Labelled = tuple[list[np.ndarray], list[str]]  # sequences (T, C), and the class of each

_LARGEST = 3e38
_DELIMITERS = ("\t", ";", ",")  # the first that is in a line; else white space


def read_csv(path: Path) -> np.ndarray:
    """One sequence, as `read_table` reads it."""
    return read_table(path)[0]


def read_table(path: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """One sequence: a line a step, a column a value. A first line that holds no number is a heading.

    Columns stand between tabs, semicolons, commas or blanks. Between semicolons a comma is a decimal point.

    Returns:
        float32 (T, C), and the names of the columns; () where there is no heading.

    Raises:
        DataError: anything else than numbers in columns; the line is named.
    """
    lines = [(number, line.strip()) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise DataError(f"{path} is empty; give a line a step")
    delimiter = next((mark for mark in _DELIMITERS if mark in lines[0][1]), None)
    if delimiter == ";":
        lines = [(number, line.replace(",", ".")) for number, line in lines]
    heading: tuple[str, ...] = ()
    if not any(_is_number(word) for word in lines[0][1].split(delimiter)):
        heading = tuple(nfc(word.strip(" \"'#")) for word in lines[0][1].split(delimiter))
        lines = lines[1:]
    rows: list[list[float]] = []
    for number, line in lines:
        words = line.split(delimiter)
        values = [float(word) for word in words if _is_number(word)]
        if len(values) < len(words):
            wrong = next(word for word in words if not _is_number(word)).strip()
            raise DataError(f"{path}, line {number}: {_gap_or(wrong)}")
        if rows and len(values) != len(rows[0]):
            raise DataError(f"{path}, line {number}: {len(values)} values, but the lines before have {len(rows[0])}")
        if large := [word for word, value in zip(words, values, strict=True) if not abs(value) <= _LARGEST]:
            raise DataError(f"{path}, line {number}: '{large[0].strip()[:40]}' is not finite, or too large for 32 bits")
        rows.append(values)
    if not rows:
        raise DataError(f"{path} holds a heading and no numbers")
    return np.array(rows, np.float32), heading


def _gap_or(word: str) -> str:
    return f"'{word[:40]}' is no number" if word else "a value is missing; fill gaps before"


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word  # which Python takes within numbers


def read_ts(path: Path) -> tuple[Labelled, tuple[str, ...]]:
    """The sequences of a `.ts` file, which may have one or several dimensions and any lengths.

    Returns:
        Sequences (T, C) with the class of each, and all classes in the order in which the file names them.

    Raises:
        DataError: values with times, gaps, no classes, sequences that contradict the file's head, or anything else that
            cannot be read; the line is named.
    """
    texts = enumerate((line.strip() for line in read_text(path).splitlines()), 1)
    lines = ((f"{path}, line {number}", text) for number, text in texts if text and not text.startswith("#"))
    classes, promised = _head(path, lines)
    sequences: list[np.ndarray] = []
    labels: list[str] = []
    for where, text in lines:
        *dimensions, label = text.split(":")
        label = nfc(label.strip())
        if not dimensions or label not in classes:
            raise DataError(f"{where}: '{label[:40]}' is none of the classes {', '.join(classes[:10])}")
        sequences.append(_dimensions(dimensions, where))
        labels.append(label)
        if "@univariate" in promised and len(dimensions) > 1:
            raise DataError(f"{where}: {len(dimensions)} dimensions, but the file says @univariate true")
        if "@equallength" in promised and len(sequences[-1]) != len(sequences[0]):
            found = f"{len(sequences[-1])} steps, and the first sequence has {len(sequences[0])}"
            raise DataError(f"{where}: {found}, but the file says @equalLength true")
    if not sequences:
        raise DataError(f"{path} holds no sequences after @data")
    return (sequences, labels), classes


def _head(path: Path, lines: Iterator[tuple[str, str]]) -> tuple[tuple[str, ...], set[str]]:
    """Take the lines up to @data: the classes that they name, and what they say is true of all sequences."""
    classes: tuple[str, ...] = ()
    promised: set[str] = set()
    for where, text in lines:
        key, *words = text.split()
        match key.lower():
            case "@data":
                if not classes:
                    raise DataError(f"{where}: no line '@classLabel true ...' names the classes before")
                return classes, promised
            case "@classlabel":
                classes = tuple(nfc(word) for word in words[1:]) if words[:1] == ["true"] else ()
                if len(set(classes)) < len(classes):
                    raise DataError(f"{where} names a class twice; leave one of them")
            case "@univariate" | "@equallength" if words[:1] == ["true"]:
                promised.add(key.lower())
            case "@timestamps" if words[:1] == ["true"]:
                raise DataError(f"{where}: values with times are not read; give them at even steps")
            case key if not key.startswith("@"):
                raise DataError(f"{where}: a line that begins with @ was expected before @data")
    raise DataError(f"{path} has no line @data; a .ts file of the UCR or UEA archive has one")


def _dimensions(texts: list[str], where: str) -> np.ndarray:
    """float32 (T, C) of the values of each dimension."""
    columns = []
    for text in texts:
        if not text.strip():
            raise DataError(f"{where}: a dimension holds no values")
        try:
            columns.append(np.loadtxt(io.StringIO(text), np.float32, delimiter=",", ndmin=1, comments=None))
        except ValueError as error:
            word = next((word for word in text.split(",") if not _is_number(word)), "").strip()
            raise DataError(
                f"{where}: {'a value is missing (?); fill gaps before' if word == '?' else _gap_or(word)}"
            ) from error
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        raise DataError(f"{where}: dimensions of {min(lengths)} and of {max(lengths)} steps; they should be as long")
    return np.stack(columns, axis=1)


def read_npz(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The sequences and labels of an `.npz` file with arrays X, y and, for several lengths, lengths.

        X        numbers (N, T, C), or (N, T) with one value a step
        y        whole numbers or texts (N,)
        lengths  whole numbers (N,), steps of each; what lies beyond is not read

    Returns:
        Sequences (T, C), and the labels as they are.

    Raises:
        DataError: not such a file, or arrays that do not hold what they should.
    """
    try:
        arrays = read_arrays(path, kinds="iufU")
    except EcrnnError as error:
        raise DataError(str(error)) from error
    if missing := [name for name in ("X", "y") if name not in arrays]:
        raise DataError(f"{path} has no array {missing[0]}; give X (N, T, C), y (N,) and, for several lengths, lengths")
    return from_arrays(arrays["X"], arrays.get("lengths"), str(path)), arrays["y"]


def from_arrays(X: np.ndarray, lengths: np.ndarray | None, name: str) -> list[np.ndarray]:
    """The sequences (T, C) of an array (N, T, C) or (N, T), cut to their lengths.

    Raises:
        DataError: an array of another shape or type, or lengths that it does not have.
    """
    X = np.asarray(X)
    X = X[..., None] if X.ndim == 2 else X
    if X.ndim != 3 or 0 in X.shape or X.dtype.kind not in "iuf":
        raise DataError(f"{name}: X is {X.dtype} of shape {X.shape}, but should be numbers (N, T, C) or (N, T)")
    if lengths is None:
        return list(X)
    lengths = np.asarray(lengths)
    if lengths.shape != (len(X),) or lengths.dtype.kind not in "iu":
        found = f"{lengths.dtype} of shape {lengths.shape}"
        raise DataError(f"{name}: lengths are {found}, but should be whole numbers ({len(X)},)")
    if lengths.min() < 1 or lengths.max() > X.shape[1]:
        raise DataError(f"{name}: lengths from {lengths.min()} to {lengths.max()}, but X has {X.shape[1]} steps")
    return [sequence[:length] for sequence, length in zip(X, lengths, strict=True)]
