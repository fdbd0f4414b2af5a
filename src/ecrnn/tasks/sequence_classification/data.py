"""Sequences for classification: an `.npz` file, `.ts` files of the UCR and UEA archives, or CSV files by class.

A folder of parts (train, with val or test or both) holds a folder a class in each; `NAME_TRAIN.ts` with `NAME_TEST.ts`
in one folder are a data set with a test part of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading, Progress, silent
from ecrnn.core.spelling import nfc
from ecrnn.data import catalogue, layout, left_out
from ecrnn.data.catalogue import refuse_parts
from ecrnn.data.file_lists import check_alike, check_same_classes, entries_of, files_below
from ecrnn.data.layout import TEST, TRAIN, VAL
from ecrnn.data.splits import Split
from ecrnn.models.processor import Processor
from ecrnn.tasks.sequence_classification.facts import TASK
from ecrnn.tasks.sequence_classification.scaling import fit
from ecrnn.tasks.sequence_classification.sequence_files import read_npz, read_table, read_ts
from ecrnn.tasks.sequence_classification.sequence_set import SequenceSet, make_sequence_set
from ecrnn.tasks.sequence_classification.settings import SequenceSettings

_INSTEAD = "a folder with a sub-folder of CSV files a class, a .ts file or a folder of two, or an .npz file"


def load_settings(settings: SequenceSettings, data_dir: Path | None, loading: Progress) -> SequenceSet:
    """The examples that ``settings`` name."""
    return load(settings.data, val=settings.val, test=settings.test, progress=loading)


def prepare(data: SequenceSet, split: Split, settings: SequenceSettings, training: TrainingSettings) -> Processor:
    """What is fitted on the training examples of ``split``."""
    return Processor(TASK, data.classes, length=settings.length, extra=fit(data, split.train).to_plain())


def load(
    data: str | Path,
    *,
    val: str | Path | None = None,
    test: str | Path | None = None,
    progress: Progress = silent,
) -> SequenceSet:
    """A folder or a file of sequences, laid out as the module's first lines say.

    Args:
        data: its path.
        val, test: folders or files of the same classes, to validate and to test on.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Raises:
        DataError: ``data`` is nothing of the kind, damaged, or has fewer than two classes.
    """
    place = catalogue.place(data, TASK.name, _INSTEAD)
    assert place is not None  # no sequences are registered by name
    if place.suffix.lower() == ".npz" and place.is_file():
        refuse_parts(data, val, test)
        sequences, y = read_npz(place)
        return labelled(str(data), sequences, y)
    places = layout.beside(place, _parts(place), val, test)
    return _joined(str(data), place, places, progress)


def labelled(name: str, sequences: Sequence[np.ndarray], y: np.ndarray) -> SequenceSet:
    """A set of sequences with labels of any kind, whose classes are sorted.

    Raises:
        DataError: labels of another number, or of a kind that does not name classes.
    """
    y = np.asarray(y)
    if y.shape != (len(sequences),) or y.dtype.kind not in "iubUO":
        found = f"{y.dtype} of shape {y.shape}"
        raise DataError(
            f"{name}: y is {found}, but should be whole numbers or texts ({len(sequences)},), one a sequence"
        )
    values, labels = np.unique(y, return_inverse=True)
    names = [nfc(str(value)) for value in values]
    if len(set(names)) < len(names):
        raise DataError(f"{name}: two labels are one name in composed and decomposed characters; spell them alike")
    return make_sequence_set(name, sequences, labels, names)


def has_validation(place: Path) -> bool:
    """Whether ``place`` is a folder of parts with one to validate on; False too where it is none at all."""
    return layout.validates(place, _parts)


def _parts(place: Path) -> dict[str, Path]:
    """The folder or file of each part; of a folder of classes, and of a file, itself as `TRAIN`."""
    if not place.is_dir():
        return {TRAIN: place}
    entries = entries_of(place)
    if files := [entry.name for entry in entries if entry.name.lower().endswith(".ts")]:
        return {part: place / name for part, name in _ts_parts(place, files).items()}
    folders = [entry.name for entry in entries if entry.is_dir()]
    parts = layout.parts(place, folders, _is_table, "sequences")
    return {part: place / name for part, name in parts.items()} or {TRAIN: place}


def _ts_parts(place: Path, files: Sequence[str]) -> dict[str, str]:
    if len(files) == 1:
        return {TRAIN: files[0]}
    parts = {part: name for part in (TRAIN, TEST) for name in files if Path(name).stem.lower().endswith(f"_{part}")}
    if len(parts) < 2 or len(files) > 2:
        listed = ", ".join(sorted(files)[:5])
        raise DataError(
            f"{place} holds {len(files)} .ts files ({listed}); name one, or keep NAME_TRAIN.ts and NAME_TEST.ts"
        )
    return parts


def _joined(name: str, place: Path, places: dict[str, Path], progress: Progress) -> SequenceSet:
    classes: Sequence[str] = ()
    sequences: list[np.ndarray] = []
    labels: list[int] = []
    counts = dict.fromkeys((TRAIN, VAL, TEST), 0)
    others: Counter[str] = Counter()
    doubts: list[str] = []
    for part in (part for part in counts if part in places):
        found, labelled, names, counted, lines = _part(places[part], progress)
        others += counted
        doubts += [line for line in lines if line not in doubts]
        classes = classes or names
        check_same_classes(places[part], names, places[TRAIN], classes)
        sequences += found
        labels += [list(classes).index(label) for label in labelled]
        counts[part] = len(found)
    n_train = counts[TRAIN] + counts[VAL]
    data = make_sequence_set(name, sequences, labels, classes, n_train=n_train, n_validation=counts[VAL])
    notes = left_out.notes(place, others, what="sequences", doubts=doubts)
    return replace(data, left_out=dict(others), notes=notes)


def _part(
    place: Path, progress: Progress
) -> tuple[list[np.ndarray], list[str], Sequence[str], Counter[str], list[str]]:
    """Sequences, the class of each, all classes, other files by suffix, and doubts about the classes."""
    if not place.is_dir():
        if place.suffix.lower() != ".ts":
            raise DataError(f"{place} is no .ts file; give {_INSTEAD}")
        (sequences, labels), classes = read_ts(place)
        return sequences, labels, classes, Counter(), []
    folders = [entry.name for entry in entries_of(place) if entry.is_dir()]
    if not folders:
        raise DataError(f"{place} holds no sub-folders; give {_INSTEAD}")
    check_alike(place, folders, classes=True)
    others = Counter(left_out.suffix(entry.name) for entry in entries_of(place) if not entry.is_dir())
    files: list[str] = []
    labels = []
    for folder in folders:
        found, more = files_below(place / folder, _is_table)
        if not found:
            raise DataError(f"{place / folder} holds no CSV files; add some, or remove the folder")
        files += [f"{folder}/{name}" for name in found]
        labels += [nfc(folder)] * len(found)
        others += more
    sequences = []
    named: dict[tuple[str, ...], str] = {}  # the first file with each heading
    for done, file in enumerate(files, 1):
        sequence, heading = read_table(place / file)
        sequences.append(sequence)
        if heading or sequence.shape[1] == 1:  # a damaged first number of one column is taken for a heading
            named.setdefault(heading, file)
        if len(named) > 1:
            (first, one), (second, other) = list(named.items())[:2]
            what = f"{one} has {_columns(first)}, and {other} has {_columns(second)}"
            raise DataError(f"{place}: {what}; name them alike and in one order")
        progress(Loading("sequences", done, len(files)))
    doubts = layout.doubts(place, folders, files, "sequences")
    return sequences, labels, [nfc(folder) for folder in folders], others, doubts


def _columns(heading: Sequence[str]) -> str:
    """What a heading names, for an error."""
    return f"the columns {', '.join(heading[:8])}" if heading else "no heading"


def _is_table(name: str) -> bool:
    return name.lower().endswith(TASK.suffixes)
