"""A report of a search for recipes: on a terminal, and as files, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecrnn.core.files import path_of, write_files
from ecrnn.core.reading import check_inside
from ecrnn.core.spelling import on_disk
from ecrnn.core.text import json_text
from ecrnn.core.translation import Translator
from ecrnn.report import formats
from ecrnn.report.analysis.analyse_tuning import TuningAnalysis, analyse_tuning
from ecrnn.report.analysis.schema import plain
from ecrnn.report.content.tuning_tables import recipes_table, tuning_tables
from ecrnn.report.figure import Figure
from ecrnn.report.render.latex import latex_document, latex_tables
from ecrnn.report.render.markdown import escape, markdown_table
from ecrnn.report.render.page import on_page, render
from ecrnn.report.render.terminal import rich_table, words
from ecrnn.report.render.tuning_figure import draw_tuning
from ecrnn.report.render.write import data_files
from ecrnn.training.tried_points import read_tuning

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = 1


@dataclass(frozen=True)
class TuningReport:
    """What was written. ``paths`` maps the name of each file, such as "report.html", to its path."""

    folder: Path
    paths: dict[str, Path]
    analysis: TuningAnalysis


def write_tuning_report(tuning: Path, out: Path | None = None, language: str = "en") -> TuningReport:
    """Make the report of a search for recipes.

    Writes report.html, .md, .json, .tex with report-tables.tex, report.csv (one line a model), report-points.csv,
    report-best-of-n.csv, and the figure as SVG. The same search gives the same bytes.

    Args:
        tuning: folder that `ecrnn tune` wrote.
        out: where to; default the folder `report` in it.
        language: of the page report.html, "en" or "ko"; all other files are English.

    Raises:
        EcrnnError: it is no such folder, nothing in it is finished, or the files cannot be written; one line.
    """
    tuning = on_disk(path_of(tuning, "tuning"))
    folder = tuning / "report" if out is None else path_of(out, "out")
    if out is None:
        check_inside(folder, tuning)
    analysis = analyse_tuning(read_tuning(tuning))
    return TuningReport(folder, write_files(folder, tuning_files(analysis, language)), analysis)


def tuning_files(analysis: TuningAnalysis, language: str = "en") -> dict[str, str]:
    """The files by name; the page comes last, so that one that links to nothing is never ahead."""
    content = {"format": FORMAT, "kind": "ecrnn tuning", **plain(analysis)}
    files = {
        "report.md": tuning_markdown(analysis),
        "report.tex": latex_document(analysis.title, analysis.headline, analysis.caution, analysis.warnings),
        "report-tables.tex": latex_tables(tuning_tables(analysis)),
        "report.json": json_text(content, indent=1) + "\n",
    }
    figures = draw_tuning(analysis)
    files |= data_files(tuning_tables(analysis, every=True), figures, first="recipes")
    return files | {"report.html": tuning_page(analysis, figures, language)}


def tuning_markdown(analysis: TuningAnalysis) -> str:
    """The whole report as a Markdown document."""
    parts = [f"# {escape(analysis.title)}", f"**{escape(analysis.headline)}**", escape(analysis.caution)]
    parts += ["\n".join(f"> **Note:** {escape(line)}" for line in analysis.warnings)] if analysis.warnings else []
    for table in tuning_tables(analysis, every=True):
        parts += [f"## {escape(table.title)}", escape(table.caption), markdown_table(table)]
    return "\n\n".join(parts) + "\n"


def tuning_page(analysis: TuningAnalysis, drawn: Sequence[Figure], language: str = "en") -> str:
    """The page of the report as one HTML document."""
    return render(
        "tuning.html.j2",
        Translator(language, {of.model for of in analysis.models} | {*analysis.space, analysis.data, analysis.folder}),
        analysis=analysis,
        tables={table.key: table for table in tuning_tables(analysis, every=True)},
        figures=[on_page(one) for one in drawn],
        key_facts=_facts(analysis),
    )


def _facts(analysis: TuningAnalysis) -> list[tuple[str, str]]:
    sizes = f"{analysis.n_train:,} train, {analysis.n_validation:,} validation"
    seconds = sum(of.seconds for of in analysis.models)
    return [
        ("Data", analysis.data),
        *([("Tuned on", f"{analysis.part} of it")] if analysis.part else []),
        (formats.capital(analysis.examples), sizes),
        ("Models", formats.count(len(analysis.models))),
        ("Points a model", formats.count(analysis.budget)),
        ("Space", "; ".join(f"{name} {text}" for name, text in analysis.space.items())),
        ("Search", "the same Sobol points for all" if analysis.search == "same" else "Optuna's TPE, one a model"),
        ("All trainings", formats.duration(seconds)),
    ]


def print_tuning(analysis: TuningAnalysis, console: Console) -> None:
    """Print on ``console`` what a user wants to see first of ``analysis``; `write_tuning_report` writes the rest."""
    console.print()
    console.print(words(analysis.headline, "bold"))
    console.print(words(analysis.caution, "dim"))
    console.print()
    console.print(rich_table(recipes_table(analysis), console.width))
    for crossing in analysis.crossings[:6]:
        console.print(words(f"From {crossing.n} points on {crossing.better} is ahead of {crossing.worse}."))
    for line in analysis.warnings:
        console.print(words(f"note: {line}", "yellow"))
