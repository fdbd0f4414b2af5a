"""Clips, short sequences of frames, each with a class. From

- a folder with a sub-folder a class, in it a folder a clip, in it the frames: images with a number in their names
  (`falls/garden/frame-7.png`), which comes last where there are several and says the order; or a folder of parts
  (train, with val or test or both) with those in them;
- a `.npz` file, see `array_files`;
- "moving", which is made here, see `moving`.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ecrnn.core.errors import DataError, SettingsError
from ecrnn.core.events import Progress, silent
from ecrnn.core.form import FRAMES, Fit
from ecrnn.core.spelling import nfc
from ecrnn.data import catalogue, layout, left_out
from ecrnn.data.array_files import read_arrays
from ecrnn.data.catalogue import refuse_parts
from ecrnn.data.example_set import LabelledSet
from ecrnn.data.file_lists import check_alike, check_same_classes, entries_of, is_image
from ecrnn.data.image_decoding import MEMORY_LIMIT, load_images
from ecrnn.data.image_file import resize_images
from ecrnn.data.image_set import checked_size, fingerprint
from ecrnn.data.keys import Keys, of_arrays
from ecrnn.data.layout import TEST, TRAIN, VAL
from ecrnn.tasks.clip_classification import synthetic_clips
from ecrnn.tasks.clip_classification.facts import TASK

SIZE, CHANNELS = 32, 3  # of a folder's frames where nothing else is asked for
_INSTEAD = "a folder with a sub-folder a class, in it a folder of numbered frames a clip, or an .npz file"


@dataclass(frozen=True)
class ClipSet(LabelledSet):
    """Labelled clips, all of one size and number of frames. Attributes are those of `LabelledSet`, and:

    Attributes:
        clips: uint8 (N, T, H, W, C), C 1 or 3; may be a read-only np.memmap. Not to be written to.
    """

    clips: np.ndarray

    def keys(self) -> Keys:
        """By which each example is known again."""
        return of_arrays(self.clips)

    @property
    def frames(self) -> int:
        return int(self.clips.shape[1])

    @property
    def image(self) -> tuple[int, int, int]:
        """(C, H, W) of a frame, as models and preprocessing take it."""
        _, _, height, width, channels = self.clips.shape
        return channels, height, width


def make_clip_set(
    name: str,
    clips: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    *,
    n_train: int | None = None,
    n_validation: int = 0,
    files: Sequence[str] = (),
) -> ClipSet:
    """A `ClipSet` with its fingerprint; for readers that have checked what they pass.

    Args:
        name, clips, labels, classes, n_train, n_validation, files: its attributes; default: no parts.

    Raises:
        DataError: fewer than two classes.
    """
    assert clips.dtype == np.uint8
    assert clips.ndim == 5
    assert labels.shape == (len(clips),)
    if len(classes) < 2:
        raise DataError(f"{name} holds one class ({classes[0]}), but at least two are needed to tell apart")
    n_train = len(clips) if n_train is None else n_train
    digest = fingerprint(clips, labels, classes, n_train, n_validation)
    return ClipSet(
        clips,
        labels=labels,
        classes=tuple(classes),
        name=name,
        n_train=n_train,
        n_validation=n_validation,
        fingerprint=digest,
        files=tuple(files),
    )


def load(
    data: str | Path,
    *,
    frames: int = 8,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    fit: Fit = "cut",
    val: str | Path | None = None,
    test: str | Path | None = None,
    data_dir: Path | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
) -> ClipSet:
    """A registered set of clips by name, or a folder or a file.

    Args:
        data: "moving", a folder or an .npz file, laid out as the module's first lines say.
        frames: of a clip, 1 to 4096, chosen as `chosen` does.
        image_size: side, or (height, width), in pixels; default: the frames' own size, 32x32 for a folder.
        channels: 1 (grey) or 3 (RGB); default: the frames' own, 3 for a folder.
        fit: what is done to frames of other shapes, see `ecrnn.data.fitting`.
        val, test: folders of the same classes as the folder ``data``, to validate and to test on.
        data_dir: not used, as "moving" needs no files; other loaders use it.
        cache: where large folders are kept decoded; default: `downloads.default_cache`.
        progress: called with `Loading` events of `ecrnn.core.events`.

    Raises:
        UnknownNameError, DataError: ``data`` is nothing of the kind, damaged or too large for the memory.
        SettingsError: ``frames`` is out of its bounds.
    """
    if not FRAMES[0] <= frames <= FRAMES[1]:
        raise SettingsError("frames", f"is {frames}, but a clip has {FRAMES[0]} to {FRAMES[1]}")
    if channels not in (None, 1, 3):
        raise DataError(f"channels is {channels}, but frames have 1 (grey) or 3 (RGB)")
    size = checked_size(image_size)
    place = catalogue.place(data, TASK.name, _INSTEAD)
    if place is None or place.is_file():
        refuse_parts(data, val, test)
    if place is None:
        _check_memory((synthetic_clips.COUNT, frames, synthetic_clips.SIDE, synthetic_clips.SIDE, 1), str(data))
        clips, labels = synthetic_clips.make_moving(synthetic_clips.COUNT, frames)
        clips = _resized(clips, size, channels, fit, str(data))
        return make_clip_set(str(data), clips, labels, synthetic_clips.CLASSES, n_train=synthetic_clips.N_TRAIN)
    if place.is_file():
        clips, labels, classes = read_arrays(place, "clips")
        clips = _resized(clips[:, chosen(clips.shape[1], frames)], size, channels, fit, str(data))
        return make_clip_set(str(data), clips, labels, classes)
    places = layout.beside(place, _parts(place), val, test)
    return _load_folder(place, places, frames, size or (SIZE, SIZE), channels or CHANNELS, fit, cache, progress)


def chosen(count: int, frames: int) -> np.ndarray:
    """Which of a clip's ``count`` frames are taken: int64 (frames,).

    They are evenly spread from the first to the last; one alone is that in the middle. A clip with fewer frames than
    are wanted repeats its last one.

    >>> chosen(9, 3).tolist(), chosen(2, 4).tolist(), chosen(9, 1).tolist()
    ([0, 4, 8], [0, 1, 1, 1], [4])
    """
    if count <= frames:
        return np.minimum(np.arange(frames), count - 1)
    if frames == 1:
        return np.array([(count - 1) // 2])
    gaps = frames - 1
    return (np.arange(frames) * (count - 1) * 2 + gaps) // (2 * gaps)  # rounded half up


def _resized(clips: np.ndarray, size: tuple[int, int] | None, channels: int | None, fit: Fit, name: str) -> np.ndarray:
    count, frames, own_height, own_width, own_channels = clips.shape
    height, width = size or (own_height, own_width)
    shape = (count, frames, height, width, channels or own_channels)
    _check_memory(shape, name)
    images = clips.reshape(-1, own_height, own_width, own_channels)
    return resize_images(images, (shape[4], height, width), fit).reshape(shape)


def _check_memory(shape: tuple[int, ...], name: str) -> None:
    needed = int(np.prod(shape, dtype=np.int64))
    if needed > MEMORY_LIMIT:
        raise DataError(
            f"{name} needs {needed} bytes as {shape}, more than {MEMORY_LIMIT}; take fewer or smaller frames"
        )


def _parts(folder: Path) -> dict[str, Path]:
    """The folder of each part; of a folder of classes itself as `TRAIN`."""
    names = [entry.name for entry in entries_of(folder) if entry.is_dir()]
    parts = layout.parts(folder, names, is_image, "clips", levels=1)
    return {part: folder / name for part, name in parts.items()} or {TRAIN: folder}


def has_validation(place: Path) -> bool:
    """Whether ``place`` is a folder of parts with one to validate on; False too where it is none at all."""
    return layout.validates(place, _parts)


def _load_folder(
    folder: Path,
    places: dict[str, Path],
    frames: int,
    size: tuple[int, int],
    channels: int,
    fit: Fit,
    cache: Path | None,
    progress: Progress,
) -> ClipSet:
    classes: list[str] = []
    clips: list[str] = []
    labels: list[int] = []
    counts = dict.fromkeys((TRAIN, VAL, TEST), 0)
    counted: Counter[str] = Counter()
    doubts: list[str] = []
    loose = 0
    for part in (part for part in counts if part in places):
        place = places[part]
        names, found, numbers = _listing(place)
        count, others, lines = _beside(place, found)
        loose, counted = loose + count, counted + others
        doubts += [line for line in lines if line not in doubts]
        classes = classes or names
        check_same_classes(place, names, places[TRAIN], classes)
        near = place.is_relative_to(folder)
        before = f"{place.relative_to(folder).as_posix() if near else os.path.abspath(place)}/".removeprefix("./")
        clips += [before + clip for clip in found]
        labels += numbers
        counts[part] = len(found)
    files = [f"{clip}/{name}" for clip in clips for name in _frames(folder / clip, frames)]
    images = load_images(folder, files, size, channels, fit=fit, cache=cache, progress=progress)
    images = images.reshape(len(clips), frames, *size, channels)
    n_train = counts[TRAIN] + counts[VAL]
    numbered = np.array(labels, np.int64)
    data = make_clip_set(str(folder), images, numbered, classes, n_train=n_train, n_validation=counts[VAL], files=clips)
    notes = left_out.notes(folder, counted, loose=loose, where="in no clip", doubts=doubts)
    return replace(data, left_out=dict(counted), notes=notes)


def _beside(folder: Path, clips: Sequence[str]) -> tuple[int, Counter[str], list[str]]:
    """How many images lie in no clip, the other files by suffix, and doubts about the classes."""
    classes = list(dict.fromkeys(clip.split("/")[0] for clip in clips))
    loose = 0
    others: Counter[str] = Counter()
    for place in [folder, *(folder / name for name in classes)]:
        names = [entry.name for entry in entries_of(place) if entry.is_file()]
        loose += sum(map(is_image, names))
        others += left_out.of_images(Counter(left_out.suffix(name) for name in names if not is_image(name)))
    for clip in clips:
        names = [entry.name for entry in entries_of(folder / clip) if not entry.is_dir()]
        others += Counter(left_out.suffix(name) for name in names if not is_image(name))
    return loose, others, layout.doubts(folder, classes, [f"{clip}/" for clip in clips], "clips", levels=1)


def _listing(folder: Path) -> tuple[list[str], list[str], list[int]]:
    """Classes, clips (relative to the folder), and the class of each."""
    classes = [entry.name for entry in entries_of(folder) if entry.is_dir()]
    clips: list[str] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        entries = entries_of(folder / name)
        inside = [f"{name}/{entry.name}" for entry in entries if entry.is_dir()]
        if not inside:
            raise DataError(f"{folder / name} holds no folders with the frames of a clip; give {_INSTEAD}")
        clips += inside
        labels += [label] * len(inside)
    if not classes:
        raise DataError(f"{folder} holds no sub-folders; give {_INSTEAD}")
    check_alike(folder, classes, classes=True)
    check_alike(folder, clips)
    return [nfc(name) for name in classes], clips, labels


def _frames(folder: Path, frames: int) -> list[str]:
    """The names of the frames that are chosen, in order."""
    numbers: dict[int, str] = {}
    for entry in entries_of(folder):
        if not is_image(entry.name):
            continue
        digits = re.findall(r"[0-9]+", Path(entry.name).stem)
        if not digits:
            raise DataError(f"{folder / entry.name} has no number in its name that says its place; rename it")
        number = int(digits[-1])
        if number in numbers:
            raise DataError(f"{folder} has two frames of number {number}: {numbers[number]} and {entry.name}")
        numbers[number] = entry.name
    if not numbers:
        raise DataError(f"{folder} holds no frames; add images with numbers in their names, or remove it")
    ordered = [numbers[number] for number in sorted(numbers)]
    return [ordered[i] for i in chosen(len(ordered), frames)]
