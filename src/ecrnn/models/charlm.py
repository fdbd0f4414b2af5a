"""Character model: predicts the next character of a text from all before it (RNN, LSTM and GRU on text).

    s_t = f(U x_t + W s_t-1)  (eq. 16; LSTM: 22-27),    o_t = softmax(V s_t),    E_t = -log o_t[x_t+1]  (eq. 17)

| part      | values                                         | parameters of `charlm` with 69 ids   |
|-----------|------------------------------------------------|--------------------------------------|
| embedding | 64 a character                                 | 69 x 64 = 4,416                      |
| recurrent | 512 LSTM nodes; cell, nodes and layers by name | 4 x 512 x (64 + 512 + 1) = 1,181,696 |
| head      | scores of every character                      | 513 x 69 = 35,397                    |
|           |                                                | 1,221,509 in all                     |

Dropout, of what a recurrent layer above or the head sees, is for texts of about a million characters, over which
training goes some ten to twenty times. A model may as well be given bytes, words or subwords: it sees only ids.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.areas import recurrent_layers
from ecrnn.layers.readout import State, read
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

EMBEDDING = 64
DROPOUT = 0.25


@register("charlm", task="next-token", default="lstm-512", cells="one-way", layers=8, example="charlm-gru-256-256")
class CharLM(nn.Module):
    """Takes ids (B, T), gives scores of what comes next, after each of them.

    Args:
        name: with cell and nodes of the recurrent layers.
        spec: with tokens.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        (tokens,) = spec.take("tokens")
        assert name.cell is not None
        self.embedding = nn.Embedding(tokens, EMBEDDING)
        self.layers, features = recurrent_layers(name.cell, EMBEDDING, name.nodes, bidirectional=False)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(features, tokens)

    def forward(self, tokens: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read on.

        Args:
            tokens: (B, T), int64.
            state: from the last call, so that reading goes on where that one ended; None at the beginning of a text.

        Returns:
            logits (B, T, tokens), those at t for the id after tokens[:, t]; and the state, tensors (B, nodes), one a
            layer and for an LSTM two (see `ecrnn.layers.readout`).
        """
        x = self.embedding(tokens)  # (B, T, 64)
        before = state or ()
        parts = len(before) // len(self.layers)  # of a layer's state
        after: State = ()
        for number, layer in enumerate(self.layers):
            x, last = read(layer, x, before[number * parts : (number + 1) * parts])  # (B, T, nodes)
            x, after = self.dropout(x), (*after, *last)
        return self.head(x), after
