"""Reads small untrusted `.npz` files: what an array needs is known before memory is taken for it.

Only what `numpy.savez` writes is read: stored or deflated arrays of plain numbers, in an archive without a comment.
Nothing is unpickled.
"""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ecrnn.core.errors import EcrnnError
from ecrnn.core.packed import check_end, check_whole
from ecrnn.core.reading import opened

MAX_FILE = 2**30  # bytes
MAX_SMALL = 64 * 2**20  # bytes of arrays that any file may unfold to
MAX_RATIO = 20  # and others at most to so many times their size: measured values hardly compress
MAX_MEMBERS = 16

# What zipfile and NumPy raise for a file that is damaged or not theirs.
_DAMAGED = (
    *(ArithmeticError, EOFError, LookupError, MemoryError, RuntimeError, SyntaxError, TypeError, ValueError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)


def read_arrays(path: Path, within: Path | None = None, *, kinds: str = "iuf") -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file by name.

    Args:
        path: path of the file.
        within: the folder that it must lie in, see `ecrnn.core.reading.opened`.
        kinds: kinds of NumPy types that it may hold; "U" are texts.

    Raises:
        EcrnnError: it cannot be read, is damaged or of another kind, or unfolds to more than it may.
    """
    with opened(path, MAX_FILE, within) as file:
        try:
            return _read(file, kinds)
        except EcrnnError:
            raise
        except _DAMAGED as error:
            line = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise EcrnnError(f"{path} is damaged or holds something else: {line[:200]}") from error


def _read(file: BinaryIO, kinds: str) -> dict[str, np.ndarray]:
    size = check_end(file, MAX_MEMBERS, "arrays")
    with zipfile.ZipFile(file) as archive:
        check_whole(archive)
        members = archive.infolist()
        if len({_name(member) for member in members}) < len(members):
            raise ValueError("two of its arrays have the same name")
        needed = sum(member.file_size for member in members)
        if needed > max(MAX_SMALL, MAX_RATIO * size):
            raise ValueError(f"{size:,} bytes that unfold to {needed:,}")
        return {_name(member): _array(archive, member, kinds) for member in members}


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kinds: str) -> np.ndarray:
    """The array of a member whose header agrees with its size."""
    name = member.filename[:100]
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name!r} is compressed in a way that is not read")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name!r} is of version {version}")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read_header(file)
        if dtype.kind not in kinds or min(shape, default=1) < 0:
            raise ValueError(f"{name!r} holds no plain {'numbers or texts' if 'U' in kinds else 'numbers'}")
        if math.prod(shape) * dtype.itemsize != member.file_size - file.tell():
            raise ValueError(f"the header of {name!r} and its size differ")
        content = bytearray(file.read())  # to the end, where the checksum is compared
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
