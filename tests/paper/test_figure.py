"""The paper's accuracies and ours in one image: each mark stands where its figure says."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from paper.papers import paper_record
from report.synthetic import make_study

from ecrnn.paper import analyse, printed
from ecrnn.report import read_study
from ecrnn.report.render.write import report_files

SHIFTS = (-0.02, 0.0, 0.02)
GONE = "ecrnn-bilstm-32"


@pytest.fixture(scope="module")
def drawn() -> str:
    """Ours are the paper's accuracies less one point; one model has no finished trial."""
    ours = {name: accuracy - 0.01 for name, accuracy in printed.ACCURACIES.items()}
    missing = [(GONE, repeat) for repeat in range(len(SHIFTS))]
    return report_files(analyse(paper_record(ours, shifts=SHIFTS, missing=missing)))["report-reproduction.svg"]


def places(svg: str, colour: str) -> list[tuple[float, float]]:
    """Where the marks of a colour stand, from the left and from above."""
    uses = re.findall(r"<use [^>]*>", svg)
    marks = [tag for tag in uses if f"stroke: var({colour})" in tag or f"fill: var({colour})" in tag]
    return [(float(re.search(r' x="([\d.]+)"', m)[1]), float(re.search(r' y="([\d.]+)"', m)[1])) for m in marks]  # type: ignore[index]


def test_it_is_a_drawing_that_says_its_figures(drawn: str) -> None:
    title = ET.fromstring(drawn).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text is not None
    assert "in percent. cnn: paper 73.25, ours 72.25; crnn" in title.text
    assert f"{GONE}: paper 75.95, ours –" in title.text


def test_ours_stand_left_of_the_papers_by_the_difference(drawn: str) -> None:
    theirs = {y: x for x, y in places(drawn, "--two") if y > 30}  # below the legend
    assert len(theirs) == len(printed.ACCURACIES)
    xs = [theirs[y] for y in sorted(theirs)]
    values = list(printed.ACCURACIES.values())
    point = (xs[1] - xs[0]) / (100 * (values[1] - values[0]))  # of accuracy, in the drawing's units
    for x, accuracy in zip(xs, values, strict=True):
        assert x == pytest.approx(xs[0] + 100 * (accuracy - values[0]) * point, abs=0.01)
    ours = [(x, y) for x, y in places(drawn, "--one") if y > 30]
    rows = {y: sorted(x for x, at in ours if at == y) for y in theirs}
    gone = sorted(theirs)[list(printed.ACCURACIES).index(GONE)]
    assert rows.pop(gone) == []
    image = 100 * point / printed.N_VALIDATION  # to one half of it our accuracies are the wished ones
    for y, marks in rows.items():  # three repeats and, over the middle one, their mean
        expected = [theirs[y] + shift * point for shift in (-3, -1, -1, 1)]
        assert marks == pytest.approx(expected, abs=image / 2 + 0.001)


def test_a_study_of_other_models_has_none(tmp_path_factory: pytest.TempPathFactory) -> None:
    study = make_study(tmp_path_factory.mktemp("other"), {"cnn": 0.7, "ecnn": 0.8}, repeats=3, n_validation=50)
    files = report_files(analyse(read_study([study])))
    assert "report-reproduction.svg" not in files
    assert {"report-scores.svg", "report-differences.svg", "report-cost.svg"} <= set(files)
