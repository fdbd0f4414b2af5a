"""core/packed: many files in one, read back as they were; a zip that lies about itself is one line."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from core.lines import one_line

from ecrnn.core import packed
from ecrnn.core.errors import EcrnnError
from ecrnn.core.packed import PACKED, Packed, pack, place_in_packed
from ecrnn.core.reading import read_bytes, read_json, sha256, there

FILES = {"cnn/repeat-0/a.json": b'{"a": 1}', "cnn/repeat-0/b.npz": bytes(1000), "mlp-4/repeat-1/a.json": b"[]"}
WHERE = Path("small") / PACKED


def test_what_is_packed_comes_back() -> None:
    content = pack(FILES)
    assert {name: Packed(content, WHERE).read(name, 1000) for name in FILES} == FILES
    with zipfile.ZipFile(io.BytesIO(content)) as plain:  # any tool reads it
        assert {name: plain.read(name) for name in plain.namelist()} == FILES
        assert plain.getinfo("cnn/repeat-0/b.npz").compress_type == zipfile.ZIP_STORED


def test_the_same_files_in_any_order_are_the_same_bytes() -> None:
    assert pack(FILES) == pack(dict(reversed(FILES.items())))


def test_folders_are_there_too() -> None:
    zipped = Packed(pack(FILES), WHERE)
    found = {name for name in ("cnn", "cnn/repeat-0", "cnn/repeat-1", "cnn/repeat-0/a", *FILES) if zipped.holds(name)}
    assert found == {"cnn", "cnn/repeat-0", *FILES}


def test_a_path_leads_into_it(tmp_path: Path) -> None:
    (tmp_path / PACKED).write_bytes(pack(FILES))
    place = tmp_path / PACKED / "cnn" / "repeat-0" / "a.json"
    assert place_in_packed(place) == (tmp_path / PACKED, "cnn/repeat-0/a.json")
    assert (there(place), there(place.parent), there(place.parent / "c")) == (True, True, False)
    assert read_json(place, within=tmp_path) == {"a": 1}
    assert sha256(place, 8) == hashlib.sha256(b'{"a": 1}').hexdigest()
    (tmp_path / PACKED).write_bytes(pack({"cnn/repeat-0/a.json": b'{"a": 22}'}))  # and what replaces it is seen
    assert read_json(place, within=tmp_path) == {"a": 22}


def test_a_folder_of_that_name_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / PACKED).mkdir()
    (tmp_path / PACKED / "a").write_bytes(b"x")
    assert place_in_packed(tmp_path / PACKED / "a") is None
    assert read_bytes(tmp_path / PACKED / "a", 1) == b"x"


def without_the_end_of_its_list(content: bytes) -> bytes:
    """A zip of which one bit has changed: the comment of the first file is longer, and hides all files after it."""
    damaged = bytearray(content)
    damaged[content.find(b"PK\1\2") + 33] ^= 0x40  # 16,384 bytes longer
    return bytes(damaged)


def test_files_that_the_list_hides_are_missed() -> None:
    content = without_the_end_of_its_list(pack(FILES))
    assert len(zipfile.ZipFile(io.BytesIO(content)).namelist()) == 1  # and no word of it
    with one_line(EcrnnError, "small/trials.zip is damaged or holds something else: it should hold 3 files"):
        Packed(content, WHERE)


@pytest.mark.parametrize("name", FILES)
def test_a_bit_of_a_name_in_the_list_is_seen(name: str) -> None:
    """zipfile compares it only when the file is read, so a file that is asked for by its name would be gone."""
    content = pack(FILES)
    place = content.find(name.encode(), content.find(b"PK\1\2"))
    for bit in range(8 * len(name)):
        damaged = bytearray(content)
        damaged[place + bit // 8] ^= 1 << bit % 8
        with one_line(EcrnnError, "small/trials.zip is damaged or holds something else"):
            Packed(bytes(damaged), WHERE)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_comes_twice_is_refused() -> None:
    buffer = io.BytesIO(pack(FILES))
    with zipfile.ZipFile(buffer, "a") as zipped:
        zipped.writestr("mlp-4/repeat-1/a.json", b"{}")
    with one_line(EcrnnError, "something else: two of its files have the same name"):
        Packed(buffer.getvalue(), WHERE)


def test_long_names_take_no_more_memory_than_they_have() -> None:
    """A name of n folders has n parents, and the names of these are n times as long as the name."""
    content = pack({f"{number:04}/" + "a/" * 30_000 + "x": b"" for number in range(3)})
    tracemalloc.start()
    zipped = Packed(content, WHERE)
    assert (zipped.holds("0001/" + "a/" * 20_000 + "a"), zipped.holds("0001/b"), zipped.holds("000")) == (
        True,
        False,
        False,
    )
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 20 * len(content)


def deflated(name: str, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as zipped:
        zipped.writestr(name, content)
    return buffer.getvalue()


def changed(at: int, content: bytes) -> bytes:
    """A whole zip, but for some bytes of the entry in its directory."""
    whole = bytearray(deflated("a", b"x" * 50))
    start = whole.find(b"PK\1\2") + at
    whole[start : start + len(content)] = content
    return bytes(whole)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (deflated("a", bytes(101)), "a is larger than any file of this kind should be: 101 bytes"),
        (deflated("b", b""), "cannot read small/trials.zip/a: No such file"),
        (deflated("a", b"x" * 50, zipfile.ZIP_BZIP2), "a is compressed in a way that is not read"),
        (changed(16, b"\1\2\3\4"), "small/trials.zip is damaged or holds something else: Bad CRC-32"),
        (changed(8, b"\1"), "damaged or holds something else"),  # encrypted
        (changed(24, b"\5\0\0\0"), "damaged or holds something else"),  # says that it is smaller than it is
        (changed(42, b"\xff\xff\xff\x7f"), "damaged or holds something else"),
        (deflated("a", b"") + b"c", "does not end as an archive"),
    ],
)
def test_what_lies_is_one_line(content: bytes, line: str) -> None:
    with one_line(EcrnnError, line):
        Packed(content, WHERE).read("a", 100)


def test_a_bomb_is_not_unfolded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "_MOST_SMALL", 1000)
    with one_line(EcrnnError, "larger than any file of this kind"):
        Packed(deflated("a", bytes(10_000)), WHERE).read("a", 2**40)


def test_there_are_never_more_files_than_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    content = pack(FILES)
    monkeypatch.setattr(packed, "_MOST_FILES", 2)
    with one_line(EcrnnError, "3 files are more than the 2"):
        pack(FILES)
    with one_line(EcrnnError, "it has more than 2 files"):
        Packed(content, WHERE)


def test_it_is_never_larger_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "MAX_PACKED", 1000)
    with one_line(EcrnnError, "more than the 1,000 that one trials.zip may have"):
        pack(FILES)
