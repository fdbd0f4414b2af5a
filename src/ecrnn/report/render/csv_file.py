"""Tables as CSV: fractions and seconds at full precision, an empty field for what is not known."""

from __future__ import annotations

import csv
import io
import re

from ecrnn.core.text import printable
from ecrnn.report.table import Table, Value

_FORMULA = re.compile(
    r"[\t\r\n]|\s*[=+\-@＝＋－＠]"
)  # what a spreadsheet takes for one, in wide letters and behind blanks too


def to_csv(table: Table) -> str:
    """One table; the header names the values, which are more than the columns where a column is an
    interval."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([safe(name) for column in table.columns for name in column.names])
    for row in table.rows:
        writer.writerow([safe(value) for cell in row for value in cell.values])
    return file.getvalue()


def is_formula(text: str) -> bool:
    """Whether a spreadsheet would take a cell for a formula."""
    return _FORMULA.match(text) is not None


def safe(value: Value) -> Value:
    """A cell that no spreadsheet runs and no terminal obeys; numbers stay numbers, and exact.

    Text that would be a formula, behind blanks too, gets an apostrophe in front. Control characters are shown as
    everywhere (`printable`), but for line ends and tabs, which quotes hold.
    """
    if not isinstance(value, str):
        return value
    return printable(f"'{value}" if is_formula(value) else value, keep="\n\t")
