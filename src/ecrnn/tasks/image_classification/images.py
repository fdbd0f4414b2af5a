"""Labelled images from a registered name, a folder, an `.npz` file or arrays, as `ImageSet`s."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.form import Fit
from ecrnn.core.spelling import on_disk
from ecrnn.data.array_files import read_array_groups, read_arrays
from ecrnn.data.catalogue import refuse_parts, unknown_data
from ecrnn.data.downloads import default_cache
from ecrnn.data.folder import load_folder
from ecrnn.data.groups import of_array
from ecrnn.data.image_file import resize_images
from ecrnn.data.image_set import ImageSet, checked_size, from_arrays, make_image_set
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
    fit: Fit = "cut",
    val: str | Path | None = None,
    test: str | Path | None = None,
    skip: bool = False,
    groups: str | Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> ImageSet:
    """Load a registered data set by name, a folder with one sub-folder a class, one of parts with those, or a file.

    A registered name wins over a folder of the same name; write ``./mnist`` for the folder.

    Args:
        data: one of `names`, a folder, or an .npz file as `ecrnn.data.array_files` says.
        data_dir: local copies of registered data sets: the folder that holds the official folder, archive or
            files, or that folder itself. Where it is given, nothing is downloaded.
        image_size: side, or (height, width), in pixels; default: the data set's or file's own size, 32x32 for
            digits and folders.
        channels: 1 (grey) or 3 (RGB); default: the data set's or file's own, 3 for folders.
        fit: what is done to images of other shapes, see `ecrnn.data.fitting`.
        val, test: folders of the same classes as the folder ``data``, to validate and to test on.
        skip: leave out files of a folder that cannot be read; the set then names them.
        groups: a table of groups of the files of a folder, which no split parts, see `ecrnn.data.groups`.
        cache: where downloads and decoded folders are kept; default: the variable ECRNN_CACHE, else the
            user's cache.
        progress: called with `Downloading` and `Loading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError: ``data`` is neither a registered name nor a folder.
        DataError: the data is missing, damaged, or cannot be downloaded.
    """
    size = checked_size(image_size)
    _check_channels(channels)
    cache = default_cache() if cache is None else Path(cache)
    if isinstance(data, str) and data in SOURCES:
        refuse_parts(data, val, test)
        _refuse_groups(data, groups)
        return load_source(data, data_dir, size, channels, cache=cache, progress=progress)
    if isinstance(data, str) and not on_disk(Path(data)).exists() and os.sep not in data and "/" not in data:
        raise unknown_data(data, TASK.name, SOURCES, "a folder with one sub-folder a class")
    place = on_disk(Path(data))
    if place.suffix == ".npz" and place.is_file():
        refuse_parts(data, val, test)
        _refuse_groups(data, groups)
        pixels, labels, classes = read_arrays(place, "images")
        named = read_array_groups(place)
        numbers = None if named is None else of_array(named, len(pixels))
        return _resized(make_image_set(str(data), pixels, labels, classes, groups=numbers), size, channels, fit)
    return load_folder(
        Path(data),
        size or (32, 32),
        channels or 3,
        fit=fit,
        val=None if val is None else Path(val),
        test=None if test is None else Path(test),
        skip=skip,
        groups=None if groups is None else Path(groups),
        cache=cache,
        progress=progress,
    )


def of_arrays(
    X: Any,
    y: Any,
    name: str,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    fit: Fit = "cut",
) -> ImageSet:
    """Labelled images from arrays, see `from_arrays`, in another size or number of channels where one is named.

    Raises:
        DataError: shapes, types or values are not as `from_arrays` says, or size or channels are none.
    """
    size = checked_size(image_size)
    _check_channels(channels)
    images = from_arrays(X, y, name)
    if "" in images.classes:
        raise DataError("y holds an empty text as a label; give that class a name")
    return _resized(images, size, channels, fit)


def _check_channels(channels: int | None) -> None:
    if channels not in (None, 1, 3):
        raise DataError(f"channels is {channels}, but images have 1 (grey) or 3 (RGB)")


def _resized(images: ImageSet, size: tuple[int, int] | None, channels: int | None, fit: Fit) -> ImageSet:
    height, width = size or (images.height, images.width)
    pixels = resize_images(images.images, (channels or images.channels, height, width), fit)
    if pixels is images.images:
        return images
    return make_image_set(images.name, pixels, images.labels, images.classes, groups=images.groups)


def _refuse_groups(data: str | Path, groups: object) -> None:
    if groups is not None:
        raise DataError(f"--groups goes with a folder of your own, not with {data}; of arrays they are an array groups")
