"""The best model so far of a training that goes on: a whole bundle in its folder, `checkpoint/best-<epoch>`.

Each is written under another name and renamed when it is whole, and the one before it stays, so whoever reads the
folder meanwhile, or after a kill at any moment, finds a whole one. `newest` is where `ecrnn.load` looks.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from ecrnn.core.errors import BundleError, EcrnnError, raised_as
from ecrnn.core.files import disk_errors, make_folder
from ecrnn.core.reading import check_inside
from ecrnn.serving.bundle import is_bundle, read_metrics
from ecrnn.serving.its_training import check_so_far

CHECKPOINTS = "checkpoint"
_NAME = re.compile(r"best-([0-9]{1,6})")
_HALF = "best.tmp"


def begin(out: Path) -> Path:
    """The empty folder for the next bundle of the training in ``out``; `end` gives it its name."""
    half = make_folder(out / CHECKPOINTS) / _HALF
    _delete(half)
    return make_folder(half)


def end(out: Path, epoch: int) -> None:
    """Give the bundle that was begun its name, and delete all but the one before it."""
    place, before = out / CHECKPOINTS / f"best-{epoch}", _bundles(out)
    with disk_errors(place):
        _delete(place)
        (out / CHECKPOINTS / _HALF).rename(place)
    for old in sorted(before.keys() - {epoch})[:-1]:
        _delete(before[old])


def remove(out: Path) -> None:
    """Delete all of them."""
    for place in (out / CHECKPOINTS / _HALF, *_bundles(out).values()):
        _delete(place)


def newest(folder: Path) -> Path:
    """The best bundle of the training in ``folder`` so far, where it has a newer one than ``folder`` itself is.

    Raises:
        BundleError: it points out of ``folder``, or is of another training.
    """
    whole = {epoch: place for epoch, place in _bundles(folder).items() if is_bundle(place)}
    if not whole:
        return folder
    place = whole[max(whole)]
    with raised_as(BundleError):
        check_inside(place, folder)
        if is_bundle(folder) and max(whole) <= _trained(folder):
            return folder
        check_so_far(folder, place, max(whole))
    return place


def _trained(folder: Path) -> int:
    """Epochs of the bundle in ``folder``; where it cannot be read, so many that reading it says what is wrong."""
    try:
        epochs = read_metrics(folder).get("epochs")
    except EcrnnError:
        return 10**6
    return epochs if isinstance(epochs, int) else 10**6


def _bundles(out: Path) -> dict[int, Path]:
    """Those that are there, by epoch; one that was being deleted when its process was killed is not whole."""
    folder = out / CHECKPOINTS
    if not folder.is_dir():
        return {}
    with disk_errors(folder, "read"):
        named = [(_NAME.fullmatch(place.name), place) for place in folder.iterdir()]
    return {int(match[1]): place for match, place in named if match}


def _delete(place: Path) -> None:
    with disk_errors(place, "delete"):
        if place.is_symlink():
            place.unlink()
        elif place.is_dir():
            shutil.rmtree(place)
