"""The report in LaTeX with booktabs: `report-tables.tex` to \\input into a paper, `report.tex` to compile as
it is."""

from __future__ import annotations

import re

from ecrnn.report.results import Analysis
from ecrnn.report.table import Column, Table
from ecrnn.report.tables import report_tables

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\N{MINUS SIGN}": "$-$",
    "\N{EN DASH}": r"\textendash{}",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "*": r"{*}",  # \\* after a row end would be an option
    "[": "{[}",  # and so would this
    "]": "{]}",
}
_LONG = 40  # rows above which a table may break over pages

_DOCUMENT = r"""%% Compile with LuaLaTeX, XeLaTeX or pdfLaTeX; names beyond Latin letters want one of the
first two. \documentclass[10pt]{article} \usepackage[a4paper,landscape,margin=2cm]{geometry}
\usepackage{iftex} \ifPDFTeX
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
\else
  \usepackage{fontspec}
\fi
\usepackage{booktabs,longtable}
\begin{document}
\section*{%(title)s}
\noindent\textbf{%(headline)s}

\medskip\noindent %(certainty)s

%(notes)s
\input{report-tables.tex}
\end{document}
"""


def escape(text: str) -> str:
    """Text as it is, whatever it holds: no character in it is a command."""
    escaped = "".join(_ESCAPES.get(character, character) for character in " ".join(text.split()))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens of a name do not become a dash


def latex_table(table: Table) -> str:
    """One table in its float, or as a longtable that breaks over pages; needs
    \\usepackage{booktabs,longtable}."""
    spec = "@{}" + "".join(map(_column, table.columns, _widths(table))) + "@{}"
    head = " & ".join(escape(column.title) for column in table.columns) + r" \\"
    body = [" & ".join(escape(cell.text) for cell in row) + r" \\" for row in table.rows]
    warning = f" Warning: {table.note}" if table.note else ""
    caption = rf"\caption{{{escape(f'{table.title}. {table.caption}{warning}')}}}\label{{tab:ecrnn-{table.key}}}"
    if len(body) > _LONG:
        lines = [
            r"{\footnotesize\setlength{\tabcolsep}{4pt}",
            rf"\begin{{longtable}}{{{spec}}}",
            caption + r" \\",
            *(r"\toprule", head, r"\midrule", r"\endfirsthead"),
            *(r"\toprule", head, r"\midrule", r"\endhead"),
            *(r"\bottomrule", r"\endlastfoot"),
            *body,
            r"\end{longtable}}",
        ]
    else:
        lines = [
            r"\begin{table}[htbp]",
            r"\centering\footnotesize\setlength{\tabcolsep}{4pt}",
            caption,
            rf"\begin{{tabular}}{{{spec}}}",
            *(r"\toprule", head, r"\midrule"),
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    return "\n".join(lines) + "\n"


def _widths(table: Table) -> list[int]:
    return [max(len(row[i].text) for row in table.rows) for i in range(len(table.columns))]


def _column(column: Column, width: int) -> str:
    if width > 60:  # sentences wrap
        return r"p{0.6\linewidth}"
    return "r" if column.align == "right" else "l"


def to_latex_tables(analysis: Analysis) -> str:
    """All tables, to be read by \\input."""
    head = "%% Tables of an ecrnn report; the document needs \\usepackage{booktabs,longtable}.\n\n"
    return head + "\n".join(latex_table(table) for table in report_tables(analysis))


def to_latex(analysis: Analysis) -> str:
    """A document that compiles as it is, beside the file of tables."""
    notes = "\n\n".join(rf"\noindent {escape(line)}" for line in analysis.warnings)
    return _DOCUMENT % {
        "title": escape(analysis.title),
        "headline": escape(analysis.headline),
        "certainty": escape(analysis.certainty),
        "notes": notes,
    }
