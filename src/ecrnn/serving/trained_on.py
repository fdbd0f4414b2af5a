"""Which examples a model was trained on and validated on, as a bundle keeps it: `examples.bin`.

    16 bytes   "ecrnn-examples-1", the format and its version
    8 + 8      how many keys of training and of validation examples follow, little-endian
    8 each     the keys, see `ecrnn.data.keys`: first those of training, then those of validation, each group ascending

A bundle of 50,000 images is 400,000 bytes larger for it. Without the file a bundle works all the same, but says only
of the very data set it was trained on what belongs to its training.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ecrnn.core.errors import BundleError
from ecrnn.data.keys import Keys

FILE = "examples.bin"
_MAGIC = b"ecrnn-examples-1"
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
        counts = np.array([len(self.train), len(self.validation)], "<u8")
        return _MAGIC + b"".join(array.astype("<u8").tobytes() for array in (counts, self.train, self.validation))


def read(path: Path) -> TrainedOn | None:
    """What the file of a bundle holds; None where there is none.

    Raises:
        BundleError: the file is damaged or of another version.
    """
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror}") from error
    if content[: len(_MAGIC)] != _MAGIC:
        raise BundleError(f"{path} is not of a format that this version of ecrnn reads; delete it or update ecrnn")
    numbers = np.frombuffer(content[len(_MAGIC) : len(content) // 8 * 8], "<u8").astype(np.uint64)
    if len(content) % 8 or len(numbers) < 2 or int(numbers[0]) + int(numbers[1]) != len(numbers) - 2:
        raise BundleError(f"{path} is damaged; delete it, or make the bundle again")
    train, validation = np.split(numbers[2:], [int(numbers[0])])
    if any((keys[1:] <= keys[:-1]).any() for keys in (train, validation)):
        raise BundleError(f"{path} is damaged; delete it, or make the bundle again")
    return TrainedOn(train, validation)
