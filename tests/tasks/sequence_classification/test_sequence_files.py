"""Sequences from CSV, `.ts` and `.npz` files: right ones to the value, and a line for each that is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from core.lines import one_line

from ecrnn.core.errors import DataError
from ecrnn.tasks.sequence_classification.sequence_files import from_arrays, read_csv, read_npz, read_ts

STEPS = [[1.5, -2.0], [0.25, 1e-3]]


@pytest.mark.parametrize(
    "text",
    [
        "1.5,-2\n0.25,1e-3\n",
        "x,y\n1.5,-2\n0.25,1e-3",
        "\n 1.5 \t-2\r\n0.25\t1e-3\r\n\n",
        "zeit;wert\n1,5;-2\n0,25;1e-3\n",
        "1.5  -2\n0.25 1e-3\n",
        "\ufeffx,y\n1.5,-2\n0.25,1e-3\n",
    ],
    ids=["plain", "heading", "tabs", "decimal commas", "blanks", "mark"],
)
def test_tables_as_programs_write_them(tmp_path, text):
    (tmp_path / "a.csv").write_bytes(text.encode())
    values = read_csv(tmp_path / "a.csv")
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.array(STEPS, np.float32))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "a.csv is empty; give a line a step"),
        ("x,y\n", "a.csv holds a heading and no numbers"),
        ("1,2\n3\n", "a.csv, line 2: 1 values, but the lines before have 2"),
        ("1,2\n\n3,x\n", "a.csv, line 3: 'x' is no number"),
        ("1,2\n3,\n", "a.csv, line 2: a value is missing; fill gaps before"),
        ("1,2\n3,1_0\n", "a.csv, line 2: '1_0' is no number"),
        ("1,2\n3,nan\n", "a.csv, line 2: 'nan' is not finite, or too large for 32 bits"),
        ("1,2\n1e300,4\n", "a.csv, line 2: '1e300' is not finite, or too large for 32 bits"),
    ],
)
def test_wrong_tables(tmp_path, text, line):
    (tmp_path / "a.csv").write_text(text)
    with one_line(DataError, line):
        read_csv(tmp_path / "a.csv")


TS = """\
#from the archive
@problemName Two
@timeStamps false
@univariate false
@classLabel true up down
@data
1,2,3:4,5,6:up
7,8:9,10:down
"""


def test_sequences_of_the_archives(tmp_path):
    (tmp_path / "a.ts").write_text(TS)
    (sequences, labels), classes = read_ts(tmp_path / "a.ts")
    assert (labels, classes) == (["up", "down"], ("up", "down"))
    np.testing.assert_array_equal(sequences[0], [[1, 4], [2, 5], [3, 6]])
    np.testing.assert_array_equal(sequences[1], [[7, 9], [8, 10]])


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("@timeStamps false", "@timeStamps true", "line 3: values with times are not read"),
        ("@classLabel true up down", "@classLabel false", "line 6: no line '@classLabel true ...' names the classes"),
        ("@classLabel true up down\n", "", "line 5: no line '@classLabel true ...'"),
        (":up", ":left", "line 7: 'left' is none of the classes up, down"),
        ("9,10", "9", "line 8: dimensions of 1 and of 2 steps; they should be as long"),
        ("7,8", "7,?", "line 8: a value is missing (?); fill gaps before"),
        ("7,8", "7,abc", "line 8: 'abc' is no number"),
        ("7,8:", ":", "line 8: a dimension holds no values"),
        ("true up down", "true up down up", "line 5 names a class twice"),
        ("@timeStamps false", "@univariate true", "line 7: 2 dimensions, but the file says @univariate true"),
        (
            "@timeStamps false",
            "@equalLength true",
            "line 8: 2 steps, and the first sequence has 3, but the file says @eq",
        ),
        ("@data\n", "", "line 6: a line that begins with @ was expected before @data"),
        (TS[TS.index("@data") :], "", "has no line @data"),
        (TS[TS.index("1,2") :], "", "holds no sequences after @data"),
    ],
)
def test_wrong_sequences_of_the_archives(tmp_path, old, new, line):
    (tmp_path / "a.ts").write_text(TS.replace(old, new))
    with one_line(DataError, line):
        read_ts(tmp_path / "a.ts")


def test_arrays_in_a_file(tmp_path):
    X = np.arange(24, dtype=np.int16).reshape(2, 4, 3)
    np.savez(tmp_path / "a.npz", X=X, y=np.array(["가", "b"]), lengths=np.array([4, 2]))
    sequences, y = read_npz(tmp_path / "a.npz")
    np.testing.assert_array_equal(sequences[0], X[0])
    np.testing.assert_array_equal(sequences[1], X[1, :2])
    assert y.tolist() == ["가", "b"]
    assert [one.shape for one in from_arrays(X[:, :, 0], None, "X")] == [(4, 1), (4, 1)]


@pytest.mark.parametrize(
    ("arrays", "line"),
    [
        ({"X": np.zeros((2, 3))}, "has no array y; give X (N, T, C)"),
        ({"X": np.zeros(3), "y": np.zeros(3)}, "X is float64 of shape (3,), but should be numbers"),
        ({"X": np.zeros((2, 3)), "y": np.zeros(2), "lengths": np.array([1, 4])}, "lengths from 1 to 4, but X has 3"),
        ({"X": np.zeros((2, 3)), "y": np.zeros(2), "lengths": np.array([0, 3])}, "lengths from 0 to 3, but X has 3"),
        ({"X": np.zeros((2, 3)), "y": np.zeros(2), "lengths": np.array([1.0, 2])}, "lengths are float64 of shape (2,)"),
        ({"X": np.zeros((2, 3)), "y": np.array([None, 1])}, "no plain numbers or texts"),
    ],
)
def test_wrong_arrays_in_a_file(tmp_path, arrays, line):
    np.savez(tmp_path / "a.npz", **arrays)
    with one_line(DataError, line):
        read_npz(tmp_path / "a.npz")
