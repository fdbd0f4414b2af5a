"""Weights in and out: safetensors only, checked against the model before a value is used.

A file of weights may come from anywhere: no more of it is read than the model's weights and a header take, and every
name, shape and type must be the model's before the model is built; values that are not finite are refused.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ecrnn.core.errors import BundleError, raised_as
from ecrnn.core.files import write_atomically
from ecrnn.core.reading import read_bytes
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec

MAX_HEADER = 2**20  # bytes; a header line a tensor, and no model here has thousands
DTYPES = (  # that files of weights hold; the models here have the first two, own models may have buffers of the others
    *(torch.float32, torch.int64),
    *(torch.float64, torch.float16, torch.bfloat16, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool),
)


def weights_of(model: nn.Module, half: bool = False) -> bytes:
    """The weights and buffers of ``model`` as safetensors; ``half``: matrices and filters as float16."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    if half:
        tensors = {name: tensor.half() if _halved(tensor) else tensor for name, tensor in tensors.items()}
    places = Counter(tensor.untyped_storage().data_ptr() for tensor in tensors.values())
    shared = {name for name, tensor in tensors.items() if places[tensor.untyped_storage().data_ptr()] > 1}
    return save({name: tensor.clone() if name in shared else tensor for name, tensor in tensors.items()})


def halved(content: bytes) -> bytes:
    """Of a file of weights the one of `weights_of` with ``half``."""
    return save({name: tensor.half() if _halved(tensor) else tensor for name, tensor in load(content).items()})


def save_weights(model: nn.Module, path: Path, half: bool = False) -> str:
    """Write `weights_of` a model, atomically; gives the SHA-256 of the file."""
    content = weights_of(model, half)
    write_atomically(path, content)
    return hashlib.sha256(content).hexdigest()


@torch.no_grad()
def round_to_half(model: nn.Module) -> None:
    """Give the matrices and filters of ``model`` the values that they have as float16.

    Raises:
        BundleError: a value is beyond the range of float16.
    """
    for name, tensor in model.state_dict().items():
        if _halved(tensor):
            tensor.copy_(tensor.half())
            if not tensor.isfinite().all():
                raise BundleError(f"'{name}' has values beyond 65,504, the largest of 16 bits; keep 32 bits")


def _halved(tensor: Tensor) -> bool:
    """Whether 16 bits are enough for a tensor: for weights, not for biases, statistics and what normalises."""
    return tensor.dtype == torch.float32 and tensor.dim() >= 2


def load_network(name: ModelName, sizes: InputSpec, path: Path, within: Path, digest: str | None = None) -> nn.Module:
    """The model ``name`` for data of these sizes with the weights in ``path``, which are checked before it is built.

    Args:
        name: of the model.
        sizes: those of the data.
        path: of the weights.
        within: the folder that ``path`` must lie in, see `ecrnn.core.reading.opened`.
        digest: SHA-256 that the file must have, if it is known.

    Raises:
        EcrnnError: as `ecrnn.models.build.make` and `read_weights`.
    """
    with torch.device("meta"):  # names, types and shapes without memory
        expected = make(name, sizes).state_dict()
    tensors = read_weights(path, expected, within, digest)
    network = make(name, sizes)
    network.load_state_dict(tensors)
    return network


def load_weights(model: nn.Module, path: Path, within: Path | None = None, digest: str | None = None) -> None:
    """Fill ``model`` with the weights in ``path``; arguments and errors as of `read_weights`."""
    model.load_state_dict(read_weights(path, model.state_dict(), within, digest))


def read_weights(
    path: Path, expected: Mapping[str, Tensor], within: Path | None = None, digest: str | None = None
) -> dict[str, Tensor]:
    """The tensors in ``path``, if they are those of a model; of the model's types, also where the file has float16.

    Args:
        path: of a safetensors file.
        expected: the model's tensors by name; their values do not matter, so they may lie on "meta".
        within: the folder that ``path`` must lie in, see `ecrnn.core.reading.opened`.
        digest: SHA-256 that the file must have, if it is known.

    Raises:
        BundleError: the file is missing, larger than such a file can be, damaged, of another model, or holds values
            that are not finite.
    """
    largest = 8 + MAX_HEADER + sum(tensor.nbytes for tensor in expected.values())
    with raised_as(BundleError):
        content = read_bytes(path, largest, within)
    try:
        tensors = load(content)
    except (SafetensorError, KeyError) as error:  # KeyError: a type that torch does not have
        reason = str(error)[:200]
        raise BundleError(f"{path} is not a safetensors file, or is cut short or damaged: {reason}") from error
    _compare(path, tensors, expected)
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise BundleError(f"{path} is damaged: it is not the file whose digest was noted when it was written")
    bad = [name for name, tensor in tensors.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if bad:
        raise BundleError(f"{path}: values of '{bad[0]}' are not finite; the file is damaged or not a trained model")
    return {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}


def _compare(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise a BundleError for the first difference between the names, types and shapes of the two."""
    missing, foreign = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or foreign:
        what = f"'{missing[0]}' is missing" if missing else f"'{foreign[0]}' is not part of it"
        raise BundleError(f"{path} holds weights of another model: {what}")
    for name, tensor in expected.items():
        half = _halved(tensor) and _kind(tensors[name]) == _kind(tensor.half())
        if not half and _kind(tensors[name]) != _kind(tensor):
            raise BundleError(f"{path}: '{name}' should be {_kind(tensor)}, not {_kind(tensors[name])}")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {list(tensor.shape)}"
