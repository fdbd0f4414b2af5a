"""A set of labelled texts in memory, and `load`, which makes one from a registered name, a folder or a .tsv file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.tasks import TEXT_CLASSIFICATION
from ecrnn.data import catalogue
from ecrnn.data.downloads import RemoteFile
from ecrnn.data.folder import PARTS, entries_of, files_below, is_unicode
from ecrnn.data.images import Progress
from ecrnn.data.textfiles import (
    LARGEST_FILE,
    LONGEST_TEXT,
    MOST_LINES,
    fingerprint,
    lines_of,
    official_texts,
    read_text,
    rows_of,
)

# The official archive (rt-polaritydata.tar.gz at www.cs.cornell.edu/people/pabo/movie-review-data) is in Windows-1252.
# These are its two files in UTF-8; the MD5s are our copy's. That the files at these addresses have the same number of
# characters, 612,290 and 626,168, is known; that they have the same bytes could not be tried.
_RT_ADDRESS = "https://raw.githubusercontent.com/dennybritz/cnn-text-classification-tf/master/data/rt-polaritydata/"
RT_POLARITY = (
    RemoteFile("rt-polarity.neg", "efd38e162b1a4ede8fbf024de182eb4a", 612506, (_RT_ADDRESS + "rt-polarity.neg",)),
    RemoteFile("rt-polarity.pos", "819e2ab972d5f1314804c62921cf21a8", 626395, (_RT_ADDRESS + "rt-polarity.pos",)),
)
_RT_FOLDERS = ("rt-polarity", "rt-polaritydata")
_RT_CLASSES = ("negative", "positive")

MOST_CLASSES = 1000


@dataclass(frozen=True)
class TextSet:
    """Labelled texts.

    Attributes:
        name: the registered name or the path.
        texts: one an example, without white space at its ends, none empty.
        labels: int64 (N,), indices into ``classes``.
        classes: names of the classes.
        n_train: the first ``n_train`` texts are the data set's own training part; N when it has no test part.
        fingerprint: SHA-256 (hexadecimal) over texts, labels, classes and n_train. The name is not part of it.
    """

    name: str
    texts: tuple[str, ...]
    labels: np.ndarray
    classes: tuple[str, ...]
    n_train: int
    fingerprint: str

    def __len__(self) -> int:
        return len(self.texts)


def make_text_set(name: str, texts: Sequence[str], labels: Sequence[int], classes: Sequence[str]) -> TextSet:
    """A `TextSet` without a test part, with its fingerprint.

    Args:
        name: as the set has it.
        texts: of all examples.
        labels: one a text, indices into ``classes``.
        classes: their names.

    Raises:
        DataError: fewer than two classes, more than `MOST_CLASSES`, or a class without a text.
    """
    assert len(texts) == len(labels)
    if len(classes) < 2:
        raise DataError(f"{name} holds {f'one class ({classes[0]})' if classes else 'no texts'}; give at least two")
    if len(classes) > MOST_CLASSES:
        raise DataError(
            f"{name} holds {len(classes)} classes, more than {MOST_CLASSES}; is the label the first column?"
        )
    numbers = np.array(labels, np.int64)
    counts = np.bincount(numbers, minlength=len(classes))
    if not counts.all():
        raise DataError(f"{name} holds no text of the class {classes[int(counts.argmin())]}; add some or remove it")
    digest = fingerprint((len(texts), tuple(classes), numbers.tolist()), texts)
    return TextSet(name, tuple(texts), numbers, tuple(classes), len(texts), digest)


def load(
    data: str | Path,
    *,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> TextSet:
    """A registered set of texts by name, or one of three layouts, all in UTF-8.

    A folder with one sub-folder a class, in it or deeper .txt files, a text each, sorted by path. A folder with one
    `<class>.txt` a class, a text a line. A .tsv file, a line a text: label, TAB, text; a first line `label TAB text` is
    passed over, and so are empty lines and files. Classes are sorted by name.

    Args:
        data: "rt-polarity", a folder or a .tsv file.
        data_dir: local copies of registered data sets; where it is given, nothing is downloaded.
        cache: for downloads; default: `downloads.default_cache`.
        progress: called as ``progress(what, done, total)`` while downloading, in bytes.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged, or has fewer than two classes.
    """
    place = catalogue.place(
        data, TEXT_CLASSIFICATION.name, "a folder of texts by class, or a .tsv file of labels and texts"
    )
    if place is None:
        files = official_texts(str(data), RT_POLARITY, _RT_FOLDERS, data_dir, cache, progress)
        return _labelled(str(data), dict(zip(_RT_CLASSES, (lines_of(*file) for file in files), strict=True)))
    if place.is_dir():
        groups = _folder(place)
    else:
        groups = {}
        for label, text in rows_of(place, ("label", "text")):
            groups.setdefault(label, []).append(text)
    return _labelled(str(data), groups)


def _labelled(name: str, groups: dict[str, list[str]]) -> TextSet:
    """The set of the texts of each class."""
    classes = sorted(groups)
    texts = [text for group in classes for text in groups[group]]
    labels = [label for label, group in enumerate(classes) for _ in groups[group]]
    return make_text_set(name, texts, labels, classes)


def _folder(folder: Path) -> dict[str, list[str]]:
    """The texts of each class of a folder, in either layout."""
    entries = entries_of(folder)
    folders = [entry.name for entry in entries if entry.is_dir()]
    files = [entry.name for entry in entries if entry.is_file() and _is_text(entry.name)]
    if folders and files:
        raise DataError(
            f"{folder} holds both folders ({folders[0]}) and .txt files ({files[0]}); which are the classes?"
        )
    if not folders and not files:
        raise DataError(
            f"{folder} holds neither sub-folders nor .txt files; put the texts of each class into one of that name"
        )
    classes = [*folders, *(os.path.splitext(name)[0] for name in files)]
    if {name.lower() for name in classes} <= PARTS:
        raise DataError(f"{folder} holds parts ({', '.join(classes)}), not classes; give a folder of classes")
    for name in folders + files:
        if not is_unicode(name):
            raise DataError(f"{folder / name} has a name that is not UTF-8 and cannot be kept; rename it")
    if folders:
        return {name: _files(folder / name) for name in folders}
    groups: dict[str, list[str]] = {}
    for name in files:
        lines = [line for line in lines_of(read_text(folder / name), folder / name) if line]
        groups.setdefault(os.path.splitext(name)[0], []).extend(lines)
    return groups


def _files(folder: Path) -> list[str]:
    """The texts of all .txt files in a folder and deeper, those empty left out."""
    names, _ = files_below(folder, _is_text)
    if len(names) > MOST_LINES:
        raise DataError(f"{folder} holds more than {MOST_LINES} texts; give a part of it")
    texts: list[str] = []
    total = 0
    for name in names:
        text = read_text(folder / name).strip()
        total += len(text)
        if len(text) > LONGEST_TEXT or total > LARGEST_FILE:
            what = f"{folder / name} has {len(text)}" if len(text) > LONGEST_TEXT else f"{folder} has {total}"
            raise DataError(f"{what} characters, too many for {'one text' if len(text) > LONGEST_TEXT else 'memory'}")
        if text:
            texts.append(text)
    return texts


def _is_text(name: str) -> bool:
    return name.lower().endswith(".txt")
