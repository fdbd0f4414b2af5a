"""Official files from the network or a local copy, their checksums verified before anything reads them.

A download goes to a temporary file beside its place, is checked, and only then gets its name: one that is
broken off is never taken for whole. Files are checked again each time they are read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ecrnn.core.errors import DataError
from ecrnn.core.events import Downloading, Progress, silent
from ecrnn.core.files import whole_file

TIMEOUT = 30.0  # seconds without an answer


@dataclass(frozen=True)
class RemoteFile:
    """A file of an official data set.

    Attributes:
        name: its official name.
        md5: hexadecimal MD5 as its publishers or the field's libraries state it.
        size: in bytes; a download that grows larger is broken off.
        urls: where it lies, tried in this order.
        unpacked_md5: of the file without its .gz; None where it has none.
        sha256: of the file, where its publishers state it or it was pinned here.
    """

    name: str
    md5: str
    size: int
    urls: tuple[str, ...] = ()
    unpacked_md5: str | None = None
    sha256: str | None = None


def default_cache() -> Path:
    """Where downloads and decoded images are kept: the variable ECRNN_CACHE, else the user's cache."""
    if folder := os.environ.get("ECRNN_CACHE"):
        return Path(folder)
    import pooch

    return Path(pooch.os_cache("ecrnn"))


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an OSError met inside into one DataError line that names the path."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error


def read_checked(path: Path, md5: str, others: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file whose MD5 is known.

    Args:
        path: the file.
        md5: its hexadecimal MD5.
        others: what other files this one could be taken for are called, by their MD5, for the error.

    Raises:
        DataError: it cannot be read, or has another checksum; the line names the file, both sums and what to
            do.
    """
    with reading(path):
        data = path.read_bytes()
    found = _md5(data)
    if found != md5:
        remark = f" (it is {others[found]})" if others and found in others else ""
        raise DataError(
            f"{path} is damaged or another file: its MD5 is {found}, expected {md5}{remark}; "
            "delete it and give the command again, or name a whole copy with --data-dir"
        )
    return data


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def candidates(data_dir: Path, folders: Iterable[str]) -> list[Path]:
    """Where a local copy may lie: in one of the official folders of ``data_dir``, or in ``data_dir`` itself.

    Raises:
        DataError: ``data_dir`` does not exist.
    """
    if not data_dir.exists():
        raise DataError(f"there is no folder {data_dir} (--data-dir)")
    return [path for path in (*(data_dir / f for f in folders), data_dir) if path.exists()]


def obtain(
    name: str,
    files: Sequence[RemoteFile],
    folders: Iterable[str],
    data_dir: Path | None,
    cache: Path,
    progress: Progress = silent,
) -> list[Path]:
    """Where the official files of a data set lie: in a local copy, or downloaded. Readers check them, `read_official`.

    Args:
        name: the registered name.
        files: all that the data set consists of.
        folders: names that the folder of a local copy may have.
        data_dir: where a local copy should be; None: download what the cache lacks.
        cache: for downloads.
        progress: as `images.load` takes it.

    Returns:
        One path a file; in a local copy a .gz may lie unpacked.

    Raises:
        DataError: the local copy lacks files, or they cannot be downloaded.
    """
    if data_dir is None:
        return [fetch(file, cache / "downloads" / name, progress) for file in files]
    folders = list(folders)
    for folder in candidates(data_dir, folders):
        found = [_present(folder, file.name) for file in files]
        missing = [file.name for file, path in zip(files, found, strict=True) if path is None]
        if not missing:
            return [path for path in found if path is not None]
        if len(missing) < len(files):
            raise DataError(f"{folder} lacks {', '.join(missing)} of {name}; add the official file")
    more = f" and {_NUMBERS.get(len(files) - 1, len(files) - 1)} more" if len(files) > 1 else ""
    raise DataError(
        f"there is no {name} in {data_dir}: expected {files[0].name}{more}, "
        f"there or in {data_dir / folders[0]}; leave --data-dir out to download {'them' if more else 'it'}"
    )


_NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}


def _present(folder: Path, name: str) -> Path | None:
    """The file as published, or unpacked under either of its usual names."""
    bare = name.removesuffix(".gz")
    options = (name, bare, bare.replace("-idx", ".idx"))
    return next((folder / option for option in options if (folder / option).is_file()), None)


def read_official(path: Path, file: RemoteFile, others: Mapping[str, str] | None = None) -> bytes:
    """The bytes of ``path``, which holds ``file`` as published or, if that is a .gz, unpacked.

    Args:
        path: where it lies.
        file: which it should be.
        others: as for `read_checked`.

    Raises:
        DataError: it cannot be read, or has another checksum.
    """
    unpacked = file.name.endswith(".gz") and not path.name.endswith(".gz")
    md5 = file.unpacked_md5 if unpacked else file.md5
    assert md5 is not None  # of every .gz, tests/data/test_downloads.py
    return read_checked(path, md5, others)


_OTHERWISE = "or download it by other means and name its folder with --data-dir"


def fetch(file: RemoteFile, folder: Path, progress: Progress = silent, otherwise: str = _OTHERWISE) -> Path:
    """The path of ``file`` in ``folder``, downloaded if it is not there. Readers check it again.

    Args:
        file: which.
        folder: where it lies, or will.
        progress: as `images.load` takes it.
        otherwise: what else a user can do, for the error.

    Raises:
        DataError: no URL gave the file with the right checksum, or it cannot be written.
    """
    path = folder / file.name
    if path.exists():
        return path
    failures = []
    for url in file.urls:
        try:
            with cached_file(path) as target:
                _download(file, url, target, progress)
        except _FailedError as failure:
            failures.append(f"{url}: {failure}")
        else:
            return path
    raise DataError(
        f"cannot download {file.name} ({'; '.join(failures) or 'no address'}); try again later, {otherwise}"
    )


class _FailedError(Exception):
    """One address did not give the file; the message is the reason."""


def _download(file: RemoteFile, url: str, target: IO[bytes], progress: Progress) -> None:
    """Download one URL to ``target``; _FailedError if that is not the file, OSError if the disk fails."""
    import requests
    from pooch import HTTPDownloader

    # identity: servers that say "Content-Encoding: gzip" for .gz files would have them unpacked on the way
    download = HTTPDownloader(chunk_size=2**17, timeout=TIMEOUT, headers={"Accept-Encoding": "identity"})
    counted = _CountedFile(target, file, progress)
    try:
        download(url, counted, None)
    except requests.HTTPError as error:
        status = error.response.status_code if error.response is not None else error
        raise _FailedError(f"the server answers {status}") from error
    except requests.Timeout as error:
        raise _FailedError(f"no answer within {TIMEOUT:g} seconds") from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        broken = f"broken off after {counted.size} of {file.size} bytes"
        raise _FailedError(broken if counted.size else "no connection") from error
    except (requests.RequestException, ValueError) as error:  # ValueError: nonsense in the headers
        raise _FailedError(" ".join(str(error).split())[:200] or "it failed") from error
    for name, found, expected in (
        ("MD5", counted.md5.hexdigest(), file.md5),
        ("SHA-256", counted.sha256.hexdigest(), file.sha256),
    ):
        if expected is not None and found != expected:
            raise _FailedError(f"{counted.size} bytes with {name} {found}, expected {expected}")


@contextlib.contextmanager
def cached_file(path: Path) -> Iterator[IO[bytes]]:
    """As `ecrnn.core.files.whole_file`, for the cache.

    Raises:
        DataError: for every OSError inside; the line names the path and the variable ECRNN_CACHE.
    """
    try:
        with whole_file(path) as file:
            yield file
    except OSError as error:
        raise DataError(
            f"cannot write {path}: {error.strerror or error}; "
            "free space, or name another cache folder in the environment variable ECRNN_CACHE"
        ) from error


class _CountedFile:
    """What the downloader writes to: counts, hashes, reports, and stops a stream that is too long."""

    def __init__(self, target: IO[bytes], file: RemoteFile, progress: Progress) -> None:
        self.target, self.file, self.progress = target, file, progress
        self.size = 0
        self.md5, self.sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self.size += len(chunk)
        if self.size > self.file.size:
            raise _FailedError(f"sends more than the {self.file.size} bytes that the file has")
        self.target.write(chunk)
        self.md5.update(chunk)
        self.sha256.update(chunk)
        self.progress(Downloading(self.file.name, self.size, self.file.size))

    def flush(self) -> None:
        """The downloader flushes after every chunk; once at the end is enough."""
