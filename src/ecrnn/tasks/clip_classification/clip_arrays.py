"""Clips in one `.npz` file of NumPy's: arrays `clips`, `labels` and, optionally, `classes`.

    clips     uint8 (N, T, H, W, C), C 1 or 3; or (N, T, H, W), grey
    labels    whole numbers or texts (N,); with `classes` whole numbers, which count them from 0
    classes   texts, the names of the classes

The file may come from anywhere: what an array needs is known from its header before memory is taken for it, and nothing
is unpickled.
"""

from __future__ import annotations

import math
import zipfile
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.names import nfc
from ecrnn.data.decoding import MEMORY_LIMIT

_EXPECTED = "an .npz file with arrays clips, labels and, optionally, classes"
_LARGEST_LABELS = 2**26  # bytes of labels or classes


def read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """The clips, labels and classes of an `.npz` file.

    Returns:
        uint8 (N, T, H, W, C), int64 (N,), and the names of the classes.

    Raises:
        DataError: not such a file, damaged, larger than `decoding.MEMORY_LIMIT`, or arrays that do not hold what they
            should.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename for info in archive.infolist()}
            if not {"clips.npy", "labels.npy"} <= names:
                raise DataError(f"{path} lacks {'labels' if 'clips.npy' in names else 'clips'}; give {_EXPECTED}")
            clips = _member(archive, "clips.npy", MEMORY_LIMIT, path)
            labels = _member(archive, "labels.npy", _LARGEST_LABELS, path)
            classes = _member(archive, "classes.npy", _LARGEST_LABELS, path) if "classes.npy" in names else None
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # zipfile's and NumPy's readers raise anything on damaged files
        raise DataError(f"{path} is damaged or of another kind; give {_EXPECTED}") from error
    return _checked_clips(clips, path), *_checked_labels(labels, classes, len(clips), path)


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
            raise DataError(f"{path}: {name} holds {needed} bytes, more than {largest}; give frames of a folder")
        if needed != size - file.tell():
            raise DataError(f"{path}: {name} is damaged: its header and its size differ")
    with archive.open(name) as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _checked_clips(clips: np.ndarray, path: Path) -> np.ndarray:
    if clips.ndim == 4:
        clips = clips[..., None]
    if clips.dtype != np.uint8 or clips.ndim != 5 or clips.shape[4] not in (1, 3) or 0 in clips.shape:
        found = f"{clips.dtype} of shape {clips.shape}"
        raise DataError(f"{path}: clips are {found}, but should be uint8 (N, T, H, W, C) with C 1 or 3")
    return np.ascontiguousarray(clips)


def _checked_labels(
    labels: np.ndarray, classes: np.ndarray | None, count: int, path: Path
) -> tuple[np.ndarray, tuple[str, ...]]:
    kinds = "iuU" if classes is None else "iu"
    if labels.shape != (count,) or labels.dtype.kind not in kinds:
        what = "whole numbers or texts" if classes is None else "whole numbers"
        found = f"{labels.dtype} of shape {labels.shape}"
        raise DataError(f"{path}: labels are {found}, but should be {what} ({count},), one a clip")
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
