"""Decodes one image file to a uint8 array: safely, upright, in the channels and the size asked for.

What is done, in this order: decode the first frame; turn as EXIF says; transparent parts onto white; to RGB
or grey (ITU-R 601 luma); bring to the size, see `fitting`. Large JPEGs are decoded at a reduced scale of at least twice
the target, which changes pixels by a level or two.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.form import FIT_BEFORE, Fit
from ecrnn.data.fitting import fitted

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MAX_PIXELS = 50_000_000  # of one image; more is taken for a decompression bomb
_MOST_PNG = 16  # bytes that a pixel takes in a PNG, at most
_BLOCK = 2**20  # bytes read at a time
LINE_WIDTHS = (4, 4096)  # pixels: the narrowest and the widest image of a line that is read
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF", "PPM")
SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .bmp .gif .webp .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905
)
_TURNS = (  # by EXIF orientation 2..8, what brings the image upright
    *("FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM"),
    *("TRANSPOSE", "ROTATE_270", "TRANSVERSE", "ROTATE_90"),
)


def read_image(
    source: str | Path | bytes, image: tuple[int, int, int], fit: Fit = "cut", most_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Decode one image as the module's first lines say.

    Args:
        source: a file, or the bytes of one. Its kind is told by its content, not by its name.
        image: (C, H, W) of the result, C 1 or 3.
        fit: what is done to another shape, see `fitting`.
        most_pixels: of the file.

    Returns:
        uint8 (H, W, C).

    Raises:
        DataError: no such file, not an image of a known kind, damaged, or larger than ``most_pixels``.
    """
    with _named(source), quiet_pillow():
        return decode(source, image, fit, most_pixels)


def read_whole(source: str | Path | bytes) -> np.ndarray:
    """Decode one image at its own size, upright RGB: what `read_image` brings to a size, but never at a reduced scale.

    Args:
        source: a file, or the bytes of one.

    Returns:
        uint8 (h, w, 3).

    Raises:
        DataError: as `read_image`.
    """
    with _named(source), quiet_pillow(), _opened(source, "RGB", None) as opened:
        return np.array(opened)


def read_line(source: str | Path | bytes, height: int) -> np.ndarray:
    """Decode one image of a line of text, whole: as `read_image`, but grey and with its width in proportion.

    Args:
        source: a file, or the bytes of one.
        height: of the result, in pixels.

    Returns:
        uint8 (height, W), W from 4 to 4096.

    Raises:
        DataError: as `read_image`, or W would be out of its bounds.
    """
    with _named(source), quiet_pillow():
        return decode_line(source, height)


@contextlib.contextmanager
def _named(source: str | Path | bytes) -> Iterator[None]:
    """Say in a DataError which image it was."""
    try:
        yield
    except DataError as error:
        where = "the image" if isinstance(source, bytes) else str(source)
        raise DataError(f"cannot read {where}: {error}") from error


def decode(
    source: str | Path | bytes, image: tuple[int, int, int], fit: Fit = "cut", most_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """As `read_image`, but the error says the reason only; call it inside `quiet_pillow`."""
    channels, height, width = image
    with _opened(source, "L" if channels == 1 else "RGB", 2 * max(height, width), most_pixels) as opened:
        return fitted(opened, height, width, fit)


def decode_line(source: str | Path | bytes, height: int) -> np.ndarray:
    """As `read_line`, but the error says the reason only; call it inside `quiet_pillow`."""
    with _opened(source, "L", 2 * height) as opened:
        width = round(opened.width * height / opened.height)
        low, high = LINE_WIDTHS
        if not low <= width <= high:
            size = f"{opened.width}x{opened.height}"
            raise DataError(f"{size} gives {width} pixels of width at height {height}, but {low} to {high} are read")
        return fitted(opened, height, width, FIT_BEFORE)[..., 0]


@contextlib.contextmanager
def _opened(
    source: str | Path | bytes, mode: str, least: int | None, most_pixels: int = MAX_PIXELS
) -> Iterator[Image.Image]:
    """The first frame, upright, in ``mode``; whatever goes wrong inside is a DataError.

    A JPEG is decoded at a reduced scale whose sides have ``least`` pixels or more; None: as it is.
    """
    with opened_image(source, most_pixels) as opened:
        if least is not None:
            opened.draft(opened.mode, (least, least))  # JPEG only
        opened.load()
        yield plain(upright(opened), mode)


@contextlib.contextmanager
def opened_image(source: str | Path | bytes, most_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """An image of which the header is read alone; whatever goes wrong inside is a DataError that says the reason only.

    Raises:
        DataError: no file, an empty one, not an image of a known kind, or of more than ``most_pixels``; or any fault
            that Pillow finds while it is open.
    """
    from PIL import Image, ImageFile

    try:
        if not isinstance(source, bytes) and not Path(source).is_file():
            raise DataError("it is not a file" if os.path.lexists(source) else "there is no such file")
        if (len(source) if isinstance(source, bytes) else Path(source).stat().st_size) == 0:
            raise DataError("it is empty")
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as opened:
            if opened.width * opened.height > most_pixels:
                raise DataError(f"{opened.width}x{opened.height} is more than {most_pixels:,} pixels")
            if opened.format == "PNG" and isinstance(opened, ImageFile.ImageFile):
                _check_png(opened)
            yield opened
    except DataError:
        raise
    except Exception as error:  # Pillow's readers raise anything on damaged files
        raise DataError(_reason(error)) from error


def _check_png(opened: ImageFile.ImageFile) -> None:
    """Compare the checksums of a PNG's pixels, which Pillow does not: one bit would give other pixels without a word.

    Raises:
        DataError: one differs. A file that is cut off is not refused here.
    """
    file = opened.fp
    assert file is not None  # it is open
    start = file.tell()
    left = _MOST_PNG * opened.width * opened.height + _BLOCK  # Pillow reads no further than the pixels
    file.seek(len(b"\x89PNG\r\n\x1a\n"))
    while left > 0 and len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        size = int.from_bytes(head[:4], "big")
        left -= 12  # of any chunk, however empty
        if head[4:] != b"IDAT":
            file.seek(size + 4, os.SEEK_CUR)
            continue
        left -= size
        checksum = zlib.crc32(b"IDAT")
        while size > 0 and (block := file.read(min(size, _BLOCK))):
            checksum, size = zlib.crc32(block, checksum), size - len(block)
        expected = file.read(4)
        if size == 0 and len(expected) == 4 and expected != checksum.to_bytes(4, "big"):
            raise DataError("damaged (the checksum of its pixels differs)")
    file.seek(start)


def _reason(error: Exception) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not a PNG, JPEG, BMP, GIF, WebP, TIFF or PPM image, or a damaged one"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {MAX_PIXELS:,} pixels"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    lines = str(error).splitlines()
    return f"damaged ({lines[0][:120]})" if lines else "damaged"


def upright(opened: Image.Image) -> Image.Image:
    """Turned as EXIF says; `ImageOps.exif_transpose` would fail where another entry of the EXIF is damaged."""
    from PIL import Image

    try:
        orientation = opened.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - EXIF is not the image: where it is damaged the image is taken as it is
        orientation = 1
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        return opened.transpose(Image.Transpose[_TURNS[orientation - 2]])
    return opened


def plain(opened: Image.Image, mode: str) -> Image.Image:
    """Any mode to 8-bit grey or RGB; transparency onto white."""
    from PIL import Image

    if opened.mode.startswith("I"):  # 16-bit grey, "I;16" or kept in 32 bits
        wide = np.asarray(opened)
        if wide.min() < 0 or wide.max() > 65535:
            raise DataError("its pixels have 32 bits; save it with 8 or 16")
        opened = Image.fromarray(np.rint(wide.astype(np.float32) * (255 / 65535)).astype(np.uint8))
    elif opened.mode == "F":
        raise DataError("its pixels are floating-point numbers; save it with 8 or 16 bits")
    if "transparency" in opened.info or opened.mode in ("RGBA", "LA", "PA", "RGBa", "La"):
        opened = opened.convert("RGBA")
        opened = Image.alpha_composite(Image.new("RGBA", opened.size, "white"), opened)
    if opened.mode not in ("1", "L", "RGB"):
        opened = opened.convert("RGB")
    return opened if opened.mode == mode else opened.convert(mode)


def resize_images(images: np.ndarray, image: tuple[int, int, int], fit: Fit = "cut") -> np.ndarray:
    """Images uint8 (N, H, W, C) in another size and number of channels; the same array if they fit."""
    from PIL import Image

    channels, height, width = image
    if images.shape[1:] == (height, width, channels):
        return images
    mode = "L" if channels == 1 else "RGB"
    result = np.empty((len(images), height, width, channels), np.uint8)
    for i, pixels in enumerate(images):
        opened = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        result[i] = fitted(plain(opened, mode), height, width, fit)
    return result


_lock = threading.Lock()
_entered: list[Any] = []  # the open contexts of `quiet_pillow`; the first one holds the warning filters


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """While inside, Pillow's remarks on odd files are not printed; `decode` limits the size itself.

    Warning filters belong to the process. They are set by the first thread that enters and restored by the
    last one that leaves, so that threads that overlap do not restore each other's.
    """
    with _lock:
        if not _entered:
            saved = warnings.catch_warnings()
            saved.__enter__()
            warnings.filterwarnings("ignore", module=r"PIL\.")
            _entered.append(saved)
        _entered.append(None)
    try:
        yield
    finally:
        with _lock:
            _entered.pop()
            if len(_entered) == 1:
                _entered.pop().__exit__(None, None, None)
