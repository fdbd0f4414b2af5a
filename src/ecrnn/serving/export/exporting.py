"""`export`: a bundle as one file that other programs run."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch

from ecrnn.core.errors import EcrnnError, SettingsError, unknown_name
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.files import path_of, write_atomically, write_json
from ecrnn.core.reading import MAX_WEIGHTS, sha256
from ecrnn.core.tasks import known
from ecrnn.core.text import json_text, one_line
from ecrnn.serving.bundle import WEIGHTS, spare
from ecrnn.serving.export import parity
from ecrnn.serving.export.exportable import Exportable
from ecrnn.serving.export.image_graph import joined, standing_before
from ecrnn.serving.export.onnx_file import OPSET, OPSETS, check_packages, to_onnx
from ecrnn.serving.export.samples import Samples, samples
from ecrnn.serving.export.web_page import check_page, page
from ecrnn.serving.export.web_runtime import web_runtime
from ecrnn.serving.load import load
from ecrnn.serving.predictor import Predictor
from ecrnn.serving.pretrained import find
from ecrnn.stats.metrics import METRICS

FORMAT = 1  # of FILE.parity.json
KINDS, INPUTS = ("onnx", "page"), ("pixels", "image")
_TRACED = 3  # examples with which the exporter traces: a batch of 1 would stay fixed


@dataclass(frozen=True)
class Exported:
    """What `export` wrote.

    Attributes:
        file: its path.
        parity: path of the JSON file beside it, with all differences.
        compared_on: on which examples the file was compared with the model, for people.
        real: these examples are from a data set, not drawn.
        largest: of the differences, relative to the largest value of an output, where that is above 1.
    """

    file: Path
    parity: Path
    compared_on: str
    real: bool
    largest: float


def export(
    bundle: str | Path,
    out: str | Path,
    to: Literal["onnx", "page"] = "onnx",
    *,
    input: Literal["pixels", "image"] = "pixels",
    opset: int = OPSET,
    data: str | Path | None = None,
    data_dir: str | Path | None = None,
    runtime: str | Path | None = None,
    code: str | Path | None = None,
    progress: Progress = silent,
) -> Exported:
    """Write a trained model as one file that other programs run, with class names and preprocessing inside.

    Before the file gets its name, its answers are compared with the model's in ONNX Runtime, at batches of 1, 2 and 7
    and with one and two threads. `<out>.parity.json` says how far they are apart.

    Args:
        bundle: the folder of a bundle, or the name of a pretrained model, as `load` takes it.
        out: the file to write.
        to: "onnx": an ONNX file of standard operators. "page": an HTML page with such a file inside, which answers
            about images in a browser, without a network.
        input: "pixels": images of the network's own size, uint8 (batch, H, W, C); of other tasks their own inputs.
            "image": one image of any size, uint8 (1, height, width, 3), brought to the network's size inside.
        opset: version of ONNX's operators, 18 to 23.
        data: data to compare on, as `ecrnn evaluate` takes it. Default: what the model was trained on, where that is a
            registered data set which is at hand, else synthetic examples.
        data_dir: local copies of registered data sets.
        runtime: of a page: the tarball of npm's package onnxruntime-web, or a folder where it is installed. Default:
            it is downloaded once.
        code: the file of a model of your own, which is run.
        progress: called with `Message` events of `ecrnn.core.events`, because an export takes about half a minute.

    Returns:
        Where the files are, and how well they agree.

    Raises:
        EcrnnError: the task cannot be exported, a package is missing, the bundle or the data cannot be read, or the
            file does not agree with the model; one line.
    """
    if to not in KINDS:
        raise unknown_name("kind of export", to, KINDS)
    if input not in INPUTS:
        raise unknown_name("input", input, INPUTS)
    form = _form(load(bundle, "cpu", code=code))
    if not OPSETS[0] <= opset <= OPSETS[1]:
        raise SettingsError("opset", f"should be a whole number from {OPSETS[0]} to {OPSETS[1]}, not {opset}")
    check_packages()
    if to == "page":
        check_page(form)
        input = "image"
        browser = web_runtime(None if runtime is None else path_of(runtime, "runtime"), progress)
    path, folder = path_of(out, "out"), find(bundle)
    if not _parity_of(path).exists():  # else an export of before, which lies there
        spare(folder, path)
    of_data = None if data is None else str(path_of(data, "data"))
    compared = samples(form, of_data, None if data_dir is None else path_of(data_dir, "data_dir"))
    metadata = _metadata(form, folder, input)
    content, found = _onnx(form, metadata, opset, compared, str(path), progress)
    if to == "page":
        content = page(form, content, browser, _facts(form.model, metadata)).encode()
    write_atomically(path, content)
    return _with_parity(path, content, compared, found)


def _form(model: Predictor) -> Exportable:
    """The export of a model's task."""
    if not model.task.export:
        able = ", ".join(task.name for task in known() if task.export)
        raise EcrnnError(f"a model for {model.task.name} cannot be exported: it is no single graph; these can: {able}")
    form: Callable[[Any], Exportable] = model.task.code("export")
    return form(model)


def _onnx(
    form: Exportable, metadata: dict[str, str], opset: int, compared: Samples, name: str, progress: Progress
) -> tuple[bytes, dict[str, Any]]:
    """The content of the file, which agrees with the model, and the differences as plain data."""
    body = form.image_graph() if metadata["input"] == "image" else ""
    progress(Message("tracing the network for ONNX, which takes up to half a minute"))
    traced = [compared.examples[i % len(compared.examples)] for i in range(_TRACED)]
    arrays = tuple(torch.from_numpy(array) for array in form.collate(traced))
    network = to_onnx(form.module(), arrays, form.inputs, form.outputs, opset)
    progress(Message(f"comparing the file with the model on {compared.source}"))
    content = _with_metadata(network, metadata)
    found = parity.differences(content, form, compared.examples)
    parity.refuse_unlike(found, name)
    if not body:
        return content, {"differences": parity.plain(found)}
    before = standing_before(body, network)
    content = _with_metadata(joined(before, network), metadata)
    of_images = parity.image_differences(before.SerializeToString(), content, form, compared.whole_images())
    parity.refuse_unlike_images(of_images, name)
    return content, {"differences": parity.plain(found), "whole_images": asdict(of_images)}


def _with_metadata(model: Any, metadata: dict[str, str]) -> bytes:
    """The content of the file of an ONNX model, the same every time."""
    del model.metadata_props[:]
    for key, value in metadata.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _metadata(form: Exportable, folder: Path, input: str) -> dict[str, str]:
    """What the file says of itself."""
    model = form.model
    terms = model.metrics.get("terms")
    data = one_line(model.metrics.get("data", "its training data"))
    licence = one_line(terms) if isinstance(terms, str) and terms else f"The terms of {data} are not known here."
    doc = f"{model.task.card.what}, {model.description.model}, trained with ecrnn on {data}."
    return {
        "classes": json_text(list(model.classes)),
        "preprocessing": json_text(form.preprocessing()),
        "ecrnn_version": version("ecrnn"),
        "weights_sha256": sha256(folder / WEIGHTS, MAX_WEIGHTS, folder),
        "licence": licence,
        "doc": doc,
        "task": model.task.name,
        "model": model.description.model,
        "input": input,
        **form.more_metadata(),
    }


def _facts(model: Predictor, metadata: dict[str, str]) -> dict[str, str]:
    """What a page says of its model, as rows of a table."""
    metric = METRICS[model.task.metric]
    value = model.metrics.get(metric.name)
    figure = {f"Validation {metric.title}": metric.measured(value)} if isinstance(value, int | float) else {}
    return {
        "Model": metadata["doc"],
        **figure,
        "Terms": metadata["licence"],
        "Weights": f"SHA-256 {metadata['weights_sha256']}",
        "Made with": f"ecrnn {metadata['ecrnn_version']}",
    }


def _parity_of(path: Path) -> Path:
    """Where it lies how well an exported file agrees with its model."""
    return path.with_name(f"{path.name}.parity.json")


def _with_parity(path: Path, content: bytes, compared: Samples, found: dict[str, Any]) -> Exported:
    """Write how well the file agrees beside it."""
    beside = _parity_of(path)
    plain = {
        "format": FORMAT,
        "file": path.name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "onnxruntime": version("onnxruntime"),
        "compared_on": compared.source,
        "real": compared.real,
        "allowed": parity.CLOSE,
        **found,
    }
    write_json(beside, plain)
    largest = max(one["relative"] for one in found["differences"])
    return Exported(path, beside, compared.source, compared.real, largest)
