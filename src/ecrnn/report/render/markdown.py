"""The report in Markdown: tables as pipes, aligned, readable as plain text too."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ecrnn.core.text import one_line, printable
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.content.tables import report_tables, verdict_words
from ecrnn.report.table import Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$#])")
_AT_START = re.compile(r"^(\d*)([-+.)=])(?=\s|$|\2)")  # a list, a rule, a heading underlined
_LINK = re.compile(r"(?i)\b(www|https?|ftp|mailto|xmpp)([.:])")  # what GitHub makes a link without being asked


def escape(text: str) -> str:
    """Text as it is, whatever it holds: nothing in it is markup, and it stays on its line."""
    escaped = _SPECIAL.sub(r"\\\1", one_line(text).replace("&", "&amp;"))
    return _LINK.sub(r"\1\\\2", _AT_START.sub(r"\1\\\2", escaped))


def markdown_table(table: Table) -> str:
    """One table, without its title."""
    rows = [[escape(cell.text) for cell in row] for row in table.rows]
    head = [escape(column.title) for column in table.columns]
    widths = [max(3, *(len(row[i]) for row in [head, *rows])) for i in range(len(head))]
    right = [column.align == "right" for column in table.columns]

    def line(cells: Sequence[str]) -> str:
        set_ = [c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True)]
        return f"| {' | '.join(set_)} |"

    rule = [f"{'-' * (w - 1)}:" if r else "-" * w for w, r in zip(widths, right, strict=True)]
    return "\n".join([line(head), line(rule), *map(line, rows)])


def to_markdown(analysis: Analysis) -> str:
    """The whole report as a Markdown document."""
    parts = [f"# {escape(analysis.title)}", f"**{escape(analysis.headline)}**", escape(analysis.certainty)]
    parts += ["\n".join(f"> **Note:** {escape(line)}" for line in analysis.warnings)] if analysis.warnings else []
    for table in report_tables(analysis):
        parts += [f"## {escape(table.title)}", escape(table.caption)]
        parts += [f"> **Warning:** {escape(table.note)}"] if table.note else []
        parts.append(markdown_table(table))
        if table.key == "contrasts":
            contrasts = analysis.comparison.contrasts
            parts.append("\n".join(f"- {escape(f'{one.name}: {one.pair.sentence}')}" for one in contrasts))
        if table.key == "pairs":
            parts.append("\n".join(f"- **{word}**: {escape(meaning)}" for word, meaning in verdict_words(analysis)))
            parts.append("\n".join(f"- {escape(pair.sentence)}" for pair in analysis.comparison.pairs))
    machine = [f"- {escape(what)}: {escape(value)}" for what, value in analysis.environment.items()]
    command = printable(analysis.command, keep="\n")
    fence = "`" * (3 + max(map(len, re.findall("`+", command)), default=0))
    parts += ["## How to repeat it", f"{fence}sh\n{command}\n{fence}", "\n".join(machine)]
    return "\n\n".join(part for part in parts if part) + "\n"
