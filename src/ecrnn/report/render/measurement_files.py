"""A measurement as a folder of four files: all values, the table, the figure, and a page that shows the two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecrnn.core.files import write_files
from ecrnn.core.text import json_text
from ecrnn.report.figure import Figure
from ecrnn.report.render.csv_file import to_csv
from ecrnn.report.render.markdown import escape, markdown_table
from ecrnn.report.render.svg import standalone
from ecrnn.report.table import Table


def write_measurement(
    stem: str,
    title: str,
    head: dict[str, Any],
    key: str,
    values: Sequence[Any],
    table: Table,
    figure: Figure | None,
    out: Path,
) -> dict[str, Path]:
    """Write <stem>.json, <stem>.csv, <stem>.svg where there is a figure, and <stem>.md, which shows table and figure.

    Args:
        stem: stem of the files' names.
        title: title of the page.
        head: what the JSON object begins with.
        key: under which the values stand in it.
        values: dataclasses of plain values, a line each.
        table: in CSV, and on the page.
        figure: on the page and by itself.
        out: the folder.

    Returns:
        The path of each file by its name.

    Raises:
        RunDirectoryError: the disk refuses.
    """
    lines = ",\n".join(json_text(asdict(value)) for value in values)
    shown = [f"# {escape(title)}", markdown_table(table), escape(table.caption)]
    files = {f"{stem}.json": f'{json_text(head)[:-1]}, "{key}": [\n{lines}\n]}}\n', f"{stem}.csv": to_csv(table)}
    if figure is not None:
        files[f"{stem}.svg"] = standalone(figure.svg)
        shown += [f"![{escape(title)}]({stem}.svg)", escape(figure.caption)]
    files[f"{stem}.md"] = "\n\n".join(shown) + "\n"
    return write_files(out, files)
