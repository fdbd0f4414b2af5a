"""Labelled images from a registered name or from a folder, as `ImageSet`s."""

from __future__ import annotations

import os
from pathlib import Path

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.names import on_disk
from ecrnn.data.catalogue import refuse_parts, unknown_data
from ecrnn.data.downloads import default_cache
from ecrnn.data.folder import load_folder
from ecrnn.data.image_set import ImageSet, checked_size
from ecrnn.data.sources import SOURCES, load_source
from ecrnn.tasks.image_classification.facts import TASK


def names() -> list[str]:
    """The registered data sets, sorted."""
    return sorted(SOURCES)


def load(
    data: str | Path,
    *,
    data_dir: Path | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    val: str | Path | None = None,
    test: str | Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> ImageSet:
    """Load a registered data set by name, or a folder with one sub-folder a class, or one of parts with those.

    A registered name wins over a folder of the same name; write ``./mnist`` for the folder.

    Args:
        data: one of `names`, or a folder.
        data_dir: local copies of registered data sets: the folder that holds the official folder, archive or
            files, or that folder itself. Where it is given, nothing is downloaded.
        image_size: side, or (height, width), in pixels; default: the data set's own size, 32x32 for digits
            and folders. Other shapes are resized by the shorter side and cropped in the centre.
        channels: 1 (grey) or 3 (RGB); default: the data set's own, 3 for folders.
        val, test: folders of the same classes as the folder ``data``, to validate and to test on.
        cache: where downloads and decoded folders are kept; default: the variable ECRNN_CACHE, else the
            user's cache.
        progress: called with `Downloading` and `Loading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError: ``data`` is neither a registered name nor a folder.
        DataError: the data is missing, damaged, or cannot be downloaded.
    """
    size = checked_size(image_size)
    if channels not in (None, 1, 3):
        raise DataError(f"channels is {channels}, but pictures have 1 (grey) or 3 (RGB)")
    cache = default_cache() if cache is None else Path(cache)
    if isinstance(data, str) and data in SOURCES:
        refuse_parts(data, val, test)
        return load_source(data, data_dir, size, channels, cache=cache, progress=progress)
    if isinstance(data, str) and not on_disk(Path(data)).exists() and os.sep not in data and "/" not in data:
        raise unknown_data(data, TASK.name, SOURCES, "a folder with one sub-folder a class")
    return load_folder(
        Path(data),
        size or (32, 32),
        channels or 3,
        val=None if val is None else Path(val),
        test=None if test is None else Path(test),
        cache=cache,
        progress=progress,
    )
