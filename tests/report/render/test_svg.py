"""An SVG file of its own: whole, closed in itself, in both colour schemes. The rest is seen in the report's page."""

import re
from xml.etree import ElementTree as ET

import matplotlib
import pytest
from matplotlib.figure import Figure

from ecrnn.report.render.svg import INK, ONE, STYLE, standalone, to_svg


@pytest.fixture
def element() -> str:
    with matplotlib.rc_context(STYLE):
        figure = Figure()
        axes = figure.subplots()
        axes.plot([0, 1], [1, 0], color=ONE)
        axes.set_title("a & b", color=INK)
        return to_svg(figure, "fig-x", "<what it shows>")


def test_a_file_of_its_own(element: str) -> None:
    text = standalone(element)
    root = ET.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("viewBox")
    assert root.find("{http://www.w3.org/2000/svg}title").text == "<what it shows>"  # type: ignore[union-attr]
    assert not re.search(r"url\((?!#)|href=\"(?!#)|<script|@import", text)
    assert text.endswith("</svg>\n")


def test_every_colour_is_there_in_light_and_dark(element: str) -> None:
    style = ET.fromstring(standalone(element)).find("{http://www.w3.org/2000/svg}style")
    assert style is not None
    light, dark = (style.text or "").split("@media (prefers-color-scheme: dark)")
    used = set(re.findall(r"var\((--[a-z]+)\)", standalone(element)))
    assert {"--one", "--ink", "--paper"} <= used
    for name in used:
        assert f"{name}: #" in light
        assert f"{name}: #" in dark
