"""core/files: whole or absent, and what the disk refuses said in one line."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core import files
from ecrnn.core.errors import EcrnnError, RunDirectoryError


@pytest.mark.parametrize("content", ["text, 한글", b"\x00\xff bytes", "", b"x" * 100_000])
def test_what_is_written_is_read(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "new" / "folder" / "file"
    files.write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [p.name for p in path.parent.iterdir()] == ["file"]
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("name", ["replace", "fsync", "chmod", "fdopen"])
@pytest.mark.parametrize(
    ("number", "advice"), [(errno.ENOSPC, "free some"), (errno.EDQUOT, "quota"), (errno.EIO, "Input/output error")]
)
def test_a_write_that_fails_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, advice: str
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail(handle: object, *rest: object) -> None:
        if name == "fdopen":
            os.close(handle)  # type: ignore[arg-type]  # what the real one does before it raises
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(f"ecrnn.core.files.os.{name}", fail)
    with one_line(RunDirectoryError, "cannot write", path, advice):
        files.write_atomically(path, "new")
    monkeypatch.undo()
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ecrnn.core.files.os.replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_order_of_a_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content is flushed before the rename, the folder after it: else a loss of power leaves an empty file."""
    calls: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(handle: int) -> None:
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        real_fsync(handle)

    def replace(*names: str) -> None:
        calls.append("rename")
        real_replace(*names)

    monkeypatch.setattr("ecrnn.core.files.os.fsync", fsync)
    monkeypatch.setattr("ecrnn.core.files.os.replace", replace)
    files.write_atomically(tmp_path / "file", "new")
    assert calls == ["file", "rename", "folder"]


def test_full_disk(small_disk: Path) -> None:
    path = small_disk / "file"
    files.write_atomically(path, "old")
    with one_line(RunDirectoryError, path, "no space left on the disk", "finished work is kept"):
        files.write_atomically(path, b"x" * 200_000)
    assert path.read_text() == "old"
    assert os.listdir(small_disk) == ["file"]
    files.write_atomically(path, "new")  # there is space for this
    assert path.read_text() == "new"


def test_read_only_disk(read_only_disk: Path) -> None:
    with one_line(RunDirectoryError, read_only_disk / "file", "read-only", "--out"):
        files.write_atomically(read_only_disk / "file", "new")
    with one_line(RunDirectoryError, read_only_disk / "folder", "read-only", "--out"):
        files.make_folder(read_only_disk / "folder")
    assert os.listdir(read_only_disk) == ["old.txt"]


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.EACCES, "no permission"), (errno.EPERM, "not permitted"), (errno.EROFS, "read-only")],
)
def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("ecrnn.core.files.tempfile.mkstemp", refuse)
    with one_line(RunDirectoryError, tmp_path / "file", advice, "--out"):
        files.write_atomically(tmp_path / "file", "new")


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with one_line(RunDirectoryError, tmp_path / "file"):
        files.make_folder(tmp_path / "file")
    with one_line(RunDirectoryError, tmp_path / "file" / "below", "--out"):
        files.make_folder(tmp_path / "file" / "below")
    with one_line(RunDirectoryError, tmp_path / "folder", "a folder lies where the file should go"):
        files.write_atomically(tmp_path / "folder", "new")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_the_cause_is_kept(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError) as caught, files.disk_errors(tmp_path):
        raise OSError(errno.ENOSPC, "full")
    assert isinstance(caught.value.__cause__, OSError)


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"name": "숫자", "list": [1, 2.5, None, True]}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    assert "숫자" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", [value])
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"nul"])
def test_damaged_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with one_line(EcrnnError, tmp_path / "a.json", "not valid JSON"):
        files.read_json(tmp_path / "a.json")


def test_json_missing_or_too_large(tmp_path: Path) -> None:
    with one_line(EcrnnError, "cannot read", tmp_path / "a.json", "No such file"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("[1, 2, 3]")
    with one_line(EcrnnError, tmp_path / "a.json", "larger than 8 bytes"):
        files.read_json(tmp_path / "a.json", limit=8)
    assert files.read_json(tmp_path / "a.json", limit=9) == [1, 2, 3]


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc" * 10_000)
    assert files.sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 10_000).hexdigest()
