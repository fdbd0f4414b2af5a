"""Images with captions, several an image, from a folder:

    images/         the images, also in deeper folders
    captions.tsv    a caption a line: image TAB split TAB caption, or image TAB caption, with this line on top

`image` is a path below images/; `split` is train, dev (or val, validation) or test. The images of train and dev are
the training part. An image's captions stand in the order of the file, and so do the images of a part. A folder with
the official files of Flickr8k does too.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.form import Fit
from ecrnn.core.spelling import nfc
from ecrnn.data import catalogue, left_out
from ecrnn.data.downloads import candidates, reading
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.file_lists import check_listed
from ecrnn.data.image_decoding import load_images
from ecrnn.data.image_set import checked_size
from ecrnn.data.image_set import fingerprint as image_fingerprint
from ecrnn.data.keys import Keys, of_images
from ecrnn.data.textfiles import fingerprint, is_heading, lines_of, read_text, rows_of
from ecrnn.tasks.captioning.facts import TASK

CAPTIONS, IMAGES = "captions.tsv", "images"
SIZE = 96  # pixels a side where no other is asked for
_TEST = {"train": False, "dev": False, "val": False, "validation": False, "test": True}  # is it of the test part?

_FLICKR8K_FOLDERS = ("flickr8k", "Flickr8k")
_FLICKR8K_TOKENS = "Flickr8k.token.txt"
_FLICKR8K_IMAGES = "Flicker8k_Dataset"  # so it is spelt
_FLICKR8K_LISTS = {
    "Flickr_8k.trainImages.txt": False,
    "Flickr_8k.devImages.txt": False,
    "Flickr_8k.testImages.txt": True,
}
_FLICKR8K_WHERE = (  # its photographs may not be passed on, so there is no official address to download them from
    "ask for it at https://forms.illinois.edu/sec/1713398, unpack Flickr8k_Dataset.zip and Flickr8k_text.zip into a "
    f"folder flickr8k (or lay them out as {IMAGES}/ and {CAPTIONS}: image TAB split TAB caption, with this line on "
    "top), and name the folder that holds flickr8k with --data-dir"
)


@dataclass(frozen=True)
class CaptionSet(ExampleSet):
    """Images of one size with their captions. Attributes are those of `ExampleSet`, and:

    Attributes:
        images: uint8 (N, H, W, 3), RGB; may be a read-only np.memmap. Not to be written to.
        captions: captions of each image, at least one.
    """

    images: np.ndarray
    captions: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.captions)

    def keys(self) -> Keys:
        """By which each example is known again."""
        return of_images(self.images)

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W), as models and preprocessing take it."""
        _, height, width, channels = self.images.shape
        return channels, height, width


def load(
    data: str | Path,
    *,
    image_size: int | tuple[int, int] | None = None,
    fit: Fit = "cut",
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> CaptionSet:
    """A registered set of captioned images by name, or a folder.

    Args:
        data: "flickr8k" or a folder, laid out as the module's first lines say.
        image_size: side, or (height, width), in pixels; default 96.
        fit: what is done to images of other shapes, see `ecrnn.data.fitting`.
        data_dir: local copies of registered data sets: the folder that holds `flickr8k`, or that folder itself.
        cache: where large sets are kept decoded; default: `downloads.default_cache`.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, or damaged.
    """
    size = checked_size(image_size) or (SIZE, SIZE)
    folder = catalogue.place(data, TASK.name, f"a folder with {IMAGES}/ and {CAPTIONS}")
    if folder is None:
        folder = _flickr8k(data_dir)
    official = (folder / _FLICKR8K_TOKENS).is_file()
    image_folder = folder / (_FLICKR8K_IMAGES if official else IMAGES)
    table = folder / (_FLICKR8K_TOKENS if official else CAPTIONS)
    captions, n_train = _parts(_official_rows(folder) if official else _rows(table), table)
    files = tuple(check_listed(tuple(captions), image_folder, table))
    images = load_images(image_folder, files, size, 3, fit=fit, cache=cache, progress=progress)
    return _make(str(data), images, tuple(map(tuple, captions.values())), files, n_train)


def _make(
    name: str, images: np.ndarray, captions: tuple[tuple[str, ...], ...], files: tuple[str, ...], n_train: int
) -> CaptionSet:
    counts = np.array([len(texts) for texts in captions], np.int64)
    digest = hashlib.sha256(image_fingerprint(images, counts, (), n_train).encode())
    digest.update(fingerprint((), tuple(itertools.chain(*captions))).encode())
    return CaptionSet(images, captions, name=name, n_train=n_train, fingerprint=digest.hexdigest(), files=files)


def _flickr8k(data_dir: Path | None) -> Path:
    if data_dir is None:
        raise DataError(f"flickr8k is read from a local copy only: {_FLICKR8K_WHERE}")
    for folder in candidates(Path(data_dir), _FLICKR8K_FOLDERS):
        if any((folder / table).is_file() for table in (CAPTIONS, _FLICKR8K_TOKENS)):
            return folder
    raise DataError(f"there is no flickr8k in {data_dir}: {_FLICKR8K_WHERE}")


def _parts(rows: Iterable[tuple[str, bool, str]], table: Path) -> tuple[dict[str, list[str]], int]:
    """The captions of each image, those of the training part first, and how many images that has."""
    parts: tuple[dict[str, list[str]], dict[str, list[str]]] = {}, {}
    for spelt, test, caption in rows:
        name = nfc(spelt)
        if name in parts[not test]:
            raise DataError(f"{table}: '{name[:200]}' is both of the training part and of the test part; choose one")
        parts[test].setdefault(name, []).append(caption)
    train, rest = parts
    if not train:
        raise DataError(f"{table}: there is no caption {'of split train' if rest else 'at all'}; add some")
    return train | rest, len(train)


def _rows(table: Path) -> Iterator[tuple[str, bool, str]]:
    """Image, whether it is of the test part, and caption."""
    if not table.is_file():
        what = f"holds no {CAPTIONS}" if table.parent.is_dir() else "is a file"
        raise DataError(f"{table.parent} {what}; give a folder with {IMAGES}/ and {CAPTIONS}")
    joined: set[str] = set()
    for name, *split, caption in rows_of(table, _columns(table)):
        yield name, _is_test(split[0], name, table) if split else False, caption
        joined.update(part.lower() for part in split if part.lower() not in ("train", "test"))
    for part in sorted(joined):
        left_out.say_joined(table, f"split {part}")


def _columns(table: Path) -> tuple[str, ...]:
    with reading(table), table.open("rb") as file:
        top = file.readline(100).decode("utf-8-sig", "replace").lower().split("\t")
    named = is_heading(top, ("image", "split", "caption")) and "split" in [cell.strip(" \n\r\"'#") for cell in top]
    return ("image", "split", "caption") if named else ("image", "caption")


def _is_test(split: str, name: str, table: Path) -> bool:
    if split.lower() not in _TEST:
        raise DataError(f"{table}: '{name[:200]}' is of split '{split[:200]}', but there are {', '.join(_TEST)}")
    return _TEST[split.lower()]


def _official_rows(folder: Path) -> Iterator[tuple[str, bool, str]]:
    """As `_rows`, from the official files; images that no list names are left out, as is usual."""
    listed: dict[str, bool] = {}
    for name, test in _FLICKR8K_LISTS.items():
        lines = lines_of(read_text(folder / name), folder / name)
        for line in map(nfc, lines):
            if listed.setdefault(line, test) != test:
                raise DataError(
                    f"{folder / name} names '{line[:200]}', which is of another list; get the official file"
                )
    for key, caption in rows_of(folder / _FLICKR8K_TOKENS, ("image", "caption")):
        name = nfc(key.rpartition("#")[0])  # "1000268201_693b08cb0e.jpg#0", the number of the caption
        if name in listed:
            yield name, listed[name], caption
