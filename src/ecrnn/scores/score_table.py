"""Tables as they come: CSV, JSON and Parquet files, frames of pandas and polars, mappings and lists, all untrusted.

A table is its cells by column, unread: text from a CSV file, numbers from a frame. Sizes are bounded before anything is
kept.
"""

from __future__ import annotations

import csv
import io
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.reading import MAX_JSON, opened, parse_json, read_bytes
from ecrnn.core.spelling import nfc

MAX_BYTES = 64 * 2**20  # of a file
MAX_ROWS = 2_000_000
MAX_COLUMNS = 10_000
MAX_UNPACKED = 2**30  # bytes of a Parquet file's columns
STDIN = "-"


@dataclass(frozen=True)
class Table:
    """Cells by column.

    Attributes:
        name: of the file, for messages; "the table" of what was given in Python.
        columns: cells by the name of their column, all of one length.
        numbers: of the rows, as messages count them: the header of a file is row 1, the first row of a frame is 0.
        kind: of `ecrnn.scores.exports`, where the shape of what was given in Python says it; "" elsewhere.
    """

    name: str
    columns: Mapping[str, Sequence[Any]]
    numbers: Sequence[int]
    kind: str = ""

    def __len__(self) -> int:
        return len(self.numbers)

    def where(self, row: int, column: str) -> str:
        """The place of a cell, for messages."""
        return f"{self.name}, row {self.numbers[row]}, column '{column}'"


def read_table(source: Any) -> Table:
    """A table from a file or from what Python holds.

    Args:
        source: the path of a .csv, .tsv, .json or .parquet file, "-" for CSV from the standard input; a frame of pandas
            or polars; a mapping of columns, or of results by the name of their model; or a list of mappings, one a row.

    Raises:
        EcrnnError: it cannot be read, is too large, or is no table; one line.
    """
    if isinstance(source, (str, Path)):
        return _of_file(source)
    if hasattr(source, "columns") and hasattr(source, "__getitem__"):
        return _of_columns("the table", {str(name): _listed(source[name]) for name in source.columns})
    if isinstance(source, Mapping):
        return _of_mapping("the table", source)
    if isinstance(source, Sequence):
        return _of_rows("the table", source)
    raise EcrnnError(f"scores are a file, a frame, a mapping of columns or a list of rows, not {type(source).__name__}")


def _of_file(source: str | Path) -> Table:
    if str(source) == STDIN:
        content = sys.stdin.buffer.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise EcrnnError(f"the standard input holds more than {MAX_BYTES:,} bytes")
        return parse_csv(_text(content, "the standard input"), "the standard input")
    path = Path(source)
    kind = path.suffix.lower()
    if kind == ".parquet":
        return _of_parquet(path)
    if kind == ".json":
        held = parse_json(_text(read_bytes(path, MAX_JSON), str(path)), path)
        if isinstance(held, Mapping):
            return _of_mapping(path.name, held)
        if isinstance(held, list):
            return _of_rows(path.name, held)
        raise EcrnnError(f"{path} holds no table: a JSON object of columns, or a list of rows")
    return parse_csv(_text(read_bytes(path, MAX_BYTES), str(path)), path.name)


def _text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise EcrnnError(f"{name} is not a text file in UTF-8") from error


def parse_csv(text: str, name: str) -> Table:
    """The table of a CSV text with a header, separated by commas, semicolons or tabs.

    Args:
        text: the file's.
        name: of the file.

    Raises:
        EcrnnError: no header, a column without cells or twice, a row of another length, too many rows or columns.
    """
    start = text.partition("\n")[0]
    separator = max(",;\t", key=start.count)  # the first of equals
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    kept: list[list[str]] = []
    numbers: list[int] = []
    same: dict[str, str] = {}  # one text for equal cells
    header: list[str] | None = None
    try:
        for number, cells in enumerate(lines, 1):
            if header is None:
                header = [cell.strip() for cell in cells]
            elif any(cells):
                if len(cells) != len(header):
                    raise EcrnnError(f"{name}, row {number} has {len(cells)} cells, but the header {len(header)}")
                if len(kept) == MAX_ROWS:
                    raise EcrnnError(f"{name} has more than {MAX_ROWS:,} rows")
                kept.append([same.setdefault(cell, cell) for cell in cells])
                numbers.append(number)
    except csv.Error as error:
        raise EcrnnError(f"{name}, row {len(kept) + 2} is no CSV: {error}") from error
    if header is None or not any(header):
        raise EcrnnError(f"{name} is empty; a header and a row for each score belong there")
    columns = list(zip(*kept, strict=True)) if kept else [()] * len(header)
    return _checked(name, zip(header, columns, strict=True), numbers)


def _checked(name: str, columns: Iterable[tuple[str, Sequence[Any]]], numbers: Sequence[int]) -> Table:
    """The table, without columns that have no name, such as the index that pandas writes."""
    found: dict[str, Sequence[Any]] = {}
    for column, cells in ((nfc(column), cells) for column, cells in columns):
        if column in found:
            raise EcrnnError(f"{name} has the column '{column}' twice")
        if column:
            found[column] = cells
    if len(found) > MAX_COLUMNS:
        raise EcrnnError(f"{name} has more than {MAX_COLUMNS:,} columns")
    if not numbers:
        raise EcrnnError(f"{name} has a header and no rows")
    return Table(name, found, numbers)


def _of_columns(name: str, columns: Mapping[str, Sequence[Any]]) -> Table:
    lengths = {len(cells) for cells in columns.values()}
    if len(lengths) > 1:
        raise EcrnnError(f"the columns of {name} should have one length, not {min(lengths)} to {max(lengths)}")
    rows = max(lengths, default=0)
    if rows > MAX_ROWS:
        raise EcrnnError(f"{name} has more than {MAX_ROWS:,} rows")
    return _checked(name, columns.items(), range(rows))


def _of_mapping(name: str, held: Mapping[Any, Any]) -> Table:
    """Columns by name, also with a mapping of rows each, as `DataFrame.to_json` writes; or results by the name of their
    model, which become a column of mappings."""
    if held and all(isinstance(value, Mapping) for value in held.values()):
        rows = [tuple(value) for value in held.values()]
        if set(rows) == {tuple(map(str, range(len(rows[0]))))}:
            return _of_columns(name, {str(key): list(value.values()) for key, value in held.items()})
        columns = {"model": [str(key) for key in held], "result": list(held.values())}
        return Table(name, columns, range(len(held)), "results")
    return _of_columns(name, {str(key): _listed(value) for key, value in held.items()})


def _of_rows(name: str, rows: Sequence[Any]) -> Table:
    if len(rows) > MAX_ROWS:
        raise EcrnnError(f"{name} has more than {MAX_ROWS:,} rows")
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise EcrnnError(f"{name}, row {number} should be a mapping of columns, not {type(row).__name__}")
    columns = dict.fromkeys(str(key) for row in rows for key in row)
    return _of_columns(name, {column: _listed([row.get(column) for row in rows]) for column in columns})


def _listed(cells: Any) -> Sequence[Any]:
    """A column as a list of plain values."""
    if isinstance(cells, (str, bytes)) or not hasattr(cells, "__len__") or getattr(cells, "ndim", 1) != 1:
        raise EcrnnError(f"a column of the table should be a list, not {type(cells).__name__}")
    if hasattr(cells, "tolist"):
        cells = cells.tolist()
    cells = cells.to_list() if hasattr(cells, "to_list") else list(cells)
    return [_plain(cell) for cell in cells]


def _plain(cell: Any) -> Any:
    """A number of NumPy as Python's own, and a whole number of more than 64 bits as text, as in a CSV file.

    Raises:
        EcrnnError: it has more digits than Python writes.
    """
    if isinstance(cell, np.generic):
        cell = cell.item()
    if isinstance(cell, int) and abs(cell) >= 2**64:
        try:
            return str(cell)
        except ValueError as error:
            raise EcrnnError("the table holds a whole number of thousands of digits") from error
    return cell


def _of_parquet(path: Path) -> Table:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise EcrnnError(
            f"{path} is a Parquet file, which pyarrow reads (pip install pyarrow); a CSV file needs no package"
        ) from error
    with opened(path, MAX_BYTES) as file:
        try:
            held = parquet.ParquetFile(file)
            facts = held.metadata
            size = sum(facts.row_group(group).total_byte_size for group in range(facts.num_row_groups))
            if facts.num_rows > MAX_ROWS or facts.num_columns > MAX_COLUMNS or size > MAX_UNPACKED:
                raise EcrnnError(f"{path} is larger than {MAX_ROWS:,} rows, {MAX_COLUMNS:,} columns or 1 GiB")
            if twice := [name for name, count in Counter(held.schema_arrow.names).items() if count > 1]:
                raise EcrnnError(f"{path.name} has the column '{twice[0][:100]}' twice")
            columns = held.read().to_pydict()
        except (OSError, ValueError) as error:  # pyarrow's errors are of these kinds
            if isinstance(error, EcrnnError):
                raise
            raise EcrnnError(f"{path} is no Parquet file: {str(error).splitlines()[0][:200]}") from error
    return _of_columns(path.name, columns)
