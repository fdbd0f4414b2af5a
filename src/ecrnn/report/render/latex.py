"""The report in LaTeX with booktabs: `report-tables.tex` to \\input into a paper, `report.tex` to compile as it is."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ecrnn.core.spelling import nfc
from ecrnn.core.text import one_line
from ecrnn.report.analysis.schema import Analysis
from ecrnn.report.content.tables import report_tables
from ecrnn.report.table import Column, Table

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
# What pdfLaTeX sets in T1 and UTF-8 without a package; other letters go through \ecrnntext.
_LATIN = frozenset(map(chr, range(0xA1, 0x17F))) - set("\xad\u0126\u0127\u0138\u013f\u0140\u0149\u0166\u0167")
_SET = _LATIN | set(map(chr, range(0x20, 0x7F))) | set("\u2010\u2011–—‘’‚“”„†‡•…‰‹›€™") | _ESCAPES.keys()
_FOREIGN = re.compile(f"[^{re.escape(''.join(sorted(_SET)))}]+")
_UNBROKEN = 40  # characters without a blank, after which a line may break
_LONGEST = 2000  # characters of one text, above which TeX's widths overflow
_LONG = 40  # rows above which a table may break over pages

# \ecrnntext{letters}{code of the first}{codes of all} sets letters where the font has them, which under pdfLaTeX none
# has, and their codes elsewhere.
LETTERS = r"""\providecommand{\ecrnntext}[3]{%
  \ifdefined\directlua\iffontchar\font"#2 #1\else#3\fi
  \else\ifdefined\XeTeXversion\iffontchar\font"#2 #1\else#3\fi
  \else#3\fi\fi}
"""

_DOCUMENT = r"""%% Compile with LuaLaTeX, XeLaTeX or pdfLaTeX. Letters beyond Latin, such as Hangul, stand as codes
%% (U+D55C) unless one of the first two has a font with them, as in \setmainfont{Noto Serif CJK KR}.
\documentclass[10pt]{article}
\usepackage[a4paper,landscape,margin=2cm]{geometry}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\else
  \usepackage{fontspec}
\fi
\usepackage{booktabs,longtable}
%(letters)s\begin{document}
\sloppy
\section*{%(title)s}
\noindent\textbf{%(headline)s}

\medskip\noindent %(certainty)s

%(notes)s
\input{report-tables.tex}
\end{document}
"""


def escape(text: str) -> str:
    """Text as it is, whatever it holds: no character in it is a command, and pdfLaTeX sets it.

    Letters are composed (NFC), as pdfLaTeX sets no accent that stands by itself; what is longer than a page is cut.
    """
    line = nfc(one_line(text))
    line = line if len(line) <= _LONGEST else f"{line[:_LONGEST]}\N{HORIZONTAL ELLIPSIS}"
    return " ".join(map(_word, line.split(" ")))


def _word(word: str) -> str:
    """One word, which may break where it is long."""
    pieces = [word[at : at + _UNBROKEN] for at in range(0, len(word), _UNBROKEN)]
    return r"\hspace{0pt}".join(map(_piece, pieces))


def _piece(text: str) -> str:
    escaped = "".join(_ESCAPES.get(character, character) for character in text)
    escaped = re.sub(r"([-`',])(?=\1)|([?!])(?=`)", r"\1\2{}", escaped)  # no dashes, quotes and marks of two characters
    return _FOREIGN.sub(lambda found: _letters(found.group()), escaped)


def _letters(letters: str) -> str:
    codes = [f"{ord(letter):04X}" for letter in letters]
    return rf"\ecrnntext{{{letters}}}{{{codes[0]}}}{{{' '.join(f'U+{code}' for code in codes)}}}"


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
    return latex_tables(report_tables(analysis))


def to_latex(analysis: Analysis) -> str:
    """A document that compiles as it is, beside the file of tables."""
    return latex_document(analysis.title, analysis.headline, analysis.certainty, analysis.warnings)


def latex_tables(tables: Sequence[Table]) -> str:
    """Tables to be read by \\input."""
    needs = "\\usepackage{booktabs,longtable} and fonts in T1 or Unicode"
    head = f"% Tables of an ecrnn report; the document needs {needs}.\n{LETTERS}\n"
    return head + "\n".join(map(latex_table, tables))


def latex_document(title: str, headline: str, certainty: str, warnings: Sequence[str]) -> str:
    """A document that reads the tables from report-tables.tex beside it."""
    return _DOCUMENT % {
        "letters": LETTERS,
        "title": escape(title),
        "headline": escape(headline),
        "certainty": escape(certainty),
        "notes": "\n\n".join(rf"\noindent {escape(line)}" for line in warnings),
    }
