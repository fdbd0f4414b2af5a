"""Many small files in one: `trials.zip`, in which an archive of a study keeps the files of its trials.

`ecrnn.core.reading` reads a path that leads into it, `<study>/trials.zip/<model>/repeat-<r>/metrics.jsonl`, as if it
were a folder. It is a plain zip, stored or deflated, which every tool unpacks; the same files give the same bytes. It
may come from anywhere, so what it unfolds to is known before memory is taken.
"""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from ecrnn.core.errors import EcrnnError

PACKED = "trials.zip"
MAX_PACKED = 2**30  # bytes
_MOST_FILES = 60_000
_MOST_SMALL = 64 * 2**20  # bytes that any file may unfold to
_MOST_RATIO = 20  # and others at most to so many times their size
_END = 22  # bytes of the record at the end of a zip without a comment
_HEADER = 30  # bytes before the name of a file
_DAMAGED = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, RuntimeError, ValueError),
    *(struct.error, zipfile.BadZipFile, zlib.error),
)


def place_in_packed(path: Path) -> tuple[Path, str] | None:
    """The `trials.zip` that ``path`` leads into and the rest of the path; None for any other path."""
    for parent in path.parents:
        if parent.name == PACKED:
            return (parent, path.relative_to(parent).as_posix()) if os.path.isfile(parent) else None
    return None


def check_end(file: BinaryIO, most: int, what: str) -> int:
    """Look at the record at the end of a zip, so that no endless list of files is read; gives the size of the zip.

    Raises:
        ValueError: there is none, or it promises more than ``most`` files; ``what`` it calls them.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - _END - 20))
    tail = file.read()
    end = tail[-_END:]
    if len(end) < _END or end[:4] != b"PK\5\6" or end[-2:] != b"\0\0":
        raise ValueError("it does not end as an archive")
    if tail.startswith(b"PK\6\7"):
        raise ValueError("it is an archive of more than 4 GiB")
    if int.from_bytes(end[10:12], "little") > most or int.from_bytes(end[12:16], "little") > most * 256:
        raise ValueError(f"it has more than {most:,} {what}")
    return size


def check_whole(archive: zipfile.ZipFile) -> None:
    """Look whether the list of a zip holds all files that its end promises, each once and by the file's name.

    zipfile passes over what a damage hides, and compares a name only when the file is read.

    Raises:
        ValueError: it does not.
    """
    file, members = archive.fp, archive.infolist()
    assert file is not None  # it is open
    file.seek(-_END - len(archive.comment), 2)
    end = file.read(_END)
    promised = int.from_bytes(end[10:12], "little")
    if end.startswith(b"PK\5\6") and promised not in (len(members), 2**16 - 1):
        raise ValueError(f"it should hold {promised:,} files, and its list has {len(members):,}")
    if len(set(archive.namelist())) < len(members):
        raise ValueError("two of its files have the same name")
    for member in members:
        file.seek(member.header_offset)
        header = file.read(_HEADER)
        name = file.read(int.from_bytes(header[26:28], "little"))
        if header[:4] != b"PK\3\4" or name.decode("utf-8" if header[7] & 8 else "cp437") != member.orig_filename:
            raise ValueError(f"its list names {member.orig_filename[:100]!r}, where another file is")


class Packed:
    """An opened `trials.zip`.

    Args:
        content: all of it.
        where: its path, for errors.

    Raises:
        EcrnnError: it is damaged or of another kind.
    """

    def __init__(self, content: bytes, where: Path) -> None:
        self._where = where
        try:
            check_end(io.BytesIO(content), _MOST_FILES, "files")
            self._zip = zipfile.ZipFile(io.BytesIO(content))
            check_whole(self._zip)
        except _DAMAGED as error:
            raise self._damaged(error) from error
        self.names = frozenset(self._zip.namelist())
        self._sorted = sorted(self.names)  # a set of all folders could take the square of what the names take

    def holds(self, name: str) -> bool:
        """Whether there is a file or a folder of that name."""
        at = bisect_left(self._sorted, f"{name}/")
        return name in self.names or any(other.startswith(f"{name}/") for other in self._sorted[at : at + 1])

    def read(self, name: str, limit: int) -> bytes:
        """The content of one file.

        Args:
            name: its path in the zip.
            limit: the most bytes that it may have.

        Raises:
            EcrnnError: it is missing, damaged or too large; one line.
        """
        path = self._where / name
        if name not in self.names:
            raise EcrnnError(f"cannot read {path}: No such file or directory")
        info = self._zip.getinfo(name)
        if info.file_size > min(limit, max(_MOST_SMALL, _MOST_RATIO * info.compress_size)):
            raise EcrnnError(f"{path} is larger than any file of this kind should be: {info.file_size:,} bytes")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise EcrnnError(f"{path} is compressed in a way that is not read")
        try:
            return self._zip.read(info)
        except _DAMAGED as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> EcrnnError:
        line = str(error).splitlines()[0] if str(error) else type(error).__name__
        return EcrnnError(f"{self._where} is damaged or holds something else: {line[:200]}")


def pack(files: Mapping[str, bytes]) -> bytes:
    """A zip of ``files``, content by name; the same files give the same bytes.

    Raises:
        EcrnnError: they are more than are read again.
    """
    if len(files) > _MOST_FILES:
        raise EcrnnError(f"{len(files):,} files are more than the {_MOST_FILES:,} that one {PACKED} may hold")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        for name in sorted(files):
            info = zipfile.ZipInfo(name)  # of 1980, so that the time does not change the bytes
            info.create_system, info.external_attr = 3, 0o644 << 16  # the same on every system
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".npz") else zipfile.ZIP_DEFLATED
            zipped.writestr(info, files[name])
    if buffer.tell() > MAX_PACKED:
        raise EcrnnError(f"{buffer.tell():,} bytes are more than the {MAX_PACKED:,} that one {PACKED} may have")
    return buffer.getvalue()
