"""The bundles that come with ecrnn, by name: folders of src/ecrnn/pretrained.

`ecrnn bundle` makes them from a study, so their figures are on their cards like those of any other bundle.
"""

from __future__ import annotations

from pathlib import Path

from ecrnn.core.errors import BundleError
from ecrnn.core.files import path_of
from ecrnn.core.spelling import on_disk
from ecrnn.serving.best_so_far import newest
from ecrnn.serving.bundle import is_bundle

FOLDER = Path(__file__).parents[1] / "pretrained"
DEFAULT = "cifar10"  # what predicts where no bundle is named


def names() -> list[str]:
    """The pretrained bundles of this installation, sorted."""
    return sorted(folder.name for folder in FOLDER.glob("*") if is_bundle(folder))


def find(bundle: str | Path) -> Path:
    """The folder that ``bundle`` names: itself, or, where there is no such file or folder, the pretrained one.

    Of a training that goes on, or was stopped, it is that of the best model so far.
    """
    folder = on_disk(path_of(bundle, "a bundle"))
    return FOLDER / folder if str(folder) in names() and not folder.exists() else newest(folder)


def default() -> Path:
    """The folder of the bundle that predicts where none is named.

    Raises:
        BundleError: it is not part of this installation.
    """
    if DEFAULT not in names():
        raise BundleError("no pretrained model is installed with ecrnn; name a bundle that 'ecrnn train' left, first")
    return FOLDER / DEFAULT
