"""A report on the disk: one call from run directories to files, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecrnn.core.files import path_of, write_files
from ecrnn.core.reading import check_inside
from ecrnn.core.text import json_text
from ecrnn.report.analysis.analyse import analyse
from ecrnn.report.analysis.read import read_study
from ecrnn.report.analysis.schema import Analysis, plain
from ecrnn.report.content.tables import report_tables
from ecrnn.report.figure import Figure
from ecrnn.report.render.csv_file import to_csv
from ecrnn.report.render.figures import draw_figures
from ecrnn.report.render.latex import to_latex, to_latex_tables
from ecrnn.report.render.markdown import to_markdown
from ecrnn.report.render.page import report_page
from ecrnn.report.render.svg import standalone
from ecrnn.report.table import Table

FORMAT = 1


@dataclass(frozen=True)
class Report:
    """What was written. ``paths`` maps the name of each file, such as "report.html", to its path."""

    folder: Path
    paths: dict[str, Path]
    analysis: Analysis


def write_report(
    folders: Sequence[Path],
    out: Path | None = None,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    score_epochs: int | None = None,
    difference: float | None = None,
    language: str = "en",
) -> Report:
    """Make the report of one or several run directories of one study.

    Writes report.html (one page, nothing outside it), report.md, report.json, report.tex with
    report-tables.tex to \\input, and report.csv (one line a model) with report-pairs.csv,
    report-evidence.csv, report-trials.csv, report-classes.csv and the other tables beside it, and each figure of the
    page by itself, such as report-differences.svg. The same runs give the same bytes.

    Args:
        folders: run directories.
        out: where to; default the folder `report` in the first run directory.
        baseline: compare every other model against this one; without it and ``pairs`` what was planned, or all pairs.
        pairs: compare these models alone, in place of a baseline.
        rope: half the width of the region of practical equivalence, in values of the metric: 0.005 is half a point of
            accuracy. None takes the metric's own.
        score_epochs: last epochs whose mean is the score of a trial, at most as many as the study keeps.
        difference: one that would matter, in the metric's points as they are shown (1 is one point of accuracy), for
            which the report then says how many repeats would find it.
        language: of the page report.html, "en" or "ko"; all other files are English.

    Raises:
        EcrnnError: the folders are no study or different ones, nothing is finished, the baseline is unknown,
            or the files cannot be written; one line.
    """
    analysis = analyse(
        read_study(folders),
        baseline=baseline,
        pairs=pairs,
        rope=rope,
        score_epochs=score_epochs,
        difference=difference,
    )
    return write_analysis(analysis, out, language)


def write_analysis(analysis: Analysis, out: Path | None = None, language: str = "en") -> Report:
    """Write the files of `write_report` for an ``analysis``.

    Args:
        analysis: analysis of a study.
        out: where to; default the folder `report` in the first run directory.
        language: of the page, "en" or "ko".

    Raises:
        EcrnnError: there are no pages in the language, or the files cannot be written; one line.
    """
    study = Path(analysis.folders[0])
    folder = study / "report" if out is None else path_of(out, "out")
    if out is None:
        check_inside(folder, study)
    return Report(folder, write_files(folder, report_files(analysis, language)), analysis)


def report_files(analysis: Analysis, language: str = "en") -> dict[str, str]:
    """The files of a report by name; the page comes last, so that one that links to nothing is never
    ahead."""
    files = {
        "report.md": to_markdown(analysis),
        "report.tex": to_latex(analysis),
        "report-tables.tex": to_latex_tables(analysis),
        "report.json": to_json(analysis),
    }
    figures = draw_figures(analysis)
    files |= data_files(report_tables(analysis, every=True), figures, first="models")
    return files | {"report.html": report_page(analysis, figures, language)}


def data_files(tables: Sequence[Table], figures: Sequence[Figure], *, first: str) -> dict[str, str]:
    """A CSV file a table, of which the table ``first`` is report.csv, and each figure as SVG."""
    files = {"report.csv" if table.key == first else f"report-{table.key}.csv": to_csv(table) for table in tables}
    return files | {f"report-{figure.key}.svg": standalone(figure.svg) for figure in figures}


def to_json(analysis: Analysis) -> str:
    """Everything, values and seconds at full precision; no NaN and no infinity."""
    content = {"format": FORMAT, "kind": "ecrnn report", **plain(analysis)}
    return json_text(content, indent=1) + "\n"
