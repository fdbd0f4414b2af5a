"""The character model against torch's layers, and its reading in pieces."""

from __future__ import annotations

import pytest
import torch
from models.stock import StockRecurrence, compare_with_twin
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.models.build import build
from ecrnn.models.names import parse
from ecrnn.models.spec import usual
from ecrnn.models.summary import summarise

NAMES = ["charlm-rnn-9", "charlm-lstm-9", "charlm-gru-9-7", "charlm-lstm-8-7-6"]
GATES, BIASES = {"rnn": 1, "lstm": 4, "gru": 3}, {"rnn": 1, "lstm": 1, "gru": 2}


def ids(batch: int, steps: int, tokens: int = 11) -> Tensor:
    return torch.randint(tokens, (batch, steps), generator=torch.Generator().manual_seed(steps))


def by_torch(twin: nn.Module, tokens: Tensor) -> Tensor:
    x = twin.embedding(tokens)
    for layer in twin.layers:
        x, _ = layer(x)
    return twin.head(x)


@pytest.mark.parametrize("name", NAMES)
def test_by_torchs_layers(name: str) -> None:
    network = build(name, tokens=11).eval()
    compare_with_twin(network, StockRecurrence(network, by_torch), ids(3, 13))


@pytest.mark.parametrize("name", [*NAMES, "charlm", "charlm-gru-256-256"])
def test_parameters_by_formula(name: str) -> None:
    tokens, features = 69, 64
    network = build(name, tokens=tokens)
    expected = tokens * 64
    cell = "lstm" if name == "charlm" else name.split("-")[1]
    for nodes in [512] if name == "charlm" else map(int, name.split("-")[2:]):
        expected += GATES[cell] * nodes * (features + nodes + BIASES[cell])
        features = nodes
    expected += (features + 1) * tokens
    assert sum(p.numel() for p in network.parameters()) == expected
    assert summarise(network, usual(parse(name)), parse(name)).parameters == expected


def test_parameters_as_its_docstring_says() -> None:
    assert sum(p.numel() for p in build("charlm", tokens=69).parameters()) == 4_416 + 1_181_696 + 35_397 == 1_221_509


@pytest.mark.parametrize("name", NAMES)
def test_reading_in_pieces_is_reading_at_once(name: str) -> None:
    network, tokens = build(name, tokens=11).eval(), ids(3, 12)
    with torch.no_grad():
        whole, last = network(tokens)
        state, parts = None, []
        for piece in tokens.split([5, 1, 6], dim=1):
            logits, state = network(piece, state)
            parts.append(logits)
    expected = {"logits": whole, **{str(n): part for n, part in enumerate(last)}}
    compare(
        expected, {"logits": torch.cat(parts, 1), **{str(n): p for n, p in enumerate(state)}}, tolerance("float32", 64)
    )
    assert len(last) == (2 if "lstm" in name else 1) * (len(name.split("-")) - 2)
    assert all(len(part) == 3 for part in last)  # the batch comes first


def test_nothing_to_come_is_seen() -> None:
    network, tokens = build("charlm-gru-9-7", tokens=11).eval(), ids(2, 9)
    changed = tokens.clone()
    changed[:, 5:] = (changed[:, 5:] + 1) % 11
    with torch.no_grad():
        before, after = network(tokens)[0], network(changed)[0]
    assert torch.equal(before[:, :5], after[:, :5])
    assert not torch.equal(before[:, 5], after[:, 5])


def test_dropout_is_for_training() -> None:
    network, tokens = build("charlm-lstm-16", tokens=11), ids(2, 9)
    assert not torch.equal(network(tokens)[0], network(tokens)[0])
    network.eval()
    assert torch.equal(network(tokens)[0], network(tokens)[0])
