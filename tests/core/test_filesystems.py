"""core/filesystems: what a file system may lack, what is a fault of the disk, and lock files that are none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core import filesystems, runs
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.files import write_atomically

FOLDERS = [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR]


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems, "_already_said", set())


def refuse(number: int, only_folders: bool = False) -> Callable[..., None]:
    def fsync(handle: int, *_: object) -> None:
        if not only_folders or os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(number, os.strerror(number))

    return fsync


@pytest.mark.parametrize("number", FOLDERS)
def test_folders_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number, only_folders=True))
    for name in ("a", "b"):
        write_atomically(tmp_path / name, name)
    assert sorted(os.listdir(tmp_path)) == ["a", "b"]
    [line] = caplog.messages
    assert line.startswith(f"the file system of {tmp_path} cannot flush folders")


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every folder")
def test_a_folder_that_may_only_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir(mode=0o333)
    write_atomically(tmp_path / "box" / "file", "new")
    assert (tmp_path / "box" / "file").read_text() == "new"


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_files_that_cannot_be_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number))
    write_atomically(tmp_path / "a", "new")
    assert [line.split("cannot ")[1].split(";")[0] for line in caplog.messages] == ["flush files", "flush folders"]


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("only_folders", [True, False])
def test_faults_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, only_folders: bool) -> None:
    monkeypatch.setattr(os, "fsync", refuse(number, only_folders))
    with one_line(RunDirectoryError, "cannot write", tmp_path / "a"):
        write_atomically(tmp_path / "a", "new")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_no_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    monkeypatch.setattr(filesystems.fcntl, "flock", refuse(number))
    for keep in (True, False):
        with runs.locked(tmp_path, keep=keep):
            write_atomically(tmp_path / "a", "new")
    assert os.listdir(tmp_path) == ["a"]
    [line] = caplog.messages
    assert line == f"the file system of {tmp_path} has no locks; run only one command in a folder at a time"


def test_locks_that_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystems.fcntl, "flock", refuse(errno.EIO))
    with one_line(RunDirectoryError, tmp_path / ".lock", "Input/output error"), runs.locked(tmp_path):
        pytest.fail("locked")


def _link(path: Path) -> None:
    (path.parent / "precious").write_text("precious")
    path.symlink_to("precious")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


NO_FILES: dict[str, Callable[[Path], object]] = {
    "a link": _link,
    "a folder": Path.mkdir,
    "a named pipe": os.mkfifo,
    "a socket": _socket,
}


@pytest.mark.parametrize("what", NO_FILES)
def test_lock_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    NO_FILES[what](tmp_path / ".lock")
    before = sorted(os.listdir(tmp_path))
    line = f"should be a file, for the lock, and is {what}; delete it"
    with one_line(RunDirectoryError, tmp_path / ".lock", line), runs.locked(tmp_path):
        pytest.fail("locked")
    assert sorted(os.listdir(tmp_path)) == before
    assert what != "a link" or (tmp_path / "precious").read_text() == "precious"


def test_a_link_that_leads_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with one_line(RunDirectoryError, tmp_path / ".lock", "is a link"), runs.locked(tmp_path):
        pytest.fail("locked")
    assert not (tmp_path / "elsewhere").exists()


def test_a_link_put_there_at_the_last_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _link(tmp_path / ".lock")
    monkeypatch.setattr(filesystems, "_check_regular", lambda path: None)
    with one_line(RunDirectoryError, tmp_path / ".lock"), runs.locked(tmp_path):
        pytest.fail("locked")


def test_a_lock_file_keeps_its_content(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("notes")
    with runs.locked(tmp_path):
        pass
    assert (tmp_path / ".lock").read_text() == "notes"


def test_another_users_lock_file_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".lock").write_text("")
    real = os.open

    def not_for_writing(path: object, flags: int, *rest: int) -> int:
        if Path(str(path)).name == ".lock" and flags & os.O_RDWR:
            raise PermissionError(errno.EACCES, "no")
        return real(path, flags, *rest)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", not_for_writing)
    with runs.locked(tmp_path):
        pass
    (tmp_path / ".lock").unlink()
    with one_line(RunDirectoryError, tmp_path / ".lock", "no permission"), runs.locked(tmp_path):
        pytest.fail("locked")
