"""Weights in and out: safetensors only, checked against the model before a value is used.

A file of weights may come from anywhere, so its header is held to a limit and every name, shape and type must be the
model's own; values that are not finite are refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ecrnn.core.errors import BundleError
from ecrnn.core.files import write_atomically

MAX_HEADER = 2**20  # bytes; a header line a tensor, and no model here has thousands
_TYPES = {torch.float32: "F32", torch.int64: "I64"}


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights and buffers of ``model`` as safetensors, atomically."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(path, save(tensors))


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill ``model`` with the weights in ``path``.

    Raises:
        BundleError: the file is missing, damaged, of another model, or holds values that are not finite.
    """
    wanted = model.state_dict()
    check_header(path, wanted)
    try:
        tensors = load(path.read_bytes())
    except (OSError, SafetensorError) as error:
        raise BundleError(f"cannot read the weights {path}: {error}") from error
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise BundleError(f"{path}: values of '{bad[0]}' are not finite; the file is damaged or not a trained model")
    model.load_state_dict(tensors)


def check_header(path: Path, wanted: dict[str, Tensor]) -> None:
    """Compare the names, types and shapes that the file's header declares with ``wanted``.

    Raises:
        BundleError: the first difference.
    """
    declared, start = _read_header(path)
    missing, foreign = sorted(wanted.keys() - declared.keys()), sorted(declared.keys() - wanted.keys())
    if missing or foreign:
        what = f"'{missing[0]}' is missing" if missing else f"'{foreign[0]}' is not part of it"
        raise BundleError(f"{path} holds weights of another model: {what}")
    for name, tensor in wanted.items():
        entry, shape = declared[name], list(tensor.shape)
        found = (entry.get("dtype"), entry.get("shape")) if isinstance(entry, dict) else None
        if found != (_TYPES[tensor.dtype], shape):
            raise BundleError(f"{path}: '{name}' should be {_TYPES[tensor.dtype]} of shape {shape}, found {found}")
    size, right = path.stat().st_size, start + sum(tensor.nbytes for tensor in wanted.values())
    if size != right:
        raise BundleError(f"{path} is {size:,} bytes long and should be {right:,}; it is cut short or damaged")


def _read_header(path: Path) -> tuple[dict[str, object], int]:
    """What the header declares, and where the values start."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= MAX_HEADER:
                raise BundleError(f"{path} is not a safetensors file, or its header of {size} bytes is far too large")
            header = json.loads(file.read(size))
    except OSError as error:
        raise BundleError(f"cannot read the weights {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"{path} is not a safetensors file: its header is not JSON") from error
    if not isinstance(header, dict):
        raise BundleError(f"{path} is not a safetensors file: its header is not a table")
    header.pop("__metadata__", None)
    return header, 8 + size
