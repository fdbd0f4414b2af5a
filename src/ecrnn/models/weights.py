"""Weights in and out: safetensors only, checked against the model before a value is used.

A file of weights may come from anywhere, so its header is held to a limit, and every name, shape and type and the size
of the file must be the model's own before memory is taken for either; values that are not finite are refused.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ecrnn.core.errors import BundleError, EcrnnError, raised_as
from ecrnn.core.files import write_atomically
from ecrnn.core.reading import opened, parse_json, read_bytes
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec

MAX_HEADER = 2**20  # bytes; a header line a tensor, and no model here has thousands
STORED = {
    torch.float32: "F32",
    torch.int64: "I64",
    torch.float64: "F64",  # these and the others of buffers of own models
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def weights_of(model: nn.Module) -> bytes:
    """The weights and buffers of ``model`` as safetensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    places = Counter(tensor.untyped_storage().data_ptr() for tensor in tensors.values())
    shared = {name for name, tensor in tensors.items() if places[tensor.untyped_storage().data_ptr()] > 1}
    return save({name: tensor.clone() if name in shared else tensor for name, tensor in tensors.items()})


def save_weights(model: nn.Module, path: Path) -> str:
    """Write the weights and buffers of ``model`` as safetensors, atomically; gives the SHA-256 of the file."""
    content = weights_of(model)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


def load_network(name: ModelName, sizes: InputSpec, path: Path, within: Path, digest: str | None = None) -> nn.Module:
    """The model ``name`` for data of these sizes with the weights in ``path``, which is looked at before it is built.

    Args:
        name: of the model.
        sizes: those of the data.
        path: of the weights.
        within: the folder that ``path`` must lie in, see `ecrnn.core.reading.opened`.
        digest: SHA-256 that the file must have, if it is known.

    Raises:
        EcrnnError: as `ecrnn.models.build.make` and `load_weights`.
    """
    with torch.device("meta"):  # shapes without memory: the file is compared with them before anything is taken
        shapes = make(name, sizes).state_dict()
    check_header(path, shapes, within)
    network = make(name, sizes)
    load_weights(network, path, within, digest)
    return network


def load_weights(model: nn.Module, path: Path, within: Path | None = None, digest: str | None = None) -> None:
    """Fill ``model`` with the weights in ``path``; the other arguments are those of `load_network`.

    Raises:
        BundleError: the file is missing, damaged, of another model, or holds values that are not finite.
    """
    wanted = model.state_dict()
    check_header(path, wanted, within)
    with raised_as(BundleError):
        content = read_bytes(path, _largest(wanted), within)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{path} is damaged: it is not the file whose digest was noted when it was written")
    try:
        tensors = load(content)
    except SafetensorError as error:
        raise BundleError(f"cannot read the weights {path}: {error}") from error
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise BundleError(f"{path}: values of '{bad[0]}' are not finite; the file is damaged or not a trained model")
    model.load_state_dict(tensors)


def check_header(path: Path, wanted: dict[str, Tensor], within: Path | None = None) -> None:
    """Compare the size of the file, and the names, types and shapes that its header declares, with ``wanted``.

    Raises:
        BundleError: the first difference.
    """
    declared, start, size = _read_header(path, _largest(wanted), within)
    missing, foreign = sorted(wanted.keys() - declared.keys()), sorted(declared.keys() - wanted.keys())
    if missing or foreign:
        what = f"'{missing[0]}' is missing" if missing else f"'{foreign[0]}' is not part of it"
        raise BundleError(f"{path} holds weights of another model: {what}")
    for name, tensor in wanted.items():
        entry, shape = declared[name], list(tensor.shape)
        found = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else None
        if found != (STORED[tensor.dtype], shape):
            raise BundleError(f"{path}: '{name}' should be {STORED[tensor.dtype]} of shape {shape}, found {found}")
    right = start + sum(tensor.nbytes for tensor in wanted.values())
    if size != right:
        raise BundleError(f"{path} is {size:,} bytes long and should be {right:,}; it is cut short or damaged")


def _largest(wanted: dict[str, Tensor]) -> int:
    """The most bytes that a file of these tensors can have."""
    return 8 + MAX_HEADER + sum(tensor.nbytes for tensor in wanted.values())


def _read_header(path: Path, limit: int, within: Path | None) -> tuple[dict[str, object], int, int]:
    """What the header declares, where the values start, and the size of the file."""
    with raised_as(BundleError), opened(path, limit, within) as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= MAX_HEADER:
            raise BundleError(f"{path} is not a safetensors file, or its header of {size} bytes is far too large")
        content, end = file.read(size), file.seek(0, 2)
    try:
        header = parse_json(content.decode(), f"the header of {path}")
    except (EcrnnError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not a safetensors file: its header is not JSON") from error
    if not isinstance(header, dict):
        raise BundleError(f"{path} is not a safetensors file: its header is not a table")
    header.pop("__metadata__", None)
    return header, 8 + size, end
