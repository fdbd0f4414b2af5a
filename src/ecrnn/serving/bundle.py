"""Bundles: a trained model and all that is needed to use it, in a folder (DESIGN, section 6).

    model.safetensors   weights
    bundle.json         task, architecture, classes, preprocessing, format version; written last
    vocabulary.json, tokenizer.json, source-...
                        tokens of texts, of the tasks that have any, as `ecrnn.data.tokens` writes them
    metrics.json        what was measured, on which data
    examples.bin        by which the examples of training and validation are known again, see `trained_on`
    README.md           model card

A bundle may come from anywhere. `bundle.json` is checked key by key, it names only registered parts and holds no
paths; the weights' header must fit the model's own shapes before memory for them is taken; nothing is unpickled.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import nn

from ecrnn.core.config import Settings
from ecrnn.core.errors import BundleError, EcrnnError
from ecrnn.core.files import make_folder, read_json, write_atomically, write_json
from ecrnn.models.names import task
from ecrnn.models.prepared import Prepared
from ecrnn.models.registry import make
from ecrnn.models.sizes import check
from ecrnn.models.store import check_header, load_weights, save_weights
from ecrnn.serving.trained_on import FILE as EXAMPLES
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.serving.trained_on import read as read_examples

FORMAT: Literal[1] = 1
WEIGHTS, DESCRIPTION, METRICS, CARD = "model.safetensors", "bundle.json", "metrics.json", "README.md"
MAX_DESCRIPTION = 16 * 2**20  # bytes
MAX_VOCABULARY = 64 * 2**20
_LONGEST_ERROR = 500  # characters; a damaged file's content is quoted in it

ClassName = Annotated[str, Field(min_length=1, max_length=1000)]


class Description(Settings):
    """What `bundle.json` holds. Of the parts after ``classes`` those are there that the task needs."""

    format: Literal[1]
    task: str = Field(max_length=50)
    model: str = Field(max_length=200)
    classes: tuple[ClassName, ...] | None = Field(None, min_length=2)
    preprocessing: dict[str, Any] | None = None
    vocabulary: str | None = Field(None, max_length=50)
    source_vocabulary: str | None = Field(None, max_length=50)
    length: int | None = None
    frames: int | None = None
    ecrnn_version: str = Field(max_length=50)

    @property
    def parts(self) -> dict[str, Any]:
        """What `Prepared.from_plain` takes."""
        names = ("preprocessing", "vocabulary", "source_vocabulary", "length", "frames")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def describe(model: str, prepared: Prepared) -> Description:
    """What `bundle.json` says of a trained model."""
    return Description(
        format=FORMAT,
        task=prepared.task.name,
        model=model,
        classes=prepared.classes or None,
        ecrnn_version=version("ecrnn"),
        **prepared.to_plain(),
    )


def write_bundle(
    folder: Path,
    network: nn.Module,
    model: str,
    prepared: Prepared,
    metrics: dict[str, Any],
    card: str,
    trained_on: TrainedOn | None = None,
) -> None:
    """Write a bundle; `bundle.json` comes last, so a folder without it is not a bundle yet."""
    description = describe(model, prepared)
    _check(description, prepared)
    make_folder(folder)
    save_weights(network, folder / WEIGHTS)
    write_json(folder / METRICS, metrics)
    write_atomically(folder / CARD, card)
    if trained_on is not None:
        write_atomically(folder / EXAMPLES, trained_on.to_bytes())
    for name, text in prepared.files().items():
        write_atomically(folder / name, text)
    write_json(folder / DESCRIPTION, description.model_dump(mode="json", exclude_none=True))


def file_names(prepared: Prepared) -> set[str]:
    """The names of the files of a bundle."""
    return {WEIGHTS, DESCRIPTION, METRICS, CARD, EXAMPLES, *prepared.files()}


def is_bundle(folder: Path) -> bool:
    """Whether ``folder`` looks like a finished bundle."""
    return (folder / DESCRIPTION).is_file()


def read_bundle(folder: Path) -> tuple[Description, Prepared, nn.Module]:
    """The description of a bundle, its parts, and its network, on the CPU and ready to predict.

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


def read_trained_on(folder: Path) -> TrainedOn | None:
    """Which examples the model of a bundle was trained on; None where the bundle does not say.

    Raises:
        BundleError: the file is damaged, or a link out of the folder.
    """
    if not (folder / EXAMPLES).is_file():
        return None
    try:
        _check_file(folder, EXAMPLES)
        return read_examples(folder / EXAMPLES)
    except EcrnnError as error:
        raise BundleError(_one_line(str(error))) from error


def _read(folder: Path) -> tuple[Description, Prepared, nn.Module]:
    for name in (DESCRIPTION, WEIGHTS):
        _check_file(folder, name)
    try:
        values = read_json(folder / DESCRIPTION, limit=MAX_DESCRIPTION)
        if not isinstance(values, dict):
            raise BundleError("expected an object")
        description = Description.read(values)
        prepared = Prepared.from_plain(
            description.task, description.classes or (), description.parts, lambda name: _text(folder, name)
        )
        _check(description, prepared)
    except EcrnnError as error:
        raise BundleError(f"{folder / DESCRIPTION} cannot be used: {error}") from error
    with torch.device("meta"):  # shapes without memory: the file is compared with them before anything is taken
        shapes = make(description.model, prepared.sizes).state_dict()
    check_header(folder / WEIGHTS, shapes)
    network = make(description.model, prepared.sizes)
    load_weights(network, folder / WEIGHTS)
    return description, prepared, network.eval()


def _check(description: Description, prepared: Prepared) -> None:
    """Raise an EcrnnError unless the classes differ and there is a model for them and for the other sizes."""
    classes = prepared.classes
    if len(set(classes)) < len(classes):
        twice = next(name for name in classes if classes.count(name) > 1)
        raise BundleError(f"two classes have the same name, '{twice}'")
    if task(description.model) != prepared.task.name:
        raise BundleError(f"{description.model} is for {task(description.model)}, not for {prepared.task.name}")
    check(prepared.sizes, description.model)


def _text(folder: Path, name: str) -> str:
    """The text of a vocabulary in a bundle."""
    _check_file(folder, name)
    try:
        with (folder / name).open("rb") as file:
            content = file.read(MAX_VOCABULARY + 1)
        if len(content) > MAX_VOCABULARY:
            raise BundleError(f"{folder / name} is larger than {MAX_VOCABULARY >> 20} MiB")
        return content.decode("utf-8")
    except OSError as error:
        raise BundleError(f"cannot read {folder / name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BundleError(f"{folder / name} is not a text file in UTF-8") from error


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
