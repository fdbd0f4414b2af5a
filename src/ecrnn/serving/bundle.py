"""Bundles: a trained model and all that is needed to use it, in a folder (DESIGN, section 6).

    model.safetensors   weights
    bundle.json         architecture, classes, preprocessing, format version; written last
    metrics.json        what was measured, on which data
    README.md           model card

A bundle may come from anywhere. `bundle.json` is checked key by key, it names only registered parts and holds no
paths; the weights' header must fit the model's own shapes before memory for them is taken; nothing is unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field
from torch import nn

from ecrnn.core.config import Settings
from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.core.files import make_folder, read_json, write_atomically, write_json
from ecrnn.data.preprocessing import Preprocessing
from ecrnn.models.names import parse
from ecrnn.models.registry import build, check_sizes
from ecrnn.models.store import check_header, load_weights, save_weights

FORMAT: Literal[1] = 1
WEIGHTS, DESCRIPTION, METRICS, CARD = "model.safetensors", "bundle.json", "metrics.json", "README.md"
MAX_DESCRIPTION = 16 * 2**20  # bytes
_LONGEST_ERROR = 500  # characters; a damaged file's content is quoted in it

ClassName = Annotated[str, Field(min_length=1, max_length=1000)]


class Description(Settings):
    """What `bundle.json` holds."""

    format: Literal[1]
    task: Literal["image-classification"]
    model: str = Field(max_length=200)
    classes: tuple[ClassName, ...] = Field(min_length=2)
    preprocessing: dict[str, Any]
    ecrnn_version: str = Field(max_length=50)

    @classmethod
    def read(cls, values: Mapping[str, Any], where: str = "") -> Self:
        """Check ``values``, which are not trusted, and what no type can say of them; `Settings.read`."""
        description = super().read(values, where)
        description.check()
        return description

    def check(self) -> None:
        """Raise an EcrnnError unless the classes differ and there is a model for them and the picture's size."""
        if len(set(self.classes)) < len(self.classes):
            twice = next(name for name in self.classes if self.classes.count(name) > 1)
            raise BundleError(f"two classes have the same name, '{twice}'")
        parse(self.model)
        check_sizes(Preprocessing.from_dict(self.preprocessing).image, len(self.classes), self.model)


def write_bundle(
    folder: Path,
    network: nn.Module,
    description: Description,
    metrics: dict[str, Any],
    card: str,
) -> None:
    """Write a bundle; `bundle.json` comes last, so a folder without it is not a bundle yet."""
    description.check()
    make_folder(folder)
    save_weights(network, folder / WEIGHTS)
    write_json(folder / METRICS, metrics)
    write_atomically(folder / CARD, card)
    write_json(folder / DESCRIPTION, description.model_dump(mode="json"))


def is_bundle(folder: Path) -> bool:
    """Whether ``folder`` looks like a finished bundle."""
    return (folder / DESCRIPTION).is_file()


def read_bundle(folder: Path) -> tuple[Description, nn.Module]:
    """The description and the network of a bundle, on the CPU and ready to predict.

    Raises:
        BundleError: the folder is no bundle, or anything in it is not as it should be; one line.
    """
    try:
        return _read(folder)
    except EcrnnError as error:
        raise BundleError(_one_line(str(error))) from error


def read_metrics(folder: Path) -> dict[str, Any]:
    """What `metrics.json` of a bundle holds; nothing where there is none.

    Raises:
        BundleError: the file is damaged, or a link out of the folder.
    """
    if not (folder / METRICS).is_file():
        return {}
    try:
        _check_file(folder, METRICS)
        metrics = read_json(folder / METRICS)
        if not isinstance(metrics, dict):
            raise BundleError(f"{folder / METRICS} should hold an object")
    except EcrnnError as error:
        raise BundleError(_one_line(str(error))) from error
    return metrics


def _read(folder: Path) -> tuple[Description, nn.Module]:
    for name in (DESCRIPTION, WEIGHTS):
        _check_file(folder, name)
    try:
        values = read_json(folder / DESCRIPTION, limit=MAX_DESCRIPTION)
        if not isinstance(values, dict):
            raise BundleError("expected an object")
        description = Description.read(values)
        preprocessing = Preprocessing.from_dict(description.preprocessing)
    except EcrnnError as error:
        raise BundleError(f"{folder / DESCRIPTION} cannot be used: {error}") from error
    classes = len(description.classes)
    with torch.device("meta"):  # shapes without memory: the file is compared with them before anything is taken
        shapes = build(description.model, preprocessing.image, classes).state_dict()
    check_header(folder / WEIGHTS, shapes)
    network = build(description.model, preprocessing.image, classes)
    load_weights(network, folder / WEIGHTS)
    return description, network.eval()


def _one_line(text: str) -> str:
    """``text``, which may quote a hostile file, without control characters and not endless."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:_LONGEST_ERROR])
    return shown + ("..." if len(text) > _LONGEST_ERROR else "")


def _check_file(folder: Path, name: str) -> None:
    path = folder / name
    if not folder.is_dir():
        raise BundleError(f"there is no folder {folder}; a bundle is what 'ecrnn train ... -o BUNDLE' leaves")
    if not path.is_file():
        raise BundleError(f"{folder} is not a bundle: {name} is missing")
    if not path.resolve().is_relative_to(folder.resolve()):
        raise BundleError(f"{path} points out of the bundle's folder; a bundle holds its files itself")
