"""Images of one line of text each, with their texts: all of one height, of any width, grey.

From a folder of images named by their text (`so long.png`), those deeper too; or with a `labels.tsv` that says an
image's path TAB its text, a line each. Sub-folders train, with val or test or both, are parts. Whether a text fits
the width of its image is CTC's affair: `models.ctc`.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ecrnn.core.errors import DataError, SettingsError
from ecrnn.core.events import Progress, silent
from ecrnn.core.form import HEIGHTS
from ecrnn.core.spelling import nfc, on_disk
from ecrnn.data import catalogue, layout, left_out
from ecrnn.data.catalogue import refuse_parts
from ecrnn.data.downloads import candidates
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.file_lists import check_listed, entries_of, files_below, is_image, is_unicode
from ecrnn.data.image_decoding import MEMORY_LIMIT, decode_files
from ecrnn.data.image_file import decode_line
from ecrnn.data.keys import Keys, of_arrays
from ecrnn.data.layout import TEST, TRAIN, VAL
from ecrnn.data.textfiles import fingerprint, rows_of
from ecrnn.tasks.text_recognition.facts import TASK

logger = logging.getLogger(__name__)

LABELS = "labels.tsv"
HEIGHT = 32  # pixels, where none is asked for

# Wilhelmy and Rosas published no checksum of their images, and the copies in circulation differ in their bytes, so
# they are not downloaded; what a local copy holds is known from its names.
_CAPTCHA_FOLDERS = ("captcha_images", "captcha_images_v2", "captcha")
_CAPTCHA_NAME = re.compile(r"[0-9a-z]{5}\.png")
_CAPTCHA_COUNT = 1040
_CAPTCHA_WHERE = (
    "unpack captcha_images_v2.zip (https://github.com/AakashKumarNain/CaptchaCracker) into a folder "
    "captcha_images and name the folder that holds it with --data-dir"
)


@dataclass(frozen=True)
class LineSet(ExampleSet):
    """Images of lines and their texts. Attributes are those of `ExampleSet`, and:

    Attributes:
        images: a uint8 array (H, W_i) each, 0 black; H is the same for all, W_i from 4 to 4096. Not to be written to.
        texts: what each image says.
    """

    images: tuple[np.ndarray, ...]
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.texts)

    def keys(self) -> Keys:
        """By which each example is known again."""
        return of_arrays(self.images)

    @property
    def height(self) -> int:
        return int(self.images[0].shape[0])


def make_line_set(
    name: str,
    images: Sequence[np.ndarray],
    texts: Sequence[str],
    files: Sequence[str],
    *,
    n_train: int | None = None,
    n_validation: int = 0,
    left_out: Mapping[str, int] | None = None,
    notes: Sequence[str] = (),
) -> LineSet:
    """A `LineSet` with its fingerprint; the arguments are its attributes, of the same length, checked by the caller."""
    assert len(images) == len(texts) == len(files) > 0
    assert {image.shape[0] for image in images} == {images[0].shape[0]}
    n_train = len(texts) if n_train is None else n_train
    parted = ((n_train, n_validation),) if n_train < len(texts) or n_validation else ()
    digest = hashlib.sha256(fingerprint((len(texts), [image.shape for image in images], *parted), texts).encode())
    for image in images:
        digest.update(np.ascontiguousarray(image).data)
    return LineSet(
        tuple(images),
        tuple(texts),
        name=name,
        n_train=n_train,
        n_validation=n_validation,
        fingerprint=digest.hexdigest(),
        files=tuple(files),
        left_out=dict(left_out or {}),
        notes=tuple(notes),
    )


def load(
    data: str | Path,
    *,
    height: int | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> LineSet:
    """A registered set of lines by name, or a folder.

    Images are turned upright as EXIF says and made grey, and keep their proportions.

    Args:
        data: "captcha" or a folder, laid out as the module's first lines say.
        height: of the images, 8 to 512 pixels; default 32.
        val, test: other folders of such images, to validate and to test on.
        data_dir: local copies of registered data sets: the folder that holds `captcha_images`, or that folder itself.
        cache: not used, as captcha has no download; other loaders use it.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged or too large for the memory.
        SettingsError: ``height`` is out of its bounds.
    """
    if height is not None and not HEIGHTS[0] <= height <= HEIGHTS[1]:
        raise SettingsError("height", f"is {height}, but images of lines have {HEIGHTS[0]} to {HEIGHTS[1]} pixels")
    place = catalogue.place(data, TASK.name, "a folder of images named by their text")
    if place is None:
        refuse_parts(data, val, test)
        folder = _captcha(data_dir)
        files = _captcha_files(folder)
        if len(files) != _CAPTCHA_COUNT:
            raise DataError(f"{folder} holds {len(files)} images of captcha, expected {_CAPTCHA_COUNT}; get it again")
        texts = [_text(name) for name in files]
        return make_line_set(str(data), _decoded(folder, files, height or HEIGHT, progress), texts, files)
    files, texts, counts, others = _listing_of_parts(place, {VAL: val, TEST: test})
    return make_line_set(
        str(data),
        _decoded(place, files, height or HEIGHT, progress),
        texts,
        files,
        n_train=counts[TRAIN] + counts[VAL],
        n_validation=counts[VAL],
        left_out=others,
        notes=left_out.notes(place, others),
    )


def _listing_of_parts(
    folder: Path, elsewhere: Mapping[str, str | Path | None]
) -> tuple[list[str], list[str], dict[str, int], Counter[str]]:
    """The images of all parts, their texts, how many each part has, and the other files; parts are sub-folders of
    these names, or lie ``elsewhere``."""
    files, texts, others = _listing(folder)
    names: dict[str, list[tuple[str, str]]] = {part: [] for part in (TRAIN, VAL, TEST)}
    folders = layout.folders_in(folder) if folder.is_dir() else []
    inside = layout.parts(folder, folders, is_image, "images", flat=True) if any(map(layout.part_of, folders)) else {}
    of_folder = {name.split("/")[0]: part for part, name in inside.items()}
    for k, file in enumerate(files):
        part = of_folder.get(PurePosixPath(file).parts[0], "") if inside else TRAIN
        if not part:
            raise DataError(f"{folder / file} lies in none of the parts ({', '.join(of_folder)}); move it into one")
        names[part].append((file, texts[k]))
    for part, other in elsewhere.items():
        if other is None:
            continue
        if part in inside:
            raise DataError(f"{folder} has a part {inside[part]} of its own; omit --{part}")
        place = on_disk(Path(other))
        found, read, left = _listing(place)
        names[part] = [(f"{os.path.abspath(place)}/{file}", text) for file, text in zip(found, read, strict=True)]
        others += left
    if not names[TRAIN]:
        raise DataError(f"{folder} holds no images to train on")
    rows = [row for part in names.values() for row in part]
    counts = {part: len(rows) for part, rows in names.items()}
    return [file for file, _ in rows], [text for _, text in rows], counts, others


def has_validation(folder: Path) -> bool:
    """Whether ``folder`` has a part to validate on; False too where it is no folder of lines at all."""
    try:
        names = layout.folders_in(folder) if folder.is_dir() else []
        return VAL in (
            layout.parts(folder, names, is_image, "images", flat=True) if any(map(layout.part_of, names)) else {}
        )
    except DataError:  # who loads the folder hears of it
        return False


def _captcha(data_dir: Path | None) -> Path:
    if data_dir is None:
        raise DataError(f"captcha is read from a local copy only, as no checksum of it is published: {_CAPTCHA_WHERE}")
    for folder in candidates(Path(data_dir), _CAPTCHA_FOLDERS):
        if folder.is_dir() and _captcha_files(folder):
            return folder
    raise DataError(f"there is no captcha in {data_dir}: {_CAPTCHA_WHERE}")


def _captcha_files(folder: Path) -> list[str]:
    return [entry.name for entry in entries_of(folder) if _CAPTCHA_NAME.fullmatch(entry.name)]


def _listing(folder: Path) -> tuple[list[str], list[str], Counter[str]]:
    """The images of a folder, relative to it, their texts, and the number of other images and videos by suffix."""
    if not folder.is_dir():
        raise DataError(f"{folder} is a file; give a folder of images named by their text")
    images, others = files_below(folder, is_image)
    table = folder / LABELS
    if table.exists():
        rows = list(rows_of(table, ("file", "text")))
        files = check_listed([name for name, _ in rows], folder, table)
        if over := len(set(images) - set(files)):
            logger.info("%s: %d images are not in %s and were passed over", folder, over, LABELS)
        images, texts = files, [nfc(text) for _, text in rows]
    else:
        texts = [_text(name) for name in images]
    if not images:
        raise DataError(f"{folder} holds no images named by their text, nor a {LABELS} that names some")
    foreign = [i for i, text in enumerate(texts) if not is_unicode(text)]
    if foreign:
        raise DataError(f"{folder / images[foreign[0]]} has a name that is not UTF-8; rename it")
    return images, texts, left_out.of_images(others)


def _text(name: str) -> str:
    """What a file is named by; composed, as some systems decompose the characters of names."""
    return nfc(PurePosixPath(name).stem)


def _decoded(folder: Path, files: Sequence[str], height: int, progress: Progress) -> list[np.ndarray]:
    images: list[np.ndarray] = []
    taken = 0
    for chunk in decode_files(folder, files, lambda path: decode_line(path, height), progress):
        images += chunk
        taken += sum(image.nbytes for image in chunk)
        if taken > MEMORY_LIMIT:
            raise DataError(f"{folder} holds more than {MEMORY_LIMIT} bytes of images at height {height}; take fewer")
    return images
