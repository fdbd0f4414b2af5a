"""What is written of how gradients flow, from made-up curves."""

import csv
import json
import re

import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.explain.gradient_flow import Flow
from ecrnn.report.content.gradient_flow_table import gradient_flow_table
from ecrnn.report.render.gradient_flow_files import draw_gradient_flow, write_gradient_flow


def a_flow(cell="rnn", init="2", steps=40, ratio=2.0, norm=8.0):
    return Flow(cell, init, steps, 16, 32, 0, tuple(0.5 * ratio**n for n in range(steps)), norm, clip=2.0)


FLOWS = [
    a_flow(cell, init, steps, ratio, norm)
    for init, ratio, norm in (("keras", 0.5, 1.0), ("2", 2.0, 8.0))
    for cell in ("rnn", "gru")
    for steps in (5, 400)
]


def test_words_and_numbers():
    rows = [[cell.text for cell in row] for row in gradient_flow_table(FLOWS).rows]
    assert rows[0] == ["RNN", "Keras's", "5", "6.2e-02", "holds", "1", "1"]
    assert rows[1][2:5] == ["400", "7.7e-121", "vanishes"]
    assert rows[5] == ["RNN", "radius 2", "400", "1.3e+120", "explodes", "8", "0.25"]


def test_nothing_flows():
    dead = Flow("rnn", "0.5", 3, 16, 32, 0, (0.0, 0.0, 0.0), 0.0, 1.0)
    assert (dead.carried, dead.verdict, dead.factor) == (0.0, "vanishes", 1.0)
    assert draw_gradient_flow([dead]).svg


def test_the_figure_has_a_panel_for_each_and_stays_small():
    svg = draw_gradient_flow(FLOWS).svg
    for title in ("RNN, Keras's", "GRU, Keras's", "RNN, radius 2", "GRU, radius 2"):
        assert len(re.findall(rf">{title}<", svg)) == 1
    assert [svg.index(f">{n} steps<") for n in (5, 400)] == sorted(svg.index(f">{n} steps<") for n in (5, 400))
    assert "gru radius 2, 400 steps: explodes" in svg
    assert len(svg) < 100_000


def test_clipped_curves_are_drawn_where_they_differ():
    dashes = [len(re.findall("stroke-dasharray", draw_gradient_flow([a_flow(norm=norm)]).svg)) for norm in (1.0, 8.0)]
    assert dashes[1] == dashes[0] + 1


def test_files(tmp_path):
    paths = write_gradient_flow(FLOWS, tmp_path, {"processor": "p"})
    assert sorted(paths) == ["gradflow.csv", "gradflow.json", "gradflow.md", "gradflow.svg"]
    found = json.loads(paths["gradflow.json"].read_text())
    assert (found["kind"], found["environment"]) == ("ecrnn gradflow", {"processor": "p"})
    assert [Flow(**one | {"gradient": tuple(one["gradient"])}) for one in found["flows"]] == FLOWS
    with paths["gradflow.csv"].open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[0]["carried"]) == FLOWS[0].carried
    assert "](gradflow.svg)" in paths["gradflow.md"].read_text()
    with pytest.raises(EcrnnError, match=r"^nothing was measured$"):
        write_gradient_flow([], tmp_path, {})
