"""Captions: a CNN sees an image, an RNN says it in words. Two forms: `caption`, after Vinyals, Toshev, Bengio and
Erhan, Show and Tell (2015), and `caption-attention`, which looks at the image again before each word.

The image is the first word that the RNN reads (equations 10 to 12 of Vinyals et al.):

    x_-1 = CNN(I),    x_t = W_e S_t,    p_t+1 = softmax(W h_t),    h_t = RNN(x_t)

with S_0 = BEGIN, S_1, ... the words; training maximises the log-likelihood of the words of a caption given the image.
The CNN is the paper's area, trained from scratch with the rest; the mean of its last map over the positions, projected
to as many values as a word has, is the image.

With attention, h_t asks the positions of that map, and the context it gets goes into the prediction (Cho, Courville
and Bengio 2015 give the idea for images; the form is that of Luong, Pham and Manning 2015, equations 5 to 8):

    c_t = sum_i a_ti v_i,    p_t+1 = softmax(W tanh(W_c [c_t, h_t]))

It asks after the recurrence, not before it, so that in training all steps go through the RNN at once, because the words
are known. To write a caption, `encode` sees the images, `begin` reads them, and `step` takes one word and says what
may come next; `ecrnn.models.beam_search` searches with these three.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, recurrent_layer
from ecrnn.layers.attention import Attention
from ecrnn.layers.readout import State, read
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

DROPOUT = 0.3  # of words and of what the head sees, in training


class Memory(NamedTuple):
    """What the CNN made of images."""

    image: Tensor  # (B, nodes)
    positions: Tensor  # (B, P, channels) of the last map, row by row, which attention asks; (B, 0, channels) without it


@register(
    "caption",
    task="captioning",
    default="lstm-256",
    cells="one-way",
    layers=1,
    example="caption-lstm-512",
    suffixes=("attention",),
)
class Captioner(nn.Module):
    """From images (B, C, H, W), standardised, to captions, as ids.

    Args:
        name: with cell and nodes, which are the values of a word too; with attention in the variant of this name.
        spec: with image and tokens.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, tokens = spec.take("image", "tokens")
        assert name.cell is not None
        (nodes,) = name.nodes
        self.cnn = ConvolutionArea(image)
        channels = self.cnn.out_shape[0]
        self.picture = nn.Linear(channels, nodes)
        self.words = nn.Embedding(tokens, nodes)  # W_e
        self.rnn = recurrent_layer(name.cell, nodes, nodes)
        attends = name.variant == "attention"
        self.attention = Attention(nodes, channels) if attends else None
        self.joined = nn.Linear(channels + nodes, nodes) if attends else None  # W_c
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(nodes, tokens)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        """Score captions that are known.

        Args:
            images: (B, C, H, W).
            target: (B, T), int64, BEGIN and the words; or (B * k, T), k captions of each image side by side, for
                which the CNN works only once.

        Returns:
            logits (B, T, tokens), or (B * k, T, tokens): those at t are for the word after target[:, t].
        """
        memory = self.encode(images)
        captions = len(target) // len(images)  # of an image
        image, positions = (part.repeat_interleave(captions, dim=0) for part in memory)
        inputs = torch.cat([image[:, None], self.dropout(self.words(target))], dim=1)  # (B, 1 + T, nodes)
        outputs, _ = read(self.rnn, inputs)
        return self._say(outputs[:, 1:], positions)

    def encode(self, images: Tensor) -> Memory:
        """See images (B, C, H, W)."""
        maps = self.cnn(images)  # (B, 256, H/16, W/16)
        positions = maps.flatten(2).transpose(1, 2)  # (B, P, 256)
        return Memory(self.picture(positions.mean(1)), positions if self.attention is not None else positions[:, :0])

    def begin(self, memory: Memory) -> State:
        """The RNN's state when it has read the images and no word."""
        _, state = read(self.rnn, memory.image[:, None])
        return state

    def step(self, tokens: Tensor, state: State, memory: Memory) -> tuple[Tensor, State]:
        """Read one more word of each caption, the first of which is BEGIN.

        Args:
            tokens: (B,), int64.
            state: from `begin`, or the last step.
            memory: from `encode`.

        Returns:
            logits (B, tokens) of the next word, and the new state.
        """
        outputs, state = read(self.rnn, self.dropout(self.words(tokens))[:, None], state)
        return self._say(outputs, memory.positions)[:, 0], state

    def _say(self, outputs: Tensor, positions: Tensor) -> Tensor:
        """Logits (B, T, tokens) of h_t (B, T, nodes)."""
        if self.attention is not None and self.joined is not None:
            contexts, _ = self.attention(outputs, positions)  # (B, T, channels)
            outputs = torch.tanh(self.joined(torch.cat([contexts, outputs], dim=2)))
        return self.head(self.dropout(outputs))
