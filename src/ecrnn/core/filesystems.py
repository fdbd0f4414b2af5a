"""Calls that some file systems lack: work goes on without them, after one warning.

Network shares, FUSE, FAT and shared folders of virtual machines may refuse to flush a folder or to lock a file. That
takes nothing from the content of a file, so it is no reason to stop. A disk that is full or broken is one: such errors
are raised.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import stat
from pathlib import Path
from typing import Literal

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.reading import kind_of

_ENOTSUPP = 524  # of the kernel, which some network file systems let out
_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, _ENOTSUPP})
# A folder that may be written to but not read cannot be opened; some systems want it open for writing (EBADF).
_NO_FLUSH_OF_FOLDERS = _UNSUPPORTED | {errno.EACCES, errno.EPERM, errno.EBADF, errno.EISDIR, errno.ESTALE}
_NO_LOCKS = _UNSUPPORTED | {errno.ENOLCK}
_LOCKED_BY_ANOTHER = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES})

logger = logging.getLogger(__name__)
_already_said: set[str] = set()


def flush_file(handle: int, path: Path) -> None:
    """Flush what was written to an open file to the disk, where the file system can.

    Args:
        handle: descriptor of the file.
        path: the file's place, for the warning.

    Raises:
        OSError: the disk is full or broken.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _say_once("files", f"the file system of {path.parent} cannot flush files; a loss of power may damage them")


def flush_folder(folder: Path) -> None:
    """Flush the entries of a folder, so that a rename in it survives a loss of power, where the file system can.

    Raises:
        OSError: the disk is broken.
    """
    if os.name != "posix":  # Windows cannot open a folder, and flushes its entries itself
        return
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if error.errno not in _NO_FLUSH_OF_FOLDERS:
            raise
        _say_once("folders", f"the file system of {folder} cannot flush folders; a loss of power may undo a last write")


def lock(handle: int, path: Path, *, shared: bool = False) -> Literal["taken", "busy", "unsupported"]:
    """Lock an open file for as long as it is open, without waiting.

    Args:
        handle: descriptor of the file.
        path: the file's place, for the warning.
        shared: with others that share it; what is locked so cannot be locked alone.

    Returns:
        "busy" where another process has the lock; "unsupported" where the file system has no locks, with one warning.

    Raises:
        OSError: for any other reason.
    """
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _LOCKED_BY_ANOTHER:
            return "busy"
        if error.errno not in _NO_LOCKS:
            raise
        alone = "run only one command in a folder at a time"
        run = "run nothing but workers in a folder where workers are" if shared else alone
        _say_once("locks", f"the file system of {path.parent} has no locks; {run}")
        return "unsupported"
    return "taken"


def open_lock_file(path: Path) -> int:
    """Open a file for `lock`, making it where there is none; what is in it stays. Gives the descriptor.

    Raises:
        RunDirectoryError: something that is no file lies there: links are not followed.
        OSError: it cannot be opened.
    """
    _check_regular(path)
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags | os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        if not os.path.lexists(path):
            raise
        handle = os.open(path, flags | os.O_RDONLY)  # another user's lock file will do
    return handle


def _check_regular(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        raise RunDirectoryError(f"{path} should be a file, for the lock, and is {kind_of(mode)}; delete it")


def same_file(handle: int, path: Path) -> bool:
    """Whether an open file still lies at ``path``; a lock file that was deleted meanwhile locks nothing."""
    try:
        return os.path.samestat(os.fstat(handle), path.lstat())
    except OSError:
        return False


def _say_once(what: str, line: str) -> None:
    """One warning a process: the same holds for every file there."""
    if what not in _already_said:
        _already_said.add(what)
        logger.warning(line)
