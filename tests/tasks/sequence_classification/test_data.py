"""Folders and files of sequences, and the sets that come of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line

from ecrnn.core.errors import DataError
from ecrnn.tasks.sequence_classification.data import has_validation, labelled, load
from ecrnn.tasks.sequence_classification.sequence_set import make_sequence_set


def write(folder: Path, **contents: str) -> None:
    """Files by path, "__" for "/" and a suffix to each."""
    for name, content in contents.items():
        path = folder / f"{name.replace('__', '/')}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_a_folder_a_class(tmp_path):
    write(tmp_path, walk__a="1,2\n3,4\n", walk__b="5,6\n", sit__a="x,y\n7,8\n9,10\n11,12\n")
    (tmp_path / "walk" / "notes.md").write_text("no sequence")
    data = load(tmp_path)
    assert (len(data), data.features, data.classes, data.labels.tolist()) == (3, 2, ("sit", "walk"), [0, 1, 1])
    assert data.lengths.tolist() == [3, 2, 1]
    np.testing.assert_array_equal(data[1], [[1, 2], [3, 4]])
    np.testing.assert_array_equal(data[2], [[5, 6]])
    assert dict(data.left_out) == {".md": 1}
    assert len(data.keys().keys) == 3
    assert not has_validation(tmp_path)


def test_parts_of_a_folder(tmp_path):
    for part, value in (("train", 1), ("val", 2), ("test", 3)):
        write(tmp_path, **{f"{part}__up__a": f"{value}\n", f"{part}__down__a": f"-{value}\n"})
    data = load(tmp_path)
    assert (data.n_train, data.n_validation, len(data)) == (4, 2, 6)
    assert data.values[:, 0].tolist() == [-1, 1, -2, 2, -3, 3]
    assert has_validation(tmp_path)
    beside = load(tmp_path / "train", val=tmp_path / "val")
    assert (beside.n_train, beside.n_validation, len(beside)) == (4, 2, 4)


def test_two_files_of_an_archive(tmp_path):
    head = "@classLabel true b a\n@data\n"
    (tmp_path / "Toy_TRAIN.ts").write_text(head + "1,2:a\n3,4:b\n")
    (tmp_path / "Toy_TEST.ts").write_text(head + "5,6,7:b\n")
    data = load(tmp_path)
    assert (data.classes, data.labels.tolist(), data.n_train) == (("b", "a"), [1, 0, 0], 2)
    assert load(tmp_path / "Toy_TRAIN.ts").lengths.tolist() == [2, 2]
    (tmp_path / "Other_TRAIN.ts").write_text(head + "1,2:a\n")
    with one_line(DataError, "holds 3 .ts files (Other_TRAIN.ts, Toy_TEST.ts, Toy_TRAIN.ts); name one, or keep"):
        load(tmp_path)


def test_arrays(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(6, 5, 2)), np.array(["b", "a"] * 3)
    np.savez(tmp_path / "a.npz", X=X, y=y)
    data = load(tmp_path / "a.npz")
    assert (data.classes, data.labels.tolist()) == (("a", "b"), [1, 0] * 3)
    again = labelled("elsewhere", list(X), y)
    assert again.fingerprint == data.fingerprint
    X[0, 0, 0] += 1
    assert labelled("elsewhere", list(X), y).fingerprint != data.fingerprint
    assert labelled("elsewhere", list(X), y[::-1]).fingerprint != labelled("elsewhere", list(X), y).fingerprint


@pytest.mark.parametrize(
    ("sequences", "labels", "line"),
    [
        ([np.zeros((2, 1)), np.zeros((2, 2))], [0, 1], "sequences of 1 and of 2 values a step"),
        ([np.array([[0], [np.nan]]), np.zeros((2, 1))], [0, 1], "sequence 0 has a value at step 1 that is NaN"),
        ([np.array([[0], [1e39]]), np.zeros((2, 1))], [0, 1], "sequence 0 has a value at step 1 that is NaN or inf"),
        ([np.zeros((0, 1)), np.zeros((2, 1))], [0, 1], "sequence 0 is float64 of shape (0, 1)"),
        ([np.zeros((1, 1, 1)), np.zeros((2, 1))], [0, 1], "sequence 0 is float64 of shape (1, 1, 1)"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
def test_sequences_that_are_none(sequences, labels, line):
    with one_line(DataError, line):
        make_sequence_set("here", sequences, labels, ("a", "b"))


def test_columns_in_another_order(tmp_path):
    write(tmp_path, up__a="t,x\n1,2\n", up__b="3,4\n", down__a="x,t\n1,2\n")
    with one_line(DataError, "down/a.csv has the columns x, t, and up/a.csv has the columns t, x; name"):
        load(tmp_path)


def test_a_damaged_first_number_is_no_heading(tmp_path):
    """One bit makes "21" "2q"; of several columns the others say that the line is no heading."""
    write(tmp_path, up__a="21\n3\n", up__b="3\n4\n", down__a="2q\n3\n")
    with one_line(DataError, "down/a.csv has the columns 2q, and up/a.csv has no heading; name them alike"):
        load(tmp_path)


def test_wrong_places(tmp_path):
    with one_line(DataError, "does not exist; give a folder with a sub-folder of CSV files a class"):
        load(tmp_path / "nowhere")
    write(tmp_path, a__one="1\n")
    with one_line(DataError, "holds one class (a)"):
        load(tmp_path)
    (tmp_path / "b").mkdir()
    with one_line(DataError, "b holds no CSV files"):
        load(tmp_path)
    (tmp_path / "x.md").write_text("1")
    with one_line(DataError, "x.md is no .ts file; give"):
        load(tmp_path / "x.md")
