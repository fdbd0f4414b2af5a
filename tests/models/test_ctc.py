"""CTC decoding against sums over every path, and against torch's CTC loss."""

from __future__ import annotations

from collections import defaultdict
from itertools import product

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ecrnn.core.errors import EcrnnError
from ecrnn.models import ctc

SHAPES = [(1, 2), (2, 2), (3, 3), (4, 3), (5, 3), (6, 2), (4, 4)]  # steps, ids
ALL = 10_000  # prefixes, more than there are


def random_steps(steps: int, tokens: int, seed: int = 0) -> np.ndarray:
    logits = 2 * np.random.default_rng([steps, tokens, seed]).standard_normal((steps, tokens))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def read(path: tuple[int, ...]) -> tuple[int, ...]:
    """A path's text, word for word as Graves defines it: first repeats, then blanks."""
    once = [i for at, i in enumerate(path) if at == 0 or path[at - 1] != i]
    return tuple(i for i in once if i != 0)


def by_every_path(log_probabilities: np.ndarray) -> dict[tuple[int, ...], float]:
    """The probability of every text: the oracle of all searches."""
    steps, tokens = log_probabilities.shape
    sums: dict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(tokens), repeat=steps):
        sums[read(path)] += float(np.exp(log_probabilities[range(steps), path].sum()))
    return dict(sums)


@pytest.mark.parametrize(("steps", "tokens"), SHAPES)
def test_a_wide_beam_is_the_sum_over_every_path(steps: int, tokens: int) -> None:
    log_probabilities = random_steps(steps, tokens)
    expected, found = by_every_path(log_probabilities), ctc.texts(log_probabilities, width=ALL)
    assert {ids for ids, _ in found} == set(expected)
    assert len(found) == len(expected)
    for ids, log in found:
        assert np.exp(log) == pytest.approx(expected[ids], rel=1e-12)
    assert [log for _, log in found] == sorted((log for _, log in found), reverse=True)


@pytest.mark.parametrize(("steps", "tokens"), SHAPES)
def test_the_sums_are_those_of_torchs_loss(steps: int, tokens: int) -> None:
    log_probabilities = random_steps(steps, tokens, seed=1)
    for ids, log in ctc.texts(log_probabilities, width=ALL):
        loss = F.ctc_loss(
            torch.from_numpy(log_probabilities)[:, None],
            torch.tensor([ids], dtype=torch.int64).reshape(1, -1),
            torch.tensor([steps]),
            torch.tensor([len(ids)]),
            blank=ctc.BLANK,
            reduction="sum",
        )
        assert -loss.item() == pytest.approx(log, rel=1e-9)


def test_a_narrow_beam_bounds_from_below_and_finds_the_best_here() -> None:
    for seed in range(20):
        log_probabilities = random_steps(5, 3, seed)
        expected = by_every_path(log_probabilities)
        found = ctc.texts(log_probabilities, width=4)
        assert len(found) == 4
        assert all(np.exp(log) <= expected[ids] * (1 + 1e-12) for ids, log in found)
        assert ctc.beam(log_probabilities[None], [5], width=4) == [list(max(expected, key=expected.__getitem__))]


def test_greedy_reads_the_best_path() -> None:
    for seed in range(20):
        log_probabilities = random_steps(6, 3, seed)
        assert ctc.greedy(log_probabilities[None], [6]) == [list(read(tuple(log_probabilities.argmax(axis=1))))]


def test_the_best_path_need_not_be_the_best_text() -> None:
    """Two steps with 0.6 for the blank: the path of blanks has 0.36, the three paths that read "1" have 0.64."""
    log_probabilities = np.log([[[0.6, 0.4], [0.6, 0.4]]])
    assert ctc.greedy(log_probabilities, [2]) == [[]]
    assert ctc.beam(log_probabilities, [2]) == [[1]]


@pytest.mark.parametrize("decode", [ctc.greedy, ctc.beam])
def test_steps_beyond_a_length_do_not_count(decode) -> None:
    log_probabilities = np.stack([random_steps(6, 4, seed) for seed in range(4)])
    lengths = np.array([6, 3, 1, 0])
    alone = [decode(rows[None, :n], [n])[0] for rows, n in zip(log_probabilities, lengths, strict=True)]
    spoilt = np.where(np.arange(6)[:, None] < lengths[:, None, None], log_probabilities, np.nan)
    assert decode(spoilt, lengths) == alone
    assert alone[3] == []


def test_tensors_and_float32_are_taken() -> None:
    steps = torch.from_numpy(random_steps(5, 3)).float()[None]
    assert ctc.greedy(steps, torch.tensor([5])) == ctc.greedy(steps.numpy(), [5])
    assert ctc.beam(steps, torch.tensor([5])) == ctc.beam(steps.numpy(), [5])


def test_texts_of_probability_zero_are_left_out() -> None:
    with np.errstate(divide="ignore"):
        log_probabilities = np.log([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    assert ctc.texts(log_probabilities) == [((), np.log(0.5)), ((1,), np.log(0.5))]


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("at", [0, 2, 4])
def test_no_text_after_a_step_without_probabilities(value: float, at: int) -> None:
    log_probabilities = random_steps(5, 3)
    log_probabilities[at] = value
    assert ctc.texts(log_probabilities) == []
    assert ctc.beam(log_probabilities[None], [5]) == [[]]


def test_needed_is_the_length_of_the_shortest_path() -> None:
    for text in [(), (1,), (1, 2), (1, 1), (1, 1, 1), (2, 1, 1, 2), (1, 2, 1)]:
        shortest = next(n for n in range(9) if any(read(path) == text for path in product(range(3), repeat=n)))
        assert ctc.needed(text) == shortest


@pytest.mark.parametrize("width", [0, -1])
def test_a_beam_of_no_width(width: int) -> None:
    with pytest.raises(EcrnnError, match=f"width of a beam search must be at least 1, got {width}"):
        ctc.texts(random_steps(2, 2), width)
