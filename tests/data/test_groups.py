from __future__ import annotations

import unicodedata
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line

from ecrnn.core.errors import DataError
from ecrnn.data.groups import numbered, of_array, of_files, parted, read_groups, with_groups
from ecrnn.data.image_set import from_arrays

FILES = ("a/1.png", "a/2.png", "b/3.png", "b/4.png")


def table(folder: Path, text: str, name: str = "groups.csv") -> Path:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return folder / name


def groups(path: Path, files=FILES) -> list[int]:
    return of_files(read_groups(path), files, path, Path("photos")).tolist()


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_csv_and_json_lines_say_the_same(tmp_path, start):
    rows = table(tmp_path, start + "file,group\na/1.png,7\nb/3.png,7\n\n")
    assert groups(rows) == [0, 1, 0, 2]
    lines = table(tmp_path, '{"file": "a/1.png", "group": 7}\n\n{"file": "b/3.png", "group": "7"}\n', "groups.jsonl")
    assert groups(lines) == [0, 1, 0, 2]


def test_other_columns_empty_groups_and_names_like_those_of_files(tmp_path):
    odd = 'b/3 "x",\n.png'
    path = table(tmp_path, 'Group,camera,FILE\r\nb/4.png,x,a/1.png\r\n,x,a/2.png\r\n7,x,"b/3 ""x"",\n.png"\r\n')
    assert groups(path, ("a/1.png", "a/2.png", odd, "b/4.png")) == [0, 1, 2, 3]  # a group is no file of that name


def test_names_are_compared_composed(tmp_path):
    name = unicodedata.normalize("NFD", "꽃/é.png")
    path = table(tmp_path, f"file,group\n{unicodedata.normalize('NFC', name)},x\na/1.png,x\n")
    assert groups(path, (name, "a/1.png")) == [0, 0]
    assert groups(table(tmp_path, f"file,group\n{name},é\na/1.png,e\u0301\n"), ("꽃/é.png", "a/1.png")) == [0, 0]


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("a/1.png,7\n", "g.csv", "should be a CSV whose first line names the columns file and group"),
        ("", "g.csv", "should be a CSV whose first line names"),
        ("file,group\na/1.png\n", "g.csv", "line 2 has 1 column, not 2"),
        ("file,group\na/1.png,1\na/1.png,2\n", "g.csv", "line 3: 'a/1.png' comes twice"),
        (
            "file,group\na/9.png,1\nx.png,1\n",
            "g.csv",
            "names 'a/9.png' and 1 more, but there is no such image in photos",
        ),
        ('file,group\n"a/1.png,7\n', "g.csv", "is no CSV"),
        ("file,group\n" + "a" * 200_000 + ",1\n", "g.csv", "is no CSV"),
        ("{\n", "g.jsonl", "line 1, is not valid JSON"),
        ("[" * 100_000, "g.jsonl", "line 1, is not valid JSON"),
        ('{"file": 3, "group": "x"}\n', "g.jsonl", "line 1 should be an object such as"),
        ('{"file": "a/1.png", "group": 1, "group": 2}\n', "g.jsonl", "the key 'group' stands there twice"),
        ("file,group\n", "g.csv", "names no file"),
        ("\n", "g.jsonl", "names no file"),
        ('{"file": "a/1.png"}\n', "g.jsonl", "line 1 should be an object such as"),
        ('["a/1.png", 1]\n', "g.jsonl", "line 1 should be an object such as"),
    ],
)
def test_tables_that_are_none(tmp_path, text, name, said):
    with one_line(DataError, said):
        groups(table(tmp_path, text, name))


def test_groups_of_arrays():
    assert of_array(["x", "y", "x"], 3).tolist() == [0, 1, 0]
    assert of_array(np.array([5, 5, 1]), 3).tolist() == [0, 0, 1]
    for bad in ([1, 2], [[1, 2, 3]], [0.5, 1.0, 2.0], [None, 1, 2]):
        with one_line(DataError, "groups are"):
            of_array(bad, 3)


def test_the_partition_is_part_of_the_fingerprint_and_names_are_not():
    data = from_arrays(np.zeros((4, 2, 2), np.uint8), [0, 0, 1, 1])
    one, same, other = (with_groups(data, numbered(labels)) for labels in ("aabb", "yyxx", "abab"))
    assert one.fingerprint == same.fingerprint
    assert len({data.fingerprint, one.fingerprint, other.fingerprint}) == 3


def test_a_group_on_both_sides_is_found():
    assert parted(np.array([0, 1, 2, 1]), 2) == 3
    assert parted(np.array([0, 1, 2, 2]), 2) is None
