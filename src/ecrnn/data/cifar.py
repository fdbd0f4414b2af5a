"""CIFAR-10 and CIFAR-100: batches that are pickles of Python 2, in a .tar.gz or an unpacked folder.

Nothing is unpickled (see `pickles`) and nothing is extracted to the disk: only the members expected are read.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.data.downloads import RemoteFile, candidates, fetch, read_checked
from ecrnn.data.image_set import RawImages
from ecrnn.data.pickles import read_pickle

_LARGEST_MEMBER = 2**28  # bytes; CIFAR-100's training batch has 155 million
_LARGEST_ARCHIVE = 2**29  # bytes unpacked; both data sets have about 186 million


@dataclass(frozen=True)
class CifarSource:
    """One of the two data sets.

    Attributes:
        name: the registered name.
        folder: of the batches, in the archive too.
        archive: the .tar.gz.
        train, test: the batches in order, with the checksums of the unpacked files.
        meta: the batch with the classes' names.
        labels_key, names_key: where a batch has its labels and ``meta`` its names.
    """

    name: str
    folder: str
    archive: RemoteFile
    train: tuple[RemoteFile, ...]
    test: tuple[RemoteFile, ...]
    meta: RemoteFile
    labels_key: str
    names_key: str

    @property
    def members(self) -> tuple[RemoteFile, ...]:
        return (*self.train, *self.test, self.meta)

    @property
    def size(self) -> None:
        return None

    def load(self, data_dir: Path | None, cache: Path, progress: Progress = silent) -> RawImages:
        """The data set from a local copy, or downloaded.

        Raises:
            DataError: a file is missing, damaged or not what it should be.
        """
        place = self._find(data_dir) if data_dir is not None else None
        if place is not None and place.is_dir():
            folder = place
            return self._assemble(lambda file: read_checked(folder / file.name, file.md5), place)
        place = place or fetch(self.archive, cache / "downloads" / self.name, progress)
        archive = read_checked(place, self.archive.md5)
        contents = read_members(archive, self.folder, {file.name for file in self.members}, place)
        return self._assemble(lambda file: contents.pop(file.name), place)

    def _find(self, data_dir: Path) -> Path:
        """The folder with the batches, or the archive."""
        partial = ""
        for place in candidates(data_dir, (self.folder, self.archive.name, self.name)):
            if place.is_file():
                return place
            missing = [file.name for file in self.members if not (place / file.name).is_file()]
            if not missing:
                return place
            if (place / self.archive.name).is_file():
                return place / self.archive.name
            if len(missing) < len(self.members) and not partial:
                partial = f"{place} lacks {', '.join(missing)} of {self.name}; add the official file"
        absent = f"there is no {self.name} in {data_dir}: expected the folder {self.folder} or "
        raise DataError(partial or f"{absent}{self.archive.name}; leave --data-dir out to download it")

    def _assemble(self, content: Callable[[RemoteFile], bytes], place: Path) -> RawImages:
        """The arrays, read one batch after the other to hold little memory at a time."""
        meta = read_pickle(content(self.meta), f"{place}: {self.meta.name}")
        names = _field(meta, self.names_key, list, f"{place}: {self.meta.name}")
        classes = tuple(name.decode("latin-1") for name in names)
        images: list[np.ndarray] = []
        labels: list[np.ndarray] = []
        for file in (*self.train, *self.test):
            where = f"{place}: {file.name}"
            data, values = self._batch(read_pickle(content(file), where), where, len(classes))
            planes = data.reshape(-1, 3, 32, 32)  # red, green, blue; row by row
            images.append(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)))
            labels.append(values)
        n_train = sum(map(len, labels[: len(self.train)]))
        return RawImages(np.concatenate(images), np.concatenate(labels), classes, n_train)

    def _batch(self, batch: Any, where: str, n_classes: int) -> tuple[np.ndarray, np.ndarray]:
        data = _field(batch, "data", np.ndarray, where)
        values = _field(batch, self.labels_key, list, where)
        if not all(type(v) is int and 0 <= v < n_classes for v in values):
            raise DataError(f"{where} has labels that are not whole numbers from 0 to {n_classes - 1}")
        if data.shape != (len(values), 3072):
            raise DataError(f"{where} has data of shape {data.shape} for {len(values)} labels of 32x32x3 images")
        return data, np.array(values, np.int64)


def _field(batch: Any, key: str, kind: type, where: str) -> Any:
    """An entry of a batch, whose keys are bytes as Python 2 wrote them."""
    value = batch.get(key.encode()) if isinstance(batch, dict) else None
    if not isinstance(value, kind):
        raise DataError(f"{where} has no '{key}', so it is no batch of this data set")
    return value


def read_members(archive: bytes, folder: str, names: set[str], where: Path) -> dict[str, bytes]:
    """The members ``folder/name`` of a .tar.gz, in memory; other members, links and devices are passed over.

    Raises:
        DataError: the archive is damaged or unpacks to too much, or a member is missing or too large.
    """
    found: dict[str, bytes] = {}
    try:
        stream = _Limited(gzip.GzipFile(fileobj=io.BytesIO(archive)), where)
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]  # it only reads
            for member in tar:
                name = member.name.removeprefix("./").removeprefix(f"{folder}/")
                if member.size > _LARGEST_MEMBER:
                    raise DataError(f"{where} holds a member of {member.size} bytes, too large to be official")
                if not member.isreg() or name not in names or name in found or name == member.name:
                    continue
                file = tar.extractfile(member)
                assert file is not None
                found[name] = file.read()
                if len(found) == len(names):
                    break
    except (tarfile.TarError, OSError, EOFError, zlib.error, UnicodeError) as error:
        raise DataError(f"{where} is a damaged archive; delete it and give the command again") from error
    if missing := sorted(names - set(found)):
        raise DataError(f"{where} lacks {', '.join(missing)}; get the official archive")
    return found


class _Limited:
    """A stream that refuses to unpack more than any official archive holds."""

    def __init__(self, stream: gzip.GzipFile, where: Path) -> None:
        self.stream, self.where, self.left = stream, where, _LARGEST_ARCHIVE

    def read(self, size: int) -> bytes:
        data = self.stream.read(size)
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.where} unpacks to more than {_LARGEST_ARCHIVE} bytes, too large to be official")
        return data
