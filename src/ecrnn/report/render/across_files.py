"""A report across data sets: on a terminal, and as files, each written whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecrnn.core.across_plan import check_of_plan, is_across, other_moderators, read_plan, studies_of
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import path_of, write_files
from ecrnn.core.reading import check_inside
from ecrnn.core.spelling import on_disk
from ecrnn.core.text import counted, json_text
from ecrnn.core.translation import Translator
from ecrnn.report import formats
from ecrnn.report.analysis.analyse_across import AcrossAnalysis
from ecrnn.report.analysis.analyse_studies import analyse_studies
from ecrnn.report.analysis.schema import plain
from ecrnn.report.content.across_tables import across_tables, pairs_table, scores_table
from ecrnn.report.figure import Figure
from ecrnn.report.render.across_figures import MOST_PAIRS, draw_across
from ecrnn.report.render.latex import latex_document, latex_tables
from ecrnn.report.render.markdown import escape, markdown_table
from ecrnn.report.render.page import on_page, render
from ecrnn.report.render.terminal import rich_table, words
from ecrnn.report.render.write import data_files

if TYPE_CHECKING:
    from rich.console import Console

FORMAT = 1


@dataclass(frozen=True)
class AcrossReport:
    """What was written. ``paths`` maps the name of each file, such as "report.html", to its path."""

    folder: Path
    paths: dict[str, Path]
    analysis: AcrossAnalysis


def write_across_report(
    folders: Sequence[Path],
    out: Path | None = None,
    *,
    baseline: str | None = None,
    pairs: Sequence[tuple[str, str]] | None = None,
    rope: float | None = None,
    moderators: Sequence[str] = (),
    exploratory: bool = False,
    edges: Mapping[str, Sequence[str]] | None = None,
    language: str = "en",
) -> AcrossReport:
    """Make the report across studies, each of another data set.

    Args:
        folders: run directories, or one folder of `ecrnn compare A B C`, whose `across.yaml` then says the moderators.
        out: where to; default the folder `report` in the one that holds the studies.
        baseline: compare every other model against this one. Without it, as the studies planned it, or all pairs.
        pairs: compare these alone, in place of a baseline.
        rope: half the width of the region of practical equivalence; None takes the studies' or the metric's own.
        moderators: names in `ecrnn.core.across_plan.MODERATORS`; named here, they are named after the results.
        exploratory: adjust no p and give no verdict.
        edges: by model the settings of its recipe that lie at an end of the space that was searched.
        language: of the page report.html, "en" or "ko"; all other files are English.

    Raises:
        EcrnnError: what `analyse_studies` refuses, studies in several folders without ``out``, or files that cannot be
            written; one line.
    """
    places = [on_disk(path_of(folder, "a run directory")) for folder in folders]
    plan = read_plan(places[0]) if len(places) == 1 and is_across(places[0]) else None
    home = places[0] if plan else _home(places)
    if out is None and home is None:
        raise EcrnnError("the studies lie in several folders; say with --out where the report goes")
    folder = path_of(out, "out") if out is not None else home / "report" if home else Path()
    if out is None and home:
        check_inside(folder, home)
    before, others = plan.moderators if plan else (), other_moderators(places[0], plan) if plan else []
    named = tuple(moderators) or before
    analysis = analyse_studies(
        studies_of(places[0], plan) if plan else places,
        baseline=baseline,
        pairs=pairs,
        rope=rope,
        moderators=named,
        named_before=named == before and not others,
        notes=[*others, *check_of_plan(places[0], plan)] if plan else (),
        exploratory=exploratory,
        data_sets=len(plan.data) if plan else 0,
        edges=edges,
    )
    return write_across(analysis, folder, language)


def _home(folders: Sequence[Path]) -> Path | None:
    """The one folder that holds all ``folders``."""
    parents = {folder.resolve().parent for folder in folders}
    return folders[0].parent if len(parents) == 1 else None


def write_across(analysis: AcrossAnalysis, out: Path, language: str = "en") -> AcrossReport:
    """Write report.html, .md, .json, .tex with report-tables.tex, a CSV file a table (report.csv has the pairs,
    report-results.csv every score), and each figure as SVG. The same studies give the same bytes.

    Args:
        analysis: from `analyse_studies` or `analyse_across`.
        out: the folder that the files go to; made if it does not exist.
        language: of the page, "en" or "ko".

    Raises:
        EcrnnError: the files cannot be written; one line.
    """
    return AcrossReport(out, write_files(out, across_files(analysis, language)), analysis)


def across_files(analysis: AcrossAnalysis, language: str = "en") -> dict[str, str]:
    """The files by name; the page comes last, so that one that links to nothing is never ahead."""
    tables = across_tables(analysis)
    files = {
        "report.md": across_markdown(analysis),
        "report.tex": latex_document(analysis.title, analysis.headline, analysis.certainty, analysis.warnings),
        "report-tables.tex": latex_tables(tables),
        "report.json": across_json(analysis),
    }
    figures = draw_across(analysis)
    files |= data_files(across_tables(analysis, every=True), figures, first="pairs")
    return files | {"report.html": across_page(analysis, figures, language)}


def across_json(analysis: AcrossAnalysis) -> str:
    """Everything but the comparisons on each data set, whose scores are in it; no NaN and no infinity."""
    content = plain(analysis)
    for one, data_set in zip(content["data_sets"], analysis.data_sets, strict=True):
        comparison = one.pop("comparison")
        one |= {key: comparison[key] for key in ("n_train", "n_test", "fixed_test")}
        one["models"] = [
            {"model": model.model, "repeats": list(model.repeats), "scores": list(model.scores)}
            for model in data_set.comparison.models
        ]
    return json_text({"format": FORMAT, "kind": "ecrnn report across", **content}, indent=1) + "\n"


def across_markdown(analysis: AcrossAnalysis) -> str:
    """The whole report as a Markdown document."""
    parts = [f"# {escape(analysis.title)}", f"**{escape(analysis.headline)}**", escape(analysis.certainty)]
    parts += ["\n".join(f"> **Note:** {escape(line)}" for line in analysis.warnings)] if analysis.warnings else []
    for table in across_tables(analysis):
        parts += [f"## {escape(table.title)}", escape(table.caption), markdown_table(table)]
        if table.key == "pairs":
            parts.append("\n".join(f"- {escape(pair.sentence)}" for pair in analysis.across.pairs))
    if analysis.across.no_ranks:
        parts.append(escape(analysis.across.no_ranks))
    return "\n\n".join(parts) + "\n"


def across_page(analysis: AcrossAnalysis, drawn: Sequence[Figure], language: str = "en") -> str:
    """The page of the report as one HTML document."""
    figures = {one.key: on_page(one) for one in drawn}
    planned = sum(one.planned for one in analysis.data_sets)
    finished = planned - sum(one.missing for one in analysis.data_sets)
    return render(
        "across.html.j2",
        Translator(language, {*analysis.across.models, *(one.name for one in analysis.data_sets)}),
        analysis=analysis,
        tables={table.key: table for table in across_tables(analysis, every=True)},
        forests=[figure for key, figure in figures.items() if key.startswith("forest-")],
        left_out=max(0, len(analysis.across.pairs) - MOST_PAIRS),
        figures=figures,
        key_facts=[
            ("Data sets", formats.count(len(analysis.data_sets))),
            ("Models", formats.count(len(analysis.across.models))),
            ("Score", analysis.metric.title),
            *([("Trials finished", f"{finished:,} of {planned:,}")] if planned else []),
            *([("Baseline", analysis.across.baseline)] if analysis.across.baseline else []),
        ],
        sources=[one.folder for one in analysis.data_sets if one.folder],
    )


def print_across(analysis: AcrossAnalysis, console: Console) -> None:
    """Print on ``console`` what a user wants to see first of ``analysis``; `write_across` writes the rest."""
    console.print()
    console.print(words(analysis.headline, "bold"))
    console.print(words(analysis.certainty, "dim"))
    console.print()
    console.print(rich_table(scores_table(analysis), console.width))
    pairs = pairs_table(analysis)
    if pairs.rows:
        shown = pairs.rows[:MOST_PAIRS]
        console.print(rich_table(replace(pairs, rows=shown), console.width))
        if len(shown) < len(pairs.rows):
            more = counted(len(pairs.rows) - len(shown), "more pairs")
            console.print(words(f"and {more} in the report's files; --baseline MODEL shortens the list"))
    for line in analysis.warnings:
        console.print(words(f"note: {line}", "yellow"))
