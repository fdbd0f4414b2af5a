"""core/files: whole or absent, and what the disk refuses said in one line."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core import files
from ecrnn.core.errors import DataError, RunDirectoryError
from ecrnn.core.reading import read_json


@pytest.mark.parametrize("content", ["text, 한글", b"\x00\xff bytes", "", b"x" * 100_000])
def test_what_is_written_is_read(tmp_path: Path, content: bytes | str) -> None:
    path = tmp_path / "new" / "folder" / "file"
    files.write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [p.name for p in path.parent.iterdir()] == ["file"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664), (0o027, 0o640)])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        files.write_atomically(tmp_path / "new" / "file", "")
    finally:
        os.umask(before)
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == mode
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o777 & ~umask


def test_names_as_long_as_can_be(tmp_path: Path) -> None:
    for name in ("x" * 255, "한" * 85):
        for content in ("old", "new"):
            files.write_atomically(tmp_path / name, content)
        assert (tmp_path / name).read_text() == "new"
    assert len(os.listdir(tmp_path)) == 2


def test_what_a_killed_write_left_goes_with_the_next_one(tmp_path: Path) -> None:
    """Of the same file, and no other: those of other places and of other programs are not ours to judge."""
    left = [".file.0a1b2c3d.tmp", ".file.k_2x9zqw.tmp", f".{'x' * 60}.0a1b2c3d.tmp"]
    others = [".other.0a1b2c3d.tmp", "file.0a1b2c3d.tmp", ".file.0a1b2c3d.tmp2", ".file.tmp", ".file.0a1b2c3.tmp"]
    for name in left + others:
        (tmp_path / name).write_text("")
    files.write_atomically(tmp_path / "file", "new")
    files.write_atomically(tmp_path / ("x" * 200), "new")
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "file", "x" * 200])


def test_temporary_files_of_a_running_process_stay(tmp_path: Path) -> None:
    with files.whole_file(tmp_path / "file") as slow:
        slow.write(b"slow")
        [temporary] = os.listdir(tmp_path)
        files.write_atomically(tmp_path / "file", "quick")
        files.delete_temporaries(tmp_path.parent)
        assert sorted(os.listdir(tmp_path)) == [temporary, "file"]
    assert (tmp_path / "file").read_text() == "slow"
    assert os.listdir(tmp_path) == ["file"]


def test_a_new_temporary_file_that_another_process_deletes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between making and locking it, it looks like one that was left."""
    seen: list[Path] = []

    def lock(handle: int, path: Path) -> str:
        seen.append(path)
        if len(seen) == 1:
            return "busy"
        if len(seen) == 2:
            path.unlink()
        return "taken"

    monkeypatch.setattr("ecrnn.core.files.lock", lock)
    files.write_atomically(tmp_path / "file", "new")
    assert len(set(seen)) == 3
    assert (tmp_path / "file").read_text() == "new"


def test_temporary_files_without_locks_stay_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecrnn.core.files.lock", lambda *_: "unsupported")
    for name, hours in ((".file.0a1b2c3d.tmp", 23), (".file.1a1b2c3d.tmp", 25)):
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (0, time.time() - hours * 3600))
    files.write_atomically(tmp_path / "file", "new")
    assert sorted(os.listdir(tmp_path)) == [".file.0a1b2c3d.tmp", "file"]


def test_temporary_files_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("precious")
    (tmp_path / ".file.00000001.tmp").symlink_to(tmp_path / "precious")
    os.mkfifo(tmp_path / ".file.00000002.tmp")
    (tmp_path / ".file.00000003.tmp").mkdir()
    files.write_atomically(tmp_path / "file", "new")
    files.delete_temporaries(tmp_path)
    assert len(os.listdir(tmp_path)) == 5
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("number", [errno.ESTALE, errno.EBUSY, errno.ETXTBSY, errno.EACCES])
def test_a_rename_that_is_refused_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """By NFS after a server's restart, by others while a virus scanner looks at the file, or while it is open."""
    real, calls = os.replace, []

    def refused_once(*names: str) -> None:
        calls.append(names)
        if len(calls) == 1:
            raise OSError(number, os.strerror(number))
        real(*names)

    monkeypatch.setattr("ecrnn.core.files.os.replace", refused_once)
    files.write_atomically(tmp_path / "file", "new")
    assert os.listdir(tmp_path) == ["file"]


def test_advice_names_the_option_of_the_command(tmp_path: Path) -> None:
    token = files.folder_option.set("--archive")
    with one_line(RunDirectoryError, "choose another folder with --archive"), files.disk_errors(tmp_path):
        raise OSError(errno.EACCES, "no")
    files.folder_option.reset(token)
    with one_line(RunDirectoryError, "choose another folder with --out"), files.disk_errors(tmp_path):
        raise OSError(errno.EACCES, "no")


def test_devices_and_streams_are_not_replaced(tmp_path: Path) -> None:
    """`--out /dev/null` would else be the end of it, where root asks for it."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "to a device").symlink_to("/dev/null")
    (tmp_path / "stream").symlink_to("/proc/self/fd/1")
    (tmp_path / "to a pipe").symlink_to("pipe")  # as /dev/fd/63 is, by which a shell names the input of a program
    for name in ("to a pipe", "to a device", "stream"):
        kind = os.lstat(tmp_path / name).st_mode
        with one_line(RunDirectoryError, tmp_path / name, "which a file would replace; name a file"):
            files.write_atomically(tmp_path / name, "new")
        assert os.lstat(tmp_path / name).st_mode == kind
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipe", "stream", "to a device", "to a pipe"]
    files.write_atomically(tmp_path / "pipe", "new")  # where a file of a study should lie it is damage
    assert (tmp_path / "pipe").read_text() == "new"
    for name, target in (("to a file", "file"), ("to nothing", "none")):  # these are replaced themselves
        (tmp_path / name).symlink_to(target)
        (tmp_path / "file").write_text("old")
        files.write_atomically(tmp_path / name, "new")
        assert ((tmp_path / name).read_text(), (tmp_path / "file").read_text()) == ("new", "old")


@pytest.mark.parametrize("name", ["replace", "fsync", "fdopen"])
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
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else f"file of {os.fstat(handle).st_size}")
        real_fsync(handle)

    def replace(*names: str) -> None:
        calls.append("rename")
        real_replace(*names)

    monkeypatch.setattr("ecrnn.core.files.os.fsync", fsync)
    monkeypatch.setattr("ecrnn.core.files.os.replace", replace)
    files.write_atomically(tmp_path / "file", "new")
    assert calls == ["file of 3", "rename", "folder"]


def test_two_writes_never_share_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["1234abcd", "1234abcd", "5678abcd"])
    monkeypatch.setattr("ecrnn.core.files.secrets.token_hex", lambda size: next(names))
    monkeypatch.setattr("ecrnn.core.files.lock", lambda handle, path: "unsupported")  # which would tell them apart
    with files.whole_file(tmp_path / "file") as first, files.whole_file(tmp_path / "file") as second:
        assert not os.path.sameopenfile(first.fileno(), second.fileno())


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

    monkeypatch.setattr("ecrnn.core.files.os.open", refuse)
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
    assert read_json(tmp_path / "a.json") == value
    assert "숫자" in (tmp_path / "a.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_json_has_no_nan(tmp_path: Path, value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", [value])
    assert not (tmp_path / "a.json").exists()


@pytest.mark.parametrize("value", ["x" * 5000, "a long text " * 500, "a\0b", [1, 2], 7, None, {"a": 1}])
def test_what_is_no_path_is_one_line(value: object) -> None:
    with pytest.raises(DataError, match=r"^data should be a name or a path, ") as error:
        files.path_of(value, "data")
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("value", ["photos", Path("a/b"), "한국어/사진", b"bytes", "x" * 255, "a/" * 2000])
def test_what_may_be_a_path_is_one(value: str | Path | bytes) -> None:
    assert files.path_of(value, "data") == Path(os.fsdecode(value))
