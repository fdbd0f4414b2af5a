"""The files of a report of a search: all of them, the same bytes again, and what a name may hold."""

from __future__ import annotations

import csv
import io
import json
from itertools import groupby
from pathlib import Path

import pytest
from report.render.test_latex import ENGINES, compile_report
from rich.console import Console
from training.searches import fill, make_tuning

from ecrnn.report import TuningReport, print_tuning, write_tuning_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> TuningReport:
    folder = fill(make_tuning(tmp_path_factory.mktemp("<tune>")), cnn=[5, 8, 7, 3], ecnn=[1, 2, 9, None], majority=[4])
    return write_tuning_report(folder)


def test_the_files(report: TuningReport) -> None:
    assert sorted(report.paths) == [
        "report-best-of-n.csv",
        "report-best-of-n.svg",
        "report-crossings.csv",
        "report-points.csv",
        "report-tables.tex",
        "report.csv",
        "report.html",
        "report.json",
        "report.md",
        "report.tex",
    ]
    first = {name: path.read_bytes() for name, path in report.paths.items()}
    again = write_tuning_report(report.folder.parent)
    assert {name: path.read_bytes() for name, path in again.paths.items()} == first


def test_json_and_csv_hold_every_figure(report: TuningReport) -> None:
    found = json.loads(report.paths["report.json"].read_text())
    assert (found["kind"], found["budget"], found["space"]) == ("ecrnn tuning", 4, {"lr": "1e-4..1e-2:log"})
    assert found["models"][0]["recipe"] == {"lr": 0.009}
    assert [point["score"] for point in found["points"]] == [0.5, 0.8, 0.7, 0.3, 0.1, 0.2, 0.9, None, 0.4]
    rows = list(csv.DictReader(io.StringIO(report.paths["report.csv"].read_text())))
    assert [(row["model"], row["best"], row["untuned"], row["edges"]) for row in rows] == [
        ("cnn", "0.8", "0.5", "lr"),
        ("ecnn", "0.9", "0.1", ""),
        ("majority", "0.4", "0.4", ""),
    ]
    assert json.loads(rows[1]["recipe"]) == {"epochs": 7, "lr": 0.002}
    points = list(csv.DictReader(io.StringIO(report.paths["report-points.csv"].read_text())))
    assert (points[7]["state"], points[7]["score"]) == ("failed: the loss is not finite", "")
    assert len(points) == 9


def test_the_page(report: TuningReport) -> None:
    page = report.paths["report.html"].read_text()
    assert "<tune>" not in page
    assert "Expected best of n points" in page
    assert page.count("<svg") == 1
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "<script" not in page
    markdown = report.paths["report.md"].read_text()
    assert "| cnn" in markdown
    assert "Where the ranking turns with the budget" in markdown


def test_rows_of_markdown_have_as_many_cells_as_their_heading(report: TuningReport) -> None:
    lines = report.paths["report.md"].read_text().splitlines()
    blocks = [list(block) for is_row, block in groupby(lines, lambda line: line.startswith("|")) if is_row]
    assert len(blocks) == 4
    for block in blocks:
        assert len({row.replace("\\|", "").count("|") for row in block}) == 1


@pytest.mark.slow
@pytest.mark.skipif(not ENGINES, reason="no LaTeX is installed")
@pytest.mark.parametrize("engine", ENGINES or ["none"])
def test_the_document_compiles(report: TuningReport, tmp_path: Path, engine: str) -> None:
    compile_report(engine, report.folder, tmp_path)


@pytest.mark.parametrize("width", [60, 160])
def test_on_a_terminal(report: TuningReport, width: int) -> None:
    out = io.StringIO()
    print_tuning(report.analysis, Console(file=out, width=width))
    text = " ".join(out.getvalue().split())
    assert "Best of 4 points each: cnn 80.00 %" in text
    assert "points on ecnn is ahead of cnn." in text
    assert "note: cnn: lr of its best recipe" in text
