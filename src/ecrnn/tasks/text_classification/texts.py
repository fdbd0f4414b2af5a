"""A set of labelled texts in memory, and `load`, which makes one from a registered name, a folder or a .tsv file."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.spelling import nfc
from ecrnn.core.text import printable
from ecrnn.data import catalogue, layout, left_out
from ecrnn.data.catalogue import refuse_parts
from ecrnn.data.downloads import RemoteFile
from ecrnn.data.example_set import LabelledSet
from ecrnn.data.file_lists import check_alike, check_same_classes, entries_of, files_below
from ecrnn.data.keys import Keys, of_texts
from ecrnn.data.layout import TEST, TRAIN, VAL
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
from ecrnn.tasks.text_classification.facts import TASK

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
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class TextSet(LabelledSet):
    """Labelled texts. Attributes are those of `LabelledSet`, and:

    Attributes:
        texts: one an example, without white space at its ends, none empty.
    """

    texts: tuple[str, ...]

    def keys(self) -> Keys:
        """By which each example is known again."""
        return of_texts(self.texts)


def make_text_set(
    name: str,
    texts: Sequence[str],
    labels: Sequence[int],
    classes: Sequence[str],
    *,
    n_train: int | None = None,
    n_validation: int = 0,
) -> TextSet:
    """A `TextSet` with its fingerprint.

    Args:
        name: as the set has it.
        texts: all examples.
        labels: one a text, indices into ``classes``.
        classes: their names.
        n_train, n_validation: as the set has them; default: no test part, no validation part.

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
    n_train = len(texts) if n_train is None else n_train
    counts = np.bincount(numbers[: n_train - n_validation], minlength=len(classes))
    if not counts.all():
        raise DataError(f"{name} holds no text of the class {classes[int(counts.argmin())]}; add some or remove it")
    parted = ((n_train, n_validation),) if n_train < len(texts) or n_validation else ()
    digest = fingerprint((len(texts), tuple(classes), numbers.tolist(), *parted), texts)
    return TextSet(
        tuple(texts),
        labels=numbers,
        classes=tuple(classes),
        name=name,
        n_train=n_train,
        n_validation=n_validation,
        fingerprint=digest,
    )


def load(
    data: str | Path,
    *,
    val: str | Path | None = None,
    test: str | Path | None = None,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> TextSet:
    """A registered set of texts by name, or one of three layouts, all in UTF-8.

    A folder with one sub-folder a class, in it or deeper .txt files, a text each, sorted by path. A folder with one
    `<class>.txt` a class, a text a line. A .tsv file, a line a text: label, TAB, text; a first line `label TAB text` is
    passed over, and so are empty lines and files. Classes are sorted by name. A folder of parts (train, with val or
    test or both), each in one of the first two layouts and with the same classes, is a data set with its own parts.

    Args:
        data: "rt-polarity", a folder or a .tsv file.
        val, test: other folders or files of the same classes, to validate and to test on.
        data_dir: local copies of registered data sets; where it is given, nothing is downloaded.
        cache: for downloads; default: `downloads.default_cache`.
        progress: called with `Downloading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged, or has fewer than two classes.
    """
    place = catalogue.place(data, TASK.name, "a folder of texts by class, or a .tsv file of labels and texts")
    if place is None:
        refuse_parts(data, val, test)
        files = official_texts(str(data), RT_POLARITY, _RT_FOLDERS, data_dir, cache, progress)
        groups = dict(zip(_RT_CLASSES, (lines_of(*file) for file in files), strict=True))
        return _labelled(str(data), {TRAIN: (Path(), _Groups(groups))})
    places = layout.beside(place, _parts(place), val, test)
    groups_of = {part: (path, _groups(path)) for part, path in places.items()}
    counted = sum((groups.others for _, groups in groups_of.values()), Counter[str]())
    doubts = list(dict.fromkeys(doubt for _, groups in groups_of.values() for doubt in groups.doubts))
    notes = left_out.notes(place, counted, what="texts", doubts=doubts)
    return replace(_labelled(str(data), groups_of), left_out=dict(counted), notes=notes)


@dataclass(frozen=True)
class _Groups:
    """The texts of each class of a part, the number of other files by suffix, and doubts, see `layout.doubts`."""

    texts: dict[str, list[str]]
    others: Counter[str] = field(default_factory=Counter)
    doubts: Sequence[str] = ()


def _labelled(name: str, parts: Mapping[str, tuple[Path, _Groups]]) -> TextSet:
    """The set of the texts of each class, by part, with where the part lies."""
    train = parts[TRAIN][0]
    classes = sorted(parts[TRAIN][1].texts)
    texts: list[str] = []
    labels: list[int] = []
    counts = dict.fromkeys((TRAIN, VAL, TEST), 0)
    for part in (part for part in counts if part in parts):
        place, texts_of = parts[part][0], parts[part][1].texts
        check_same_classes(place, texts_of, train, classes)
        texts += [text for group in classes for text in texts_of[group]]
        labels += [label for label, group in enumerate(classes) for _ in texts_of[group]]
        counts[part] = sum(map(len, texts_of.values()))
    n_train = counts[TRAIN] + counts[VAL]
    return make_text_set(name, texts, labels, classes, n_train=n_train, n_validation=counts[VAL])


def _parts(place: Path) -> dict[str, Path]:
    """The folder of each part; of a folder of classes and of a file itself as `TRAIN`."""
    if not place.is_dir():
        return {TRAIN: place}
    folders = [entry.name for entry in entries_of(place) if entry.is_dir()]
    parts = layout.parts(place, folders, _is_text, "texts", flat=True)
    return {part: place / name for part, name in parts.items()} or {TRAIN: place}


def has_validation(place: Path) -> bool:
    """Whether ``place`` is a folder of parts with one to validate on; False too where it is none at all."""
    return layout.validates(place, _parts)


def _groups(place: Path) -> _Groups:
    """The texts of each class of a folder or of a .tsv file; names of classes composed."""
    if place.is_dir():
        return _folder(place)
    groups: dict[str, list[str]] = {}
    for label, text in rows_of(place, ("label", "text")):
        groups.setdefault(nfc(label), []).append(text)
    first = next(iter(groups), "")
    others = [texts for label, texts in groups.items() if label != first]
    if len(others) > 1 and len(groups[first]) == 1 < min(map(len, others)):
        line = f"{place}: only its first line has the label '{first}'; if that line is a heading, remove it"
        logger.warning("%s", printable(line))
    return _Groups(groups, doubts=layout.doubts_of_names(list(groups)))


def _folder(folder: Path) -> _Groups:
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
    if all(layout.part_of(name) for name in classes):
        raise DataError(f"{folder} holds parts ({', '.join(classes)}), not classes; give a folder of classes")
    check_alike(folder, folders + files)
    loose = Counter(left_out.suffix(entry.name) for entry in entries if entry.is_file() and not _is_text(entry.name))
    if folders:
        return _of_folders(folder, folders, loose)
    groups: dict[str, list[str]] = {}
    for name in files:
        lines = [line for line in lines_of(read_text(folder / name), folder / name) if line]
        groups.setdefault(nfc(os.path.splitext(name)[0]), []).extend(lines)
    return _Groups(groups, loose, layout.doubts(folder, classes, (), "texts"))


def _of_folders(folder: Path, folders: Sequence[str], loose: Counter[str]) -> _Groups:
    """The texts of a folder with one sub-folder a class; ``loose`` are the other files beside those."""
    listed = {name: files_below(folder / name, _is_text) for name in folders}
    if len(folders) == 1 and not listed[folders[0]][0] == [] and (place := layout.deeper(folder / folders[0])):
        raise DataError(f"{folder} holds one folder ({place.relative_to(folder)}) with several in it; give {place}")
    inside = [f"{name}/{file}" for name, (files, _) in listed.items() for file in files]
    others = sum((found for _, found in listed.values()), loose)
    texts = {nfc(name): _read(folder / name, files) for name, (files, _) in listed.items()}
    return _Groups(texts, others, layout.doubts(folder, folders, inside, "texts"))


def _read(folder: Path, names: Sequence[str]) -> list[str]:
    """The texts of these files, those empty left out."""
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
