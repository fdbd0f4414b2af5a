"""`ecrnn check`: its status, its output, and folders made to harm it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import socket
import struct
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import ecrnn
from ecrnn.core.errors import DataError

HTML = '<script>alert(1)</script><img src=x onerror=alert(2)>"&amp;'
ODD = ["new\nline.png", "quo\"te's.png", "\x1b[31mred\x1b[0m.png", "<b>bold<.png", "=1+1.png", "a,b;c.png", "-rf.png"]


def noise(seed: int, side: int = 24) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def png(width: int, height: int, rows: bytes = b"\0" * 999, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def bad_files() -> dict[str, bytes]:
    """Files that are no images, by name."""
    jpeg, gif, tiff, webp = (encoded(noise(1, 90), kind) for kind in ("JPEG", "GIF", "TIFF", "WEBP"))
    text = PngImagePlugin.PngInfo()
    text.add_text("bomb", "x" * 4_000_000, zip=True)
    loop = bytearray(tiff)
    start = struct.unpack("<I", tiff[4:8])[0]
    count = struct.unpack("<H", tiff[start : start + 2])[0]
    loop[start + 2 + 12 * count : start + 6 + 12 * count] = struct.pack("<I", start)  # the next image is this one
    return {
        "empty.png": b"",
        "one byte.jpg": b"\xff",
        "text.png": b"not an image",
        "html.jpg": HTML.encode(),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.png": png(90, 90)[:60],
        "cut.gif": gif[:20],
        "cut.webp": webp[:40],
        "cut.tif": tiff[:30],
        "short rows.png": png(90, 90, b"\0" * 10),
        "bomb.png": png(50_000, 50_000),
        "bomb.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + gif[10:],
        "bomb.bmp": b"BM" + struct.pack("<IIIIiiHH", 0, 0, 54, 40, 50_000, 50_000, 1, 24) + b"\0" * 24,
        "bomb.ppm": b"P6 50000 50000 255\n" + b"\0" * 100,
        "large.png": png(9_000, 9_000),
        "text bomb.png": encoded(noise(2), "PNG", pnginfo=text),
        "negative.bmp": b"BM" + struct.pack("<IIIIiiHH", 0, 0, 54, 40, -5, -5, 1, 24) + b"\0" * 24,
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "no width.png": png(0, 10),
    }


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A folder of two classes, one of which has HTML for a name, and its files that cannot be read."""
    place = tmp_path_factory.mktemp("hostile") / "photos"
    good, bad = place / "good", place / HTML.replace("/", "\u2215")
    for label, folder in enumerate((good, bad)):
        folder.mkdir(parents=True)
        for i in range(12):
            noise(50 * label + i).save(folder / f"{i:02}.png")
    for i, name in enumerate(ODD):
        noise(200 + i).save(bad / name)
    for name, content in bad_files().items():
        (bad / name).write_bytes(content)
    os.mkfifo(bad / "pipe.png")
    (bad / "nowhere.png").symlink_to("/nowhere/at/all.png")
    (bad / "itself.png").symlink_to("itself.png")
    (bad / "zero.png").symlink_to("/dev/zero")
    (bad / "out.png").symlink_to("/etc/passwd")
    (bad / "up").symlink_to(place)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(place / "s"))
        (place / "s").rename(bad / "socket.png")
    Path(os.fsdecode(os.fsencode(bad) + b"/\xff\xfe.png")).write_bytes(b"")
    noise(300).save(Path(os.fsdecode(os.fsencode(bad) + b"/ok \xff.png")))
    (bad / ("x" * 240 + ".png")).write_bytes(encoded(noise(0), "PNG"))  # a copy of good/00.png
    expected = [*bad_files(), "pipe.png", "nowhere.png", "itself.png", "zero.png", "out.png", "socket.png"]
    return place, expected


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict]] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_folder_made_to_harm(hostile, call, tmp_path: Path) -> None:
    place, expected = hostile
    done = call("check", place, "-o", tmp_path / "out", "--jobs", "2")
    assert done.status == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", done.out + done.err), "nothing that a terminal obeys"
    found = json.loads((tmp_path / "out" / "check.json").read_text())
    errors = [one for one in found["findings"] if one["severity"] == "error"]
    named = {one["file"].rpartition("/")[2]: one["kind"] for one in errors}
    assert set(expected) <= set(named), "every bad file is named"
    assert len(named) == len(expected) + 1  # and the one whose name is not UTF-8
    assert {named[name] for name in ("bomb.png", "bomb.gif", "bomb.bmp", "bomb.ppm", "large.png")} == {"too-large"}
    assert {named[name] for name in ("pipe.png", "zero.png", "socket.png", "nowhere.png")} == {"not-a-file"}
    assert named["cut.jpg"] == "truncated"
    assert named["empty.png"] == "empty"
    copies = [one for one in found["findings"] if one["kind"] == "duplicate"]
    assert [one["other"] for one in copies] == ["good/00.png"] or copies[0]["file"] == "good/00.png"
    page = (tmp_path / "out" / "check.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert not [tag for tag, _ in tags.tags if tag in ("script", "iframe", "object", "svg", "b")]
    assert not [attrs for _, attrs in tags.tags if any(name.startswith("on") for name in attrs)]
    images = [attrs["src"] for tag, attrs in tags.tags if tag == "img"]
    assert images
    assert all(source.startswith("data:image/jpeg;base64,") for source in images)
    assert "default-src 'none'" in page
    rows = list(csv.reader(io.StringIO((tmp_path / "out" / "findings.csv").read_text(), newline="")))
    assert {len(row) for row in rows} == {5}
    assert "\x1b" not in page + (tmp_path / "out" / "findings.csv").read_text()
    skipped = call("check", place, "--bad-data", "skip", "--json")
    assert skipped.status == 0
    assert json.loads(skipped.out)["would_train"] is True


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for label, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            noise(100 * label + i).save(tmp_path / "photos" / name / f"{i:02}.png")
    return tmp_path / "photos"


def test_the_table_and_the_files(photos: Path, call, tmp_path: Path) -> None:
    noise(3).save(photos / "dog" / "copy.png")
    done = call("check", photos, "--out", tmp_path / "out", "--repeats", "2")
    assert done.status == 0
    assert done.out.startswith("A training would begin.\n25 of 25 images can be read.")
    assert re.search(r"label-conflict +warning +1 +the same image lies in two classes", done.out)
    assert "0.7, repeat 1" in done.out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        *("check.html", "check.json", "findings.csv", "groups.csv"),
    ]
    with (tmp_path / "out" / "groups.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [["file", "group"], ["cat/03.png", "copies 0"], ["dog/copy.png", "copies 0"]]
    assert json.loads(call("check", photos, "--json", "--repeats", "2").out) == json.loads(
        (tmp_path / "out" / "check.json").read_text()
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nowhere"], "nowhere is no folder; check looks at a folder of images, one sub-folder a class"),
        (["photos", "--near", "8"], "--near wants 0 to 7 bits, or off, not '8'"),
        (["photos", "--near", "few"], "--near wants 0 to 7 bits, or off, not 'few'"),
        (["photos", "--split", "70%"], "split '70%' is not understood"),
        (["photos", "--bad-data", "ignore"], "--bad-data should be refuse or skip, not 'ignore'"),
        (["photos", "--study", "photos"], "photos is not a run directory"),
        (["photos", "--groups", "photos/x.csv"], "x.csv"),
        (["photos", "--split", "own", "--stratify"], "own parts are not drawn"),
    ],
)
def test_wrong_calls(photos: Path, call, monkeypatch, arguments, line) -> None:
    monkeypatch.chdir(photos.parent)
    done = call("check", *arguments)
    assert done.status == 2
    assert line in done.err
    assert done.err.count("\n") == 1


def test_what_it_writes_beside_the_classes_is_no_class(photos: Path, call) -> None:
    assert call("check", photos, "-o", photos / "checked").status == 0
    found = json.loads(call("check", photos, "--json").out)
    assert [row["name"] for row in found["classes"]] == ["cat", "dog"]
    assert found["would_train"] is True


@pytest.mark.slow
def test_it_needs_no_torch(photos: Path) -> None:
    code = "import sys, ecrnn; ecrnn.check(sys.argv[1]); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(photos)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_in_python(photos: Path, tmp_path: Path) -> None:
    noise(5).save(photos / "cat" / "copy.png")
    found = ecrnn.check(photos, out=tmp_path / "out", near=None)
    assert found.counts()["duplicate"] == 1
    assert found.would_train
    assert json.loads((tmp_path / "out" / "check.json").read_text())["counts"] == found.counts()
    with pytest.raises(DataError, match="near is 9, but should be 0 to 7 bits, or None"):
        ecrnn.check(photos, near=9)
    with pytest.raises(DataError, match="is no folder; check looks at"):
        ecrnn.check(photos / "cat" / "00.png")
