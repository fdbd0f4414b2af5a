"""Labelled images or clips in one `.npz` file of NumPy with these arrays; `classes` and `groups` may be missing:

    images    uint8 (N, H, W, C), C 1 or 3; or (N, H, W), grey
    clips     uint8 (N, T, H, W, C), C 1 or 3; or (N, T, H, W), grey
    labels    whole numbers or texts (N,); with `classes` whole numbers, which count them from 0
    classes   texts, the names of the classes
    groups    of images, whole numbers or texts (N,): those of one group are never parted by a split

The file may come from anywhere: what an array needs is known from its header before memory is taken for it, and nothing
is unpickled.
"""

from __future__ import annotations

import contextlib
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.files import disk_errors, whole_file
from ecrnn.core.packed import check_whole
from ecrnn.core.spelling import nfc
from ecrnn.data.image_decoding import MEMORY_LIMIT

Kind = Literal["images", "clips"]

_AXES: dict[Kind, str] = {"images": "(N, H, W, C)", "clips": "(N, T, H, W, C)"}
_LARGEST_LABELS = 2**26  # bytes of labels or classes


def write_arrays(
    path: Path,
    kind: Kind,
    examples: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    groups: np.ndarray | None = None,
) -> None:
    """Write what `read_arrays` and `read_array_groups` read, atomically and not compressed."""
    arrays = {kind: examples, "labels": labels, "classes": np.array(classes)}
    if groups is not None:
        arrays["groups"] = groups
    with disk_errors(path), whole_file(path) as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path, kind: Kind) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The examples, labels and classes of an `.npz` file.

    Args:
        path: of the file.
        kind: of the examples: "images" or "clips".

    Returns:
        uint8 (N, H, W, C) or (N, T, H, W, C), int64 (N,), and the names of the classes.

    Raises:
        DataError: not such a file, damaged, larger than `image_decoding.MEMORY_LIMIT`, or arrays that do not hold what
            they should.
    """
    expected = f"an .npz file with arrays {kind}, labels and, optionally, classes"
    with _archive(path, expected) as archive:
        names = {info.filename for info in archive.infolist()}
        if not {f"{kind}.npy", "labels.npy"} <= names:
            raise DataError(f"{path} lacks {'labels' if f'{kind}.npy' in names else kind}; give {expected}")
        examples = _member(archive, f"{kind}.npy", MEMORY_LIMIT, path)
        labels = _member(archive, "labels.npy", _LARGEST_LABELS, path)
        classes = _member(archive, "classes.npy", _LARGEST_LABELS, path) if "classes.npy" in names else None
    return _checked_examples(examples, kind, path), *_checked_labels(labels, classes, len(examples), path)


def read_array_groups(path: Path) -> np.ndarray | None:
    """The groups in an `.npz` file, as they are, (N,); None where it has none.

    Raises:
        DataError: as `read_arrays`.
    """
    with _archive(path, "an .npz file") as archive:
        if "groups.npy" in archive.namelist():
            return _member(archive, "groups.npy", _LARGEST_LABELS, path)
    return None


@contextlib.contextmanager
def _archive(path: Path, expected: str) -> Iterator[zipfile.ZipFile]:
    """The file, open; whatever goes wrong inside is a DataError that says what is expected."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_whole(archive)
            yield archive
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # zipfile's and NumPy's readers raise anything on damaged files
        raise DataError(f"{path} is damaged or of another kind; give {expected}") from error


def _member(archive: zipfile.ZipFile, name: str, largest: int, path: Path) -> np.ndarray:
    """An array whose header agrees with the size that the archive says it has."""
    size = archive.getinfo(name).file_size
    with archive.open(name) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise DataError(f"{path}: {name} is of version {version}, but 1.0 and 2.0 are read; save it with np.savez")
        read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read_header(file)
        needed = math.prod(shape) * dtype.itemsize
        if dtype.hasobject:
            raise DataError(f"{path}: {name} holds Python objects, which are not read; save plain arrays")
        if needed > largest:
            raise DataError(f"{path}: {name} holds {needed} bytes, more than {largest}; give a folder of files")
        if needed != size - file.tell():
            raise DataError(f"{path}: {name} is damaged: its header and its size differ")
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _checked_examples(examples: np.ndarray, kind: Kind, path: Path) -> np.ndarray:
    axes = _AXES[kind].count(",") + 1
    if examples.ndim == axes - 1:
        examples = examples[..., None]
    if examples.dtype != np.uint8 or examples.ndim != axes or examples.shape[-1] not in (1, 3) or 0 in examples.shape:
        found = f"{examples.dtype} of shape {examples.shape}"
        raise DataError(f"{path}: {kind} are {found}, but should be uint8 {_AXES[kind]} with C 1 or 3")
    return np.ascontiguousarray(examples)


def _checked_labels(
    labels: np.ndarray, classes: np.ndarray | None, count: int, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    kinds = "iuU" if classes is None else "iu"
    if labels.shape != (count,) or labels.dtype.kind not in kinds:
        what = "whole numbers or texts" if classes is None else "whole numbers"
        found = f"{labels.dtype} of shape {labels.shape}"
        raise DataError(f"{path}: labels are {found}, but should be {what} ({count},), one for each example")
    if classes is None:
        values, labels = np.unique(labels, return_inverse=True)
        names = tuple(nfc(str(value)) for value in values)
        if len(set(names)) != len(names):
            raise DataError(f"{path}: two labels are one name in composed and decomposed characters; spell them alike")
        return labels.astype(np.int64), names
    names = tuple(nfc(str(name)) for name in classes.ravel())
    if classes.ndim != 1 or classes.dtype.kind != "U" or len(set(names)) != len(names) or not all(names):
        raise DataError(f"{path}: classes should be an array of different texts, such as np.array(['falls', 'walks'])")
    if labels.min() < 0 or labels.max() >= len(names):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(f"{path}: there is a label {wrong}, but the {len(names)} classes count from 0")
    return labels.astype(np.int64), names
