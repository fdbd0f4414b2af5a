"""What is written of explained images: page, arrays, JSON, terminal."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from explain.explanations import an_explanation
from report.korean import english
from rich.console import Console

from ecrnn.report.content.explanation_table import maps_table
from ecrnn.report.render.explanation_files import (
    explanation_page,
    explanations_json,
    headline,
    print_explanations,
    write_explanations,
)


def test_the_page_shows_all_and_escapes_all() -> None:
    one = an_explanation()
    page = explanation_page([one, replace(an_explanation("cnn"), name="dir/<script>.png", maps=())], "ecrnn-bilstm-4")
    assert "<script" not in page
    assert "&lt;script&gt;.png" in page
    assert "<b>fox" not in page
    assert page.count("<svg") == 2  # curves and steps of the first
    assert page.count("data:image/png;base64,") == 1 + 4 + 1 + 2 * 5 + 2 * len(one.stages) + 1 + 2 * 4 + 1
    assert "default-src 'none'" in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    other = replace(one, target=0, against=1)
    korean = explanation_page([one, other], "ecrnn-bilstm-4", "ko")
    names = [*one.classes, one.name, *(stage.layer for stage in one.stages), "rnn.layers.0", "cnn.2.2"]
    assert english(korean, [*names, "ecrnn-bilstm-4", *(of.key for of in one.maps)]) == []


def test_a_network_without_maps_and_steps() -> None:
    page = explanation_page([an_explanation("mlp-4")], "mlp-4")
    assert "no Grad-CAM" in page
    assert "Which steps count" not in page


def test_json_and_arrays_hold_the_figures(tmp_path: Path) -> None:
    one = an_explanation()
    write_explanations([one], "ecrnn-bilstm-4", tmp_path / "new" / "why.html", tmp_path / "maps.npz")
    assert (tmp_path / "new" / "why.html").read_text() == explanation_page([one], "ecrnn-bilstm-4")
    with np.load(tmp_path / "maps.npz", allow_pickle=False) as arrays:
        assert {name.removeprefix("1/") for name in arrays} == set(one.arrays())
        assert np.array_equal(arrays["1/cam"], one.maps[0].attribution.values)
    (image,) = json.loads(explanations_json([one], "m"))["images"]
    assert image["class"] == one.classes[one.target]
    assert sum(image["probabilities"].values()) == pytest.approx(1)
    assert image["maps"]["ig"]["completeness_error"] == one.maps[1].attribution.completeness_error
    assert image["maps"]["cam"]["integral_steps"] is None
    assert image["steps"] == {"layer": "rnn.layers.0", "count": 256, "counting": one.steps and one.steps.counting}


def test_what_the_terminal_says() -> None:
    one = an_explanation()
    out = io.StringIO()
    print_explanations([one], Console(file=out, width=120))
    text = out.getvalue()
    assert "Grad-CAM" in text
    assert "steps are above 1 %" in text
    assert [row[1].text == "failed" for row in maps_table(one).rows] == [bool(m.faults) for m in one.maps]


@pytest.mark.parametrize(
    ("error", "shown"),
    [(None, "–"), (0.0, "< 0.01 %"), (0.0042, "0.42 %"), (0.25, "25 %"), (0.999, "100 %"), (3, "300 %")],
)
def test_completeness_errors(error: float | None, shown: str) -> None:
    """Of integrated gradients; above 100 % where the difference that they explain is smaller than what is missed."""
    one = an_explanation()
    a_map = replace(one.maps[1], attribution=replace(one.maps[1].attribution, completeness_error=error))
    assert maps_table(replace(one, maps=(a_map,))).rows[0][-1].text == shown


def test_headlines() -> None:
    one = an_explanation()
    assert headline(replace(one, maps=())).endswith("No map could be made.")
    against = replace(one, target=0, against=1, maps=())
    assert headline(against).startswith("Explained is cat against dog, which the model gives ")
