"""Random batches for any model: inputs, and the error E of what the model gives for them.

They stand in for data where only the network is looked at. Pictures are noise with one standard deviation, tokens are
drawn evenly, the texts of a batch have different lengths.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from ecrnn.core import tasks
from ecrnn.models.names import task
from ecrnn.models.spec import InputSpec, usual

STEPS = 7  # tokens of the longest text
_PAD, _FIRST = 0, 4  # of ids; those between have a meaning of their own
_SMALL = {  # for models whose usual sizes would take long
    tasks.CLIP_CLASSIFICATION.name: InputSpec((1, 16, 16), 4, frames=3),
    tasks.TEXT_CLASSIFICATION.name: InputSpec(classes=3, tokens=13),
    tasks.NEXT_TOKEN.name: InputSpec(tokens=13),
    tasks.TRANSLATION.name: InputSpec(tokens=13, source_tokens=17),
    tasks.CAPTIONING.name: InputSpec((3, 32, 32), tokens=13),
    tasks.TRANSCRIPTION.name: InputSpec((1, 16, 48), tokens=13),
}


class Batch(NamedTuple):
    """Inputs are the model's arguments; ``labels`` what it should answer; ``error`` takes what it gives to a scalar."""

    inputs: tuple[Tensor, ...]
    labels: Tensor
    error: Callable[[Any], Tensor]


def small_sizes(name: str) -> InputSpec:
    """InputSpec for which the model ``name`` computes in a moment; of image classifiers those they were made for."""
    return _SMALL.get(task(name)) or usual(name)


def random_batch(name: str, sizes: InputSpec, n: int, generator: torch.Generator) -> Batch:
    """``n`` random examples for the model ``name`` built for ``sizes``; values are float64."""
    match task(name):
        case tasks.IMAGE_CLASSIFICATION.name | tasks.CLIP_CLASSIFICATION.name:
            frames = () if sizes.frames is None else (sizes.frames,)
            return _of_classes((_noise(generator, n, *frames, *_image(sizes)),), sizes, n, generator)
        case tasks.TEXT_CLASSIFICATION.name:
            return _of_classes(_texts(generator, n, sizes.tokens), sizes, n, generator)
        case tasks.NEXT_TOKEN.name:
            blocks = _ids(generator, sizes.tokens, n, STEPS + 1)
            return Batch((blocks[:, :-1],), blocks[:, 1:], lambda given: _of_tokens(given[0], blocks[:, 1:]))
        case tasks.TRANSLATION.name:
            return _written(_texts(generator, n, sizes.source_tokens), sizes, n, generator)
        case tasks.CAPTIONING.name:
            return _written((_noise(generator, n, *_image(sizes)),), sizes, n, generator)
        case _:
            return _lines(sizes, n, generator)


def _image(sizes: InputSpec) -> tuple[int, int, int]:
    assert sizes.image is not None
    return sizes.image


def _noise(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def _ids(generator: torch.Generator, tokens: int | None, *shape: int) -> Tensor:
    assert tokens is not None
    return torch.randint(_FIRST, tokens, shape, generator=generator)


def _lengths(n: int, longest: int) -> Tensor:
    return torch.arange(n) % 3 * -2 + longest  # the first is the longest


def _texts(generator: torch.Generator, n: int, tokens: int | None) -> tuple[Tensor, Tensor]:
    """Ids (n, STEPS) with padding behind the shorter texts, and their lengths (n,)."""
    lengths = _lengths(n, STEPS)
    behind = torch.arange(STEPS) >= lengths[:, None]
    return _ids(generator, tokens, n, STEPS).masked_fill(behind, _PAD), lengths


def _of_classes(inputs: tuple[Tensor, ...], sizes: InputSpec, n: int, generator: torch.Generator) -> Batch:
    assert sizes.classes is not None
    labels = torch.randint(sizes.classes, (n,), generator=generator)
    return Batch(inputs, labels, lambda logits: F.cross_entropy(logits, labels))


def _of_tokens(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=_PAD)


def _written(inputs: tuple[Tensor, ...], sizes: InputSpec, n: int, generator: torch.Generator) -> Batch:
    given, _ = _texts(generator, n, sizes.tokens)
    targets = torch.cat([given[:, 1:], torch.zeros(n, 1, dtype=given.dtype)], dim=1)
    return Batch((*inputs, given), targets, lambda logits: _of_tokens(logits, targets))


def _lines(sizes: InputSpec, n: int, generator: torch.Generator) -> Batch:
    channels, height, width = _image(sizes)
    widths = torch.full((n,), width)  # beyond a narrower one lies the bias of a convolution alone: 0, a kink of ReLU
    texts = _ids(generator, sizes.tokens, n, 2)
    texts[:, 1] = (texts[:, 0] - _FIRST + 1) % ((sizes.tokens or 0) - _FIRST) + _FIRST  # two different ones

    def error(given: tuple[Tensor, Tensor]) -> Tensor:
        logits, lengths = given
        log_probs = logits.log_softmax(-1).transpose(0, 1)
        return F.ctc_loss(log_probs, texts, lengths, torch.full((n,), 2), blank=_PAD)

    return Batch((_noise(generator, n, channels, height, width), widths), texts, error)
