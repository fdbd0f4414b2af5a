"""The layer table of a model: the paper's Table 1 with multiply-adds added, read off one real forward pass.

Parameters are counted in the paper's (Keras's) way: a batch normalisation counts its running mean and variance too.
Multiply-adds are those of one image, or one clip, or one text of `LENGTH` ids: products of matrices, convolutions (in
groups or with a table of connections: of what is connected), and one a value for a batch normalisation and a trainable
subsampling; activations, pooling, local response normalisation and the gates' element-wise products are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ecrnn.core.tasks import default
from ecrnn.layers.attention import Attention
from ecrnn.layers.lenet5_layers import Subsampling, TableConvolution
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec
from ecrnn.recurrence import GRU, LSTM, RNN

LENGTH = 32  # ids of the texts that are read and written

_AREAS = {
    "cnn": "CNN",
    "dense": "dense",
    "hidden": "dense",
    "encoder.encoder": "encoder",
    "encoder.decoder": "decoder",
    "rnn": "RNN",
    "lstm": "RNN",
    "gru": "RNN",
    "layers": "RNN",
    "embedding": "embedding",
    "encoder": "encoder",
    "words": "decoder",
    "decoder": "decoder",
    "attention": "attention",
}
_NAMES: dict[type[nn.Module], str] = {
    nn.Embedding: "Embedding",
    nn.Conv1d: "Conv1D",
    nn.Conv2d: "Conv2D",
    nn.BatchNorm1d: "Batch Normalization",
    nn.BatchNorm2d: "Batch Normalization",
    nn.MaxPool2d: "Max Pooling",
    nn.Linear: "Dense",
    nn.LayerNorm: "Layer Normalization",
    nn.GroupNorm: "Group Normalization",
    nn.LocalResponseNorm: "Local Response Normalization",
    TableConvolution: "Conv2D (table)",
    Subsampling: "Subsampling",
    Flatten: "Flatten",
    Attention: "Attention",
}


@dataclass(frozen=True)
class Row:
    """One layer: ``output`` is (height, width, channels), (steps, values) or (values,), of one image, frame, text."""

    area: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """All layers of a model, with totals. ``parameters`` counts in the paper's way, ``trainable`` as torch does.

    ``uncounted`` are the kinds of layers with parameters whose multiply-adds are not known here and left out.
    """

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    multiply_adds: int
    uncounted: tuple[str, ...] = ()


def summarise(model: nn.Module, spec: InputSpec | tuple[int, int, int], name: ModelName | None = None) -> Summary:
    """The layer table of a model.

    Args:
        model: from `ecrnn.models.build.build`; it is left as it is.
        spec: for which it was built; of an image classifier the (channels, height, width) of its images do.
        name: of the model, whose task says what an example is, and whose family may name areas of its own; None: an
            image classifier.
    """
    spec = spec if isinstance(spec, InputSpec) else InputSpec(spec, classes=2)  # of which nothing depends
    area_of = {**(name.row.areas if name else {}), **_AREAS}
    inputs = [tensor.to(next(model.parameters()).device) for tensor in _example(spec, name)]
    calls, outputs = _run(model, inputs)
    areas = [_area(call.name, area_of) for call in calls]
    area = next(filter(None, areas), "")
    rows = [Row(area, "Input", _shape(tensor), 0, 0) for tensor in inputs if tensor.ndim > 1]
    counts: Counter[str] = Counter()
    counted: set[nn.Parameter] = set()
    uncounted: list[str] = []
    for found, (_, module, arguments, output) in zip(areas, calls, strict=True):
        kind, area = _layer_name(module), found or area
        label = kind + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        work = _multiply_adds(module, arguments, output)
        if work is None:
            uncounted.append(kind)
        parameters = _parameters(module, counted)
        rows.append(Row(area, label, _shape(output, module), parameters, work or 0))
    for module in model.modules():  # those of which the network only uses the weights
        if parameters := _parameters(module, counted):
            rows.append(Row(area, _layer_name(module), (), parameters, 0))
            uncounted.append(_layer_name(module))
    rows.append(Row(area, "Sigmoid" if getattr(model, "squared", False) else "Softmax", _shape(outputs), 0, 0))
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    totals = sum(r.parameters for r in rows), trainable, sum(r.multiply_adds for r in rows)
    return Summary(tuple(rows), *totals, tuple(dict.fromkeys(uncounted)))


class _Call(NamedTuple):
    """One call of a module while a network ran."""

    name: str
    module: nn.Module
    inputs: tuple[Tensor, ...]
    output: Tensor


def _run(model: nn.Module, inputs: list[Tensor]) -> tuple[list[_Call], Tensor]:
    """Run ``model`` once in evaluation mode; gives the calls of its layers in order, and its output."""
    calls: list[_Call] = []

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], object], None]:
        def hook(module: nn.Module, arguments: tuple[Tensor, ...], output: object) -> None:
            calls.append(_Call(name, module, arguments, _first(output)))

        return hook

    layers = [(name, module) for name, module in model.named_modules() if _known(module) or module._parameters]
    hooks = [module.register_forward_hook(record(name)) for name, module in layers]
    was_training = model.training
    try:
        with torch.no_grad():
            output = model.eval()(*inputs)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return calls, _first(output)


def _first(output: object) -> Tensor:
    """A tensor, or the first of several."""
    first = output[0] if isinstance(output, tuple) else output
    assert isinstance(first, Tensor)
    return first


def _known(module: nn.Module) -> bool:
    return isinstance(module, (*_NAMES, Scan, nn.RNNBase))


def _example(spec: InputSpec, name: ModelName | None) -> tuple[Tensor, ...]:
    """One random example, as the model ``name`` takes it."""
    of = name.task if name else default()
    batch = of.code("random_batch")(spec, 1, LENGTH, torch.Generator().manual_seed(0))
    return tuple(tensor.float() if tensor.is_floating_point() else tensor for tensor in batch.inputs)


def _shape(values: Tensor, module: nn.Module | None = None) -> tuple[int, ...]:
    """Of one of a batch, channels last; of a recurrent layer that gives no outputs, of its last state."""
    if values.ndim == 3 and not values.shape[1]:
        return (values.shape[2],)
    if isinstance(module, nn.Conv1d):
        return tuple(values[0].T.shape)
    return tuple(values[0].movedim(-3, -1).shape if values.ndim >= 4 else values.shape[1:])


def _area(name: str, areas: Mapping[str, str]) -> str:
    """The area of a module, or "" to keep the previous module's."""
    return next((area for prefix, area in areas.items() if name.startswith(prefix)), "")


def _layer_name(module: nn.Module) -> str:
    if isinstance(module, Scan):
        return "Reshape" if module.scan == "flatten-hwc" else f"Reshape ({module.scan})"
    if isinstance(module, nn.RNNBase):
        cell = "RNN" if module.mode.startswith("RNN") else module.mode
        return ("Bi" if module.bidirectional else "") + cell
    return next((name for kind, name in _NAMES.items() if isinstance(module, kind)), type(module).__name__)


def _parameters(module: nn.Module, counted: set[nn.Parameter]) -> int:
    """Those of a layer that are not in ``counted``, where they are noted: weights that layers share count once."""
    if isinstance(module, Attention):
        return 0  # its dense layer has a row of its own
    new = [p for p in module.parameters(recurse=_known(module)) if p not in counted]
    counted.update(new)
    count = sum(p.numel() for p in new)
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) and new:
        count += 2 * module.num_features  # running mean and variance
    return count


def _multiply_adds(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> int | None:
    """Of one call of a layer; None of a kind with weights that is not known here."""
    work: int | None = 0
    match module:
        case nn.Conv1d() | nn.Conv2d() | nn.Conv3d() | nn.Linear():
            work = output.numel() * module.weight[0].numel()
        case TableConvolution():
            work = output.shape[2] * output.shape[3] * module.weight.numel()
        case nn.BatchNorm1d() | nn.BatchNorm2d() | nn.LayerNorm() | nn.GroupNorm() | Subsampling():
            work = output.numel()
        case RNN() | LSTM() | GRU():
            work = module.multiply_adds(inputs[0].shape[1])
        case nn.RNNBase() if isinstance(inputs[0], Tensor):
            steps = inputs[0].numel() // module.input_size
            work = steps * sum(p.numel() for p in module.parameters() if p.ndim == 2)
        case Attention():
            work = 2 * output.numel() * inputs[1].shape[1]  # scores, and the mean of the memory by them
        case _ if not _known(module):
            work = None
    return work
