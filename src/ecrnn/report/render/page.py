"""The report as one page: no script, nothing from outside, readable in light, dark, on paper and on a
telephone.

Its text is English, or what a `Translator` makes of it: every value and every text of a template goes through it.

Everything that comes from a run (names of models and classes, reasons of failures) is made printable and escaped; a
Content-Security-Policy forbids all but the page's own style.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecrnn.core.text import printable
from ecrnn.core.translation import Translator
from ecrnn.report.analysis.schema import Analysis, Confusion
from ecrnn.report.content import tables
from ecrnn.report.figure import Figure

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

ENGLISH = Translator("en")
_SECTIONS = (  # anchor, title
    ("results", "Results"),
    ("differences", "Differences and verdicts"),
    ("power", "What this study could show"),
    ("variation", "What varies"),
    ("training", "While training"),
    ("paper", "As in the paper"),
    ("classes", "Classes"),
    ("cost", "Cost"),
    ("fairness", "Fairness"),
    ("trials", "Trials"),
    ("repeat", "How to repeat it"),
)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent / "templates")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {"heat": heat, **_words(ENGLISH)}
    environment.filters["key"] = _key
    environment.filters["lines"] = _lines
    environment.filters["code"] = _code
    return environment


def _words(translator: Translator) -> dict[str, Any]:
    """What templates call for text: ``_`` for their own, ``translated`` for what is changed further, ``drawn`` for the
    text in a figure."""
    from markupsafe import escape

    return {
        "language": translator.language,
        "_": lambda text: escape(translator(text)),
        "translated": translator,
        "drawn": lambda svg: _drawn(svg, translator),
    }


def render(template: str, translator: Translator = ENGLISH, **content: Any) -> str:
    """A page from ``template``; every value in ``content`` is translated, and escaped unless it is markup of ours."""
    environment = _templates()
    if translator.language != "en":
        environment = environment.overlay(
            finalize=lambda value: _shown(translator(value)) if type(value) is str else value
        )
        environment.globals = {**environment.globals, **_words(translator)}
    return environment.get_template(template).render(**content)


def _drawn(svg: Markup, translator: Translator) -> Markup:
    """A figure with its text translated."""
    from markupsafe import Markup, escape

    def text(found: re.Match[str]) -> str:
        return f"{found[1]}{escape(translator(Markup(found[2]).unescape()))}{found[3]}"

    if translator.language == "en":
        return svg
    return Markup(re.sub(r"(<(?:text|title)\b[^<>]*>)([^<>]+)(</(?:text|title)>)", text, svg))


def _shown(value: Any) -> Any:
    """What stands in a page for ``value``: text as people can read it; markup of ours as it is."""
    return printable(value) if type(value) is str else value


def _key(text: str) -> Markup:
    """What an attribute holds for machines, so no text for people: never translated."""
    from markupsafe import escape

    return escape(printable(text))


def _lines(text: str) -> Markup:
    """Text that keeps its lines."""
    from markupsafe import escape

    return escape(printable(text, keep="\n\t"))


def _code(text: str) -> Markup:
    """Text with code between backticks."""
    from markupsafe import Markup, escape

    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(printable(text)))))


def heat(confusion: Confusion) -> list[tuple[str, list[tuple[int, int, bool]]]]:
    """For each true class its cells: count, share of the class in percent, and whether it is the right
    class."""
    rows = []
    for i, (score, counts) in enumerate(zip(confusion.classes, confusion.counts, strict=True)):
        cells = [(n, round(100 * n / score.n) if score.n else 0, i == j) for j, n in enumerate(counts)]
        rows.append((score.name, cells))
    return rows


def on_page(figure: Figure) -> dict[str, Any]:
    """A figure as templates take it."""
    from markupsafe import Markup

    return {"title": figure.title, "caption": figure.caption, "svg": Markup(figure.svg)}


def report_page(analysis: Analysis, drawn: Sequence[Figure], language: str = "en") -> str:
    """The page of a whole report as one HTML document, with the figures that `draw_figures` gives."""
    figures = {one.key: on_page(one) for one in drawn}
    by_key = {table.key: table for table in tables.report_tables(analysis, every=True)}
    if analysis.classes:
        by_key["classes"] = tables.classes_table(analysis, tables.MANY_CLASSES)
    curves = [figure for key, figure in figures.items() if key.endswith("-curves")]
    has = {
        "differences": bool(by_key.get("pairs")),
        "power": "power" in by_key,
        "variation": "variation" in by_key,
        "paper": "paper" in by_key,
        "training": bool(curves),
        "classes": bool(analysis.classes),
        "cost": "cost" in by_key,
    }
    return render(
        "report.html.j2",
        Translator(language, _names(analysis)),
        analysis=analysis,
        tables=by_key,
        figures=figures,
        curves=curves,
        words=tables.verdict_words(analysis),
        sections=[
            *([(analysis.supplement.key, analysis.supplement.title)] if analysis.supplement else []),
            *((key, title) for key, title in _SECTIONS if has.get(key, True)),
        ],
        matrices=len(analysis.classes) <= tables.MANY_CLASSES,
        few=len(analysis.models) <= 3,
    )


def _names(analysis: Analysis) -> set[str]:
    """What a report says of others' things: no text of ours, so never translated."""
    contrasts = (contrast.name for contrast in analysis.comparison.contrasts)
    models = (of.model for rows in (analysis.models, analysis.missing) for of in rows)
    return {*models, *analysis.classes, *contrasts, analysis.data, *analysis.environment.values()}
