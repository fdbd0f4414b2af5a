"""Pictures of one line of text each, with their texts: all of one height, of any width, grey.

From a folder of pictures named by their text (`so long.png`), those deeper too; or with a `labels.tsv` that says a
picture's path TAB its text, a line each. Whether a text fits the width of its picture is CTC's affair: `models.ctc`.
"""

from __future__ import annotations

import hashlib
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ecrnn.core.errors import DataError, SettingsError
from ecrnn.core.tasks import TRANSCRIPTION
from ecrnn.data import catalogue
from ecrnn.data.decoding import MEMORY_LIMIT, decode_files
from ecrnn.data.downloads import candidates
from ecrnn.data.folder import check_listed, entries_of, files_below, is_picture, is_unicode
from ecrnn.data.images import Progress
from ecrnn.data.pictures import decode_line
from ecrnn.data.textfiles import fingerprint, rows_of

logger = logging.getLogger(__name__)

LABELS = "labels.tsv"
HEIGHT = 32  # pixels, where none is asked for
_HEIGHTS = (8, 512)

# Wilhelmy and Rosas published no checksum of their pictures, and the copies in circulation differ in their bytes, so
# they are not downloaded; what a local copy holds is known from its names.
_CAPTCHA_FOLDERS = ("captcha_images", "captcha_images_v2", "captcha")
_CAPTCHA_NAME = re.compile(r"[0-9a-z]{5}\.png")
_CAPTCHA_COUNT = 1040
_CAPTCHA_WHERE = (
    "unpack captcha_images_v2.zip (https://github.com/AakashKumarNain/CaptchaCracker) into a folder "
    "captcha_images and name the folder that holds it with --data-dir"
)


@dataclass(frozen=True)
class LineSet:
    """Pictures of lines and their texts.

    Attributes:
        name: the registered name or the folder's path.
        images: a uint8 array (H, W_i) each, 0 black; H is the same for all, W_i from 4 to 4096. Not to be written to.
        texts: what each picture says.
        files: the path of each picture relative to the folder, with "/".
        n_train: the first ``n_train`` pictures are the data set's own training part; all, as none has a test part.
        fingerprint: SHA-256 (hexadecimal) over images, texts and n_train. Neither name nor files are part of it.
    """

    name: str
    images: tuple[np.ndarray, ...]
    texts: tuple[str, ...]
    files: tuple[str, ...]
    n_train: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def height(self) -> int:
        return int(self.images[0].shape[0])


def make_line_set(name: str, images: Sequence[np.ndarray], texts: Sequence[str], files: Sequence[str]) -> LineSet:
    """A `LineSet` with its fingerprint; the arguments are its attributes, of the same length, checked by the caller."""
    assert len(images) == len(texts) == len(files) > 0
    assert {image.shape[0] for image in images} == {images[0].shape[0]}
    digest = hashlib.sha256(fingerprint((len(texts), [image.shape for image in images]), texts).encode())
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
    return LineSet(name, tuple(images), tuple(texts), tuple(files), len(texts), digest.hexdigest())


def load(
    data: str | Path,
    *,
    height: int | None = None,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> LineSet:
    """A registered set of lines by name, or a folder.

    Pictures are turned upright as EXIF says and made grey, and keep their proportions.

    Args:
        data: "captcha" or a folder, laid out as the module's first lines say.
        height: of the pictures, 8 to 512 pixels; default 32.
        data_dir: local copies of registered data sets: the folder that holds `captcha_images`, or that folder itself.
        cache: not used, as captcha has no download; other loaders use it.
        progress: called as ``progress("pictures", done, total)``.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged or too large for the memory.
        SettingsError: ``height`` is out of its bounds.
    """
    if height is not None and not _HEIGHTS[0] <= height <= _HEIGHTS[1]:
        raise SettingsError("height", f"is {height}, but pictures of lines have {_HEIGHTS[0]} to {_HEIGHTS[1]} pixels")
    place = catalogue.place(data, TRANSCRIPTION.name, "a folder of pictures named by their text")
    if place is None:
        folder = _captcha(data_dir)
        files = _captcha_files(folder)
        if len(files) != _CAPTCHA_COUNT:
            raise DataError(f"{folder} holds {len(files)} pictures of captcha, expected {_CAPTCHA_COUNT}; get it again")
        texts = [_text(name) for name in files]
    else:
        folder, (files, texts) = place, _listing(place)
    return make_line_set(str(data), _decoded(folder, files, height or HEIGHT, progress), texts, files)


def _captcha(data_dir: Path | None) -> Path:
    if data_dir is None:
        raise DataError(f"captcha is read from a local copy only, as no checksum of it is published: {_CAPTCHA_WHERE}")
    for folder in candidates(Path(data_dir), _CAPTCHA_FOLDERS):
        if folder.is_dir() and _captcha_files(folder):
            return folder
    raise DataError(f"there is no captcha in {data_dir}: {_CAPTCHA_WHERE}")


def _captcha_files(folder: Path) -> list[str]:
    return [entry.name for entry in entries_of(folder) if _CAPTCHA_NAME.fullmatch(entry.name)]


def _listing(folder: Path) -> tuple[list[str], list[str]]:
    """The pictures of a folder, relative to it, and their texts."""
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; give a folder of pictures named by their text")
    pictures, _ = files_below(folder, is_picture)
    table = folder / LABELS
    if table.exists():
        rows = list(rows_of(table, ("file", "text")))
        files = [name for name, _ in rows]
        check_listed(files, folder, table)
        if over := len(set(pictures) - set(files)):
            logger.info("%s: %d pictures are not in %s and were passed over", folder, over, LABELS)
        pictures, texts = files, [text for _, text in rows]
    else:
        texts = [_text(name) for name in pictures]
    if not pictures:
        raise DataError(f"{folder} holds no pictures named by their text, nor a {LABELS} that names some")
    foreign = [i for i, text in enumerate(texts) if not is_unicode(text)]
    if foreign:
        raise DataError(f"{folder / pictures[foreign[0]]} has a name that is not UTF-8; rename it")
    return pictures, texts


def _text(name: str) -> str:
    """What a file is named by; composed, as some systems decompose the characters of names."""
    return unicodedata.normalize("NFC", PurePosixPath(name).stem)


def _decoded(folder: Path, files: Sequence[str], height: int, progress: Progress | None) -> list[np.ndarray]:
    images: list[np.ndarray] = []
    taken = 0
    for _, chunk in decode_files(folder, files, lambda path: decode_line(path, height), progress):
        images += chunk
        taken += sum(image.nbytes for image in chunk)
        if taken > MEMORY_LIMIT:
            raise DataError(f"{folder} holds more than {MEMORY_LIMIT} bytes of pictures at height {height}; take fewer")
    return images
