"""The encoder-decoder by its equations, one word at a time in torch's cells, against all steps at once."""

from __future__ import annotations

import pytest
import torch
from models.stock import StockRecurrence, compare_with_twin
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.data.vocabulary import BEGIN
from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.spec import InputSpec
from ecrnn.models.summary import summarise

NAMES = [f"translate-{cell}-6{end}" for cell in ("rnn", "lstm", "gru") for end in ("", "-attention")]
LENGTHS = torch.tensor([1, 8, 5])
SIZES = InputSpec(source_tokens=20, tokens=15)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    source = torch.randint(4, 20, (3, 8), generator=generator)
    target = torch.randint(4, 15, (3, 7), generator=generator)
    target[:, 0] = BEGIN
    return source, LENGTHS, target


def by_equations(twin: nn.Module, source: Tensor, target: Tensor) -> Tensor:
    """Logits (T, V) of one pair without padding; names as in the file's equations."""
    attends = twin.attention is not None
    s, last = twin.encoder(twin.source_words(source)[None])
    two = isinstance(last, tuple)  # an LSTM
    c = torch.tanh(twin.summary((last[0] if two else last).flatten()))
    h = torch.tanh(twin.beginning(c))
    state = (h[None], torch.zeros_like(h)[None]) if two else h[None]
    logits = []
    for y in target:
        word = twin.words(y)
        out, state = twin.decoder(torch.cat([word, c])[None], state)
        h, context = out[0], c
        if attends:
            scores = torch.stack([h @ twin.attention.score.weight.T @ position for position in s[0]])
            a = scores.exp() / scores.exp().sum()
            context = sum(weight * position for weight, position in zip(a, s[0], strict=True))
        q = twin.maxout.weight @ torch.cat([h, word, context]) + twin.maxout.bias
        m = torch.maximum(q[0::2], q[1::2])
        logits.append(twin.head(m))
    return torch.stack(logits)


@pytest.mark.parametrize("name", NAMES)
def test_by_the_equations(name: str) -> None:
    """Result and gradients, of pairs alone and one word after the other."""

    def by_hand(twin: nn.Module, source: Tensor, lengths: Tensor, target: Tensor) -> Tensor:
        return torch.stack([by_equations(twin, x[:n], y) for x, n, y in zip(source, lengths, target, strict=True)])

    network = build(name, tokens=15, source_tokens=20).eval()
    compare_with_twin(network, StockRecurrence(network, by_hand), *batch())


@pytest.mark.parametrize("name", NAMES)
def test_step_by_step_is_all_at_once(name: str) -> None:
    network, (source, lengths, target) = build(name, tokens=15, source_tokens=20).eval(), batch()
    with torch.no_grad():
        memory = network.encode(source, lengths)
        state, logits = network.begin(memory), []
        for word in target.T:
            each, state = network.step(word, state, memory)
            logits.append(each)
        compare(
            {"logits": network(source, lengths, target)}, {"logits": torch.stack(logits, 1)}, tolerance("float32", 64)
        )
    assert all(len(part) == 3 for part in (*memory, *state))  # the batch comes first


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beyond_a_source_does_not_count(name: str) -> None:
    network, (source, lengths, target) = build(name, tokens=15, source_tokens=20).eval(), batch()
    padded = source * (torch.arange(8) < lengths[:, None])
    with torch.no_grad():
        assert torch.equal(network(source, lengths, target), network(padded, lengths, target))
        nothing = network(padded[:1] * 0, torch.tensor([0]), target[:1])
        assert torch.equal(nothing, network(padded[:1, :1] * 0, torch.tensor([1]), target[:1]))


def test_nothing_to_come_is_seen() -> None:
    network, (source, lengths, target) = build("translate-gru-6-attention", tokens=15, source_tokens=20).eval(), batch()
    changed = target.clone()
    changed[:, 4:] = 4 + (changed[:, 4:] - 3) % 11
    with torch.no_grad():
        before, after = network(source, lengths, target), network(source, lengths, changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4], after[:, 4])


@pytest.mark.parametrize("attends", [False, True])
def test_parameters_and_work_by_formula(attends: bool) -> None:
    nodes, both, asked = 6, 12, 12 if attends else 6
    name = "translate-gru-6" + "-attention" * attends
    expected = (20 + 15) * 256  # words
    expected += 2 * 3 * nodes * (256 + nodes + 2) + (both + 1) * nodes + (nodes + 1) * nodes
    expected += 3 * nodes * (256 + nodes + nodes + 2) + nodes * both * attends
    expected += (nodes + 256 + asked + 1) * 512 + 257 * 15
    found = summarise(build(name, tokens=15, source_tokens=20), SIZES, parse(name))
    assert found.parameters == found.trainable == expected
    work = 2 * 32 * 3 * nodes * (256 + nodes) + both * nodes + nodes * nodes
    work += 32 * 3 * nodes * (256 + nodes + nodes) + attends * (32 * nodes * both + 2 * 32 * 32 * both)
    work += 32 * (nodes + 256 + asked) * 512 + 32 * 256 * 15
    assert found.multiply_adds == work
