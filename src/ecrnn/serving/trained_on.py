"""Which examples a model was trained on and validated on, as a bundle keeps it: `examples.bin`.

    16 bytes   "ecrnn-examples-1", the format and its version
    8 + 8      how many keys of training and of validation examples follow, little-endian
    8 each     the keys, see `ecrnn.data.keys`: first those of training, then those of validation, each group ascending
    32         SHA-256 of all that

A study keeps the keys of all its examples, `keys.bin`, for bundles of its trials:

    16 bytes   "ecrnn-keys-00001"
    8 + 8      how many examples there are, how many keys follow
    8 each     the keys, then the example that each is of, ascending
    32         SHA-256 of all that

A bundle of 50,000 images is 400,000 bytes larger for it. Without the file a bundle works all the same, but says only
of the very data set it was trained on what belongs to its training.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.core.errors import BundleError
from ecrnn.core.reading import read_bytes, there
from ecrnn.data.keys import Keys

FILE = "examples.bin"
STUDY_FILE = "keys.bin"
_MAGIC, _STUDY_MAGIC = b"ecrnn-examples-1", b"ecrnn-keys-00001"
_LARGEST = 2**31  # bytes


@dataclass(frozen=True)
class TrainedOn:
    """Keys of the examples of a training: uint64, ascending, each once.

    Attributes:
        train: of those trained on.
        validation: of those validated on, which chose the epoch where the best was kept.
    """

    train: np.ndarray
    validation: np.ndarray

    @classmethod
    def of(cls, keys: Keys, train: np.ndarray, validation: np.ndarray) -> TrainedOn:
        """Of a data set with these keys the examples at the indices ``train`` and ``validation``."""
        return cls(keys.of(train), keys.of(validation))

    def to_bytes(self) -> bytes:
        """What the file holds."""
        return _packed(_MAGIC, (len(self.train), len(self.validation)), self.train, self.validation)

    def overlap(self, keys: Keys, index: np.ndarray) -> int:
        """How many of the examples ``index`` of a data set with these keys were trained on."""
        return int(keys.known(self.train)[index].sum())


def read(path: Path, within: Path | None = None) -> TrainedOn | None:
    """What the file of a bundle holds; None where there is none.

    Args:
        path: of the file.
        within: the folder that it must lie in, see `ecrnn.core.reading.opened`.

    Raises:
        EcrnnError: the file is damaged or of another version, or cannot be read.
    """
    if not there(path):
        return None
    numbers = _numbers(path, _MAGIC, within)
    if int(numbers[0]) + int(numbers[1]) != len(numbers) - 2:
        raise _damaged(path)
    train, validation = np.split(numbers[2:], [int(numbers[0])])
    if any((keys[1:] <= keys[:-1]).any() for keys in (train, validation)):
        raise _damaged(path)
    return TrainedOn(train, validation)


def study_bytes(keys: Keys) -> bytes:
    """What a study keeps of the keys of all its examples."""
    return _packed(_STUDY_MAGIC, (keys.total, len(keys.keys)), keys.keys, keys.owners)


def read_study(path: Path) -> Keys | None:
    """The keys of the examples of a study; None where it has none, being of an earlier version.

    Raises:
        EcrnnError: the file is damaged or of another version, points out of the study, or cannot be read.
    """
    if not there(path):
        return None
    numbers = _numbers(path, _STUDY_MAGIC, path.parent)
    total, count = int(numbers[0]), int(numbers[1])
    if 2 * count != len(numbers) - 2:
        raise _damaged(path)
    keys, owners = np.split(numbers[2:], 2)
    if (owners[1:] < owners[:-1]).any() or (count and int(owners[-1]) >= total) or total > count:
        raise _damaged(path)
    return Keys(keys, owners.astype(np.int64), total)


def _packed(magic: bytes, counts: tuple[int, int], *arrays: np.ndarray) -> bytes:
    content = magic + b"".join(array.astype("<u8").tobytes() for array in (np.array(counts, "<u8"), *arrays))
    return content + hashlib.sha256(content).digest()


def _numbers(path: Path, magic: bytes, within: Path | None) -> np.ndarray:
    """The numbers of a file between its first bytes and its digest, uint64, at least two."""
    content = read_bytes(path, _LARGEST, within)
    if content[: len(magic)] != magic:
        raise BundleError(f"{path} is not of a format that this version of ecrnn reads; delete it or update ecrnn")
    content, digest = content[:-32], content[-32:]
    if len(content) % 8 or len(content) < len(magic) + 16 or hashlib.sha256(content).digest() != digest:
        raise _damaged(path)
    return np.frombuffer(content, "<u8", offset=len(magic)).astype(np.uint64)


def _damaged(path: Path) -> BundleError:
    return BundleError(f"{path} is damaged; delete it, and the model no longer knows its examples one by one")
