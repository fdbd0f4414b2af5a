"""The text classifiers against torch's layers, and texts that are padded."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from models.stock import StockRecurrence, compare_with_twin
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ecrnn.models.build import build

NAMES = ["sentiment-rnn-6", "sentiment-bilstm-6-5", "sentiment-cnn", "sentiment-cnn-bigru-6", "sentiment-parallel"]
LENGTHS = torch.tensor([1, 9, 4, 2, 7])


def ids() -> Tensor:
    """Five texts, with ids that are not padding beyond their ends."""
    return torch.randint(4, 30, (5, 9), generator=torch.Generator().manual_seed(0))


def convolved(layers: nn.ModuleList, words: Tensor) -> Tensor:
    """The maps (T, F) of the words (T, 128) of one text, window by window."""
    maps = []
    for layer in layers:
        _, _, width = layer.weight.shape
        padded = torch.cat([words, words.new_zeros(width - 1, words.shape[1])])
        windows = torch.stack([padded[t : t + width].T for t in range(len(words))])  # (T, 128, width)
        maps.append(torch.relu(torch.einsum("tew,few->tf", windows, layer.weight) + layer.bias))
    return torch.cat(maps, 1)


def recurred(layers: nn.ModuleList, sequences: list[Tensor]) -> list[Tensor]:
    """Outputs at each step of sequences (T, F), packed."""
    lengths = torch.tensor([len(sequence) for sequence in sequences])
    x = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    for layer in layers:
        packed, _ = layer(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        x, _ = pad_packed_sequence(packed, batch_first=True)
    return [row[:length] for row, length in zip(x, lengths, strict=True)]


def by_torch(twin: nn.Module, tokens: Tensor, lengths: Tensor) -> Tensor:
    """Logits, text by text and without padding where torch can."""
    words = [twin.embedding(text[:length]) for text, length in zip(tokens, lengths, strict=True)]
    steps = words
    if hasattr(twin, "cnn"):
        steps = [convolved(twin.cnn.layers, text) for text in words]
    if getattr(twin, "rnn", None) is not None:
        steps = recurred(twin.rnn.layers, steps)
    if hasattr(twin, "lstm"):
        beside = recurred(twin.lstm.layers, words), recurred(twin.gru.layers, words)
        steps = [torch.cat(parts, 1) for parts in zip(steps, *beside, strict=True)]
    return twin.head(torch.stack([text.max(0).values for text in steps]))


@pytest.mark.parametrize("name", NAMES)
def test_by_torchs_layers(name: str) -> None:
    network = build(name, tokens=30, classes=3).eval()
    compare_with_twin(network, StockRecurrence(network, by_torch), ids(), LENGTHS)


WORDS = 30 * 128
CNN = (3 * 128 + 1) * 100
KIM = CNN + (4 * 128 + 1) * 100 + (5 * 128 + 1) * 100


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sentiment", WORDS + 2 * 4 * 128 * (128 + 128 + 1) + 257 * 3),
        ("sentiment-rnn-6", WORDS + 6 * (128 + 6 + 1) + 7 * 3),
        ("sentiment-bilstm-6-5", WORDS + 2 * 4 * 6 * (128 + 6 + 1) + 2 * 4 * 5 * (12 + 5 + 1) + 11 * 3),
        ("sentiment-cnn", WORDS + KIM + 301 * 3),
        ("sentiment-cnn-bigru-6", WORDS + CNN + 2 * 3 * 6 * (100 + 6 + 2) + 13 * 3),
        (
            "sentiment-parallel",
            WORDS + KIM + 4 * 64 * (128 + 64 + 1) + 3 * 64 * (128 + 64 + 2) + (300 + 64 + 64 + 1) * 3,
        ),
    ],
)
def test_parameters_by_formula(name: str, expected: int) -> None:
    assert sum(p.numel() for p in build(name, tokens=30, classes=3).parameters()) == expected


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beyond_a_text_does_not_count(name: str) -> None:
    network, tokens = build(name, tokens=30, classes=3).eval(), ids()
    padded = tokens * (torch.arange(9) < LENGTHS[:, None])
    with torch.no_grad():
        expected = network(tokens, LENGTHS)
        assert torch.equal(expected, network(padded, LENGTHS))
        wider = network(F.pad(padded, (0, 5)), LENGTHS)
    torch.testing.assert_close(wider, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_text_without_words_is_one_id_of_padding(name: str) -> None:
    network, nothing = build(name, tokens=30, classes=3).eval(), torch.zeros(1, 4, dtype=torch.int64)
    with torch.no_grad():
        assert torch.equal(network(nothing, torch.tensor([0])), network(nothing, torch.tensor([1])))


@pytest.mark.parametrize("name", NAMES)
def test_every_word_counts(name: str) -> None:
    network, words = build(name, tokens=30, classes=3).eval(), ids()[1:2]
    for place in range(9):
        other = words.clone()
        other[0, place] = 3
        assert not torch.equal(network(words, torch.tensor([9])), network(other, torch.tensor([9])))
