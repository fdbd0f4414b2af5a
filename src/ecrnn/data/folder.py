"""A folder of labelled pictures, one sub-folder a class, to an `ImageSet`.

Classes are the sub-folders' names, sorted; a class's pictures lie in it or deeper, and are sorted by path, so
the order is the same on every machine. Hidden files and folders are passed over; files without a picture's
suffix are ignored and counted. Symbolic links to files and from a class to a folder are followed wherever
they lead, since folders of links are a common way to select pictures; links to folders deeper down are not,
so there are no loops.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.data.decoding import MEMORY_LIMIT, load_pictures
from ecrnn.data.downloads import reading
from ecrnn.data.images import ImageSet, Progress, make_image_set
from ecrnn.data.pictures import SUFFIXES, read_picture

__all__ = [
    "Listing",
    "check_listed",
    "entries_of",
    "files_below",
    "is_picture",
    "is_unicode",
    "list_folder",
    "load_folder",
    "picture_files",
    "read_picture",
]

logger = logging.getLogger(__name__)

PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}


@dataclass(frozen=True)
class Listing:
    """What lies in a folder of pictures, before any is decoded.

    Attributes:
        folder: as it was given.
        classes: the sub-folders' names, sorted.
        files: every picture, relative to the folder, with "/"; sorted by class, then by path.
        labels: int64 (N,), the class of each file.
        ignored: how many other files there are, hidden ones not counted.
    """

    folder: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    ignored: int


def list_folder(folder: Path) -> Listing:
    """Find the classes and pictures of a folder; nothing is decoded.

    Raises:
        DataError: no such folder, pictures without sub-folders, fewer than two classes, a class without
            pictures, or a folder of parts (train, test) rather than classes.
    """
    folder = Path(folder)
    entries = entries_of(folder)
    classes = [entry.name for entry in entries if entry.is_dir()]
    loose = [entry.name for entry in entries if entry.is_file() and is_picture(entry.name)]
    if not classes:
        what = f"holds {len(loose)} pictures but no sub-folders" if loose else "holds no sub-folders"
        raise DataError(f"{folder} {what}; put the pictures of each class into a sub-folder of that name")
    ignored = sum(entry.is_file() for entry in entries)
    files: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        pictures, others = files_below(folder / name, is_picture)
        files += [f"{name}/{p}" for p in pictures]
        labels += [label] * len(pictures)
        ignored += others
    _check_listing(folder, classes, files, np.bincount(labels, minlength=len(classes)))
    if ignored:
        logger.info("%s: %d files are not pictures of a class and were passed over", folder, ignored)
    return Listing(folder, tuple(classes), tuple(files), np.array(labels, np.int64), ignored)


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted by name, hidden entries left out; DataError where there is no such folder."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}; give a folder with one sub-folder a class, or a registered data set")
    with reading(folder), os.scandir(folder) as entries:
        return sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def files_below(folder: Path, wanted: Callable[[str], bool]) -> tuple[list[str], int]:
    """The files in ``folder`` and deeper whose names are ``wanted``, and the number of others; hidden ones left out.

    Returns:
        Paths relative to ``folder``, with "/", sorted.

    Raises:
        DataError: a folder cannot be read.
    """
    found, others = [], 0

    def stop(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if wanted(name) and not name.startswith("."):
                found.append((Path(place) / name).relative_to(folder).as_posix())
            else:
                others += not name.startswith(".")
    return sorted(found), others


def _check_listing(folder: Path, classes: list[str], files: list[str], counts: np.ndarray) -> None:
    if {name.lower() for name in classes} <= PARTS and all(f.count("/") > 1 for f in files):
        raise DataError(f"{folder} holds parts ({', '.join(classes)}), not classes; give {folder / classes[-1]}")
    empty = [name for name, count in zip(classes, counts, strict=True) if count == 0]
    if empty:
        raise DataError(f"{folder / empty[0]} holds no pictures{_more(empty, 'class folder')}; add some or remove it")
    foreign = [name for name in classes if not is_unicode(name)]
    if foreign:
        raise DataError(f"{folder / foreign[0]} has a name that is not UTF-8 and cannot be kept; rename the folder")
    if len(classes) < 2:
        raise DataError(f"{folder} holds one class ({classes[0]}), but at least two are needed to tell apart")


def is_unicode(name: str) -> bool:
    """Whether a file name can be kept as UTF-8; one of other bytes cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _more(names: list[str], what: str) -> str:
    return f" (nor do {len(names) - 1} more {what}s)" if len(names) > 1 else ""


def check_listed(names: Sequence[str], folder: Path, table: Path) -> None:
    """Check that the files which a table names lie in ``folder`` or deeper, and that it names each once.

    Args:
        names: relative to ``folder``, with "/".
        folder: where they should lie.
        table: for errors.

    Raises:
        DataError: a path that leads out of the folder, a file that is not there, or one that comes twice.
    """
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or PureWindowsPath(name).anchor or ".." in path.parts:
            raise DataError(f"{table}: '{name[:200]}' should be the path of a file in {folder}, relative to it")
        if name in seen:
            raise DataError(f"{table}: '{name[:200]}' comes twice; leave one of them")
        seen.add(name)
    missing = [name for name in names if not os.path.isfile(folder / name)]  # Path.is_file raises on a long name
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{table} names '{missing[0][:200]}'{more}, but there is no such file in {folder}")


def picture_files(path: Path) -> list[Path]:
    """The pictures that a path names: itself, or all in a folder and deeper, sorted, hidden ones left out.

    Raises:
        DataError: no such path, or a folder without pictures.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"there is no file or folder {path}")
    pictures, _ = files_below(path, is_picture)
    if not pictures:
        raise DataError(f"{path} holds no pictures ({' '.join(sorted(SUFFIXES))})")
    return [path / name for name in pictures]


def names_pictures(path: Path) -> bool:
    """Whether ``path`` is called like a picture, or is a folder with pictures in it (those deeper do not count)."""
    if not path.is_dir():
        return is_picture(path.name)
    return any(entry.is_file() and is_picture(entry.name) for entry in entries_of(path))


def load_folder(
    folder: Path,
    size: tuple[int, int] = (32, 32),
    channels: int = 3,
    *,
    cache: Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> ImageSet:
    """Decode a folder of pictures, each as `pictures.read_picture` does.

    Args:
        folder: one sub-folder a class.
        size: (height, width).
        channels: 1 (grey) or 3 (RGB).
        cache: for sets beyond ``memory_limit``; default: `downloads.default_cache`.
        memory_limit: bytes; a larger set is decoded once into a memory-mapped file in the cache and used from
            there as long as names, sizes and times of the files stay the same.
        progress: called as ``progress("pictures", done, total)``.

    Raises:
        DataError: as `list_folder`; or pictures that cannot be read: all are tried, and one line names the
            first.
    """
    listing = list_folder(folder)
    images = load_pictures(
        listing.folder, listing.files, size, channels, cache=cache, memory_limit=memory_limit, progress=progress
    )
    return make_image_set(str(folder), images, listing.labels, listing.classes, files=listing.files)
