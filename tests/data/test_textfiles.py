from __future__ import annotations

import gzip
import hashlib
import io
import os
from pathlib import Path

import pytest

from ecrnn.core.errors import DataError
from ecrnn.data import textfiles
from ecrnn.data.textfiles import as_text, fingerprint, lines_of, read_text, rows_of


def file(folder: Path, content: bytes, name: str = "a.txt") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbfone\r\ntwo\r\n", "one\ntwo\n"),
        ("für\u2028dich\x85\rhier\n".encode(), "für\u2028dich\x85\rhier\n"),
    ],
)
def test_text_is_utf_8_with_one_kind_of_line_end(tmp_path, content, text):
    assert read_text(file(tmp_path, content)) == text
    assert read_text(file(tmp_path, gzip.compress(content), "a.txt.gz")) == text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"one\ntw\xe9\n", "line 2: this is not UTF-8 but another encoding; save the file as UTF-8"),
        ("one".encode("utf-16"), "line 1: this is not UTF-8 but UTF-16"),
        (b"one\n\n\0", "line 3: there is a NUL character, so this is no text file"),
        (b"\xed\xa0\x80", "line 1: this is not UTF-8"),  # a surrogate
    ],
)
def test_what_is_no_utf_8_is_named_with_its_line(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read_text(file(tmp_path, content))


def test_files_too_large_are_refused_also_when_packed(tmp_path, monkeypatch):
    monkeypatch.setattr(textfiles, "LARGEST_FILE", 1000)
    assert len(read_text(file(tmp_path, b"x" * 1000))) == 1000
    bomb = gzip.compress(b"x" * 10_000_000)
    for name, content in (("a.txt", b"x" * 1001), ("a.gz", gzip.compress(b"x" * 1001)), ("b.gz", bomb)):
        with pytest.raises(DataError, match=f"{name} holds more than 1000 bytes"):
            read_text(file(tmp_path, content, name))


@pytest.mark.parametrize("name", ["a.txt", "a.gz"])
def test_no_more_is_read_than_allowed(monkeypatch, name):
    monkeypatch.setattr(textfiles, "LARGEST_FILE", 1000)
    content = os.urandom(2**20).hex().encode()
    stream = io.BytesIO(gzip.compress(content) if name == "a.gz" else content)
    with pytest.raises(DataError, match="holds more than 1000 bytes"):
        as_text(stream, Path(name))
    assert stream.tell() < 2**19


def test_damaged_gzip_is_one_line(tmp_path):
    whole = bytearray(gzip.compress(os.urandom(100).hex().encode()))
    whole[30] ^= 0xFF
    with pytest.raises(DataError, match=r"a.gz is damaged or cut off"):
        read_text(file(tmp_path, bytes(whole), "a.gz"))
    whole[10] = 0xFF  # a block of a type that there is not
    with pytest.raises(DataError, match=r"a.gz is damaged or cut off"):
        read_text(file(tmp_path, bytes(whole), "a.gz"))


@pytest.mark.parametrize("end", [0, 5, 20, -9, -1])
def test_cut_gzip_is_one_line(tmp_path, end):
    whole = gzip.compress(os.urandom(100).hex().encode())
    path = file(tmp_path, whole[:end], "a.gz")
    if end == 0:
        assert read_text(path) == ""
        return
    with pytest.raises(DataError, match=r"a.gz is damaged or cut off"):
        read_text(path)


def test_what_is_no_file_is_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ""):
        with pytest.raises(DataError, match="is no file with text"):
            read_text(tmp_path / name)
    with pytest.raises(DataError, match=r"cannot read .*gone: No such file"):
        read_text(tmp_path / "gone")


def test_lines_end_at_line_feeds_alone(tmp_path, monkeypatch):
    assert lines_of("", tmp_path) == []
    assert lines_of(" a b\t\n\n c\u2028d\x85e\x0bf \r\n", tmp_path) == ["a b", "", "c\u2028d\x85e\x0bf"]
    assert lines_of("a\n\n", tmp_path) == ["a", ""]
    monkeypatch.setattr(textfiles, "MOST_LINES", 3)
    monkeypatch.setattr(textfiles, "LONGEST_TEXT", 4)
    assert lines_of("1234\n5\n6", tmp_path) == ["1234", "5", "6"]
    with pytest.raises(DataError, match="has more than 3 lines"):
        lines_of("\n\n\n", tmp_path)
    with pytest.raises(DataError, match="line 2 has 5 characters, more than 4"):
        lines_of("1\n12345", tmp_path)


def test_rows_of_columns(tmp_path):
    path = file(tmp_path, b'Label\tText\ngood\tso  nice \r\n\n \t \nbad\t"no\nbad\tlabel\n', "a.tsv")
    assert list(rows_of(path, ("label", "text"))) == [("good", "so  nice"), ("bad", '"no'), ("bad", "label")]


@pytest.mark.parametrize(
    ("line", "found"),
    [("one", "1 column"), ("a\tb\tc", "3 columns"), ("a\t\tb", "an empty column"), ("\tb", "1 column")],
)
def test_rows_with_other_columns_are_named(tmp_path, line, found):
    path = file(tmp_path, f"a\tb\n{line}\n".encode(), "a.tsv")
    with pytest.raises(DataError, match=f"a.tsv, line 2 has {found}, but should hold label TAB text"):
        list(rows_of(path, ("label", "text")))


def test_a_fingerprint_is_of_the_content():
    first = fingerprint(3, ["a", "bé"], ["c"])
    data = b"3" + b"".join(len(t).to_bytes(8, "little") + t for t in (b"a", "bé".encode(), b"c"))
    assert first == hashlib.sha256(data).hexdigest()
    assert len({first, fingerprint(4, ["a", "bé"], ["c"]), fingerprint(3, ["ab", "é"], ["c"])}) == 3


@pytest.mark.parametrize(
    "heading",
    [
        "label\ttext",
        "Label\tText",
        "sentiment\treview",
        "#class\tsentence",
        '"label"\t"text"',
        "\ufeffcategory\tmessage",
    ],
)
def test_a_heading_is_no_example(tmp_path: Path, heading: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"{heading}\nwarm\tred dog\nlabel\ttext\n", encoding="utf-8")
    assert list(rows_of(path, ("label", "text"))) == [("warm", "red dog"), ("label", "text")], "the first line alone"


@pytest.mark.parametrize("row", ["warm\ttext", "label\tred dog", "text\ttext"])
def test_an_example_is_no_heading(tmp_path: Path, row: str) -> None:
    (tmp_path / "a.tsv").write_text(f"{row}\n", encoding="utf-8")
    assert list(rows_of(tmp_path / "a.tsv", ("label", "text"))) == [tuple(row.split("\t"))]
