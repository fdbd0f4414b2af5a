from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ecrnn.core.errors import DataError, UnknownNameError
from ecrnn.data import textfiles
from ecrnn.tasks.text_classification import texts
from ecrnn.tasks.text_classification.texts import RT_POLARITY, load, make_text_set


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode())
    return folder


FOLDERS = {
    "good/b.txt": "very nice\r\nindeed\n",
    "good/a.TXT": "\ufeff nice ",
    "good/deep/c.txt": "lovely",
    "good/empty.txt": " \n",
    "bad/x.txt": "dire",
    "bad/notes.md": "not read",
    ".git/x.txt": "not seen",
}
LINES = {"good.txt": "nice\n\nvery nice\r\nlovely", "bad.txt": "dire\n", "readme.md": "not read", ".x.txt": "no"}
TABLE = {"data.tsv": "label\ttext\ngood\tnice\nbad\tdire\n\ngood\tvery nice\ngood\tlovely\n"}


@pytest.mark.parametrize(
    ("files", "name", "expected"),
    [
        (FOLDERS, "", ("dire", "nice", "very nice\nindeed", "lovely")),
        (LINES, "", ("dire", "nice", "very nice", "lovely")),
        (TABLE, "data.tsv", ("dire", "nice", "very nice", "lovely")),
    ],
)
def test_three_layouts(tmp_path, files, name, expected):
    found = load(write(tmp_path, files) / name)
    assert found.texts == expected
    assert found.labels.tolist() == [0, 1, 1, 1]
    assert found.labels.dtype == np.int64
    assert found.classes == ("bad", "good")
    assert found.name == str(tmp_path / name)
    assert found.n_train == len(found) == 4


def test_the_fingerprint_is_of_the_content(tmp_path):
    lines = load(write(tmp_path / "lines", LINES))
    assert load(write(tmp_path / "table", TABLE) / "data.tsv").fingerprint == lines.fingerprint
    others = [
        make_text_set("x", ["dire", "nice", "very nice", "lovely!"], [0, 1, 1, 1], ["bad", "good"]),
        make_text_set("x", ["dire", "nice", "very nice", "lovely"], [0, 0, 1, 1], ["bad", "good"]),
        make_text_set("x", ["dire", "nice", "very nice", "lovely"], [0, 1, 1, 1], ["bad", "fine"]),
    ]
    assert len({lines.fingerprint, *(other.fingerprint for other in others)}) == 4


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds neither sub-folders nor .txt files; put the texts of each class into one of that name"),
        ({"notes.md": "x"}, "holds neither"),
        ({"a/1.txt": "x", "b.txt": "x"}, r"holds both folders \(a\) and .txt files \(b.txt\); which are the classes"),
        ({"a/1.txt": "x"}, r"holds one class \(a\); give at least two"),
        ({"a.txt": "x", "b.txt": "\n \n"}, "holds no text of the class b; add some or remove it"),
        ({"a/1.txt": "x", "b/1.md": "x"}, "holds no text of the class b"),
        ({"train/a/1.txt": "x", "test/a/1.txt": "x"}, r"holds one class \(a\); give at least two"),
        ({"train.txt": "x", "Test.txt": "x"}, r"holds parts \(Test, train\), not classes"),
        ({"a.txt": "x", "b.txt": "1\0"}, r"b.txt, line 1: there is a NUL"),
    ],
)
def test_folders_that_are_no_texts_by_class(tmp_path, files, message):
    with pytest.raises(DataError, match=message) as caught:
        load(write(tmp_path, files))
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "holds no texts; give at least two"),
        ("a\tx\na\ty\n", r"holds one class \(a\)"),
        ("a\tx\nb\n", "line 2 has 1 column, but should hold label TAB text"),
        ("a\tx\nb\ty\tz", "line 2 has 3 columns"),
        (
            "".join(f"text {i}\tgood\n" for i in range(1001)),
            "holds 1001 classes, more than 1000; is the label the first",
        ),
    ],
)
def test_tables_that_are_no_texts_by_class(tmp_path, content, message):
    with pytest.raises(DataError, match=rf"data.tsv.* {message}"):
        load(write(tmp_path, {"data.tsv": content}) / "data.tsv")


def test_names_that_are_not_utf_8(tmp_path):
    write(tmp_path, {"a/1.txt": "x"})
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/\xff")
    except OSError:
        pytest.skip("this file system takes no such names")
    with pytest.raises(DataError, match="has a name that is not UTF-8"):
        load(tmp_path)


def test_too_much_text(tmp_path, monkeypatch):
    write(tmp_path, {"a/1.txt": "x" * 50, "a/2.txt": "x" * 50, "b/1.txt": "y"})
    monkeypatch.setattr(texts, "LONGEST_TEXT", 50)
    assert len(load(tmp_path)) == 3
    monkeypatch.setattr(texts, "LARGEST_FILE", 99)
    with pytest.raises(DataError, match=r"a has 100 characters, too many for memory"):
        load(tmp_path)
    monkeypatch.setattr(texts, "LONGEST_TEXT", 49)
    with pytest.raises(DataError, match=r"1.txt has 50 characters, too many for one text"):
        load(tmp_path)
    monkeypatch.setattr(texts, "MOST_LINES", 1)
    with pytest.raises(DataError, match="a holds more than 1 texts"):
        load(tmp_path)
    monkeypatch.setattr(textfiles, "LARGEST_FILE", 49)
    with pytest.raises(DataError, match=r"1.txt holds more than 49 bytes"):
        textfiles.read_text(tmp_path / "a" / "1.txt")


def test_names_and_paths_that_are_not_there():
    with pytest.raises(UnknownNameError, match="'rt-polarty', did you mean 'rt-polarity'"):
        load("rt-polarty")
    with pytest.raises(DataError, match=r"no/where does not exist; give a folder of texts by class, or a .tsv file"):
        load("no/where")


@pytest.fixture
def small(monkeypatch, md5) -> dict[str, bytes]:
    """Small files in place of the official ones."""
    files = {"rt-polarity.neg": b"dull . \nsilly . \n", "rt-polarity.pos": "fine . \ntouché . \n".encode()}
    known = tuple(replace(f, md5=md5(files[f.name]), size=len(files[f.name])) for f in RT_POLARITY)
    monkeypatch.setattr(texts, "RT_POLARITY", known)
    return files


def check(found) -> None:
    assert found.texts == ("dull .", "silly .", "fine .", "touché .")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.classes == ("negative", "positive")
    assert (found.name, found.n_train) == ("rt-polarity", 4)


@pytest.mark.parametrize("folder", ["rt-polarity", "rt-polaritydata", "."])
def test_rt_polarity_from_a_local_copy(tmp_path, small, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    for name, content in small.items():
        (tmp_path / folder / name).write_bytes(content)
    check(load("rt-polarity", data_dir=tmp_path))
    (tmp_path / folder / "rt-polarity.pos").write_bytes(b"other")
    with pytest.raises(DataError, match=r"rt-polarity.pos is damaged or another file"):
        load("rt-polarity", data_dir=tmp_path)
    (tmp_path / folder / "rt-polarity.pos").unlink()
    with pytest.raises(DataError, match=r"lacks rt-polarity.pos of rt-polarity; add the official file"):
        load("rt-polarity", data_dir=tmp_path)


def test_rt_polarity_is_downloaded_once(tmp_path, small, server, monkeypatch):
    server.files = small
    known = tuple(replace(f, urls=(f"{server.url}/{f.name}",)) for f in texts.RT_POLARITY)
    monkeypatch.setattr(texts, "RT_POLARITY", known)
    check(load("rt-polarity", cache=tmp_path))
    check(load("rt-polarity", cache=tmp_path))
    assert server.asked == ["rt-polarity.neg", "rt-polarity.pos"]


def test_real_rt_polarity(real_data):
    if not (real_data / "rt-polarity").is_dir():
        pytest.skip("no rt-polarity in the real data")
    found = load("rt-polarity", data_dir=real_data)
    assert np.bincount(found.labels).tolist() == [5331, 5331]
    assert found.texts[0] == "simplistic , silly and tedious ."
    assert found.texts[5331].startswith("the rock is destined to be")
    assert all(file.size == (real_data / "rt-polarity" / file.name).stat().st_size for file in RT_POLARITY)


def test_a_label_of_the_first_line_alone_may_be_a_heading(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = "good\ta\nbad\tb\ngood\tc\nbad\td\n"
    (tmp_path / "a.tsv").write_text(f"Kategorie\tWortlaut\n{rows}")
    assert "Kategorie" in load(tmp_path / "a.tsv").classes
    assert "only its first line has the label 'Kategorie'" in caplog.text
    caplog.clear()
    (tmp_path / "a.tsv").write_text(rows)
    load(tmp_path / "a.tsv")
    assert caplog.text == ""
