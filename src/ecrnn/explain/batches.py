"""Random batches for any model: inputs, targets, and the error E of the model's outputs.

They stand in for data where only the network matters. Images are noise with one standard deviation, tokens are
drawn evenly, the texts of a batch have different lengths. A batch is made by the task of the model; what tasks have in
common is here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec, usual

STEPS = 7  # tokens of the longest text
FIRST = 4  # the first id that is a token; those before are special
_PAD = 0


class Batch(NamedTuple):
    """``inputs`` are the model's arguments, ``labels`` its targets; ``error`` maps its outputs to a scalar."""

    inputs: tuple[Tensor, ...]
    labels: Tensor
    error: Callable[[Any], Tensor]


def small_sizes(name: ModelName) -> InputSpec:
    """Sizes for which the model ``name`` computes in a moment; where its task names none, the usual ones."""
    small = name.task.small
    return InputSpec(**small) if small else usual(name)


def random_batch(name: ModelName, sizes: InputSpec, n: int, generator: torch.Generator) -> Batch:
    """``n`` random examples for the model ``name`` built for ``sizes``; values are float64."""
    batch: Batch = name.task.code("random_batch")(sizes, n, STEPS, generator)
    return batch


def noise(generator: torch.Generator, *shape: int) -> Tensor:
    """Standard normal values, float64, of this shape."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def ids(generator: torch.Generator, tokens: int, *shape: int) -> Tensor:
    """Ids of a vocabulary of ``tokens``, int64, of this shape; none of those that mean no text."""
    return torch.randint(FIRST, tokens, shape, generator=generator)


def texts(generator: torch.Generator, n: int, steps: int, tokens: int) -> tuple[Tensor, Tensor]:
    """Ids (n, steps) with padding behind the shorter texts, and their lengths (n,), of which the first is ``steps``."""
    lengths = torch.arange(n) % 3 * -2 + steps
    behind = torch.arange(steps) >= lengths[:, None]
    return ids(generator, tokens, n, steps).masked_fill(behind, _PAD), lengths


def of_classes(inputs: tuple[Tensor, ...], spec: InputSpec, n: int, generator: torch.Generator) -> Batch:
    """``inputs`` with random classes; the error is the cross-entropy."""
    (classes,) = spec.take("classes")
    labels = torch.randint(classes, (n,), generator=generator)
    return Batch(inputs, labels, lambda logits: F.cross_entropy(logits, labels))


def of_tokens(logits: Tensor, targets: Tensor) -> Tensor:
    """The mean cross-entropy of tokens (n, T), scalar; padding does not count."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_PAD)


def written(inputs: tuple[Tensor, ...], spec: InputSpec, n: int, steps: int, generator: torch.Generator) -> Batch:
    """``inputs`` and random texts of up to ``steps`` tokens, whose next tokens a decoder predicts."""
    decoder_inputs, _ = texts(generator, n, steps, *spec.take("tokens"))
    targets = torch.cat([decoder_inputs[:, 1:], torch.zeros(n, 1, dtype=decoder_inputs.dtype)], dim=1)
    return Batch((*inputs, decoder_inputs), targets, lambda logits: of_tokens(logits, targets))
