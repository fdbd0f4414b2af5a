"""Finds files of data: the examples and all other files in a folder, and files that a table names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from ecrnn.core.errors import DataError
from ecrnn.core.spelling import alike, alike_but_capitals, nfc, order
from ecrnn.data.downloads import reading
from ecrnn.data.image_file import SUFFIXES
from ecrnn.data.layout import is_junk
from ecrnn.data.left_out import suffix

LINK = "link to a folder"  # beside the suffixes of other files that are counted


def entries_of(folder: Path) -> list[os.DirEntry[str]]:
    """What lies in a folder, sorted by name, without hidden entries and junk; DataError where there is none."""
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise DataError(f"{folder} {what}; give a folder with one sub-folder a class, or a registered data set")
    with reading(folder), os.scandir(folder) as entries:
        return sorted((e for e in entries if not is_junk(e.name)), key=lambda e: order(e.name))


def is_image(name: str) -> bool:
    """Whether a file is called like an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def is_unicode(name: str) -> bool:
    """Whether a file name can be kept as UTF-8; one of other bytes cannot."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def files_below(folder: Path, wanted: Callable[[str], bool]) -> tuple[list[str], Counter[str]]:
    """The files in ``folder`` and deeper whose names are ``wanted``, and the number of others by suffix; no junk.

    Returns:
        Paths relative to ``folder``, with "/", sorted.

    Raises:
        DataError: a folder cannot be read.
    """
    found: list[str] = []
    others: Counter[str] = Counter()

    def stop(error: OSError) -> None:
        raise DataError(f"cannot read {error.filename}: {error.strerror}") from error

    for place, folders, names in os.walk(folder, onerror=stop):
        folders[:] = [name for name in folders if not is_junk(name)]
        if linked := sum(os.path.islink(os.path.join(place, name)) for name in folders):
            others[LINK] += linked
        for name in names:
            if is_junk(name):
                continue
            if wanted(name):
                found.append((Path(place) / name).relative_to(folder).as_posix())
            else:
                others[suffix(name)] += 1
    return sorted(found, key=order), others


def check_alike(folder: Path, names: Sequence[str], *, classes: bool = False) -> None:
    """Raise a DataError where two of the ``names`` in ``folder`` are one name in two spellings, or one is not UTF-8.

    Capitals tell no names of ``classes`` apart, as on many file systems, but those of one letter, characters to read.
    """
    foreign = [name for name in names if not is_unicode(name)]
    if foreign:
        raise DataError(f"{folder / foreign[0]} has a name that is not UTF-8 and cannot be kept; rename the folder")
    if twice := alike(names):
        raise DataError(
            f"{folder} holds '{nfc(twice[0])}' twice, spelt with composed and with decomposed characters "
            f"({twice[0]!a} and {twice[1]!a}); put the contents of one into the other"
        )
    if classes and (twice := alike_but_capitals(names)):
        raise DataError(
            f"{folder} holds '{twice[0]}' and '{twice[1]}', which differ in capitals only; put the contents of one "
            "into the other, or rename it"
        )


def check_same_classes(folder: Path, part_classes: Collection[str], train: Path, classes: Collection[str]) -> None:
    """Raise a DataError unless the part in ``folder`` has the ``classes`` of the training part in ``train``."""
    for names, others, there, here in ((part_classes, classes, train, folder), (classes, part_classes, folder, train)):
        if extra := [name for name in names if name not in others]:
            more = f" and {len(extra) - 1} more" if len(extra) > 1 else ""
            advice = "give both the same classes (a sub-folder may be empty in the part that validates or tests)"
            raise DataError(f"{here} has a class '{extra[0]}'{more} that {there} has not; {advice}")


def check_listed(names: Sequence[str], folder: Path, table: Path) -> list[str]:
    """Find the files that a table names, which lie in ``folder`` or deeper; each should be named once.

    Args:
        names: relative to ``folder``, with "/".
        folder: where they should lie.
        table: for errors.

    Returns:
        The names as on the disk, where they may be spelt otherwise (see `core.spelling`).

    Raises:
        DataError: a path that leads out of the folder, a file that is not there, or one that comes twice.
    """
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or PureWindowsPath(name).anchor or ".." in path.parts:
            raise DataError(f"{table}: '{name[:200]}' should be the path of a file in {folder}, relative to it")
        if nfc(name) in seen:
            raise DataError(f"{table}: '{name[:200]}' comes twice; leave one of them")
        seen.add(nfc(name))
    found = _spellings(names, folder)
    missing = [name for name, file in zip(names, found, strict=True) if not os.path.isfile(folder / file)]
    if missing:  # os.path.isfile, as Path.is_file raises on a long name
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise DataError(f"{table} names '{missing[0][:200]}'{more}, but there is no such file in {folder}")
    return found


def _spellings(names: Sequence[str], folder: Path) -> list[str]:
    """The names as on the disk; those that are nowhere in ``folder`` unchanged."""
    if all(name.isascii() or os.path.isfile(folder / name) for name in names):
        return list(names)
    files = {nfc(file): file for file in files_below(folder, lambda name: True)[0]}
    return [name if os.path.isfile(folder / name) else files.get(nfc(name), name) for name in names]
