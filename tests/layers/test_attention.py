"""Attention by its equations, one query and position at a time."""

from __future__ import annotations

import torch

from ecrnn.layers.attention import Attention


def test_by_the_equations() -> None:
    torch.manual_seed(0)
    attention = Attention(3, 4).double()
    queries, memory = torch.randn(2, 5, 3, dtype=torch.float64), torch.randn(2, 6, 4, dtype=torch.float64)
    counts = torch.tensor([[True] * 6, [True, True, False, True, False, False]])
    contexts, weights = attention(queries, memory, counts)
    for b in range(2):
        for t in range(5):
            powers = [
                torch.exp(queries[b, t] @ attention.score.weight.T @ memory[b, s]) * counts[b, s] for s in range(6)
            ]
            expected = torch.stack([power / sum(powers) for power in powers])
            torch.testing.assert_close(weights[b, t], expected)
            torch.testing.assert_close(contexts[b, t], sum(w * m for w, m in zip(expected, memory[b], strict=True)))
    assert not weights[1][:, ~counts[1]].any()
    torch.testing.assert_close(weights.sum(2), torch.ones(2, 5, dtype=torch.float64))


def test_without_counts_all_positions_count() -> None:
    attention, queries, memory = Attention(3, 4), torch.randn(2, 5, 3), torch.randn(2, 6, 4)
    for ours, all_of_them in zip(
        attention(queries, memory), attention(queries, memory, torch.ones(2, 6, dtype=torch.bool)), strict=True
    ):
        assert torch.equal(ours, all_of_them)
