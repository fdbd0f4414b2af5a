"""Decodes many image files: by several threads, with every fault in one line, large sets in a memory map.

`image_file` decodes one file; `folder` and the readers of the tasks know which files there are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading, Progress, silent
from ecrnn.core.form import FIT_BEFORE, Fit
from ecrnn.data.downloads import cached_file, default_cache
from ecrnn.data.image_file import decode, quiet_pillow

MEMORY_LIMIT = 2 * 2**30  # bytes of decoded images; more go to a memory map in the cache
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
        memory_limit: bytes; a larger set is decoded once into a memory-mapped file in the cache and used from
            there as long as names, sizes and times of the files stay the same.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Returns:
        uint8 (N, H, W, C); a read-only np.memmap beyond the limit.

    Raises:
        DataError: images that cannot be read: all are tried, and one line names the first.
    """
    shape = (len(files), *size, channels)
    if np.prod(shape, dtype=np.int64) > memory_limit:
        return _mapped(folder, files, shape, fit, default_cache() if cache is None else cache, progress)
    images = np.empty(shape, np.uint8)
    for start, chunk in _stacked(folder, files, shape, fit, progress):
        images[start : start + len(chunk)] = chunk
    return images


def decode_files(
    folder: Path, files: Sequence[str], one: Callable[[Path], np.ndarray], progress: Progress = silent
) -> Iterator[tuple[int, list[np.ndarray]]]:
    """What ``one`` makes of each file, decoded by several threads.

    Args:
        folder: where the files lie.
        files: relative to it.
        one: from the path of a file to its pixels, or a DataError that says the reason only.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Yields:
        The place of the first and the pixels of the next some, in the order of ``files``.

    Raises:
        DataError: at the end, if any file could not be read.
    """
    damaged: list[str] = []

    def tried(name: str) -> np.ndarray | None:
        try:
            return one(folder / name)
        except DataError as error:
            damaged.append(f"{name}: {error}")
            return None

    with quiet_pillow(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(files), _CHUNK):
            chunk = [pixels for pixels in pool.map(tried, files[start : start + _CHUNK]) if pixels is not None]
            if not damaged:
                yield start, chunk
            progress(Loading("images", min(start + _CHUNK, len(files)), len(files)))
    if damaged:
        shown = "; ".join(sorted(damaged)[:3]) + ("; ..." if len(damaged) > 3 else "")
        raise DataError(
            f"{len(damaged)} of {len(files)} images in {folder} cannot be read ({shown}); replace or remove them"
        )


def _stacked(
    folder: Path, files: Sequence[str], shape: tuple[int, int, int, int], fit: Fit, progress: Progress
) -> Iterator[tuple[int, np.ndarray]]:
    """As `decode_files`, for images of one shape; uint8 (b, H, W, C)."""
    _, height, width, channels = shape
    for start, chunk in decode_files(
        folder, files, lambda path: decode(path, (channels, height, width), fit), progress
    ):
        yield start, np.stack(chunk)


def _mapped(
    folder: Path, files: Sequence[str], shape: tuple[int, int, int, int], fit: Fit, cache: Path, progress: Progress
) -> np.ndarray:
    """The decoded images as a read-only memory map of a file in the cache, written if it is not there."""
    path = Path(cache) / "folders" / f"{_key(folder, files, shape, fit)}.npy"
    if not path.exists():
        with cached_file(path) as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            for _, chunk in _stacked(folder, files, shape, fit, progress):
                file.write(chunk.data)
    try:
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is damaged; delete it and give the command again") from error
    if images.shape != shape or images.dtype != np.uint8:
        raise DataError(f"{path} does not hold the images of {folder}; delete it and give the command again")
    return images


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
