"""The paper's tables with ours beside: in its layout, in every form, in full precision for machines."""

from __future__ import annotations

import csv
import io

import pytest
from paper.papers import paper_record
from rich.console import Console

from ecrnn.paper import analyse, printed
from ecrnn.report import Analysis, print_report
from ecrnn.report.content.tables import report_tables
from ecrnn.report.render.write import report_files
from ecrnn.report.table import Table

KEYS = ("agreement", "table-1", "accuracies", "table-2", "table-3", "table-4", "table-5")


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    """One model has no finished trial."""
    gone = [("ecrnn-bilstm-32", repeat) for repeat in range(3)]
    return analyse(paper_record(shifts=(-0.004, 0.0, 0.003), missing=gone))


@pytest.fixture(scope="module")
def files(analysis: Analysis) -> dict[str, str]:
    return report_files(analysis)


def tables(analysis: Analysis, every: bool = False) -> dict[str, Table]:
    assert analysis.supplement is not None
    long = analysis.supplement.long_tables if every else ()
    return {table.key.removeprefix("paper-"): table for table in (*analysis.supplement.tables, *long)}


def shown(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_they_come_first_and_in_the_papers_order(analysis: Analysis) -> None:
    assert tuple(tables(analysis)) == KEYS
    assert tuple(tables(analysis, every=True)) == (*KEYS, "comparisons")
    assert [table.key for table in report_tables(analysis)][:7] == [f"paper-{key}" for key in KEYS]


def test_the_layout_is_the_papers(analysis: Analysis) -> None:
    two, four = tables(analysis)["table-2"], tables(analysis)["table-4"]
    assert [column.title for column in two.columns] == ["Models", "What", "16", "32", "16-16", "32-32"]
    assert shown(two)[0] == ["LSTM", "paper", "+0.83**", "+0.71*", "+0.44", "−0.17"]
    assert [row[1] for row in shown(two)[:5]] == ["paper", "ours", "ours − paper", "sign", "verdict"]
    assert [column.title for column in four.columns][2:] == ["16", "32", "16-16", "32-32", "best"]
    assert shown(four)[5] == ["BiLSTM", "paper", "+3.68***", "+1.43***", "+1.98***", "+0.71*", "+2.56***"]
    assert shown(four)[6][3] == "missing"
    assert shown(four)[8][3] == shown(four)[9][3] == "–"
    assert shown(tables(analysis)["table-5"])[0][:3] == ["CRNN", "paper", "−0.68*"]
    assert "ecrnn-lstm-16 − crnn-lstm-16 in the paper, ecrnn-lstm-16 − crnn-lstm-16 here" in four.caption
    assert "ecrnn-bilstm-16 − crnn-bilstm-32 in the paper, missing here" in four.caption


def test_table_1_and_the_accuracies(analysis: Analysis) -> None:
    layers, accuracies = tables(analysis)["table-1"], tables(analysis)["accuracies"]
    assert shown(layers)[0] == ["1", "CNN", "Input", "32, 32, 3", "0"]
    assert shown(layers)[26] == ["27", "", "Total in the paper", "", "1,715,210"]
    assert shown(layers)[27][-1] == "1,715,210"
    assert layers.rows[27][-1].mark == "same"
    assert shown(accuracies)[0] == ["cnn", "3", "73.25", "73.22", "0.35", "−0.03", "74.25"]
    assert shown(accuracies)[14] == ["ecrnn-bilstm-32", "0", "75.95", "missing", "–", "–", "–"]
    assert "optimistic" in accuracies.columns[-1].title


def test_another_total_is_marked() -> None:
    record = paper_record(images=500)
    for trial in record.trials:
        trial.facts["parameters"] = 7
    last = tables(analyse(record))["table-1"].rows[-1][-1]
    assert (last.text, last.mark) == ("7", "differs")


def test_the_agreement_counts(analysis: Analysis) -> None:
    rows = shown(tables(analysis)["agreement"])
    assert [row[:2] for row in rows] == [
        ["2: CRNN − CNN", "8 of 8"],
        ["3: ECRNN − CNN", "7 of 8"],
        ["4: ECRNN − CRNN", "8 of 10"],
        ["5: BiLSTM − LSTM", "8 of 10"],
        ["all", "31 of 36"],
    ]
    assert rows[-1][2:6] == ["31", "31", "26", "22"]


def test_every_form_has_them(analysis: Analysis, files: dict[str, str]) -> None:
    for number, name in printed.TABLES.items():
        assert f"## The paper's Table {number}: {name}" in files["report.md"]
        assert f'id="table-paper-table-{number}"' in files["report.html"]
        assert f"label{{tab:ecrnn-paper-table-{number}}}" in files["report-tables.tex"]
    assert "+3.83***" in files["report.html"]
    assert "+3.83{*}{*}{*}" in files["report-tables.tex"]
    assert r"+3.83\*\*\*" in files["report.md"]
    assert 'href="#reproduction"' in files["report.html"]
    assert '"paper_stars": "***"' in files["report.json"]


def test_csv_holds_full_precision(analysis: Analysis, files: dict[str, str]) -> None:
    assert analysis.supplement is not None
    rows = list(csv.DictReader(io.StringIO(files["report-paper-comparisons.csv"])))
    assert len(rows) == 36
    for row, own in zip(rows, analysis.supplement.data.comparisons, strict=True):
        assert float(row["paper_difference"]) == own.paper_difference
        assert row["difference"] == ("" if own.difference is None else repr(own.difference))
        assert (row["stars"], row["paper_stars"]) == (own.stars or "", own.paper_stars)
        assert (row["model_a"], row["verdict"]) == (own.model_a or "", own.verdict or "")
    two = list(csv.DictReader(io.StringIO(files["report-paper-table-2.csv"])))
    assert (two[1]["comparison"], two[1]["what"]) == ("CRNN LSTM − CNN", "ours")
    assert two[1]["16"] == rows[0]["difference"]


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminal_shows_them_unbroken(analysis: Analysis, width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    print_report(analysis, console)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= width
    assert any("BiLSTM" in line and "+3.83***" in line and "+1.96***" in line for line in lines)
    assert any("all" in line and "31 of 36" in line for line in lines)
    assert not any("Conv2D" in line for line in lines)
    assert any("too optimistic" in line for line in lines)
    assert not any("more pairs" in line for line in lines)


def test_another_experiment_is_marked_wherever_a_table_stands() -> None:
    made = tables(analyse(paper_record(images=300, data="digits")))
    for key in KEYS:
        assert ("not the paper's experiment" in made[key].note) == (key != "table-1")
    console = Console(file=io.StringIO(), width=100)
    print_report(analyse(paper_record(images=300, data="digits")), console)
    assert "note: the data are 'digits', not cifar10" in console.file.getvalue()  # type: ignore[attr-defined]
