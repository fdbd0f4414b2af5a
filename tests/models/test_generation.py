"""What trained networks with tokens answer: the same alone and among others, in the order asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from training.small_tasks import LENGTH, small

from ecrnn.data.vocabulary import BEGIN, END, PAD, UNKNOWN
from ecrnn.models import beam_search, ctc
from ecrnn.models.generation import (
    block_nats,
    captions,
    line_batch,
    target_nats,
    text_logits,
    transcripts,
    translations,
    with_ends,
)

DRAW = np.random.default_rng(3)
TEXTS = [DRAW.integers(4, 8, length).tolist() for length in (3, 0, 7, 1, 5, 3, 2)]


def lively(task: str) -> nn.Module:
    """A network that writes another text for each source, some of them short."""
    model = small(task).network(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4)
        model.head.bias[UNKNOWN] -= 100
        model.head.bias[END] += -2 if task == "captioning" else 1
    return model


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_logits_of_texts(batch: int) -> None:
    model = small("text-classification").network()
    logits = text_logits(model, TEXTS, batch)
    assert logits.dtype == np.float32
    assert model.training
    model.eval()
    for own, text in zip(logits, TEXTS, strict=True):
        alone = model(torch.tensor([text or [PAD]]), torch.tensor([max(1, len(text))]))
        np.testing.assert_allclose(own, alone[0].detach().numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("batch", [2, 64])
def test_nats_of_blocks(batch: int) -> None:
    model = small("next-token").network().eval()
    blocks = DRAW.integers(4, 9, (5, 12))
    found = block_nats(model, blocks, batch)
    assert found.dtype == np.float64
    with torch.no_grad():
        logits = model(torch.from_numpy(blocks[:, :-1]))[0].double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(2, keepdims=True))
    expected = [-sum(log_p[i, t, blocks[i, t + 1]] for t in range(11)) for i in range(5)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("batch", [2, 128])
def test_translations(width: int, batch: int) -> None:
    model = lively("translation")
    found = translations(model, TEXTS, LENGTH, width, batch)
    assert len(set(map(len, found))) > 1, "the test needs texts of several lengths"
    model.eval()
    for own, text in zip(found, TEXTS, strict=True):
        with torch.no_grad():
            memory = model.encode(torch.tensor([text or [PAD]]), torch.tensor([max(1, len(text))]))
        search = (
            beam_search.greedy(model, memory, LENGTH) if width == 1 else beam_search.beam(model, memory, LENGTH, width)
        )
        assert [own] == search
        assert len(own) <= LENGTH
        assert not {PAD, BEGIN, END} & set(own)


@pytest.mark.parametrize("width", [1, 3])
def test_captions(width: int) -> None:
    one, model = small("captioning"), lively("captioning")
    index = np.array([7, 3, 3, 20, 11])
    standardise = one.processor.standardise()
    found = captions(model, one.data.images, index, standardise, LENGTH, width, 2)
    assert found[1] == found[2]
    assert len({tuple(own) for own in found}) > 1
    model.eval()
    for own, i in zip(found, index, strict=True):
        with torch.no_grad():
            memory = model.encode(standardise(torch.from_numpy(one.data.images[i][None])))
        search = (
            beam_search.greedy(model, memory, LENGTH) if width == 1 else beam_search.beam(model, memory, LENGTH, width)
        )
        assert [own] == search


@pytest.mark.parametrize("width", [1, 4])
def test_transcripts(width: int) -> None:
    one, model = small("transcription"), lively("transcription")
    images, standardise = one.data.images[:9], one.processor.standardise()
    assert len({image.shape[1] for image in images}) > 3
    found = transcripts(model, images, standardise, width, 4)
    assert any(found)
    model.eval()
    for own, image in zip(found, images, strict=True):
        with torch.no_grad():
            logits, lengths = model(*line_batch([image], standardise, torch.device("cpu")))
        steps = logits.log_softmax(-1)
        assert [own] == (ctc.greedy(steps, lengths) if width == 1 else ctc.beam(steps, lengths, width))


def test_lines_side_by_side() -> None:
    standardise = small("transcription").processor.standardise()
    images = [np.full((8, width), 200, np.uint8) for width in (5, 9)]
    together, widths = line_batch(images, standardise, torch.device("cpu"))
    assert together.shape == (2, 1, 8, 9)
    assert widths.tolist() == [5, 9]
    assert (together[0, :, :, :5] == 2).all()
    assert (together[0, :, :, 5:] == 0).all()
    assert (together[1] == 2).all()


def test_ends() -> None:
    given, wanted = with_ends([[7, 8], [], [9]])
    assert given.tolist() == [[BEGIN, 7, 8], [BEGIN, PAD, PAD], [BEGIN, 9, PAD]]
    assert wanted.tolist() == [[7, 8, END], [END, PAD, PAD], [9, END, PAD]]


def test_nats_of_targets_leave_padding_out() -> None:
    logits: Tensor = torch.randn(2, 3, 6)
    targets = torch.tensor([[4, END, PAD], [5, 4, END]])
    p = logits.double().softmax(2)
    expected = -sum(p[b, t, targets[b, t]].log() for b, t in ((0, 0), (0, 1), (1, 0), (1, 1), (1, 2)))
    assert float(target_nats(logits, targets)) == pytest.approx(float(expected), rel=1e-6)
    assert target_nats(logits.bfloat16(), targets).dtype == torch.float32
