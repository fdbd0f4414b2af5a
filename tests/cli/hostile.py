"""Folders of images made to harm: files that are no images, bombs, links, pipes, and names that somebody else obeys.

Nothing is kept in the repository: everything is made here, the same each time.
"""

from __future__ import annotations

import io
import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

HTML = '<script>alert(1)</script><img src=x onerror=alert(2)>"&amp;'
LARGE = 50_000  # pixels a side of a bomb
KINDS = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "WEBP": "webp", "BMP": "bmp", "TIFF": "tif", "PPM": "ppm"}
NAMES = (  # beginnings of file names: what a terminal, a browser, a spreadsheet, a shell, a template or TeX would obey
    *("new\nline", "tab\there", "carriage\rreturn", "quo\"te's", "`back`tick", "$(touch owned)", "; rm -rf x", "-rf"),
    *("\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x1b]8;;http:example.com\x1b\\", "\x9b2J", "bell\x07", "back\x08"),
    *("<b>bold<", "<img src=x onerror=alert(1)>", "&lt;i&gt;", "javascript:alert(1)", "]]>", "<!--", "{{7*7}}"),
    *(
        "{% raw %}",
        "=1+1",
        "@SUM(A1)",
        "+cmd",
        "a,b;c",
        "%s%n",
        "\\input{x}",
        "|pipe|",
        "# [x](y) *z*",
        "dots..",
        "a\\b",
    ),
    *("\u202etxt", "zero\u200bwidth", "\u0300" * 40, "\ufeffbom", "\u2028line", "NUL", "e\u0301", " blank ", "x" * 200),
)
CLASSES = ("good", HTML.replace("/", "\u2215"), "line\nbreak \x1b[31m", "{{7*7}} =1+1")


def noise(seed: int, side: int = 24) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, rows: bytes = b"\0" * 999, extra: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def bmp(width: int, height: int, compression: int = 0, body: bytes = b"\0" * 24) -> bytes:
    return b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, width, height, 1, 24, compression) + b"\0" * 20 + body


def tiff(*entries: tuple[int, int, int, int], after: int = 0) -> bytes:
    """A little-endian TIFF of one directory, whose entries are (tag, type, count, value)."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + rows + struct.pack("<I", after)


def bombs() -> dict[str, bytes]:
    """Small files that say that they are huge, or unfold to much."""
    gif, webp, jpeg = (encoded(noise(1, 90), kind) for kind in ("GIF", "WEBP", "JPEG"))
    text, profile = PngImagePlugin.PngInfo(), zlib.compress(b"\0" * 40_000_000, 9)
    text.add_text("bomb", "x" * 4_000_000, zip=True)
    size = struct.pack(">HH", 65_500, 65_500)
    frame = jpeg.index(b"\xff\xc0") + 5
    strips = ((256, 4, 1, LARGE), (257, 4, 1, LARGE), (258, 3, 1, 8), (262, 3, 1, 1), (273, 4, 1, 8), (279, 4, 1, 9))
    return {
        "bomb.png": png(LARGE, LARGE),
        "bomb of rows.png": png(LARGE, LARGE, b"\0" * 20_000_000),
        "bomb wide.png": png(2**31 - 1, 1),
        "bomb profile.png": png(90, 90, extra=struct.pack(">I", len(profile) + 3) + b"iCCPb\0\0" + profile + b"\0" * 4),
        "large.png": png(9_000, 9_000),
        "bomb text.png": encoded(noise(2), "PNG", pnginfo=text),
        "bomb.gif": b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + gif[10:],
        "bomb.bmp": bmp(LARGE, LARGE),
        "bomb runs.bmp": bmp(LARGE, LARGE, 1),
        "bomb.ppm": b"P6 50000 50000 255\n" + b"\0" * 100,
        "bomb.pgm": b"P5 50000 50000 255\n" + b"\0" * 100,
        "bomb.pbm": b"P4 50000 50000\n" + b"\0" * 100,
        "bomb plain.ppm": b"P3 50000 50000 255\n" + b"1 " * 100,
        "bomb digits.ppm": b"P6 " + b"9" * 5000 + b" 1 255\n",
        "bomb.tif": tiff(*strips),
        "bomb tags.tif": tiff((256, 4, 2**31, 8), (257, 4, 1, 9)),
        "bomb loop.tif": tiff((256, 4, 1, 9), after=8),
        "bomb.jpg": jpeg[:frame] + size + jpeg[frame + 4 :],
        "bomb.webp": webp[:26] + b"\xff\x3f\xff\x3f" + webp[30:],
    }


def damaged() -> dict[str, bytes]:
    """Files that are no images, or no longer."""
    found = {
        "empty.png": b"",
        "one byte.jpg": b"\xff",
        "text.png": b"not an image",
        "html.jpg": HTML.encode(),
        "svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        "pickle.png": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93.",
        "zip.png": b"PK\x03\x04" + b"\0" * 60,
        "eps.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) (r) file\n",
        "icon.png": b"\0\0\1\0\1\0" + b"\0" * 30,
        "zeros.jpg": b"\0" * 5000,
        "no width.png": png(0, 10),
        "no height.png": png(10, 0),
        "short rows.png": png(90, 90, b"\0" * 10),
        "negative.bmp": bmp(-5, -5),
        "no width.bmp": bmp(0, 9),
        "no size.ppm": b"P6 \n",
        "minus.ppm": b"P6 -9 -9 255\n" + b"\0" * 300,
        "no tags.tif": tiff(),
        "far.tif": b"II*\0\xff\xff\xff\x7f",
        "chunk.png": b"\x89PNG\r\n\x1a\n\x7f\xff\xff\xffIHDR",
    }
    for kind, suffix in KINDS.items():
        whole = encoded(noise(3, 90), kind)
        for cut in (1, 2, 4, 8, 20, 40, len(whole) // 4, len(whole) // 2):
            found[f"cut at {cut}.{suffix}"] = whole[:cut]
        broken = bytearray(whole)
        broken[8 : 8 + len(whole) // 3] = b"\xff" * (len(whole) // 3)
        found[f"overwritten.{suffix}"] = bytes(broken)
    return found


def put_what_is_no_file(folder: Path) -> list[str]:
    """Pipes, sockets, devices, and links to nothing, to themselves, to a device and out; their names."""
    os.mkfifo(folder / "pipe.png")
    os.mkfifo(folder / "pipe.jpg")
    links = {
        "nowhere.png": "/nowhere/at/all.png",
        "itself.png": "itself.png",
        "one.png": "two.png",
        "two.png": "one.png",
        "zero.png": "/dev/zero",
        "random.png": "/dev/urandom",
        "terminal.png": "/dev/tty",
        "out.png": "/etc/passwd",
        "memory.png": "/proc/self/mem",
        "to pipe.png": "pipe.png",
    }
    for name, place in links.items():
        (folder / name).symlink_to(place)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(folder.parent / "s"))
        (folder.parent / "s").rename(folder / "socket.png")
    return ["pipe.png", "pipe.jpg", *links, "socket.png"]


def make_hostile(place: Path, *, every: bool = True, images: int = 12) -> dict[str, str]:
    """Fill ``place`` with classes of hostile names and files.

    Args:
        place: a folder that does not exist.
        every: all of them, over 200; otherwise about 40, of each kind some.
        images: good ones of each class, whose names are plain.

    Returns:
        The files that no reader may take for an image, relative to ``place``, and what they are: "bomb", "damaged" or
        "no file". Files of odd names are images, and odd ones whose content is damaged are among them.
    """
    bad: dict[str, str] = {}
    classes = CLASSES if every else CLASSES[:2]
    for label, name in enumerate(classes):
        (place / name).mkdir(parents=True)
        for i in range(images):
            noise(50 * label + i).save(place / name / f"{i:02}.png")
    home = classes[1]
    for kind, files, some in (("bomb", bombs(), 4), ("damaged", damaged(), 8)):
        for name, content in list(files.items())[:: 1 if every else some]:
            (place / home / name).write_bytes(content)
            bad[f"{home}/{name}"] = kind
    bad |= {f"{home}/{name}": "no file" for name in put_what_is_no_file(place / home)}
    for name, target in (("up", place), ("to a folder.png", Path("/"))):  # no reader goes there; a note counts them
        (place / home / name).symlink_to(target)
    for i, name in enumerate(NAMES[:: 1 if every else 6]):
        noise(1000 + i).save(place / home / f"{name}.png", "PNG")
        (place / classes[-1] / f"{name}-bad.png").write_bytes(b"\x89PNG\r\n\x1a\n" + name.encode()[:9])
        bad[f"{classes[-1]}/{name}-bad.png"] = "damaged"
    for raw, content in ((b"ok \xff.png", encoded(noise(300), "PNG")), (b"\xff\xfe-bad.png", b"")):
        Path(os.fsdecode(os.fsencode(place / home) + b"/" + raw)).write_bytes(content)
    bad[f"{home}/{os.fsdecode(bytes([0xFF, 0xFE]))}-bad.png"] = "damaged"
    return bad
