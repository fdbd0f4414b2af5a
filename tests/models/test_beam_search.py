"""Greedy writing and beam search against all texts that there are."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ecrnn.core.errors import EcrnnError, NotFiniteError
from ecrnn.data.vocabulary import BEGIN, END, PAD, UNKNOWN
from ecrnn.models.beam_search import beam, greedy
from ecrnn.models.build import build

TOKENS, LIMIT = 7, 3
IDS = list(range(4, TOKENS))  # that a text may hold
EVERY = [list(text) for length in range(LIMIT + 1) for text in itertools.product(IDS, repeat=length)]


@pytest.fixture(params=["translate-gru-5", "translate-lstm-5-attention"])
def model(request: pytest.FixtureRequest) -> Any:
    """Untrained, with weights so large that it is sure of itself, each time of something else."""
    network = build(request.param, tokens=TOKENS, source_tokens=9, seed=5).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(6 if parameter.ndim > 1 else 1)
    return network


@pytest.fixture
def sources() -> tuple[Tensor, Tensor]:
    return torch.randint(4, 9, (6, 5), generator=torch.Generator().manual_seed(0)), torch.tensor([5, 1, 3, 2, 5, 4])


def log_probability(model: Any, source: Tensor, text: list[int]) -> float:
    """Of ``text`` and END, from the scores of all steps at once."""
    logits = model(source[None], torch.tensor([len(source)]), torch.tensor([[BEGIN, *text]]))[0]
    return sum(float(row.log_softmax(0)[token]) for row, token in zip(logits, [*text, END], strict=True))


@pytest.mark.sampled(most=4)
@torch.no_grad()
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 2.0])
def test_a_wide_beam_finds_the_best_of_all_texts(model: Any, sources: Any, penalty: float) -> None:
    found = beam(model, model.encode(*sources), LIMIT, width=len(EVERY), length_penalty=penalty)
    best = []
    for source, length in zip(*sources, strict=True):
        scores = [log_probability(model, source[:length], text) / (len(text) + 1) ** penalty for text in EVERY]
        best.append(EVERY[scores.index(max(scores))])
    assert found == best
    assert len({tuple(text) for text in best}) > 1 or penalty < 1  # or a search that is stuck would do


@torch.no_grad()
def test_greedy_by_hand(model: Any, sources: Any) -> None:
    expected = []
    for source, length in zip(*sources, strict=True):
        text: list[int] = []
        while len(text) < LIMIT:
            logits = model(source[None, :length], length[None], torch.tensor([[BEGIN, *text]]))[0, -1]
            token = max([END, *IDS], key=lambda token: float(logits[token]))
            if token == END:
                break
            text.append(token)
        expected.append(text)
    assert greedy(model, model.encode(*sources), LIMIT) == expected


@torch.no_grad()
@pytest.mark.parametrize("limit", [1, 3, 12])
def test_a_beam_of_one_is_greedy(model: Any, sources: Any, limit: int) -> None:
    memory = model.encode(*sources)
    assert beam(model, memory, limit, width=1) == greedy(model, memory, limit)


@pytest.mark.sampled(most=4)
@torch.no_grad()
@pytest.mark.parametrize("width", [1, 2, 3, 8])
def test_a_source_alone_and_in_a_batch(model: Any, sources: Any, width: int) -> None:
    together = beam(model, model.encode(*sources), 9, width)
    alone = [
        beam(model, model.encode(source[None, :n], n[None]), 9, width)[0] for source, n in zip(*sources, strict=True)
    ]
    assert together == alone
    greedily = [greedy(model, model.encode(s[None, :n], n[None]), 9)[0] for s, n in zip(*sources, strict=True)]
    assert greedy(model, model.encode(*sources), 9) == greedily


class Table:
    """A model by a table: the probabilities of what comes after each text, the rest shared by what is not named."""

    def __init__(self, table: dict[tuple[int, ...], dict[int, float]]) -> None:
        self.table, self.steps = table, 0

    def begin(self, memory: tuple[Tensor]) -> tuple[Tensor]:
        return (torch.empty(len(memory[0]), 0, dtype=torch.int64),)

    def step(self, tokens: Tensor, state: tuple[Tensor], memory: tuple[Tensor]) -> tuple[Tensor, tuple[Tensor]]:
        self.steps += 1
        read = torch.cat([state[0], tokens[:, None]], 1)
        logits = torch.full((len(tokens), TOKENS), math.log(1e-6))
        for row, text in zip(logits, read.tolist(), strict=True):
            for token, probability in self.table.get(tuple(text[1:]), {END: 1.0}).items():
                row[token] = math.log(probability)
        return logits, (read,)


MEMORY = (torch.zeros(1, 1),)


def test_a_beam_of_two_finds_what_greedy_misses() -> None:
    """4 looks best, and nothing good comes after it."""
    table = {(): {4: 0.6, 5: 0.4}, (4,): {END: 0.3, 5: 0.36, 6: 0.34}}
    assert greedy(Table(table), MEMORY, 5) == [[4, 5]]
    assert beam(Table(table), MEMORY, 5, width=1) == [[4, 5]]
    assert beam(Table(table), MEMORY, 5, width=2, length_penalty=0) == [[5]]


def test_the_penalty_decides_between_short_and_long() -> None:
    """0.3 against 0.7 x 0.41: a short text wins by the sum, a long one by the mean."""
    table = {(): {END: 0.3, 4: 0.7}, (4,): {END: 0.2, 5: 0.41, 6: 0.39}}
    assert beam(Table(table), MEMORY, 5, width=4, length_penalty=0) == [[]]
    assert beam(Table(table), MEMORY, 5, width=4, length_penalty=1) == [[4, 5]]


def test_open_texts_give_way_to_none_that_ended() -> None:
    """The third of the candidates after one id ends, so the fourth stays open, and wins."""
    table = {(): {4: 0.5, 5: 0.5}, (4, 6): {4: 0.5, 5: 0.5}}
    table |= {(4,): {END: 0.4, 6: 0.35, 4: 0.25}, (5,): {END: 0.33, 4: 0.3, 5: 0.2, 6: 0.17}}
    assert beam(Table(table), MEMORY, 5, width=2) == [[5, 4]]


def test_special_ids_are_never_written() -> None:
    table = {(): {PAD: 0.4, BEGIN: 0.2, UNKNOWN: 0.3, 4: 0.1}, (4,): {PAD: 0.6, BEGIN: 0.09, UNKNOWN: 0.3, END: 0.01}}
    assert greedy(Table(table), MEMORY, 5) == beam(Table(table), MEMORY, 5, width=3) == [[4]]


def test_what_does_not_end_is_cut() -> None:
    class Endless(Table):
        def step(self, tokens: Tensor, state: Any, memory: Any) -> Any:
            logits, state = super().step(tokens, state, memory)
            logits[:, END] = -torch.inf
            return logits, state

    table = {(): {4: 0.9, 5: 0.1}, (4,): {5: 0.9, 6: 0.1}, (4, 5): {6: 1.0}}
    assert greedy(Endless(table), MEMORY, 3) == beam(Endless(table), MEMORY, 3, width=2) == [[4, 5, 6]]
    assert greedy(Endless(table), MEMORY, 0) == [[]]


def test_a_search_ends_when_nothing_can_win_any_more() -> None:
    model = Table({(): {END: 0.9, 4: 0.1}})
    assert beam(model, MEMORY, 50, width=4, length_penalty=0) == [[]]
    assert model.steps == 1
    model = Table({(): {4: 1.0}, (4,): {END: 0.5, 5: 0.5}, (4, 5): {END: 1.0}})
    assert beam(model, MEMORY, 50, width=2) == [[4, 5]]
    assert model.steps < 50


@pytest.mark.parametrize(("width", "penalty"), [(0, 1.0), (-1, 1.0), (2, -0.1)])
def test_bounds(width: int, penalty: float) -> None:
    with pytest.raises(EcrnnError, match=f"a width from 1 and a length penalty from 0, not {width}, {penalty}"):
        beam(Table({}), MEMORY, 5, width, penalty)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("width", [1, 3])
def test_logits_that_are_not_finite_are_an_error_with_their_source(bad: float, width: int) -> None:
    class Broken:
        def begin(self, memory: Any) -> Any:
            return (torch.zeros(len(memory[0]), 1),)

        def step(self, tokens: Any, state: Any, memory: Any) -> Any:
            logits = torch.zeros(len(tokens), 8)
            logits[memory[0][:, 0] == 2, 5] = bad
            return logits, state

    memory = (torch.tensor([[0], [1], [2]]),)
    with pytest.raises(NotFiniteError, match="for example 2 are not finite"):
        greedy(Broken(), memory, 4) if width == 1 else beam(Broken(), memory, 4, width)
