"""Bundles: a trained model and all that is needed to use it, in a folder.

    model.safetensors   weights
    bundle.json         task, architecture, classes, preprocessing, format version, and the SHA-256 of itself, of the
                        weights, of the tokens and of the keys; written last
    vocabulary.json, tokenizer.json, source-...
                        tokens of texts, of the tasks that have any, as `ecrnn.data.tokens` writes them
    code.py             the file of a model that is not ecrnn's own, for the record
    metrics.json        what was measured, on which data, and the SHA-256 of the weights that it is of; bundle.json has
                        the SHA-256 of its figures, without seconds
    examples.bin        keys by which the examples of training and validation are recognised, see `trained_on`
    README.md           model card

A bundle may come from anywhere. `bundle.json` is checked key by key, it names only registered parts and holds no
paths; every file is looked at before it is read (`ecrnn.core.reading`), and must be the one that was written with
`bundle.json`; the weights must have the model's names, types and shapes before it is built; nothing is unpickled.
Format 1 had no digests.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import nn

from ecrnn.core.checked_settings import Settings
from ecrnn.core.config import MAX_BAD_FILES
from ecrnn.core.errors import BundleError, EcrnnError, raised_as
from ecrnn.core.files import make_folder, write_atomically, write_json
from ecrnn.core.reading import MAX_METRICS, is_file, read_bytes, read_json, there
from ecrnn.core.seals import seal, unsealed
from ecrnn.core.spelling import nfc
from ecrnn.core.tasks import LONGEST_CLASS, MAX_CLASSES
from ecrnn.models.names import ModelName, parse
from ecrnn.models.own_code import check_digest, loaded_files
from ecrnn.models.processor import PARTS, Processor
from ecrnn.models.spec import check
from ecrnn.models.weights import load_network, save_weights
from ecrnn.serving.its_figures import check_figures
from ecrnn.serving.trained_on import FILE as EXAMPLES
from ecrnn.serving.trained_on import TrainedOn
from ecrnn.serving.trained_on import read as read_examples

FORMAT: Literal[2] = 2
WEIGHTS, DESCRIPTION, METRICS, CARD = "model.safetensors", "bundle.json", "metrics.json", "README.md"
CODE = "code.py"
MAX_VOCABULARY = 64 * 2**20
_PASSING = ("seconds", "study", "kept_rejection")  # of metrics.json: what another machine, name or time makes other

ClassName = Annotated[str, Field(min_length=1, max_length=LONGEST_CLASS)]
ClassNames = Annotated[tuple[ClassName, ...], Field(min_length=2, max_length=MAX_CLASSES, fail_fast=True)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Description(Settings):
    """What `bundle.json` holds. Of the parts after ``classes`` those are there that the task needs.

    ``source`` is the SHA-256 of the file of a model that is not ecrnn's own, of which `code.py` is a copy.
    """

    format: Literal[1, 2]
    task: str = Field(max_length=50)
    model: str = Field(max_length=200)
    classes: ClassNames | None = None
    preprocessing: dict[str, Any] | None = None
    vocabulary: str | None = Field(None, max_length=50)
    source_vocabulary: str | None = Field(None, max_length=50)
    length: int | None = None
    frames: int | None = None
    extra: dict[str, Any] | None = Field(None, max_length=100)
    source: Digest | None = None
    ecrnn_version: str = Field(max_length=50)
    files: dict[str, Digest] = Field({}, max_length=16)
    metrics: Digest | None = None  # of what metrics.json holds, `_of_figures`; of earlier versions none
    bad_files: tuple[str, ...] | None = Field(None, max_length=MAX_BAD_FILES)  # of its data, left out

    @property
    def parts(self) -> dict[str, Any]:
        """What `Processor.from_plain` takes."""
        return {name: value for name in PARTS if (value := getattr(self, name)) is not None}


def describe(
    model: ModelName, processor: Processor, files: dict[str, str] | None = None, bad_files: Sequence[str] = ()
) -> Description:
    """What `bundle.json` says of a trained model.

    Args:
        model, processor: of it.
        files: SHA-256 of the files beside it.
        bad_files: files of its data that were left out, as they could not be read.
    """
    source = model.row.source
    plain = {
        "format": FORMAT,
        "source": source and source.sha256,
        "task": processor.task.name,
        "model": str(model),
        "classes": processor.classes or None,
        "files": files or {},
        "bad_files": tuple(bad_files) or None,
        "ecrnn_version": version("ecrnn"),
        **processor.to_plain(),
    }
    return Description.read(plain)  # of a study from anywhere the classes may be none


def write_bundle(
    folder: Path,
    network: nn.Module,
    model: ModelName,
    processor: Processor,
    metrics: dict[str, Any],
    card: str,
    trained_on: TrainedOn | None = None,
    half: bool = False,
) -> None:
    """Write a bundle; `bundle.json` comes last, so a folder without it is not a bundle yet.

    ``half``: its weights take 16 bits each, as `ecrnn.models.weights.round_to_half` has rounded them.
    """
    describe(model, processor)  # fails before anything is written
    _check(model, processor)
    make_folder(folder)
    files = {WEIGHTS: save_weights(network, folder / WEIGHTS, half)}
    # With a digest of its own, as seconds are in it: the others are the same every time.
    write_json(folder / METRICS, seal({**metrics, WEIGHTS: files[WEIGHTS]}))
    write_atomically(folder / CARD, card)
    if source := model.row.source:
        write_atomically(folder / CODE, source.content)  # for the record: nothing ever runs it
    if trained_on is not None:
        keys = trained_on.to_bytes()
        write_atomically(folder / EXAMPLES, keys)
        files[EXAMPLES] = hashlib.sha256(keys).hexdigest()
    for name, text in processor.files().items():
        write_atomically(folder / name, text)
        files[name] = hashlib.sha256(text.encode()).hexdigest()
    description = describe(model, processor, files, metrics.get("bad_files", ()))
    description = description.model_copy(update={"metrics": _of_figures(json.loads(json.dumps(metrics)))})
    write_json(folder / DESCRIPTION, seal(description.model_dump(mode="json", exclude_none=True)))


def file_names(processor: Processor) -> set[str]:
    """The names of the files of a bundle."""
    return {WEIGHTS, DESCRIPTION, METRICS, CARD, EXAMPLES, CODE, *processor.files()}


def spare(folder: Path, out: Path) -> None:
    """Refuse to write ``out`` over a file in the folder of a bundle that is in use.

    Raises:
        EcrnnError: it is one, under whatever name.
    """
    if out.exists() and folder.is_dir() and any(out.samefile(file) for file in folder.iterdir() if file.exists()):
        raise EcrnnError(f"{out} is a file of the bundle, which would be overwritten; name another file")


def is_bundle(folder: Path) -> bool:
    """Whether ``folder`` looks like a finished bundle."""
    return is_file(folder / DESCRIPTION)


def read_bundle(folder: Path) -> tuple[Description, Processor, nn.Module, dict[str, Any]]:
    """The description of a bundle, its parts, its network, on the CPU and ready to predict, and its metrics.

    Raises:
        BundleError: the folder is no bundle, or anything in it is not as it should be; one line.
    """
    with raised_as(BundleError):
        return _read(folder)


def read_metrics(folder: Path) -> dict[str, Any]:
    """What `metrics.json` of a bundle holds; nothing where there is none.

    Raises:
        BundleError: the file is damaged, or a link out of the folder.
    """
    with raised_as(BundleError):
        return _metrics(folder, _description(folder))


def add_metrics(folder: Path, more: dict[str, Any]) -> None:
    """Put ``more`` into `metrics.json` of a bundle, whose digest is then that of both; of `_PASSING` names alone.

    Raises:
        BundleError: the folder is no bundle, the file is damaged, or it cannot be written.
    """
    with raised_as(BundleError):
        path, newer = folder / METRICS, _description(folder).format > 1
        content = unsealed(read_json(path, MAX_METRICS, folder), path, required=newer) if there(path) or newer else {}
        write_json(path, seal({**content, **more}))


def read_trained_on(folder: Path) -> TrainedOn | None:
    """Which examples the model of a bundle was trained on; None where the bundle does not say.

    Raises:
        BundleError: the file is damaged, or a link out of the folder.
    """
    with raised_as(BundleError):
        found = read_examples(folder / EXAMPLES, folder)
        digest = None if found is None else _description(folder).files.get(EXAMPLES)  # earlier versions noted none
        if found is not None and digest not in (None, hashlib.sha256(found.to_bytes()).hexdigest()):
            raise BundleError(f"{folder / EXAMPLES} is of another bundle: it does not match {DESCRIPTION}")
        return found


def _read(folder: Path) -> tuple[Description, Processor, nn.Module, dict[str, Any]]:
    description = _description(folder)
    model = _model(folder, description)
    try:
        processor = Processor.from_plain(
            description.task,
            description.classes or (),
            description.parts,
            lambda name: _text(folder, name, description),
        )
        _check(model, processor)
    except EcrnnError as error:
        raise BundleError(f"{folder / DESCRIPTION} cannot be used: {error}") from error
    metrics = _metrics(folder, description)
    digest = _digest(description, folder, WEIGHTS)
    network = load_network(model, processor.sizes, folder / WEIGHTS, folder, digest)
    return description, processor, network.eval(), metrics


def read_description(folder: Path) -> Description:
    """What `bundle.json` of a bundle says, checked key by key; its weights and what else it names are not read.

    Raises:
        BundleError: the folder is no bundle, or the file is not as it should be; one line.
    """
    with raised_as(BundleError):
        return _description(folder)


def _description(folder: Path) -> Description:
    if not os.path.isdir(folder):
        raise BundleError(f"there is no folder {folder}; a bundle is what 'ecrnn train ... -o BUNDLE' leaves")
    for name in (DESCRIPTION, WEIGHTS):
        if not there(folder / name):
            raise BundleError(f"{folder} is not a bundle: {name} is missing")
    path = folder / DESCRIPTION
    content = read_json(path, within=folder)
    newer = isinstance(content, dict) and content.get("format") == FORMAT
    content = unsealed(content, path, required=newer)
    try:
        return Description.read(content)
    except EcrnnError as error:
        raise BundleError(f"{path} cannot be used: {error}") from error


def _model(folder: Path, description: Description) -> ModelName:
    """The model of a bundle; the code of one that is not ecrnn's own must have been named, and be the bundle's."""
    try:
        model = parse(description.model)
    except EcrnnError as error:
        if description.source is None:
            raise BundleError(f"{folder / DESCRIPTION} cannot be used: {error}") from error
        what = f"{folder} holds '{description.model}', a model of somebody's own code, which is never run unasked"
        if files := loaded_files():
            what += f", and {files[-1].name} registers no such model"
        raise BundleError(f"{what}; read {folder / CODE}, then name it with --code") from error
    if description.source is not None:
        check_digest(model.family, description.source, f"{folder}; name the file that it was trained with")
    return model


def _metrics(folder: Path, description: Description) -> dict[str, Any]:
    path, newer = folder / METRICS, description.format > 1
    if not there(path) and not newer:
        return {}
    metrics = unsealed(read_json(path, MAX_METRICS, folder), path, required=newer)
    of_weights = metrics.pop(WEIGHTS, None)  # earlier versions noted none
    if newer and of_weights not in (None, description.files.get(WEIGHTS)):
        raise BundleError(f"{path} is of another bundle: it does not match {DESCRIPTION}")
    if description.metrics not in (None, _of_figures(metrics)):
        raise BundleError(f"{path} is of another bundle, or of another time: it does not match {DESCRIPTION}")
    try:
        check_figures(metrics, description.task)
    except EcrnnError as error:
        raise BundleError(f"{folder}: {error}") from error
    return metrics


def _of_figures(metrics: dict[str, Any]) -> str:
    """The SHA-256 of what `metrics.json` says of a training, which is the same whenever and wherever it is done."""

    def lasting(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: lasting(inner) for key, inner in value.items() if key not in _PASSING}
        return [lasting(inner) for inner in value] if isinstance(value, list) else value

    return hashlib.sha256(json.dumps(lasting(metrics), sort_keys=True).encode()).hexdigest()


def _digest(description: Description, folder: Path, name: str) -> str | None:
    """The SHA-256 that a file must have; None in a bundle of format 1, which has none."""
    if description.format > 1 and name not in description.files:
        raise BundleError(f"{folder / DESCRIPTION} has no digest of {name}")
    return description.files.get(name)


def _text(folder: Path, name: str, description: Description) -> str:
    """The text of a vocabulary in a bundle."""
    digest = _digest(description, folder, name)
    content = read_bytes(folder / name, MAX_VOCABULARY, folder)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{folder / name} is damaged, or was changed by hand: it does not match {DESCRIPTION}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BundleError(f"{folder / name} is not a text file in UTF-8") from error


def _check(model: ModelName, processor: Processor) -> None:
    """Raise an EcrnnError unless the classes differ and there is a model for them and for the other sizes."""
    classes = [nfc(name) for name in processor.classes]
    if len(set(classes)) < len(classes):
        raise BundleError(f"two classes have the same name, '{Counter(classes).most_common(1)[0][0]}'")
    if model.task != processor.task:
        raise BundleError(f"{model} is for {model.task.name}, not for {processor.task.name}")
    check(processor.sizes, model)
