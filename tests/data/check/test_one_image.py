from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ecrnn.data.check.one_image import Fault, ImageFacts, inspect, small
from ecrnn.data.image_file import quiet_pillow

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
IMAGE = Image.fromarray(RGB)


def png(width: int, height: int, depth: int, colour: int, rows: bytes) -> bytes:
    """A PNG file that claims these sizes, whatever its rows are."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def facts(path: Path) -> ImageFacts | Fault:
    with quiet_pillow():
        return inspect(path)


def saved(place: Path, image: Image.Image, kind: str | None = None, **options) -> ImageFacts:
    image.save(place, kind, **options)
    found = facts(place)
    assert isinstance(found, ImageFacts)
    return found


def test_the_same_pixels_have_the_same_content_whatever_the_file(tmp_path):
    found = [
        saved(tmp_path / "a.png", IMAGE),
        saved(tmp_path / "b.bmp", IMAGE),
        saved(tmp_path / "c.tif", IMAGE, compression="tiff_lzw"),
        saved(tmp_path / "d.webp", IMAGE, lossless=True),
    ]
    assert len({one.content for one in found}) == 1
    assert [one.format for one in found] == ["PNG", "BMP", "TIFF", "WEBP"]
    assert not any(one.traits for one in found)
    other = RGB.copy()
    other[3, 4, 1] ^= 1
    assert saved(tmp_path / "e.png", Image.fromarray(other)).content != found[0].content
    reshaped = Image.fromarray(np.ascontiguousarray(RGB.reshape(30, 20, 3)))
    assert saved(tmp_path / "f.png", reshaped).content != found[0].content
    grey = IMAGE.convert("L")
    assert saved(tmp_path / "g.png", grey).content == saved(tmp_path / "h.png", grey.convert("RGB")).content


def test_turned_by_exif(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = 6, "Canon\0", "EOS\x1b[31m 5D"
    found = saved(tmp_path / "a.png", IMAGE, exif=exif)
    assert (found.width, found.height) == (20, 30)
    assert found.traits == ("exif-rotated",)
    assert found.camera == "Canon EOS\\x1b[31m 5D"
    assert found.content == saved(tmp_path / "b.png", IMAGE.transpose(Image.Transpose.ROTATE_270)).content


def of_mode(mode: str) -> Image.Image:
    return Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)) if mode == "I;16" else IMAGE.convert(mode)


@pytest.mark.parametrize(
    ("name", "mode", "options", "traits"),
    [
        ("a.jpg", "CMYK", {}, ("cmyk",)),
        ("a.png", "P", {}, ("palette",)),
        ("a.png", "RGBA", {}, ("alpha",)),
        ("a.png", "P", {"transparency": 3}, ("palette", "alpha")),
        ("a.png", "I;16", {}, ("sixteen-bit",)),
        ("a.gif", "RGB", {"save_all": True, "append_images": [IMAGE.rotate(180)]}, ("animated", "palette")),
        ("a.gif", "P", {}, ("palette",)),
    ],
)
def test_traits(tmp_path, name, mode, options, traits):
    found = saved(tmp_path / name, of_mode(mode), **options)
    assert set(found.traits) - {"flat"} - ({"palette"} if "animated" in traits else set()) == set(traits) - (
        {"palette"} if "animated" in traits else set()
    )


def test_sixteen_bits_of_rgb(tmp_path):
    rows = b"".join(b"\0" + np.random.default_rng(i).integers(0, 256, 8 * 6, np.uint8).tobytes() for i in range(8))
    (tmp_path / "a.png").write_bytes(png(8, 8, 16, 2, rows))
    assert "sixteen-bit" in facts(tmp_path / "a.png").traits


def test_a_wrong_name_and_no_contrast(tmp_path):
    assert saved(tmp_path / "a.jpg", IMAGE, "PNG").traits == ("wrong-name",)
    assert saved(tmp_path / "a.JPEG", IMAGE, "JPEG").traits == ()
    found = saved(tmp_path / "b.png", Image.new("RGB", (9, 9), "red"))
    assert found.traits == ("flat",)
    assert found.look.flat


def test_files_that_cannot_be_read(tmp_path):
    file = io.BytesIO()
    IMAGE.resize((300, 300)).save(file, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(file.getvalue()[:9000])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere.png")
    for name, side in (("bomb.png", 50_000), ("large.png", 9_000)):
        (tmp_path / name).write_bytes(png(side, side, 8, 0, b"\0" * 1000))
    kinds = {name: facts(tmp_path / name).kind for name in ("cut.jpg", "empty.png", "text.png", "link.png", "bomb.png")}
    assert list(kinds.values()) == ["truncated", "empty", "unreadable", "not-a-file", "too-large"]
    assert facts(tmp_path / "large.png") == Fault("too-large", "9000x9000 is more than 50,000,000 pixels")
    assert facts(tmp_path).kind == "not-a-file"


def test_small_is_what_looks_are_made_of(tmp_path):
    IMAGE.save(tmp_path / "a.png")
    expected = IMAGE.convert("L").resize((32, 32), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(small(tmp_path / "a.png"), np.asarray(expected))
