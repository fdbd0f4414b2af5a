"""The layer table of a model: PAPER.md's Table 1 with multiply-adds added, read off one real forward pass.

Parameters are counted in the paper's (Keras's) way: a batch normalisation counts its running mean and variance too.
Multiply-adds are those of one picture: products of matrices, convolutions (in groups or with a table of connections: of
what is connected), and one a value for a batch normalisation and a trainable subsampling; activations, pooling, local
response normalisation and the gates' element-wise products are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecrnn.layers.areas import RecurrentArea
from ecrnn.layers.historic import Subsampling, TableConvolution
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.recurrence import GRU, LSTM, RNN

_AREAS = {
    "cnn": "CNN",
    "dense": "dense",
    "hidden": "dense",
    "encoder.encoder": "encoder",
    "encoder.decoder": "decoder",
    "rnn": "RNN",
}
_NAMES: dict[type[nn.Module], str] = {
    nn.Conv2d: "Conv2D",
    nn.BatchNorm1d: "Batch Normalization",
    nn.BatchNorm2d: "Batch Normalization",
    nn.MaxPool2d: "Max Pooling",
    nn.Linear: "Dense",
    nn.LocalResponseNorm: "Local Response Normalization",
    TableConvolution: "Conv2D (table)",
    Subsampling: "Subsampling",
    Flatten: "Flatten",
}


@dataclass(frozen=True)
class Row:
    """One layer: ``output`` is (height, width, channels), (steps, values) or (values,) without the batch axis."""

    area: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    multiply_adds: int


@dataclass(frozen=True)
class Summary:
    """All layers of a model, with totals. ``parameters`` counts in the paper's way, ``trainable`` as torch does."""

    rows: tuple[Row, ...]
    parameters: int
    trainable: int
    multiply_adds: int


def summarise(model: nn.Module, image: tuple[int, int, int]) -> Summary:
    """The layer table of ``model`` for pictures of (channels, height, width)."""
    seen: list[tuple[str, nn.Module, Tensor, Tensor]] = []

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], object], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
            first = output[0] if isinstance(output, tuple) else output
            assert isinstance(first, Tensor)
            seen.append((name, module, inputs[0], first))

        return hook

    shown: tuple[type[nn.Module], ...] = (*_NAMES, Scan, nn.RNNBase)
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, shown)]
    hooks = [module.register_forward_hook(record(name)) for name, module in layers]
    was_training = model.training
    try:
        with torch.no_grad():
            logits = model.eval()(torch.zeros(1, *image, device=next(model.parameters()).device))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()

    areas = [_area(name) for name, *_ in seen]
    rows = [Row(next(filter(None, areas)), "Input", (image[1], image[2], image[0]), 0, 0)]
    counts: Counter[str] = Counter()
    last_layers = {id(m.layers[-1]) for m in model.modules() if isinstance(m, RecurrentArea)}
    for area, (_, module, given, made) in zip(areas, seen, strict=True):
        kind = _layer_name(module)
        label = kind + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        output = tuple(made.shape[1:])
        if made.ndim == 4:
            output = (made.shape[2], made.shape[3], made.shape[1])
        if id(module) in last_layers:
            output = output[-1:]  # only the last state is used
        rows.append(Row(area or rows[-1].area, label, output, _parameters(module), _multiply_adds(module, given, made)))
    rows.append(
        Row(rows[-1].area, "Sigmoid" if getattr(model, "squared", False) else "Softmax", tuple(logits.shape[1:]), 0, 0)
    )
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Summary(tuple(rows), sum(r.parameters for r in rows), trainable, sum(r.multiply_adds for r in rows))


def _area(name: str) -> str:
    """The area to which the module with this name belongs; "" for one that belongs where the module before it does."""
    return next((area for prefix, area in _AREAS.items() if name.startswith(prefix)), "")


def _layer_name(module: nn.Module) -> str:
    if isinstance(module, Scan):
        return "Reshape" if module.scan == "flatten-hwc" else f"Reshape ({module.scan})"
    if isinstance(module, nn.RNNBase):
        cell = "RNN" if module.mode.startswith("RNN") else module.mode
        return ("Bi" if module.bidirectional else "") + cell
    return next(name for kind, name in _NAMES.items() if isinstance(module, kind))


def _parameters(module: nn.Module) -> int:
    count = sum(p.numel() for p in module.parameters())
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        count += 2 * module.num_features  # running mean and variance
    return count


def _multiply_adds(module: nn.Module, given: Tensor, made: Tensor) -> int:
    match module:
        case nn.Conv2d():
            return made.shape[1] * made.shape[2] * made.shape[3] * module.weight[0].numel()
        case TableConvolution():
            return made.shape[2] * made.shape[3] * module.weight.numel()
        case nn.Linear():
            return module.weight.numel()
        case nn.BatchNorm1d() | nn.BatchNorm2d() | Subsampling():
            return made.numel()
        case RNN() | LSTM() | GRU():
            return module.multiply_adds(given.shape[1])
    return 0
