"""The keys of the examples that a model was trained and validated on, in a bundle: `examples.bin`.

    16 bytes   "ecrnn-examples-1", the format and its version
    3 times 8  how many keys of training examples, keys of validation examples, and looks of training examples follow
    8 each     these, see `ecrnn.data.keys`, each group ascending; all numbers are little-endian
    32         SHA-256 of all that

A study keeps the keys of all its examples, `keys.bin`, for bundles of its trials:

    16 bytes   "ecrnn-keys-00002"
    3 times 8  how many examples there are, how many keys and how many looks follow, of images one each
    32         the fingerprint of the examples; version 1 had none
    8 each     the keys, then the example that each is of, ascending, then the looks
    32         SHA-256 of all that

A bundle of 50,000 images is 800,000 bytes larger for it. Without the file a bundle works all the same, but says only
of the very data set it was trained on what belongs to its training.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ecrnn.core.errors import BundleError
from ecrnn.core.reading import opened, there
from ecrnn.data.keys import Keys, nearest_looks

FILE = "examples.bin"
STUDY_FILE = "keys.bin"
_MAGIC = b"ecrnn-examples-1"
_STUDY_MAGICS = (b"ecrnn-keys-00002", b"ecrnn-keys-00001")
_LARGEST = 2**31  # bytes
_ALIKE = 4  # comparisons of 64 that may differ between images that look alike (docs/decisions/known-examples.md)
_ORDINARY = 0.02  # the most of the images trained on that may look like another one, for looks to mean anything
_FEWEST, _SAMPLE = 20, 300  # looks that are needed, and that this share is taken from


@dataclass(frozen=True)
class TrainedOn:
    """Keys of the examples of a training: uint64, ascending, each once.

    Attributes:
        train: of those trained on.
        validation: of those validated on, which chose the epoch where the best was kept.
        looks: of the images trained on; empty for other examples.
    """

    train: np.ndarray
    validation: np.ndarray
    looks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))

    @classmethod
    def of(cls, keys: Keys, train: np.ndarray, validation: np.ndarray) -> TrainedOn:
        """Of a data set with these keys the examples at the indices ``train`` and ``validation``."""
        return cls(keys.of(train), keys.of(validation), np.unique(keys.looks[train] if len(keys.looks) else keys.looks))

    def to_bytes(self) -> bytes:
        """What the file holds."""
        counts = (len(self.train), len(self.validation), len(self.looks))
        return _packed(_MAGIC, counts, self.train, self.validation, self.looks)

    def seen(self, keys: Keys, index: np.ndarray) -> np.ndarray:
        """Those of the examples ``index`` of a data set with these keys that were trained on."""
        return index[keys.known(self.train)[index]]

    def overlap(self, keys: Keys, index: np.ndarray) -> int:
        """How many of the examples ``index`` of a data set with these keys were trained on."""
        return len(self.seen(keys, index))

    def alike(self, keys: Keys, index: np.ndarray) -> int:
        """How many of the images ``index`` of a data set with these keys look much like one that was trained on.

        0 where looks say little: where many of those trained on look as much like another one.
        """
        if not len(keys.looks) or len(self.looks) < _FEWEST:
            return 0
        places = range(0, len(self.looks), -(-len(self.looks) // _SAMPLE))
        near = [nearest_looks(self.looks[i : i + 1], np.delete(self.looks, i))[0] for i in places]
        if np.mean(np.array(near) <= _ALIKE) > _ORDINARY:
            return 0
        return int((nearest_looks(keys.looks[index], self.looks) <= _ALIKE).sum())


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
    _, numbers = _numbers(path, (_MAGIC,), within)
    n_train, n_validation, n_looks = (int(number) for number in numbers[:3])
    if n_train + n_validation + n_looks != len(numbers) - 3:
        raise _damaged(path)
    groups = np.split(numbers[3:], [n_train, n_train + n_validation])
    if any((group[1:] <= group[:-1]).any() for group in groups):
        raise _damaged(path)
    return TrainedOn(*groups)


def study_bytes(keys: Keys, fingerprint: str) -> bytes:
    """What a study keeps of the keys of all its examples, whose fingerprint is hexadecimal."""
    counts = (keys.total, len(keys.keys), len(keys.looks))
    return _packed(_STUDY_MAGICS[0], counts, _words(fingerprint), keys.keys, keys.owners, keys.looks)


def read_study(path: Path, fingerprint: str | None) -> Keys | None:
    """The keys of the examples of a study; None where it has none, being of an earlier version.

    Args:
        path: of the file.
        fingerprint: of the study's examples; None: not known.

    Raises:
        EcrnnError: the file is damaged, of other examples or of another version, points out of the study, or cannot be
            read.
    """
    if not there(path):
        return None
    magic, numbers = _numbers(path, _STUDY_MAGICS, path.parent)
    total, count, seen = (int(number) for number in numbers[:3])
    begin = 7 if magic == _STUDY_MAGICS[0] else 3
    if 2 * count + seen != len(numbers) - begin or seen not in (0, total):
        raise _damaged(path)
    if begin > 3 and fingerprint is not None and not np.array_equal(numbers[3:begin], _words(fingerprint)):
        raise BundleError(f"{path} is of other examples than this study's; its compare command writes it anew")
    keys, owners, looks = np.split(numbers[begin:], [count, 2 * count])
    if (owners[1:] < owners[:-1]).any() or (count and int(owners[-1]) >= total) or total > count:
        raise _damaged(path)
    return Keys(keys, owners.astype(np.int64), total, looks)


def _words(fingerprint: str) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(fingerprint), "<u8").astype(np.uint64)


def _packed(magic: bytes, counts: tuple[int, int, int], *arrays: np.ndarray) -> bytes:
    content = magic + b"".join(array.astype("<u8").tobytes() for array in (np.array(counts, "<u8"), *arrays))
    return content + hashlib.sha256(content).digest()


def _numbers(path: Path, magics: tuple[bytes, ...], within: Path | None) -> tuple[bytes, np.ndarray]:
    """The first bytes of a file, one of ``magics``, and the numbers up to its digest, uint64, at least three."""
    with opened(path, _LARGEST, within) as file:
        head = file.read(len(magics[0]))
        if head not in magics:
            raise BundleError(f"{path} is not of a format that this version of ecrnn reads; delete it or update ecrnn")
        content = head + file.read()
    content, digest = content[:-32], content[-32:]
    if len(content) % 8 or len(content) < len(head) + 24 or hashlib.sha256(content).digest() != digest:
        raise _damaged(path)
    return head, np.frombuffer(content, "<u8", offset=len(head)).astype(np.uint64)


def _damaged(path: Path) -> BundleError:
    return BundleError(f"{path} is damaged; delete it, and the model no longer knows its examples one by one")
