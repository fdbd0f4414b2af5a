"""Classes of texts, sentiment above all: four networks over words, each max-pooled over the steps of a text.

| name                            | what reads the words                                                            |
|---------------------------------|---------------------------------------------------------------------------------|
| `sentiment`                     | recurrent layers, usually a BiLSTM                                              |
| `sentiment-cnn`                 | convolutions of 3, 4 and 5 words, 100 maps each: Kim, Convolutional Neural      |
|                                 | Networks for Sentence Classification (2014), there CNN-rand                     |
| `sentiment-cnn-<cell>-<nodes>`  | a convolution of 3 words, then a recurrent layer over its maps                  |
| `sentiment-parallel`            | Kim's convolutions, an LSTM and a GRU side by side, concatenated                |

All learn their own word values (Kim's have 300 each and may come pretrained) and drop out half of them and of what the
head sees (Kim: the latter only, with a bound on the head's weights): ten thousand short sentences are soon learnt by
heart. What lies beyond a text's length never counts, so a text comes out the same alone and in a padded batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ecrnn.layers.areas import RecurrentSequence
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

EMBEDDING = 128  # values a word
WINDOWS, MAPS = (3, 4, 5), 100  # words that a convolution sees, and its outputs
PARALLEL_NODES = 64  # of the LSTM and of the GRU
DROPOUT = 0.5


class _TextClassifier(nn.Module, ABC):
    """Words to values, `features`, which a network says, and from their greatest over the steps to logits."""

    def __init__(self, spec: InputSpec, features: int) -> None:
        super().__init__()
        tokens, classes = spec.take("tokens", "classes")
        self.embedding = nn.Embedding(tokens, EMBEDDING)
        self.dropout = nn.Dropout(DROPOUT)
        self.head = nn.Linear(features, classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """Classify texts.

        Args:
            tokens: (B, T), int64, T at least 1; what lies beyond a length does not matter.
            lengths: (B,), int64, ids of each text; one without any is read as its first id, padding.

        Returns:
            logits (B, classes).
        """
        lengths = lengths.clamp(min=1)
        mask = torch.arange(tokens.shape[1], device=tokens.device) < lengths.to(tokens.device)[:, None]  # (B, T)
        words = self.dropout(self.embedding(tokens)) * mask[:, :, None]  # (B, T, 128)
        features = self.features(words, lengths).masked_fill(~mask[:, :, None], -torch.inf)
        return self.head(self.dropout(features.amax(1)))  # the greatest over the steps, (B, features)

    @abstractmethod
    def features(self, words: Tensor, lengths: Tensor) -> Tensor:
        """(B, T, features) of words (B, T, 128) that are 0 beyond ``lengths`` (B,)."""


@register(
    "sentiment", task="text-classification", default="bilstm-128", cells="any", layers=8, example="sentiment-gru-64"
)
class Sentiment(_TextClassifier):
    """Recurrent layers; takes ids (B, T) and lengths (B,), gives logits (B, classes).

    Args:
        name: with cell and nodes.
        spec: with tokens and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        assert name.cell is not None
        rnn = RecurrentSequence(name.cell, EMBEDDING, name.nodes, name.bidirectional)
        super().__init__(spec, rnn.out_features)
        self.rnn = rnn

    def features(self, words: Tensor, lengths: Tensor) -> Tensor:
        """The last layer's outputs."""
        return self.rnn(words, lengths)


@register("sentiment-cnn", task="text-classification", cells="any", layers=1, example="sentiment-cnn-lstm-64")
class SentimentCNN(_TextClassifier):
    """Kim's convolutions, or one and a recurrent layer; takes ids (B, T) and lengths (B,), gives logits (B, classes).

    Args:
        name: with cell and nodes, or without.
        spec: with tokens and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        cnn = WordConvolutions(WINDOWS[:1] if name.cell else WINDOWS)
        rnn = RecurrentSequence(name.cell, cnn.features, name.nodes, name.bidirectional) if name.cell else None
        super().__init__(spec, rnn.out_features if rnn else cnn.features)
        self.cnn, self.rnn = cnn, rnn

    def features(self, words: Tensor, lengths: Tensor) -> Tensor:
        """The maps, or what the recurrent layer gives for them."""
        maps = self.cnn(words)  # (B, T, 300), or (B, T, 100)
        return maps if self.rnn is None else self.rnn(maps, lengths)


@register("sentiment-parallel", task="text-classification")
class SentimentParallel(_TextClassifier):
    """CNN, LSTM and GRU side by side; takes ids (B, T) and lengths (B,), gives logits (B, classes).

    Args:
        spec: with tokens and classes.
    """

    def __init__(self, spec: InputSpec) -> None:
        cnn = WordConvolutions(WINDOWS)
        super().__init__(spec, cnn.features + 2 * PARALLEL_NODES)
        self.cnn = cnn
        self.lstm = RecurrentSequence("lstm", EMBEDDING, (PARALLEL_NODES,), bidirectional=False)
        self.gru = RecurrentSequence("gru", EMBEDDING, (PARALLEL_NODES,), bidirectional=False)

    def features(self, words: Tensor, lengths: Tensor) -> Tensor:
        """What the three give, side by side."""
        return torch.cat([self.cnn(words), self.lstm(words, lengths), self.gru(words, lengths)], 2)


class WordConvolutions(nn.Module):
    """Convolutions over words and ReLU, with a window that begins at each word: (B, T, 128) -> (B, T, features).

    Beyond the end all windows see zeros.

    Args:
        windows: words that each convolution sees.

    Attributes:
        features: `MAPS` of each.
    """

    def __init__(self, windows: tuple[int, ...]) -> None:
        super().__init__()
        self.windows = windows
        self.layers = nn.ModuleList(nn.Conv1d(EMBEDDING, MAPS, window) for window in windows)
        self.features = MAPS * len(windows)

    def forward(self, words: Tensor) -> Tensor:
        x = words.transpose(1, 2)  # (B, 128, T)
        pairs = zip(self.layers, self.windows, strict=True)
        maps = [layer(F.pad(x, (0, window - 1))) for layer, window in pairs]  # (B, 100, T)
        return torch.cat(maps, 1).relu().transpose(1, 2)
