"""A torch module as an ONNX model: standard operators, one node a recurrent layer, no second file.

torch's exporter traces with a batch of three; the axes of any size are named. What it writes about the trace, paths of
source files among it, is taken out again.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.serving.export.exportable import Axes

if TYPE_CHECKING:
    from onnx import ModelProto

PACKAGES = ("onnx", "onnxscript", "onnxruntime")
OPSET = 20
OPSETS = (18, 23)  # the lowest has Resize with antialiasing
RECURRENT = ("RNN", "LSTM", "GRU")
_LOOPS = ("Loop", "Scan", "If")
_LARGEST = 2**31 - 2**20  # bytes that a file of protocol buffers may have


def missing_packages() -> list[str]:
    """Those of `PACKAGES` that are not installed."""
    return [package for package in PACKAGES if find_spec(package) is None]


def check_packages() -> None:
    """Raise an EcrnnError unless all packages are installed that an export to ONNX needs."""
    if missing := missing_packages():
        lacking = f"the package{'s' * (len(missing) > 1)} {', '.join(missing)}"
        raise EcrnnError(f"an export to ONNX needs {lacking}; pip install 'ecrnn[onnx]'")


def to_onnx(
    module: nn.Module,
    example: Sequence[torch.Tensor],
    inputs: Mapping[str, Axes],
    outputs: Mapping[str, Axes],
    opset: int = OPSET,
) -> ModelProto:
    """A module as an ONNX model.

    Args:
        module: in evaluation mode, on the CPU; takes the inputs and gives the outputs, a tensor or a tuple.
        example: inputs, whose axes of any size are 2 long or longer.
        inputs, outputs: their names, each with the names of its axes of any size, by place.
        opset: version of the operator set.

    Raises:
        EcrnnError: a package is missing, the network is too large for a file, or what the exporter made is not what it
            should be: operators of its own, loops, another number of recurrent nodes than the module has layers.
    """
    check_packages()
    weights = sum(tensor.nbytes for tensor in module.state_dict().values())
    if weights > _LARGEST:
        raise EcrnnError(f"the network's weights are {weights:,} bytes, and an ONNX file holds less than 2 GiB")
    axes = {name for named in inputs.values() for name in named.values()}
    dims = {name: torch.export.Dim(name) for name in axes}
    shapes = tuple({place: dims[name] for place, name in named.items()} for named in inputs.values())
    with quiet(), _one_line(), torch.no_grad():
        program: Any = torch.onnx.export(
            module,
            tuple(example),
            dynamo=True,
            external_data=False,
            verbose=False,
            opset_version=opset,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=shapes,
        )
        model: ModelProto = program.model_proto
    _tidy(model)
    check_graph(model, recurrent_layers(module))
    _check_axes(model, inputs)
    return model


def recurrent_layers(module: nn.Module) -> Counter[str]:
    """How many layers of each kind, "RNN", "LSTM" and "GRU", a module computes."""
    layers: Counter[str] = Counter()
    for layer in module.modules():
        if isinstance(layer, nn.RNNBase):
            layers[layer.mode.partition("_")[0]] += layer.num_layers
    return layers


def check_graph(model: ModelProto, layers: Mapping[str, int]) -> None:
    """Raise an EcrnnError unless an ONNX model is valid, of standard operators and without loops.

    Args:
        model: to be checked.
        layers: number of nodes that it should have of each kind of recurrent layer.
    """
    onnx: Any = import_module("onnx")
    foreign = sorted(
        {f"{node.domain}::{node.op_type}" for node in model.graph.node if node.domain not in ("", "ai.onnx")}
    )
    if foreign or model.functions:
        names = foreign or [function.name for function in model.functions]
        raise EcrnnError(f"the exported graph holds operators that are not of the ONNX standard: {', '.join(names)}")
    counts = Counter(node.op_type for node in model.graph.node)
    loops = [kind for kind in _LOOPS if counts[kind]]
    found = {kind: counts[kind] for kind in RECURRENT if counts[kind]}
    if loops or found != {kind: n for kind, n in layers.items() if n}:
        there = ", ".join(f"{n} {kind}" for kind, n in (found | {kind: counts[kind] for kind in loops}).items())
        wanted = ", ".join(f"{n} {kind}" for kind, n in layers.items()) or "no recurrent node"
        raise EcrnnError(f"the exported graph has {there or 'no recurrent node'}, and should have {wanted}")
    onnx.checker.check_model(model, full_check=True)


def _check_axes(model: ModelProto, inputs: Mapping[str, Axes]) -> None:
    """Raise an EcrnnError where an axis that should take any size has become a number while tracing."""
    for value in model.graph.input:
        for place, dimension in enumerate(value.type.tensor_type.shape.dim):
            if dimension.dim_param != inputs[value.name].get(place, ""):
                wanted = inputs[value.name].get(place, "fixed")
                found = dimension.dim_param or dimension.dim_value
                raise EcrnnError(
                    f"axis {place} of the input '{value.name}' should be {wanted}, and is exported as {found}"
                )


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """What torch's exporter raises of a network that it cannot trace, as one line."""
    try:
        yield
    except Exception as error:
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        reason = " ".join(str(cause).split())[:300]
        raise EcrnnError(f"torch cannot export this network: {type(cause).__name__}: {reason}") from error


def _tidy(model: ModelProto) -> None:
    """Take out what the exporter notes about the trace, and set who made the file."""
    graph = model.graph
    for part in (*graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer, graph, model):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    model.producer_name = "ecrnn"
    graph.name = "ecrnn"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """While inside, what torch's exporter logs, warns and prints of itself is not shown."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
