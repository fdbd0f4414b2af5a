from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading
from ecrnn.data import image_decoding
from ecrnn.data.image_decoding import decode_files, load_images, load_readable

FILES = [f"{i}.png" for i in range(7)]


def number(path: Path) -> np.ndarray:
    if path.stem in "245":
        raise DataError("not liked")
    return np.array([int(path.stem)])


def test_files_come_in_their_order_and_pieces(monkeypatch):
    monkeypatch.setattr(image_decoding, "_CHUNK", 3)
    events = []
    pieces = decode_files(Path("x"), ["0.png", "6.png", "3.png", "1.png"], number, events.append)
    assert [[int(array[0]) for array in chunk] for chunk in pieces] == [[0, 6, 3], [1]]
    assert events == [Loading("images", 3, 4), Loading("images", 4, 4)]


def test_all_are_tried_and_nothing_comes_after_a_fault(monkeypatch):
    monkeypatch.setattr(image_decoding, "_CHUNK", 2)
    pieces = decode_files(Path("x"), FILES, number)
    assert [int(array[0]) for array in next(pieces)] == [0, 1]
    message = r"3 of 7 images in x cannot be read \(2.png: not liked; 4.png: not liked; 5.png: not liked\); replace"
    with pytest.raises(DataError, match=message):
        next(pieces)


def test_no_image_can_be_read(tmp_path):
    for name in FILES:
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(DataError, match=r"7 of 7 images in .*0.png: not a PNG.*; \.\.\.\)"):
        load_images(tmp_path, FILES, (8, 8), 3)
    assert load_images(tmp_path, [], (8, 8), 3).shape == (0, 8, 8, 3)


@pytest.mark.parametrize("memory_limit", [10**9, 10])
def test_files_that_cannot_be_read_are_left_out(tmp_path, memory_limit):
    for value in range(7):
        Image.new("RGB", (8, 8), (value, 0, 0)).save(tmp_path / f"{value}.png")
    (tmp_path / "2.png").write_bytes(b"x")
    (tmp_path / "6.png").write_bytes(b"")
    for _ in range(2):  # the second time from the cache
        images, bad = load_readable(tmp_path, FILES, (8, 8), 3, cache=tmp_path / "cache", memory_limit=memory_limit)
        assert images[:, 0, 0, 0].tolist() == [0, 1, 3, 4, 5]
        assert list(bad) == ["2.png", "6.png"]
        assert bad["6.png"] == "it is empty"
    for path in sorted((tmp_path / "cache").rglob("*.*")) if memory_limit == 10 else ():
        content = path.read_bytes()
        changed = content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]  # a pixel, a letter of a reason, a checksum
        path.write_bytes(changed)
        with pytest.raises(DataError, match=r"\.npy is damaged; delete it"):
            load_readable(tmp_path, FILES, (8, 8), 3, cache=tmp_path / "cache", memory_limit=10)
        path.write_bytes(content)
    with pytest.raises(DataError, match=r"2 of 7 images .*2.png: not a PNG.*; 6.png: it is empty\); replace or remove"):
        load_images(tmp_path, FILES, (8, 8), 3, cache=tmp_path / "cache", memory_limit=memory_limit)
    with pytest.raises(DataError, match="none of the 1 images in"):
        load_readable(tmp_path, ["2.png"], (8, 8), 3)


def test_the_cache_of_another_folder(tmp_path):
    """All of its files are whole, and of as many images; that of an earlier version, without its name, is taken."""

    def read(folder):
        return load_images(folder, FILES, (8, 8), 3, cache=tmp_path / "cache", memory_limit=10)

    for value, folder in enumerate((tmp_path / "a", tmp_path / "b")):
        folder.mkdir()
        for name in FILES:
            Image.new("RGB", (8, 8), (value, 0, 0)).save(folder / name)
        assert read(folder)[0, 0, 0, 0] == value
    a, b = sorted((tmp_path / "cache").rglob("*.npy"), key=lambda path: np.load(path)[0, 0, 0, 0])
    checksum = a.with_suffix(".crc32")
    checksum.write_bytes(checksum.read_bytes()[:8] + b"\n")
    assert read(tmp_path / "a").shape == (7, 8, 8, 3)
    assert checksum.read_text().endswith(f" {a.stem}\n")
    for suffix in (".npy", ".crc32"):
        shutil.copy(b.with_suffix(suffix), a.with_suffix(suffix))
    with pytest.raises(DataError, match=r"\.npy is damaged; delete it"):
        read(tmp_path / "a")
