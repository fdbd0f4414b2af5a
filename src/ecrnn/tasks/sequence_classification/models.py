"""Networks for numeric sequences: recurrent layers alone, and behind convolutions.

| name                                | layers                                                                     |
|-------------------------------------|----------------------------------------------------------------------------|
| `sequence[-<cell>-<nodes>...]`      | recurrent layers over the steps; the last state is classified              |
| `sequence-cnn[-<cell>-<nodes>...]`  | two stages of convolution over 5 steps, ReLU, normalisation and pooling by |
|                                     | 2, with 64 and 128 maps; then as above, over a quarter of the steps        |

The related work reads sensors, audio features and protein codes in both ways. Sequences of several lengths lie in one
batch, zeros behind the shorter ones; those have no part in any figure, so a sequence gives the same alone.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.layers.areas import RecurrentSequence
from ecrnn.layers.normalisation import BatchNorm1d
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

MAPS, WINDOW = (64, 128), 5


@register(
    "sequence",
    task="sequence-classification",
    default="bilstm-32",
    cells="any",
    layers=8,
    example="sequence-gru-64",
)
class SequenceRNN(nn.Module):
    """Takes sequences (B, T, C), standardised, and lengths (B,); gives logits (B, classes).

    Args:
        name: with cell and nodes of the recurrent layers.
        spec: with features and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        assert name.cell is not None
        features, classes = spec.take("features", "classes")
        self.bidirectional = name.bidirectional
        self.rnn = RecurrentSequence(name.cell, features, name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features, classes)

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        outputs = self.rnn(sequences, lengths)  # (B, T, nodes), or (B, T, 2 * nodes)
        return self.head(last_states(outputs, lengths, self.bidirectional))


@register(
    "sequence-cnn",
    task="sequence-classification",
    default="bilstm-32",
    cells="any",
    layers=8,
    example="sequence-cnn-gru-64",
    areas={"stages": "CNN"},
)
class SequenceCNN(nn.Module):
    """Takes sequences (B, T, C), standardised, and lengths (B,); gives logits (B, classes).

    Args:
        name: with cell and nodes of the recurrent layers.
        spec: with features and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        assert name.cell is not None
        features, classes = spec.take("features", "classes")
        self.bidirectional = name.bidirectional
        self.stages = nn.ModuleList([ConvolutionStage(features, MAPS[0]), ConvolutionStage(MAPS[0], MAPS[1])])
        self.rnn = RecurrentSequence(name.cell, MAPS[1], name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features, classes)

    def forward(self, sequences: Tensor, lengths: Tensor) -> Tensor:
        for stage in self.stages:
            sequences, lengths = stage(sequences, lengths)  # (B, T/2, 64), then (B, T/4, 128)
        outputs = self.rnn(sequences, lengths)
        return self.head(last_states(outputs, lengths, self.bidirectional))


class ConvolutionStage(nn.Module):
    """Convolution over `WINDOW` steps, ReLU, normalisation and pooling by 2: (B, T, C) -> (B, ceil(T / 2), maps).

    The batch's statistics are those of the steps that exist.
    """

    def __init__(self, features: int, maps: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(features, maps, WINDOW, padding=WINDOW // 2)
        self.normalisation = BatchNorm1d(maps)

    def forward(self, sequences: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Gives the sequences, 0 beyond their lengths, and their lengths."""
        mask = step_mask(sequences, lengths)
        maps = self.convolution((sequences * mask).transpose(1, 2)).relu().transpose(1, 2)  # (B, T, maps)
        lowest = self._normalised(maps, mask).transpose(1, 2)
        if torch.compiler.is_exporting():  # torch's pooling in one dimension wants a known length there
            pooled = nn.functional.max_pool2d(lowest[:, :, None], (1, 2), ceil_mode=True)[:, :, 0].transpose(1, 2)
        else:
            pooled = nn.functional.max_pool1d(lowest, 2, ceil_mode=True).transpose(1, 2)
        lengths = (lengths + 1) // 2
        return pooled.masked_fill(~step_mask(pooled, lengths), 0), lengths

    def _normalised(self, maps: Tensor, mask: Tensor) -> Tensor:
        """Maps (B, T, maps), normalised where ``mask`` says so, and elsewhere lowest, which pooling passes over."""
        if torch.compiler.is_exporting():  # a graph for any batch cannot choose rows, and its statistics are fixed
            return self.normalisation(maps.transpose(1, 2)).transpose(1, 2).masked_fill(~mask, -torch.inf)
        inside = mask[:, :, 0]
        normal = self.normalisation(maps[inside])  # (steps that exist, maps)
        lowest = torch.full_like(maps, -torch.inf, dtype=normal.dtype)
        lowest[inside] = normal
        return lowest


def step_mask(sequences: Tensor, lengths: Tensor) -> Tensor:
    """Whether each step is within its sequence, bool (B, T, 1)."""
    steps = torch.arange(sequences.shape[1], device=sequences.device)
    return (steps < lengths.to(sequences.device)[:, None])[:, :, None]


def last_states(outputs: Tensor, lengths: Tensor, bidirectional: bool) -> Tensor:
    """The state after the last step, and of the second direction that after the first one.

    Args:
        outputs: (B, T, nodes), or (B, T, 2 * nodes), forward first.
        lengths: (B,), steps of each, at least 1.
        bidirectional: whether there is a second direction.

    Returns:
        (B, nodes), or (B, 2 * nodes).
    """
    rows = torch.arange(outputs.shape[0], device=outputs.device)
    last = outputs[rows, lengths.to(outputs.device) - 1]
    if not bidirectional:
        return last
    half = outputs.shape[2] // 2
    return torch.cat([last[:, :half], outputs[:, 0, half:]], 1)
