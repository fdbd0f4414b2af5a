"""Decodes many image files: by several threads, with every fault in one line, large sets in a memory map.

`image_file` decodes one file; `folder` and the readers of the tasks know which files there are.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading, Progress, silent
from ecrnn.core.form import FIT_BEFORE, Fit
from ecrnn.core.machine_memory import machine_memory
from ecrnn.core.reading import read_bytes, read_json
from ecrnn.core.text import json_text
from ecrnn.data.downloads import cached_file, default_cache
from ecrnn.data.image_file import decode, quiet_pillow

MEMORY_LIMIT = 2 * 2**30  # bytes of decoded images; more go to a memory map in the cache
MEMORY_SHARE = 0.25  # of the memory of the machine, of which decoded images take no more either
_CHUNK = 256  # images decoded at a time


def load_images(
    folder: Path,
    files: Sequence[str],
    size: tuple[int, int],
    channels: int,
    *,
    fit: Fit = "cut",
    cache: Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress = silent,
) -> np.ndarray:
    """Image files, each as `image_file.read_image` gives it.

    Args:
        folder: where they lie.
        files: relative to it.
        size: (height, width).
        channels: 1 (grey) or 3 (RGB).
        fit: what is done to other shapes, see `fitting`.
        cache: for sets beyond ``memory_limit``; default: `downloads.default_cache`.
        memory_limit: bytes; a set larger than that, or than a quarter of the machine's memory, is decoded once into a
            memory-mapped file in the cache and used from there as long as names, sizes and times of the files stay the
            same.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Returns:
        uint8 (N, H, W, C); a read-only np.memmap beyond the limit.

    Raises:
        DataError: images that cannot be read: all are tried, and one line names the first.
    """
    return _loaded(folder, files, (len(files), *size, channels), fit, cache, memory_limit, progress, None)


def load_readable(
    folder: Path,
    files: Sequence[str],
    size: tuple[int, int],
    channels: int,
    *,
    fit: Fit = "cut",
    cache: Path | None = None,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress = silent,
) -> tuple[np.ndarray, dict[str, str]]:
    """As `load_images`, but files that cannot be read are left out.

    Returns:
        The images of the others, in their order, and why each of those left out cannot be read.

    Raises:
        DataError: none can be read.
    """
    bad: dict[str, str] = {}
    shape = (len(files), *size, channels)
    images = _loaded(folder, files, shape, fit, cache, memory_limit, progress, bad)
    if files and not len(images):
        raise DataError(f"none of the {len(files)} images in {folder} can be read ({_some(bad)}); replace them")
    return images, dict(sorted(bad.items()))


def _loaded(
    folder: Path,
    files: Sequence[str],
    shape: tuple[int, int, int, int],
    fit: Fit,
    cache: Path | None,
    memory_limit: int,
    progress: Progress,
    bad: dict[str, str] | None,
) -> np.ndarray:
    """The images of the files of which ``bad`` does not say afterwards why they cannot be read; see `decode_files`."""
    if np.prod(shape, dtype=np.int64) > min(memory_limit, MEMORY_SHARE * machine_memory()):
        return _mapped(folder, files, shape, fit, default_cache() if cache is None else Path(cache), progress, bad)
    images, done = np.empty(shape, np.uint8), 0
    for chunk in _stacked(folder, files, shape, fit, progress, bad):
        images[done : done + len(chunk)] = chunk
        done += len(chunk)
    return images if done == len(images) else images[:done].copy()


def decode_files(
    folder: Path,
    files: Sequence[str],
    one: Callable[[Path], np.ndarray],
    progress: Progress = silent,
    bad: dict[str, str] | None = None,
) -> Iterator[list[np.ndarray]]:
    """What ``one`` makes of each file, decoded by several threads.

    Args:
        folder: where the files lie.
        files: relative to it.
        one: from the path of a file to its pixels, or a DataError that says the reason only.
        progress: called with `Loading` events of `ecrnn.core.events`.
        bad: takes the files that cannot be read, with the reasons, which then are left out.

    Yields:
        The pixels of the next some, in the order of ``files``.

    Raises:
        DataError: at the end, if any file could not be read and there is no ``bad`` to take it.
    """
    damaged: dict[str, str] = {} if bad is None else bad

    def tried(name: str) -> np.ndarray | None:
        try:
            return one(folder / name)
        except DataError as error:
            damaged[name] = str(error)
            return None

    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = [pixels for pixels in pool.map(tried, files[start : start + _CHUNK]) if pixels is not None]
            if chunk and (bad is not None or not damaged):
                yield chunk
            progress(Loading("images", min(start + _CHUNK, len(files)), len(files)))
    if damaged and bad is None:
        count = f"{len(damaged)} of {len(files)} images"
        raise DataError(f"{count} in {folder} cannot be read ({_some(damaged)}); replace or remove them")


def _some(bad: Mapping[str, str]) -> str:
    """The first three files that cannot be read, with the reasons."""
    shown = "; ".join(f"{name}: {reason}" for name, reason in sorted(bad.items())[:3])
    return f"{shown}; ..." if len(bad) > 3 else shown


def _stacked(
    folder: Path,
    files: Sequence[str],
    shape: tuple[int, int, int, int],
    fit: Fit,
    progress: Progress,
    bad: dict[str, str] | None,
) -> Iterator[np.ndarray]:
    """As `decode_files`, for images of one shape; uint8 (b, H, W, C)."""
    _, height, width, channels = shape
    one = partial(decode, image=(channels, height, width), fit=fit)
    for chunk in decode_files(folder, files, one, progress, bad):
        yield np.stack(chunk)


def _mapped(
    folder: Path,
    files: Sequence[str],
    shape: tuple[int, int, int, int],
    fit: Fit,
    cache: Path,
    progress: Progress,
    bad: dict[str, str] | None,
) -> np.ndarray:
    """The decoded images as a read-only memory map of a file in the cache, written if it is not there.

    Beside it lie the list of the files that were left out, where ``bad`` takes any, and the checksum of both, without
    which files of earlier versions are.
    """
    path = cache / "folders" / f"{_key(folder, files, shape, fit)}{'' if bad is None else '-readable'}.npy"
    listed, fresh = path.with_suffix(".json"), not path.exists()
    if fresh:
        with cached_file(path) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            count = 0
            for chunk in _stacked(folder, files, shape, fit, progress, bad):
                file.write(chunk.data)
                count += len(chunk)
            file.seek(0)  # NumPy leaves room in a header for any number of rows
            np.lib.format.write_array_header_1_0(file, {**header, "shape": (count, *shape[1:])})
            if bad is not None:
                with cached_file(listed) as names:
                    names.write(json_text(bad).encode())
    elif bad is not None:
        bad |= read_json(listed)
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged; delete it and give the command again") from error
    if images.shape != (len(files) - len(bad or ()), *shape[1:]) or images.dtype != np.uint8:
        raise DataError(f"{path} does not hold the images of {folder}; delete it and give the command again")
    _check_unchanged(path, images, bad or {}, fresh)
    return images


def _check_unchanged(path: Path, images: np.ndarray, bad: Mapping[str, str], fresh: bool) -> None:
    """Raise a DataError unless images and list of the cache have the checksum beside them; ``fresh`` ones get one."""
    checksum, found = path.with_suffix(".crc32"), zlib.crc32(json_text(bad).encode())
    step = max(1, 2**24 // max(1, images[:1].nbytes))
    for start in range(0, len(images), step):
        found = zlib.crc32(images[start : start + step].data, found)
    plain = f"{found:08x}\n".encode()  # as earlier versions wrote it
    line = f"{found:08x} {path.stem}\n".encode()  # with the name, as all files of another folder's images are whole
    kept = None if fresh or not checksum.exists() else read_bytes(checksum, 1000)
    if kept is None or kept == plain:
        with cached_file(checksum) as file:
            file.write(line)
    elif kept != line:
        raise DataError(f"{path} is damaged; delete it and give the command again")


def _key(folder: Path, files: Sequence[str], shape: tuple[int, ...], fit: Fit) -> str:
    """SHA-256 of what the decoded images depend on: the files' names, sizes and times, and how they are brought to the
    shape."""
    how = () if fit == FIT_BEFORE else (fit,)
    digest = hashlib.sha256(repr(("images 1", os.path.realpath(folder), shape, *how)).encode())
    for name in files:
        path = folder / name
        status = path.stat() if path.exists() else None
        digest.update(repr((name, status and (status.st_size, status.st_mtime_ns))).encode())
    return digest.hexdigest()
