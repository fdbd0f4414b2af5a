"""MNIST and Fashion-MNIST: two image files and two label files in the idx format, packed with gzip or not.

Format: two zero bytes, the type (8: uint8), the number of dimensions, each dimension as a big-endian 32-bit number,
then the bytes (LeCun, http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from gzip import GzipFile
from pathlib import Path
from typing import IO

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.data.downloads import RemoteFile, obtain, read_official
from ecrnn.data.image_set import RawImages

_LARGEST = 2**30  # bytes unpacked; MNIST's largest file has 47 million


@dataclass(frozen=True)
class IdxSource:
    """A data set of four idx files.

    Attributes:
        name: the registered name.
        folders: names that the folder of a local copy may have.
        files: train images, train labels, test images, test labels.
        classes: their names.
        others: what other files with the same names are called, by their MD5: MNIST's and Fashion-MNIST's.
    """

    name: str
    folders: tuple[str, ...]
    files: tuple[RemoteFile, ...]
    classes: tuple[str, ...]
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> None:
        return None

    def load(self, data_dir: Path | None, cache: Path, progress: Progress = silent) -> RawImages:
        """The data set from a local copy, or downloaded.

        Raises:
            DataError: a file is missing, damaged or not what it should be.
        """
        paths = obtain(self.name, self.files, self.folders, data_dir, cache, progress)
        arrays = [self._read(path, file) for path, file in zip(paths, self.files, strict=True)]
        images = np.concatenate([arrays[0], arrays[2]])  # (N, H, W)
        labels = np.concatenate([arrays[1], arrays[3]]).astype(np.int64)
        if len(arrays[0]) != len(arrays[1]) or len(images) != len(labels):
            raise DataError(f"{self.name}: numbers of images and labels in {paths[0].parent} differ")
        if labels.max() >= len(self.classes):
            raise DataError(f"{self.name}: {paths[1]} has a label {labels.max()}, but classes are 0..9")
        return RawImages(images[..., None], labels, self.classes, len(arrays[0]))

    def _read(self, path: Path, file: RemoteFile) -> np.ndarray:
        data, packed = read_official(path, file, self.others), path.name.endswith(".gz")
        dimensions = 3 if "images" in file.name else 1
        return read_idx(GzipFile(fileobj=io.BytesIO(data)) if packed else io.BytesIO(data), dimensions, path)


def read_idx(stream: IO[bytes] | GzipFile, dimensions: int, where: Path) -> np.ndarray:
    """One idx file of bytes.

    Args:
        stream: the unpacked bytes; never more of them are read than the header says, and at most 1 GiB.
        dimensions: 3 for images, 1 for labels.
        where: the file, for errors.

    Returns:
        uint8 array (N, H, W) or (N,), read-only.

    Raises:
        DataError: another type or number of dimensions, too few or too many bytes, or damaged gzip.
    """
    try:
        header = stream.read(4 + 4 * dimensions)
        if len(header) < 4 + 4 * dimensions or header[:4] != bytes([0, 0, 8, dimensions]):
            raise DataError(f"{where} is not an idx file of {dimensions}-dimensional bytes; get the official file")
        shape = tuple(int(s) for s in np.frombuffer(header, ">u4", offset=4))
        size = math.prod(shape)
        if not 0 < size <= _LARGEST:
            raise DataError(f"{where} says its shape is {shape}, which no file of this kind has")
        data = stream.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{where} is damaged or cut off; delete it and give the command again") from error
    if len(data) != size:
        amount = "fewer" if len(data) < size else "more"
        raise DataError(f"{where} holds {amount} bytes than the {size} that its header says")
    return np.frombuffer(data, np.uint8).reshape(shape)
