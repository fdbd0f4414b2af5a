"""matplotlib figures as SVG that belongs to a page: its colours are the page's, its ids its own, its text is
text.

A figure is drawn in the stand-in colours of `INK` and so on; here they become CSS variables, so that one
drawing reads in light, in dark and on paper.
"""

from __future__ import annotations

import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecrnn.core.text import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#010101", "#020202", "#030303", "#040404"
ONE, TWO, THREE, FOUR = "#050505", "#060606", "#070707", "#080808"
_VARIABLES = {
    INK: "currentColor",
    MUTED: "var(--muted)",
    GRID: "var(--grid)",
    PAPER: "var(--paper)",
    ONE: "var(--one)",
    TWO: "var(--two)",
    THREE: "var(--three)",
    FOUR: "var(--four)",
}

#: Settings under which figures are drawn and saved; given to `matplotlib.rc_context`, so nothing leaks.
STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "ecrnn",
    "text.parse_math": False,  # a name with dollar signs is a name
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 9.5,
    "axes.titleweight": "normal",
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "path.simplify": False,
}


def to_svg(figure: Figure, key: str, alt: str) -> str:
    """``figure`` as an <svg> element to stand in a page.

    Args:
        figure: drawn under `STYLE`.
        key: letters, digits and hyphens; ids begin with it, so it is unique in the page.
        alt: what the figure shows, for those who do not see it; any text.
    """
    file = io.StringIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the browser has other fonts
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    used = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg))
    svg = re.sub(r"<[^<>]+>", lambda tag: _tag(tag.group(), key, used), svg)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r">\s+<", "><", svg)
    width, height = (float(size) for size in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    opening = (
        f'<svg viewBox="0 0 {width:g} {height:g}" style="max-width: {width:g}pt" role="img" '
        f'aria-labelledby="{key}-alt"><title id="{key}-alt">{_escape(alt)}</title>'
    )
    return re.sub(r"^<svg[^>]*>", lambda _: opening, svg.strip())


def standalone(svg: str) -> str:
    """``svg``, an element as `to_svg` gives it, as a file of its own, with the page's colours for light and dark."""
    colours = (Path(__file__).parent / "templates" / "colours.css").read_text(encoding="utf-8")
    style = 'svg { color: var(--ink); background: var(--paper); font-family: system-ui, "DejaVu Sans", sans-serif; }'
    opening, rest = svg.split("<title", 1)
    opening = opening.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return f"{opening}<style>\n{colours}{style}\n</style><title{rest}\n"


def _tag(tag: str, key: str, used: set[str]) -> str:
    """One tag: ids that something points to carry ``key``, the others go; colours and fonts become the
    page's."""
    tag = re.sub(r'\sid="([^"]+)"', lambda m: f' id="{key}-{m[1]}"' if m[1] in used else "", tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{key}-\1)", tag)
    tag = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{key}-\1"', tag)
    tag = re.sub(r"font: ([\d.]+)px [^;\"]+", r"font-size: \1px", tag)
    tag = re.sub(r"font-family: [^;\"]+;?\s*", "", tag)
    for stand_in, variable in _VARIABLES.items():
        tag = tag.replace(stand_in, variable)
    return tag


def _escape(text: str) -> str:
    return printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
