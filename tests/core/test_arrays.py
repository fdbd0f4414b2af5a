"""core/arrays: files of arrays that lie about themselves take neither time nor memory, and are refused in one line."""

from __future__ import annotations

import io
import random
import struct
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line

from ecrnn.core import arrays
from ecrnn.core.arrays import read_arrays
from ecrnn.core.errors import EcrnnError

ARRAYS = {"index": np.arange(5), "logits": np.linspace(-1, 1, 15, dtype=np.float32).reshape(5, 3)}


HEADER = "{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}\n"


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def hidden() -> bytes:
    """A whole archive, but that one bit has changed in its list, after which a second array is not found in it."""
    content = bytearray(archive(("a.npy", member(HEADER, bytes(8))), ("b.npy", member(HEADER, bytes(8)))))
    content[content.find(b"PK\1\2") + 33] ^= 0x40  # a comment of the first that is 16,384 bytes longer
    return bytes(content)


def member(header: str, content: bytes = b"", version: tuple[int, int] = (1, 0)) -> bytes:
    """One array's file with a header of one's choice."""
    length = struct.pack("<H" if version == (1, 0) else "<I", len(header))
    return b"\x93NUMPY" + bytes(version) + length + header.encode() + content


def with_header(header: str, content: bytes = b"") -> bytes:
    return archive(("a.npy", member(header, content)))


def shaped(shape: str, content: bytes = b"", descr: str = "'<i8'") -> bytes:
    return with_header(f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n", content)


def changed(at: int, content: bytes) -> bytes:
    """A whole file, but for some bytes of the first entry in its directory."""
    whole = bytearray(archive(("a.npy", member("{'descr': '<i8', 'fortran_order': False, 'shape': (1,)}\n", bytes(8)))))
    start = whole.find(b"PK\1\2") + at
    whole[start : start + len(content)] = content
    return bytes(whole)


def twice() -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return archive(("a.npy", b""), ("a.npy", b""))


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "does not end as an archive"),
    "no archive": (lambda: bytes(1000), "does not end as an archive"),
    "comment": (lambda: archive() + b"c", "does not end as an archive"),
    "thousands of members": (lambda: archive(*((str(i), b"") for i in range(3000))), "more than 16 arrays"),
    "long names": (lambda: archive(("x" * 60_000, b"")), "more than 16 arrays"),
    "same name": (twice, "same name"),
    "with and without .npy": (lambda: archive(("a", b""), ("a.npy", b"")), "same name"),
    "bomb": (lambda: archive(("a.npy", bytes(2**20 + 1))), "unfold to 1,048,577"),
    "bomb that says it is small": (
        lambda: changed(24, struct.pack("<I", 10)),
        "a.npy",
    ),
    "encrypted": (lambda: changed(8, b"\1"), "a.npy"),
    "zip64": (lambda: changed(20, b"\xff" * 8), "damaged or holds something else"),
    "offset": (lambda: changed(42, b"\xff\xff\xff\x7f"), "damaged or holds something else"),
    "hidden": (hidden, "it should hold 2 files, and its list has 1"),
    "checksum": (lambda: changed(16, b"\1\2\3\4"), "CRC"),
    "method": (lambda: archive(("a.npy", b"x" * 50), method=zipfile.ZIP_BZIP2), "compressed in a way"),
    "version": (lambda: archive(("a.npy", member("{}", version=(3, 0)))), "of version (3, 0)"),
    "objects": (lambda: shaped("(1,)", b"cos\nsystem\n.", "'|O'"), "no plain numbers"),
    "records": (lambda: shaped("(1,)", bytes(8), "[('a', '<i8')]"), "no plain numbers"),
    "texts of no length": (lambda: shaped("(1000000000000,)", b"", "'|S0'"), "no plain numbers"),
    "terabyte": (lambda: shaped("(1000000000000,)"), "header of 'a.npy' and its size differ"),
    "nothing of endless width": (lambda: shaped(f"(0, {10**30})"), "damaged or holds something else"),
    "negative": (lambda: shaped("(-1,)", bytes(8)), "no plain numbers"),
    "negative twice": (lambda: shaped("(-1, -1)", bytes(8)), "no plain numbers"),
    "hundred dimensions": (lambda: shaped("(" + "1," * 100 + ")", bytes(8)), "damaged or holds something else"),
    "formula": (lambda: shaped("(9**9**9,)"), "damaged or holds something else"),
    "not closed": (lambda: with_header("\0{'descr'"), "damaged or holds something else"),  # a TokenError of tokenize
    "indentation": (lambda: with_header("  a\n b\n"), "damaged or holds something else"),  # an IndentationError
    "nested": (lambda: with_header("(" * 500 + ")" * 500), "damaged or holds something else"),
    "endless header": (lambda: with_header(" " * 60_000), "damaged or holds something else"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    make, line = HOSTILE[kind]
    monkeypatch.setattr(arrays, "MAX_SMALL", 2**20)
    path = tmp_path / "a.npz"
    path.write_bytes(make())
    tracemalloc.start()
    try:
        with one_line(EcrnnError, path, line):
            read_arrays(path)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_writes(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "a.npz"
    written = ARRAYS | {
        "turned": np.asfortranarray(ARRAYS["logits"]),
        "other": np.arange(3, dtype=">i2"),
        "none": np.zeros((0, 4)),
        "blank": np.zeros(1_000_000, np.uint8),  # a thousandth of it, compressed
    }
    save(path, **written)
    found = read_arrays(path, tmp_path)
    assert found.keys() == written.keys()
    for name, array in written.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_changed_bytes_are_refused_or_change_nothing_that_is_checked(tmp_path: Path) -> None:
    """Of 300 files with one byte changed none ends in another error, and none gives other values without a word."""
    path, rng = tmp_path / "a.npz", random.Random(0)
    np.savez(path, **ARRAYS)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        content = bytearray(whole)
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        try:
            found = read_arrays(path)
        except EcrnnError as error:
            refused += len(str(error).splitlines()) == 1
            continue
        refused += 1
        assert found.keys() == ARRAYS.keys()
        assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())
    assert refused == 300
