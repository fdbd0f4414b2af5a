"""Predictions of the tasks with tokens: texts, or images that become texts, through a trained network."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.core.errors import NotFiniteError
from ecrnn.data.batches import by_length, padded
from ecrnn.data.vocabulary import BEGIN, END, PAD
from ecrnn.models import beam_search, ctc
from ecrnn.models.inference import Standardise, check_finite, evaluating


def text_logits(model: nn.Module, texts: Sequence[Sequence[int]], batch: int = 256) -> np.ndarray:
    """Logits of a text classifier, float32 (n, classes).

    Args:
        model: from tokens (B, T) and lengths (B,) to logits.
        texts: the tokens of each text, at least one text; the model reads an empty one too.
        batch: texts at a time.
    """
    logits: dict[int, np.ndarray] = {}
    with evaluating(model) as device:
        for index in by_length([len(text) for text in texts], batch):
            outputs = model(*_padded(texts, index, device)).float().cpu().numpy()
            logits.update(zip(index.tolist(), outputs, strict=True))
    return np.stack([logits[i] for i in range(len(texts))])


def block_nats(model: nn.Module, blocks: np.ndarray, batch: int = 64) -> np.ndarray:
    """The loss of a language model on each block: the sum over its tokens of -log p of the next one, float64 (n,).

    Args:
        model: from tokens (B, T) to logits (B, T, V) and a state; each block begins with a fresh one.
        blocks: int64 (n, T + 1): T tokens and their successors.
        batch: blocks at a time.
    """
    nats = []
    with evaluating(model) as device:
        for start in range(0, len(blocks), batch):
            block = torch.from_numpy(blocks[start : start + batch]).to(device)
            logits, _ = model(block[:, :-1])
            each = F.cross_entropy(logits.float().flatten(0, 1), block[:, 1:].flatten(), reduction="none")
            nats.append(each.double().view(len(block), -1).sum(1).cpu().numpy())
    return np.concatenate(nats)


def translations(
    model: nn.Module, sources: Sequence[Sequence[int]], limit: int, width: int = 1, batch: int = 128
) -> list[list[int]]:
    """The tokens of a translation of each source, without BEGIN and END.

    Args:
        model: with `encode(tokens, lengths)` and what `ecrnn.models.beam_search` needs.
        sources: their tokens; the model reads an empty one too.
        limit: most tokens of a translation.
        width: hypotheses of beam search; 1 for the greedy one.
        batch: sources at a time.
    """
    written: dict[int, list[int]] = {}
    with evaluating(model) as device:
        for index in by_length([len(source) for source in sources], batch):
            memory = model.encode(*_padded(sources, index, device))  # type: ignore[operator]
            with _numbered(index):
                written.update(zip(index.tolist(), _written(model, memory, limit, width), strict=True))
    return [written[i] for i in range(len(sources))]


def captions(
    model: nn.Module,
    images: np.ndarray,
    index: np.ndarray,
    standardise: Standardise,
    limit: int,
    width: int = 1,
    batch: int = 64,
) -> list[list[int]]:
    """The tokens of a caption of each image ``images[index]``; the other arguments are those of `translations`."""
    written = []
    with evaluating(model) as device:
        for start in range(0, len(index), batch):
            taken = torch.from_numpy(images[index[start : start + batch]]).to(device)
            memory = model.encode(standardise(taken))  # type: ignore[operator]
            with _numbered(np.arange(start, start + len(taken))):
                written += _written(model, memory, limit, width)
    return written


@contextlib.contextmanager
def _numbered(numbers: np.ndarray) -> Iterator[None]:
    """Name rows of a batch whose outputs are not finite by the numbers of their examples."""
    try:
        yield
    except NotFiniteError as error:
        raise NotFiniteError(int(numbers[error.row])) from error


def _padded(sequences: Sequence[Sequence[int]], index: np.ndarray, device: torch.device) -> tuple[Tensor, Tensor]:
    """The sequences at ``index`` side by side, and their lengths."""
    tokens, lengths = padded([sequences[i] for i in index])
    return torch.from_numpy(tokens).to(device), torch.from_numpy(lengths).to(device)


def _written(model: nn.Module, memory: object, limit: int, width: int) -> list[list[int]]:
    if width == 1:
        return beam_search.greedy(model, memory, limit)
    return beam_search.beam(model, memory, limit, width)


def target_nats(logits: Tensor, targets: Tensor) -> Tensor:
    """The sum of -log p of each target (B, T) under logits (B, T, V), padding left out; float32 scalar."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=PAD, reduction="sum")


def with_ends(sequences: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of a decoder: BEGIN and the tokens, the tokens and END; both int64 (B, T + 1)."""
    inputs, _ = padded([[BEGIN, *sequence] for sequence in sequences])
    targets, _ = padded([[*sequence, END] for sequence in sequences])
    return inputs, targets


def line_batch(images: Sequence[np.ndarray], standardise: Standardise, device: torch.device) -> tuple[Tensor, Tensor]:
    """Grey images of one height, side by side.

    Args:
        images: uint8 (H, W_i).
        standardise: of one channel.

    Returns:
        float32 (B, 1, H, W), standardised, with zeros to the right of the narrower ones, and the widths (B,), int64.
    """
    widths = torch.tensor([image.shape[1] for image in images])
    together = torch.zeros(len(images), 1, images[0].shape[0], int(widths.max()), device=device)
    for row, image in zip(together, images, strict=True):
        row[:, :, : image.shape[1]] = standardise(torch.from_numpy(image).to(device)[..., None])
    return together, widths.to(device)


def transcripts(
    model: nn.Module, images: Sequence[np.ndarray], standardise: Standardise, width: int = 1, batch: int = 64
) -> list[list[int]]:
    """The tokens read on each image.

    Args:
        model: from images (B, 1, H, W) and widths to logits (B, T, V) and their lengths.
        images: uint8 (H, W_i), of the network's height.
        standardise: brings them to the network's standard and device.
        width: hypotheses of the prefix beam search; 1 for the greedy reading.
        batch: images at a time.
    """
    read: dict[int, list[int]] = {}
    with evaluating(model) as device:
        for index in by_length([image.shape[1] for image in images], batch):
            logits, lengths = model(*line_batch([images[i] for i in index], standardise, device))
            with _numbered(index):
                check_finite(logits.float().cpu().numpy())
            log_probs = logits.float().log_softmax(-1).cpu()
            texts = ctc.greedy(log_probs, lengths.cpu()) if width == 1 else ctc.beam(log_probs, lengths.cpu(), width)
            read.update(zip(index.tolist(), texts, strict=True))
    return [read[i] for i in range(len(images))]
