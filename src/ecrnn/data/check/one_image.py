"""What one image file is: its kind, size and peculiarities, keys of its content and look, or why it cannot be read."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.text import one_line
from ecrnn.data.check.perceptual_hash import Look, look, small_grey
from ecrnn.data.image_file import opened_image, plain, upright

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = {  # by format the suffixes of its files
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
    "PPM": (".ppm", ".pgm", ".pbm", ".pnm"),
}
_LARGE = 4_000_000  # pixels: of larger images two are decoded at a time
_two_large = threading.BoundedSemaphore(2)


class ImageFacts(NamedTuple):
    """An image that can be read.

    Attributes:
        width, height: upright, in pixels.
        format: of the file, as "JPEG".
        camera: maker and model that EXIF names, or "".
        traits: kinds of findings that it gives cause for.
        content: 8 bytes of a hash of its upright RGB pixels and its size.
        look: perceptual hashes.
    """

    width: int
    height: int
    format: str
    camera: str
    traits: tuple[str, ...]
    content: int
    look: Look


class Fault(NamedTuple):
    """A file that cannot be read: a kind of finding, and the reason."""

    kind: str
    reason: str


def inspect(path: Path) -> ImageFacts | Fault:
    """What an image file is; call it inside `ecrnn.data.image_file.quiet_pillow`. It never raises for a bad file."""
    try:
        with opened_image(path) as opened:
            form = "JPEG" if opened.format == "MPO" else str(opened.format)  # of two cameras; the first frame is taken
            traits = _traits(opened, path, form)
            camera, turned = _exif(opened)
            with _two_large if opened.width * opened.height > _LARGE else contextlib.nullcontext():
                opened.load()
                image = plain(upright(opened), "RGB")
                digest = hashlib.blake2b(f"{image.width}x{image.height} ".encode(), digest_size=8)
                digest.update(image.tobytes())
                seen = look(small_grey(image))
    except DataError as error:
        return Fault(_kind(str(error)), one_line(error))
    traits += (["exif-rotated"] if turned else []) + (["flat"] if seen.flat else [])
    return ImageFacts(
        image.width, image.height, form, camera, tuple(traits), int.from_bytes(digest.digest(), "big"), seen
    )


def small(path: Path) -> np.ndarray:
    """The 32x32 grey values of an image; raises a DataError where it has become unreadable."""
    with opened_image(path) as opened:
        opened.load()
        return small_grey(plain(upright(opened), "RGB"))


def _traits(opened: Image.Image, path: Path, form: str) -> list[str]:
    traits = []
    if path.suffix.lower() not in _SUFFIXES.get(form, ()):
        traits.append("wrong-name")
    if getattr(opened, "is_animated", False) and opened.format != "MPO":
        traits.append("animated")
    modes = str([tile[3] for tile in getattr(opened, "tile", [])])  # Pillow makes 8 bits of RGB with 16
    if opened.mode.startswith("I") or ";16" in modes:
        traits.append("sixteen-bit")
    if opened.mode == "CMYK":
        traits.append("cmyk")
    if opened.mode in ("P", "PA"):
        traits.append("palette")
    if "transparency" in opened.info or opened.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        traits.append("alpha")
    return traits


def _exif(opened: Image.Image) -> tuple[str, bool]:
    """The camera, and whether the image is turned."""
    try:
        exif = opened.getexif()
        names = [str(exif.get(tag, "")).strip("\0 ")[:40] for tag in (0x010F, 0x0110)]
        orientation = exif.get(0x0112, 1)
    except Exception:  # noqa: BLE001 - EXIF is not the image: where it is damaged it says nothing
        return "", False
    return one_line(" ".join(filter(None, names))), isinstance(orientation, int) and 2 <= orientation <= 8


def _kind(reason: str) -> str:
    """The kind of finding for the reason of a DataError of `opened_image`."""
    if reason in ("it is not a file", "there is no such file"):
        return "not-a-file"
    if reason == "it is empty":
        return "empty"
    if reason.endswith("pixels"):
        return "too-large"
    return "truncated" if "truncated" in reason else "unreadable"
