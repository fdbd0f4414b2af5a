"""The layer table of a model: PAPER.md's Table 1 with multiply-adds added, read off one real forward pass.

Parameters are counted in the paper's (Keras's) way: a batch normalisation counts its running mean and variance too.
Multiply-adds are those of one picture, or one clip, or one text of `LENGTH` ids: products of matrices, convolutions (in
groups or with a table of connections: of what is connected), and one a value for a batch normalisation and a trainable
subsampling; activations, pooling, local response normalisation and the gates' element-wise products are not counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ecrnn.layers.attention import Attention
from ecrnn.layers.historic import Subsampling, TableConvolution
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.sizes import Sizes
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
    "source_words": "encoder",
    "encoder": "encoder",
    "words": "decoder",
    "decoder": "decoder",
    "attention": "attention",
    "maxout": "decoder",
}
_NAMES: dict[type[nn.Module], str] = {
    nn.Embedding: "Embedding",
    nn.Conv1d: "Conv1D",
    nn.Conv2d: "Conv2D",
    nn.BatchNorm1d: "Batch Normalization",
    nn.BatchNorm2d: "Batch Normalization",
    nn.MaxPool2d: "Max Pooling",
    nn.Linear: "Dense",
    nn.LocalResponseNorm: "Local Response Normalization",
    TableConvolution: "Conv2D (table)",
    Subsampling: "Subsampling",
    Flatten: "Flatten",
    Attention: "Attention",
}


@dataclass(frozen=True)
class Row:
    """One layer: ``output`` is (height, width, channels), (steps, values) or (values,), of one picture, frame, text."""

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


def summarise(model: nn.Module, sizes: Sizes | tuple[int, int, int]) -> Summary:
    """The layer table of a model.

    Args:
        model: from `ecrnn.models.registry.build`; it is left as it is.
        sizes: for which it was built; of an image classifier the (channels, height, width) of its pictures do.
    """
    sizes = sizes if isinstance(sizes, Sizes) else Sizes(sizes)
    seen: list[tuple[str, nn.Module, tuple[Tensor, ...], Tensor]] = []

    def record(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], object], None]:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
            first = output[0] if isinstance(output, tuple) else output
            assert isinstance(first, Tensor)
            seen.append((name, module, inputs, first))

        return hook

    shown: tuple[type[nn.Module], ...] = (*_NAMES, Scan, nn.RNNBase)
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, shown)]
    hooks = [module.register_forward_hook(record(name)) for name, module in layers]
    was_training = model.training
    device = next(model.parameters()).device
    inputs = [given.to(device) for given in _example(model, sizes)]
    try:
        with torch.no_grad():
            made = model.eval()(*inputs)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()

    areas = [_area(name) for name, *_ in seen]
    area = next(filter(None, areas))
    rows = [Row(area, "Input", _shape(given), 0, 0) for given in inputs if given.ndim > 1]
    counts: Counter[str] = Counter()
    for found, (_, module, given, output) in zip(areas, seen, strict=True):
        kind, area = _layer_name(module), found or area
        label = kind + (f"_{counts[kind]}" if counts[kind] else "")
        counts[kind] += 1
        work = _multiply_adds(module, given, output)
        rows.append(Row(area, label, _shape(output, module), _parameters(module), work))
    logits = made[0] if isinstance(made, tuple) else made
    rows.append(Row(area, "Sigmoid" if getattr(model, "squared", False) else "Softmax", _shape(logits), 0, 0))
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Summary(tuple(rows), sum(r.parameters for r in rows), trainable, sum(r.multiply_adds for r in rows))


def _example(model: nn.Module, sizes: Sizes) -> tuple[Tensor, ...]:
    """What one picture, clip or text is to ``model``."""
    text, length = torch.zeros(1, LENGTH, dtype=torch.int64), torch.tensor([LENGTH])
    if sizes.image is None:
        if sizes.source_tokens is not None:
            return text, length, text
        return (text,) if sizes.classes is None else (text, length)
    if sizes.frames is not None:
        return (torch.zeros(1, sizes.frames, *sizes.image),)
    picture = torch.zeros(1, *sizes.image)
    return (picture, text) if hasattr(model, "encode") else (picture,)


def _shape(values: Tensor, module: nn.Module | None = None) -> tuple[int, ...]:
    """Of one of a batch, channels last; of a recurrent layer that gives no outputs, of its last state."""
    if values.ndim == 3 and not values.shape[1]:
        return (values.shape[2],)
    if isinstance(module, nn.Conv1d):
        return tuple(values[0].T.shape)
    return tuple(values[0].movedim(-3, -1).shape if values.ndim >= 4 else values.shape[1:])


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
    if isinstance(module, Attention):
        return 0  # its dense layer has a row of its own
    count = sum(p.numel() for p in module.parameters())
    if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
        count += 2 * module.num_features  # running mean and variance
    return count


def _multiply_adds(module: nn.Module, given: tuple[Tensor, ...], made: Tensor) -> int:
    match module:
        case nn.Conv1d() | nn.Conv2d() | nn.Linear():
            return made.numel() * module.weight[0].numel()
        case TableConvolution():
            return made.shape[2] * made.shape[3] * module.weight.numel()
        case nn.BatchNorm1d() | nn.BatchNorm2d() | Subsampling():
            return made.numel()
        case RNN() | LSTM() | GRU():
            return module.multiply_adds(given[0].shape[1])
        case Attention():
            return 2 * made.numel() * given[1].shape[1]  # scores, and the mean of the memory by them
    return 0
