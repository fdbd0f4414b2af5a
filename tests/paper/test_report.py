"""A report with the paper's tables in front, and one of other models, which is the ordinary one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from paper.papers import paper_record
from report.synthetic import make_study

from ecrnn import report
from ecrnn.paper import MODELS, analyse, write_report

pytestmark = pytest.mark.usefixtures("undrawn")


def test_the_files_of_other_studies_are_the_ordinary_ones(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", {"cnn": 0.7, "ecnn": 0.8}, repeats=3, n_validation=50, epochs=1)
    with_paper, ordinary = write_report([study], tmp_path / "a"), report.write_report([study], tmp_path / "b")
    assert with_paper.analysis == ordinary.analysis
    assert with_paper.paths.keys() == ordinary.paths.keys()
    for name, path in ordinary.paths.items():
        assert with_paper.paths[name].read_bytes() == path.read_bytes()


def test_the_json_holds_what_was_found(tmp_path: Path) -> None:
    study = make_study(tmp_path / "run", dict.fromkeys(MODELS, 0.7), repeats=1, n_validation=20, epochs=1)
    content = json.loads(write_report([study]).paths["report.json"].read_text())
    assert list(content["reproduction"]) == [
        *("models", "comparisons", "tallies", "family", "parameters", "departures", "headline"),
    ]
    assert content["headline"] == content["reproduction"]["headline"]
    assert report.analyse(report.read_study([study])).supplement is None


def test_the_same_study_gives_equal_analyses() -> None:
    first, second = (analyse(paper_record(images=100)) for _ in range(2))
    assert first.supplement is not None
    assert first == second
