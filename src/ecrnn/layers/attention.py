"""Attention over what an encoder remembers: Luong, Pham and Manning, Effective Approaches to Attention-based Neural
Machine Translation (2015), its global form with the score that the paper calls general.

A query asks after the decoder's recurrence, not before it as in Bahdanau et al. (2015), so that in training the
recurrence runs over all steps in one call and all queries of a sentence ask at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """A weighted mean of a memory for each query, equations 7 and 8 of Luong et al.

    score(h_t, m_s) = h_t W_a m_s; the weights are the scores' softmax over the positions s that count; the context is
    the sum of the memory by these weights. What is made of it, eq. 5, is the decoder's.

    Args:
        query: features of a query.
        memory: features of a position of the memory.
    """

    def __init__(self, query: int, memory: int) -> None:
        super().__init__()
        self.score = nn.Linear(query, memory, bias=False)  # W_a

    def forward(self, queries: Tensor, memory: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Ask the memory.

        Args:
            queries: (B, T, query).
            memory: (B, S, memory).
            mask: (B, S), bool: True for the positions that count, at least one in each row; None where all do.

        Returns:
            The contexts (B, T, memory) and the weights (B, T, S), which sum to 1 over S and are 0 where nothing counts.
        """
        scores = torch.bmm(self.score(queries), memory.transpose(1, 2))  # (B, T, S)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None], float("-inf"))
        weights = scores.softmax(2)
        return torch.bmm(weights, memory), weights
