"""Files that are either whole or absent: atomic writes, and errors of the disk in one line.

Every write goes to a temporary file in the same folder, is flushed to the disk, renamed over the target, and the folder
is flushed too. A process killed at any moment leaves the old file or the new one, never half of either, and perhaps a
temporary file, which the next write to the same place deletes. A process holds a lock on its temporary files, so that
those of a running one are told from those of a killed one.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from ecrnn.core.errors import DataError, RunDirectoryError
from ecrnn.core.filesystems import flush_file, flush_folder, lock
from ecrnn.core.reading import kind_of
from ecrnn.core.text import json_text

# The option of the command that chose the folder, for advice.
folder_option: ContextVar[str] = ContextVar("folder_option", default="--out")

_LONGEST_NAME, _LONGEST_PATH = 255, 4095  # bytes, of Linux and macOS

_ADVICE = {
    errno.ENOSPC: "no space left on the disk; free some and give the same command again, finished work is kept",
    errno.EDQUOT: "the disk quota is used up; free some and give the same command again, finished work is kept",
    errno.EACCES: "no permission; choose another folder with {option}",
    errno.EPERM: "not permitted; choose another folder with {option}",
    errno.EROFS: "the file system is read-only; choose another folder with {option}",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder with {option}",
    errno.EISDIR: "a folder lies where the file should go; choose another folder with {option}",
}
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[0-9a-z_]{8}\.tmp", re.DOTALL)
_NAME_LENGTH = 60  # characters of the target's name in that of its temporary file: 255 bytes must hold it
_OLD = 24 * 3600.0  # seconds, after which a temporary file is nobody's where locks cannot tell
# Stale handles of NFS; servers that do not rename an open file, or say so for a moment while others look at it.
_RENAME_AGAIN = frozenset({errno.ESTALE, errno.EBUSY, errno.ETXTBSY, errno.EACCES, errno.EPERM})
_RENAME_PAUSES = (0.0, 0.1, 0.4)  # seconds


@contextlib.contextmanager
def folder_chosen_by(option: str) -> Iterator[None]:
    """Inside, advice on a folder names this option of a command."""
    before = folder_option.set(option)
    try:
        yield
    finally:
        folder_option.reset(before)


@contextlib.contextmanager
def disk_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError met inside into one line that names the path and what to do.

    Raises:
        RunDirectoryError: with the cause attached, for every OSError.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "").format(option=folder_option.get())
        raise RunDirectoryError(f"cannot {doing} {path}: {advice or error.strerror or error}") from error


def path_of(value: Any, what: str) -> Path:
    """``value`` as a path.

    Args:
        value: what the user gave where a path belongs.
        what: what it should be, for the error, such as "data".

    Raises:
        DataError: it is no text and no path, or one that no file system can have.
    """
    if isinstance(value, bytes):
        value = os.fsdecode(value)
    if not isinstance(value, str | os.PathLike):
        raise DataError(f"{what} should be a name or a path, not an object of type {type(value).__name__}")
    text = os.fspath(value)
    longest = max(len(os.fsencode(part)) for part in text.split(os.sep))
    if "\0" in text or longest > _LONGEST_NAME or len(os.fsencode(text)) > _LONGEST_PATH:
        fault = "holds a NUL character" if "\0" in text else f"has {len(text):,} characters, too long for a file name"
        raise DataError(f"{what} should be a name or a path, but '{text[:60]}...' {fault}")
    return Path(text)


def make_folder(path: Path) -> Path:
    """Make ``path`` and its parents; one-line error when that cannot be done."""
    with disk_errors(path, "make the folder"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write ``content`` (text as UTF-8) so that ``path`` is at every moment the old file or the whole new one.

    Raises:
        RunDirectoryError: the disk refuses.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path), whole_file(path) as file:
        file.write(data)


def write_files(folder: Path, files: Mapping[str, str]) -> dict[str, Path]:
    """Write files in their order, each whole or not at all, and give their paths by name.

    Args:
        folder: made if it does not exist.
        files: contents by name.

    Raises:
        RunDirectoryError: the disk refuses; one line.
    """
    make_folder(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return {name: folder / name for name in files}


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that gets the name ``path`` when the block ends well, and vanishes when it does not.

    Its permissions are those that any new file gets.

    Raises:
        OSError: the disk refuses.
        RunDirectoryError: a device, a socket or an open stream lies there, which a file in its place would destroy.
    """
    _check_no_device(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for name in os.listdir(path.parent):
        left = _TEMPORARY.fullmatch(name)
        if left and left["name"] == path.name[:_NAME_LENGTH]:
            _delete_if_left(path.parent / name)
    handle, temporary = _open_temporary(path)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            flush_file(file.fileno(), path)
            _rename(file, temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    flush_folder(path.parent)


def _check_no_device(path: Path) -> None:
    """Refuse a place such as /dev/null or /dev/stdout, which root could replace.

    A named pipe may be replaced, which costs nobody anything: one that lies in a study is damage, and is mended so.
    """
    try:
        mode, linked = os.stat(path).st_mode, path.is_symlink()
        stream = linked and (stat.S_ISFIFO(mode) or os.readlink(path).startswith("/proc/"))
    except OSError:  # nothing there, or a link to nothing
        return
    if stream or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISFIFO(mode)):
        what = "an open stream" if stream else kind_of(mode)
        raise RunDirectoryError(f"{path} is {what}, which a file would replace; name a file")


@contextlib.contextmanager
def whole_text(path: Path, encoding: str = "utf-8") -> Iterator[IO[str]]:
    """As `whole_file`, of text whose line ends are written as they are.

    Raises:
        RunDirectoryError: the disk refuses.
    """
    with disk_errors(path), whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding, newline="")
        try:
            yield text
        finally:
            text.detach()  # which flushes; `whole_file` closes the file


def _open_temporary(path: Path) -> tuple[int, Path]:
    """A new file beside ``path``, locked; its descriptor and place."""
    while True:
        temporary = path.parent / f".{path.name[:_NAME_LENGTH]}.{secrets.token_hex(4)}.tmp"
        try:
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileExistsError:
            continue
        try:
            if lock(handle, temporary) != "busy" and os.path.lexists(temporary):
                return handle, temporary
        except BaseException:
            os.close(handle)
            os.unlink(temporary)
            raise
        os.close(handle)  # between the two calls another process took it for one that is left, and deletes it


def _rename(file: IO[bytes], temporary: Path, path: Path) -> None:
    """Put ``temporary`` in the place of ``path``, while it is still open and locked where that is possible."""
    for pause in _RENAME_PAUSES:
        try:
            os.replace(temporary, path)
            return
        except OSError as error:
            if error.errno not in _RENAME_AGAIN:
                raise
        file.close()
        time.sleep(pause)
    os.replace(temporary, path)


def is_temporary(name: str) -> bool:
    """Whether a file is called as the temporary files of `whole_file` are."""
    return _TEMPORARY.fullmatch(name) is not None


def delete_temporaries(folder: Path) -> None:
    """Delete the temporary files that killed processes left anywhere below ``folder``."""
    for parent, _, names in os.walk(folder):
        for name in filter(is_temporary, names):
            _delete_if_left(Path(parent, name))


def _delete_if_left(path: Path) -> None:
    """Delete a temporary file, unless it is of a process that runs. One that cannot be deleted does no harm."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                return
            state = lock(handle, path)
            if state == "taken" or (state == "unsupported" and time.time() - found.st_mtime > _OLD):
                os.unlink(path)
        finally:
            os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; NaN and infinity are refused."""
    write_atomically(path, json_text(value, indent=2) + "\n")
