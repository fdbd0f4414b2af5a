"""Translation by an encoder-decoder: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for
Statistical Machine Translation (2014), whose GRU this is. Two forms, `translate` and `translate-attention`.

The encoder reads the source x_1 ... x_S from both ends; its last states s make the summary c. The decoder's state h_t
depends on its last state, the last word and c; training maximises the log-likelihood of the target y_1 ... y_T given
the source:

    c = tanh(V s),      h_0 = tanh(V' c),    h_t = GRU(h_t-1, [e(y_t-1), c])
    p(y_t) = softmax(G m_t),    m_ti = max(q_t,2i-1, q_t,2i),    q_t = O_h h_t + O_y e(y_t-1) + O_c c

| part           | Cho et al. 2014               | here                                                         |
|----------------|-------------------------------|--------------------------------------------------------------|
| gates          | no bias; r before the product | biases; r after it, on U h_t-1 alone, not on C c             |
| encoder        | reads from the first word on  | from both ends, so no word is far from the summary           |
| nodes          | 1,000                         | 512; other cells and nodes by name                           |
| words          | 100 values through 500        | 256 values                                                   |
| maxout         | 500 units of 2                | 256 units of 2                                               |

With attention q_t gets the context c_t that h_t asks of the encoder's states (see `ecrnn.layers.attention`) where c
stands above. It asks after the recurrence, so in training all steps of a target go through the decoder in one call,
because its words are known. To write, `encode` reads the sources, `begin` gives h_0, and `step` takes one word and says
what may come next; `ecrnn.models.beam_search` searches with these three.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ecrnn.layers.areas import recurrent_layer
from ecrnn.layers.attention import Attention
from ecrnn.layers.readout import State, read
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

EMBEDDING = 256
MAXOUT = 256
DROPOUT = 0.3  # of words and of the maxout units


class Memory(NamedTuple):
    """What the encoder makes of sources."""

    summary: Tensor  # (B, nodes), c
    states: Tensor  # (B, S, 2 * nodes), which attention asks; (B, 0, 2 * nodes) without it
    mask: Tensor  # (B, S), bool: the steps of each source that are not padding


@register(
    "translate",
    task="translation",
    default="gru-512",
    cells="one-way",
    layers=1,
    example="translate-gru-256",
    suffixes=("attention",),
    areas={"source_words": "encoder", "maxout": "decoder"},
)
class Translator(nn.Module):
    """Takes sources and targets as ids, gives scores of what comes next in the targets.

    Args:
        name: with cell and nodes, of encoder and decoder; with attention in the variant of this name.
        spec: with source_tokens and tokens.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        source_tokens, tokens = spec.take("source_tokens", "tokens")
        assert name.cell is not None
        (nodes,) = name.nodes
        attends = name.variant == "attention"
        self.source_words = nn.Embedding(source_tokens, EMBEDDING)
        self.encoder = recurrent_layer(name.cell, EMBEDDING, nodes, bidirectional=True)
        self.summary = nn.Linear(2 * nodes, nodes)  # V
        self.beginning = nn.Linear(nodes, nodes)  # V'
        self.words = nn.Embedding(tokens, EMBEDDING)  # e
        self.decoder = recurrent_layer(name.cell, EMBEDDING + nodes, nodes)
        self.attention = Attention(nodes, 2 * nodes) if attends else None
        context = 2 * nodes if attends else nodes
        self.maxout = nn.Linear(nodes + EMBEDDING + context, 2 * MAXOUT)  # O_h, O_y, O_c
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(MAXOUT, tokens)  # G

    def forward(self, source: Tensor, source_lengths: Tensor, target: Tensor) -> Tensor:
        """Score targets that are known.

        Args:
            source: (B, S), int64, padded.
            source_lengths: (B,), int64, ids of each source; one without any is read as one id of padding.
            target: (B, T), int64, BEGIN and the target's ids, padded.

        Returns:
            logits (B, T, tokens); those at t are for the id after target[:, t].
        """
        memory = self.encode(source, source_lengths)
        logits, _ = self._write(target, self.begin(memory), memory)
        return logits

    def encode(self, source: Tensor, source_lengths: Tensor) -> Memory:
        """Read sources (B, S), of ``source_lengths`` (B,)."""
        lengths = source_lengths.clamp(min=1)
        words = self.dropout(self.source_words(source))  # (B, S, 256)
        states, last = read(self.encoder, words, lengths=lengths, want_output=self.attention is not None)
        mask = torch.arange(source.shape[1], device=source.device) < lengths.to(source.device)[:, None]
        return Memory(torch.tanh(self.summary(last[0])), states, mask)

    def begin(self, memory: Memory) -> State:
        """The decoder's state before the first word; the cell of an LSTM begins with zeros."""
        h_0 = torch.tanh(self.beginning(memory.summary))
        return (h_0, torch.zeros_like(h_0)) if self.decoder.mode == "LSTM" else (h_0,)

    def step(self, tokens: Tensor, state: State, memory: Memory) -> tuple[Tensor, State]:
        """Read one more id of each target, the first of which is BEGIN.

        Args:
            tokens: (B,), int64.
            state: from `begin`, or the last step.
            memory: from `encode`.

        Returns:
            logits (B, tokens) of the next id, and the new state.
        """
        logits, state = self._write(tokens[:, None], state, memory)
        return logits[:, 0], state

    def _write(self, target: Tensor, state: State, memory: Memory) -> tuple[Tensor, State]:
        """Logits (B, T, tokens) after each id of ``target`` (B, T), and the state after the last."""
        words = self.dropout(self.words(target))  # (B, T, 256), e(y_t-1)
        summary = memory.summary[:, None].expand(-1, target.shape[1], -1)  # (B, T, nodes)
        h, state = read(self.decoder, torch.cat([words, summary], 2), state)  # (B, T, nodes)
        context = summary if self.attention is None else self.attention(h, memory.states, memory.mask)[0]
        q = self.maxout(torch.cat([h, words, context], 2))  # (B, T, 512)
        m = q.unflatten(2, (MAXOUT, 2)).amax(3)  # (B, T, 256)
        return self.head(self.dropout(m)), state
