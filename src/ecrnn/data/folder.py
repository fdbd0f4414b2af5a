"""Reads a folder of labelled images, one sub-folder a class, as an `ImageSet`.

Classes are the sub-folders' names, sorted; a class's images lie in it or deeper, and are sorted by path, so the order
is the same on every machine, however names are spelt (see `core.spelling`). A folder of parts (train, with val or test
or both), each with the same classes, is a data set with parts of its own. What systems, NAS and ecrnn itself left in
the folder is passed over (see `layout`); files that cannot be read as images are left out and counted. Symbolic links
to files and from a class to a folder are followed wherever they lead, since folders of links are a common way to select
images; links to folders deeper down are not, so there are no loops.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.files import path_of
from ecrnn.core.form import Fit
from ecrnn.core.spelling import nfc, on_disk
from ecrnn.data import layout, left_out
from ecrnn.data.file_lists import check_alike, check_same_classes, entries_of, files_below, is_image
from ecrnn.data.groups import numbered, of_files, read_groups
from ecrnn.data.image_decoding import MEMORY_LIMIT, load_images, load_readable
from ecrnn.data.image_file import SUFFIXES, read_image
from ecrnn.data.image_set import ImageSet, make_image_set
from ecrnn.data.layout import TEST, TRAIN, VAL

__all__ = ["Listing", "image_files", "list_folder", "load_folder", "read_image"]


@dataclass(frozen=True)
class Listing:
    """What lies in a folder of images, before any is decoded.

    Attributes:
        folder: as the caller named it.
        classes: the sub-folders' names, composed (see `core.spelling`), sorted.
        files: every image, relative to the folder, with "/"; absolute for a part that lies in another folder. Those
            of train come first, then those of val and of test; sorted by class, then by path.
        labels: int64 (N,), the class of each file.
        n_train: the first ``n_train`` files are of train and val; all where there is no test part.
        n_validation: the last ``n_validation`` of those are of val.
        left_out: number of other files by suffix, hidden ones and junk not counted.
        notes: sentences about what was left out, to be shown.
    """

    folder: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    labels: np.ndarray
    n_train: int
    n_validation: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def list_folder(folder: Path, *, val: Path | None = None, test: Path | None = None) -> Listing:
    """Find the classes and images of a folder; nothing is decoded.

    Args:
        folder: of classes, or of parts (train, with val or test or both) which hold the same classes.
        val: another folder of the same classes, to validate on.
        test: another folder of the same classes, to test on.

    Raises:
        DataError: no such folder, images without sub-folders, fewer than two classes, a class without images,
            sub-folders that are neither classes nor parts, or parts whose classes differ.
    """
    folder = on_disk(Path(folder))
    parts = _parts(folder)
    places = {p: (place, f"{place.relative_to(folder).as_posix()}/".removeprefix("./")) for p, place in parts.items()}
    for part, other in ((VAL, val), (TEST, test)):
        if other is None:
            continue
        if part in places:
            raise DataError(f"{folder} has a part {places[part][0].name} of its own; omit --{part}")
        place = on_disk(Path(other))
        if len(inner := _parts(place)) > 1:
            raise DataError(f"{place} holds parts ({', '.join(p.name for p in inner.values())}); give one of them")
        places[part] = place, f"{os.path.abspath(place)}/"
    classes = _classes(places[TRAIN][0])
    found: dict[str, list[str]] = {}
    labels: list[int] = []
    counted: Counter[str] = Counter()
    doubts: list[str] = []
    for part in (TRAIN, VAL, TEST):
        if part not in places:
            continue
        place, before = places[part]
        folder_of = classes if part == TRAIN else _classes(place)
        check_same_classes(place, folder_of, places[TRAIN][0], classes)
        listed = [files_below(place / folder_of[name], is_image) for name in classes]
        counted += left_out.of_images(_loose(place))
        for label, (name, (images, others)) in enumerate(zip(classes, listed, strict=True)):
            found.setdefault(part, []).extend(f"{before}{folder_of[name]}/{image}" for image in images)
            labels += [label] * len(images)
            counted += others
        _check_listing(place, folder_of, listed, empty=part != TRAIN)
        inside = (
            f"{folder_of[name]}/{file}" for name, (images, _) in zip(classes, listed, strict=True) for file in images
        )
        doubts += [
            line for line in layout.doubts(place, list(folder_of.values()), inside, "images") if line not in doubts
        ]
    files = [file for part in found.values() for file in part]
    roots = {folder, *(place for place, _ in places.values())}
    ours = [name for place in sorted(roots) for name in _ours(place)]
    loose = sum(sum(_loose(place, is_image).values()) for place in roots)
    notes = left_out.notes(folder, counted, loose=loose, ours=ours, doubts=doubts)
    n_test, n_validation = len(found.get(TEST, ())), len(found.get(VAL, ()))
    return Listing(
        folder,
        tuple(classes),
        tuple(files),
        np.array(labels, np.int64),
        len(files) - n_test,
        n_validation,
        dict(counted),
        notes,
    )


def _parts(folder: Path) -> dict[str, Path]:
    """The folder of each part; a folder of classes is its own `TRAIN`."""
    names = _class_folders(folder)
    names_of_parts = layout.parts(folder, names, is_image, "images")
    return {part: folder / name for part, name in names_of_parts.items()} or {TRAIN: folder}


def has_validation(folder: Path) -> bool:
    """Whether ``folder`` holds parts and one to validate on; False also where there is no such folder."""
    return layout.validates(folder, _parts)


def _class_folders(folder: Path) -> list[str]:
    """The names of the sub-folders that may be classes or parts, as on the disk."""
    ours = _ours(folder)
    return [entry.name for entry in entries_of(folder) if layout.leads_to_folder(entry) and entry.name not in ours]


def _ours(folder: Path) -> list[str]:
    """The names of the sub-folders that ecrnn wrote."""
    return [
        entry.name
        for entry in entries_of(folder)
        if layout.leads_to_folder(entry) and layout.is_ours(folder / entry.name)
    ]


def _classes(folder: Path) -> dict[str, str]:
    """The classes of a folder, sorted: composed names, and the names of their folders."""
    names = _class_folders(folder)
    if not names:
        loose = sum(_loose(folder, is_image).values())
        what = f"holds {loose} images but no sub-folders" if loose else "holds no sub-folders"
        raise DataError(f"{folder} {what}; put the images of each class into a sub-folder of that name")
    check_alike(folder, names, classes=True)
    return {nfc(name): name for name in names}


def _loose(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Counter[str]:
    """The files in ``folder`` itself by suffix."""
    return Counter(left_out.suffix(e.name) for e in entries_of(folder) if layout.leads_to_file(e) and wanted(e.name))


def _check_listing(
    folder: Path, classes: dict[str, str], listed: Sequence[tuple[list[str], Counter[str]]], *, empty: bool
) -> None:
    """Raise a DataError where there are fewer than two classes, or one without images; ``empty`` ones may be."""
    for name, (images, others) in zip(classes.values(), listed, strict=True):
        if not images and not empty:
            bare = [other for other, (found, _) in zip(classes, listed, strict=True) if not found]
            unread = f" ({left_out.sentence(others)})" if left_out.of_images(others) else ""
            raise DataError(
                f"{folder / name} holds no images{unread}{_more(bare, 'class folder')}; add some or remove it"
            )
    if empty and not any(images for images, _ in listed):
        raise DataError(f"{folder} holds no images at all; add some or remove it")
    if len(classes) < 2:
        (name,) = classes.values()
        if place := layout.deeper(folder / name):
            count = len(layout.folders_in(place))
            raise DataError(f"{folder} holds one folder ({place.relative_to(folder)}) with {count} in it; give {place}")
        raise DataError(f"{folder} holds one class ({name}), but at least two are needed to tell apart")


def _more(names: list[str], what: str) -> str:
    return f" (nor do {len(names) - 1} more {what}s)" if len(names) > 1 else ""


def image_files(path: Path) -> list[Path]:
    """The images that a path names: itself, or all in a folder and deeper, sorted, hidden ones left out.

    Raises:
        DataError: no such path, or a folder without images.
    """
    path = on_disk(path_of(path, "an image"))
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataError(f"there is no file or folder {path}")
    images, others = files_below(path, is_image)
    unread = left_out.of_images(others)
    if not images:
        more = f"; {left_out.sentence(unread)}" if unread else ""
        raise DataError(f"{path} holds no images ({' '.join(sorted(SUFFIXES))}){more}")
    left_out.notes(path, unread)
    return [path / name for name in images]


def names_images(path: Path) -> bool:
    """Whether ``path`` is called like an image, or is a folder with images in it (those deeper do not count)."""
    if not path_of(path, "an image").is_dir():
        return is_image(path.name)
    return any(layout.leads_to_file(entry) and is_image(entry.name) for entry in entries_of(path))


def load_folder(
    folder: Path,
    size: tuple[int, int] = (32, 32),
    channels: int = 3,
    *,
    fit: Fit = "cut",
    val: Path | None = None,
    test: Path | None = None,
    cache: Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
    skip: bool = False,
    groups: Path | None = None,
    progress: Progress = silent,
) -> ImageSet:
    """Decode a folder of images, each as `image_file.read_image` does.

    Args:
        folder: one sub-folder a class, or a folder of parts.
        size: (height, width).
        channels: 1 (grey) or 3 (RGB).
        fit: what is done to images of other shapes, see `fitting`.
        val, test: other folders of the same classes, to validate and to test on.
        cache: for sets beyond ``memory_limit``; default: `downloads.default_cache`.
        memory_limit: bytes; a larger set is decoded once into a memory-mapped file in the cache and used from
            there as long as names, sizes and times of the files stay the same.
        skip: leave out images that cannot be read, and say which.
        groups: a table of groups that no split parts, see `groups`.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Raises:
        DataError: as `list_folder`; the table of groups is none; or images that cannot be read: all are tried, and one
            line names the first.
    """
    listing = list_folder(folder, val=val, test=test)
    numbers = None if groups is None else groups_of(listing, groups)
    how: dict[str, Any] = {"fit": fit, "cache": cache, "memory_limit": memory_limit, "progress": progress}
    bad: dict[str, str] = {}
    if skip:
        images, bad = load_readable(listing.folder, listing.files, size, channels, **how)
    else:
        images = load_images(listing.folder, listing.files, size, channels, **how)
    listing, keep = without(listing, bad)
    return make_image_set(
        str(folder),
        images,
        listing.labels,
        listing.classes,
        n_train=listing.n_train,
        n_validation=listing.n_validation,
        files=listing.files,
        left_out=listing.left_out,
        notes=(*listing.notes, *left_out.bad_notes(listing.folder, bad)),
        bad_files=bad,
        groups=None if numbers is None else numbered(numbers[keep].tolist()),
    )


def groups_of(listing: Listing, table: Path) -> np.ndarray:
    """The group of each file of a folder, from a table: int64 (N,), see `groups`."""
    return of_files(read_groups(on_disk(table)), listing.files, table, listing.folder)


def without(listing: Listing, bad: Collection[str]) -> tuple[Listing, np.ndarray]:
    """A folder's listing without some files, and bool (N,), which of its files stay."""
    keep = np.array([file not in bad for file in listing.files], bool)
    n_train = int(keep[: listing.n_train].sum())
    first = listing.n_train - listing.n_validation
    shorter = replace(
        listing,
        files=tuple(file for file in listing.files if file not in bad),
        labels=listing.labels[keep],
        n_train=n_train,
        n_validation=int(keep[first : listing.n_train].sum()),
    )
    return shorter, keep
