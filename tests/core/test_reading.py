"""core/reading: every kind of thing that may lie where a file should, and JSON that would not be plain."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core import reading
from ecrnn.core.errors import EcrnnError
from ecrnn.core.reading import parse_json, read_bytes, read_json, read_text, sha256


def _socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket may have no more than a hundred letters
    try:
        with socket.socket(socket.AF_UNIX) as one:
            one.bind(path.name)
    finally:
        os.chdir(here)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda path: None, "No such file"),
    "folder": (Path.mkdir, "is a folder, where a file should be"),
    "pipe": (os.mkfifo, "is a named pipe, where a file should be"),
    "socket": (_socket, "is a socket, where a file should be"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "points out of"),
    "link out": (lambda path: path.symlink_to("/etc/hostname"), "points out of"),
    "link up": (lambda path: path.symlink_to("../../outside"), "points out of"),
    "loop": (lambda path: path.symlink_to(path.name), "cannot read"),
    "terabyte": (lambda path: path.touch() or os.truncate(path, 2**40), "is larger than 100 bytes"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(tmp_path: Path, kind: str) -> None:
    make, line = KINDS[kind]
    (tmp_path / "in").mkdir()
    (tmp_path / "outside").write_text("{}")
    path = tmp_path / "in" / "a.json"
    make(path)
    for read in (read_bytes, read_text, sha256, read_json):
        started = time.monotonic()
        with one_line(EcrnnError, path, line):
            read(path, 100, tmp_path / "in")
        assert time.monotonic() - started < 5


def test_devices_without_a_folder_to_lie_in() -> None:
    with one_line(EcrnnError, "/dev/zero is a device, where a file should be"):
        read_bytes(Path("/dev/zero"), 100)


def test_links_inside_and_of_the_folder_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "deep" / "b").write_bytes(b"abc")
    (tmp_path / "real" / "a").symlink_to("deep/b")
    (tmp_path / "alias").symlink_to("real")
    assert read_bytes(tmp_path / "alias" / "a", 3, tmp_path / "alias") == b"abc"


def test_holes(tmp_path: Path) -> None:
    """A file of 6 GiB that nobody stored, beside one that is half stored."""
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 6 * 2**30)
    with one_line(EcrnnError, tmp_path / "a", "6,442,450,944 bytes, but only 0 of them are stored"):
        sha256(tmp_path / "a", 2**40)
    (tmp_path / "b").write_bytes(b"x" * 40 * 2**20)
    os.truncate(tmp_path / "b", 80 * 2**20)
    assert len(read_bytes(tmp_path / "b", 2**40)) == 80 * 2**20


def test_a_file_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 8)
    real = os.fstat

    def grow(handle: int) -> os.stat_result:
        status = real(handle)
        with (tmp_path / "a").open("ab") as file:
            file.write(b"x")
        return status

    monkeypatch.setattr(reading.os, "fstat", grow)
    with one_line(EcrnnError, "grows while it is read"):
        read_bytes(tmp_path / "a", 100)


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 10_000)
    assert sha256(tmp_path / "a", 30_000) == hashlib.sha256(b"abc" * 10_000).hexdigest()


def test_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeff가\r\n".encode())
    assert read_text(tmp_path / "a", 100) == "가\r\n"
    (tmp_path / "a").write_bytes(b"\xff")
    with one_line(EcrnnError, tmp_path / "a", "is not a text file in UTF-8"):
        read_text(tmp_path / "a", 100)


def test_json_missing_or_too_large(tmp_path: Path) -> None:
    with one_line(EcrnnError, "cannot read", tmp_path / "a.json", "No such file"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[1, 2, 3]")
    with one_line(EcrnnError, tmp_path / "a.json", "larger than 8 bytes"):
        read_json(tmp_path / "a.json", limit=8)
    assert read_json(tmp_path / "a.json", limit=9) == [1, 2, 3]


PLAIN = {"a": [1, -2.5e-3, 2**63 - 1, -(2**63), True, None, "가", "\U0001f41d", "\udcff"], "b": {}}


def test_plain_json_is_read_as_it_is() -> None:
    assert parse_json(json.dumps(PLAIN), "it") == PLAIN
    assert parse_json(json.dumps(PLAIN, ensure_ascii=False), "it") == PLAIN


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "Expecting value"),
        ("{", "Expecting property name"),
        ("nul", "Expecting value"),
        ("[" * 100_000, "recursion"),
        ('{"a":' * 100_000, "recursion"),
        ("NaN", "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        ("1e999", "the number 1e999 is too large"),
        ("1" * 5000, "is too large"),
        (str(2**63), "is too large"),
        ('{"b": 2, "a": 1, "a": 1}', "the key 'a' stands there twice"),
        ("[" + "[]," * 1_000_000 + "0]", "more values than"),
        ("[" + "{}," * 1_000_000 + "0]", "more values than"),
    ],
    ids=range(13),
)
def test_json_that_is_not_plain(text: str, line: str) -> None:
    with one_line(EcrnnError, "file.json", line):
        parse_json(text, "file.json")
