"""Tables from files and from Python: what is read, and the line that says what is wrong."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.scores import score_table as module
from ecrnn.scores.score_table import parse_csv, read_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_keeps_cells_and_counts_rows_as_a_spreadsheet(separator: str, tmp_path: Path) -> None:
    file = tmp_path / "scores.csv"
    lines = ["model, score ", "a,0.5", "", '"b c",0.6']
    file.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).replace(",", separator).encode())
    table = read_table(file)
    assert dict(table.columns) == {"model": ("a", "b c"), "score": ("0.5", "0.6")}
    assert list(table.numbers) == [2, 4]
    assert table.where(1, "score") == "scores.csv, row 4, column 'score'"


def test_the_index_that_pandas_writes_is_no_column() -> None:
    assert list(parse_csv(",model\n0,a\n", "t").columns) == ["model"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "t is empty; a header and a row for each score belong there"),
        ("a,b\n", "t has a header and no rows"),
        ("a,b\n1,2\n1,2,3\n", "t, row 3 has 3 cells, but the header 2"),
        ("a,a\n1,2\n", "t has the column 'a' twice"),
        ('a,b\n1,"2\n', "t, row 2 is no CSV: unexpected end of data"),
    ],
)
def test_what_is_no_table(text: str, fault: str) -> None:
    with pytest.raises(EcrnnError) as caught:
        parse_csv(text, "t")
    assert str(caught.value) == fault


def test_sizes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 2)
    monkeypatch.setattr(module, "MAX_BYTES", 40)
    with pytest.raises(EcrnnError, match="t has more than 2 rows"):
        parse_csv("a\n1\n2\n3\n", "t")
    (tmp_path / "long.csv").write_text("a\n" + "1\n" * 30)
    with pytest.raises(EcrnnError, match="larger than 40 bytes"):
        read_table(tmp_path / "long.csv")
    with pytest.raises(EcrnnError, match="the table has more than 2 rows"):
        read_table({"a": [1, 2, 3]})
    monkeypatch.setattr(module, "MAX_COLUMNS", 1)
    with pytest.raises(EcrnnError, match="more than 1 columns"):
        read_table({"a": [1], "b": [1]})


def test_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(EcrnnError, match="is not a text file in UTF-8"):
        read_table(tmp_path / "t.csv")
    with pytest.raises(EcrnnError, match="is a folder, where a file should be"):
        read_table(tmp_path)
    (tmp_path / "t.json").write_text("3")
    with pytest.raises(EcrnnError, match="holds no table"):
        read_table(tmp_path / "t.json")


def test_what_python_holds() -> None:
    rows = [{"model": "a", "score": 0.5}, {"model": "b", "score": 0.25}]
    columns = {"model": ["a", "b"], "score": [0.5, 0.25]}

    class Series(list[object]):
        def to_list(self) -> list[object]:
            return list(self)

    class Frame:  # as polars has it
        columns = ("model", "score")

        def __getitem__(self, name: str) -> Series:
            return Series(columns[name])

    for source in (rows, columns, {"model": ("a", "b"), "score": np.array([0.5, 0.25])}, pd.DataFrame(rows), Frame()):
        table = read_table(source)
        assert {name: list(cells) for name, cells in table.columns.items()} == columns
        assert list(table.numbers) == [0, 1]
    as_pandas_writes_it = read_table({name: dict(zip("01", cells, strict=True)) for name, cells in columns.items()})
    assert (as_pandas_writes_it.columns, as_pandas_writes_it.kind) == (columns, "")
    with pytest.raises(EcrnnError, match="one length, not 1 to 2"):
        read_table({"a": [1], "b": [1, 2]})
    with pytest.raises(EcrnnError, match="row 1 should be a mapping of columns, not int"):
        read_table([{"a": 1}, 2])
    with pytest.raises(EcrnnError, match="not int"):
        read_table(3)


def test_numbers_of_numpy_are_numbers_and_endless_ones_are_text() -> None:
    rows = [{"repeat": np.int64(3), "score": np.float32(0.5), "name": 10**30}]
    columns = {name: list(cells) for name, cells in read_table(rows).columns.items()}
    assert columns == {"repeat": [3], "score": [0.5], "name": ["1" + "0" * 30]}
    assert [type(cells[0]) for cells in columns.values()] == [int, float, str]
    with pytest.raises(EcrnnError, match="thousands of digits"):
        read_table([{"score": 10**9999}])
    with pytest.raises(EcrnnError, match="a column of the table should be a list, not ndarray"):
        read_table({"score": np.array(0.5)})


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EcrnnError, match=r"pyarrow reads \(pip install pyarrow\)"):
        read_table(tmp_path / "t.parquet")


def test_parquet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"model": ["a", "b"], "score": [0.5, None]}), tmp_path / "t.parquet")
    assert dict(read_table(tmp_path / "t.parquet").columns) == {"model": ["a", "b"], "score": [0.5, None]}
    twice = pyarrow.table([["a"], [0.5], [0.6]], names=["model", "score", "score"])
    parquet.write_table(twice, tmp_path / "twice.parquet")
    with pytest.raises(EcrnnError, match=r"twice\.parquet has the column 'score' twice"):
        read_table(tmp_path / "twice.parquet")
    (tmp_path / "u.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(EcrnnError, match="is no Parquet file"):
        read_table(tmp_path / "u.parquet")
    monkeypatch.setattr(module, "MAX_ROWS", 1)
    with pytest.raises(EcrnnError, match="larger than 1 rows"):
        read_table(tmp_path / "t.parquet")
