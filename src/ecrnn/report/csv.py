"""Tables as CSV: fractions and seconds at full precision, an empty field for what is not known."""

from __future__ import annotations

import csv
import io

from ecrnn.report.table import Table, Value


def to_csv(table: Table) -> str:
    """One table; the header names the values, which are more than the columns where a column is an
    interval."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([_safe(name) for column in table.columns for name in column.names])
    for row in table.rows:
        writer.writerow([_safe(value) for cell in row for value in cell.values])
    return file.getvalue()


def _safe(value: Value) -> Value:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers stay numbers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
