"""Files that are either whole or absent: atomic writes, checksums, and errors of the disk in one line.

Every write goes to a temporary file in the same folder, is flushed to the disk, renamed over the target, and the folder
is flushed too. A process killed at any moment leaves the old file or the new one, never half of either.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.text import json_text

_ADVICE = {
    errno.ENOSPC: "no space left on the disk; free some and give the same command again, finished work is kept",
    errno.EDQUOT: "the disk quota is used up; free some and give the same command again, finished work is kept",
    errno.EACCES: "no permission; choose another folder with --out",
    errno.EPERM: "not permitted; choose another folder with --out",
    errno.EROFS: "the file system is read-only; choose another folder with --out",
    errno.ENOTDIR: "a part of the path is a file, not a folder; choose another folder with --out",
    errno.EISDIR: "a folder lies where the file should go; choose another folder with --out",
}


@contextlib.contextmanager
def disk_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError met inside into one line that names the path and what to do.

    Raises:
        RunDirectoryError: with the cause attached, for every OSError.
    """
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise RunDirectoryError(f"cannot {doing} {path}: {advice}") from error


def make_folder(path: Path) -> Path:
    """Make ``path`` and its parents; one-line error when that cannot be done."""
    with disk_errors(path, "make the folder"):
        path.mkdir(parents=True, exist_ok=True)
    return path


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write ``content`` (text as UTF-8) so that ``path`` is at every moment the old file or the whole new one."""
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush the folder's entries to the disk, so that a rename in it survives a loss of power."""
    if os.name != "posix":  # Windows cannot open a folder, and flushes its entries itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, atomically; NaN and infinity are refused."""
    write_atomically(path, json_text(value, indent=2) + "\n")


def read_json(path: Path, limit: int = 64 * 2**20) -> Any:
    """Read a JSON file of at most ``limit`` bytes.

    Raises:
        EcrnnError: the file is missing, larger than the limit, or not JSON.
    """
    try:
        if path.stat().st_size > limit:
            raise EcrnnError(f"{path} is larger than {limit} bytes, which no file of this kind should be")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise EcrnnError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, EcrnnError):
            raise
        raise EcrnnError(f"{path} is not valid JSON: {str(error).splitlines()[0]}") from error


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
