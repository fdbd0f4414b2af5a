"""The paper's areas: CNN area, encoder area, RNN area (its Table 1), and the dense area of a control.

Activation before batch normalisation, as the order of the table has it; batch normalisation is in normalisation.py.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from ecrnn.layers.normalisation import BatchNorm1d, BatchNorm2d
from ecrnn.layers.stages import Stage
from ecrnn.recurrence import GRU, LSTM, RNN
from ecrnn.recurrence.replacing import call

CNN_CHANNELS = (32, 64, 128, 256)

CELLS: dict[str, type[RNN] | type[LSTM] | type[GRU]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}


def convolution_stage(in_channels: int, out_channels: int, pool: bool) -> Stage:
    """3x3 convolution (same padding), ReLU, batch normalisation and, if ``pool``, 2x2 max-pooling.

    Takes (B, in_channels, H, W), gives (B, out_channels, H // 2, W // 2), or H, W without pooling.
    """
    stage = Stage(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.ReLU(),
        BatchNorm2d(out_channels),
    )
    if pool:
        stage.append(nn.MaxPool2d(2))
    return stage


class ConvolutionArea(nn.Sequential):
    """Four convolution stages; a stage pools only while both sides of its map are at least 2, so 8x8 works too.

    Args:
        image: (channels, height, width) of the images.

    Attributes:
        out_shape: (channels, height, width) of the last feature map.
    """

    def __init__(self, image: tuple[int, int, int]) -> None:
        channels, height, width = image
        stages = []
        for out_channels in CNN_CHANNELS:
            pool = min(height, width) >= 2
            stages.append(convolution_stage(channels, out_channels, pool))
            channels = out_channels
            if pool:
                height, width = height // 2, width // 2
        super().__init__(*stages)
        self.out_shape = (channels, height, width)


def dense_stage(in_features: int, out_features: int) -> Stage:
    """Dense layer, ReLU, batch normalisation: (B, in_features) -> (B, out_features)."""
    return Stage(
        nn.Linear(in_features, out_features),
        nn.ReLU(),
        BatchNorm1d(out_features),
    )


class DenseArea(nn.Sequential):
    """Dense hidden layers, built as the encoder's: (B, size) -> (B, nodes[-1]). Without nodes it changes nothing.

    Args:
        size: values that come in.
        nodes: outputs of each layer, from the first to the last.

    Attributes:
        out_features: values that go out.
    """

    def __init__(self, size: int, nodes: tuple[int, ...]) -> None:
        super().__init__(*(dense_stage(before, after) for before, after in pairwise((size, *nodes))))
        self.out_features = nodes[-1] if nodes else size


class EncoderDecoder(nn.Module):
    """Dense encoder to a latent vector and decoder back to ``size``: the paper's encoder area, rows 15-22.

    Widths are 512, 256, 512, ``size``, never more than a half, a quarter and a half of ``size``, so that a small map
    has a narrow middle too. At the paper's 1,024 values the two rules agree. Takes and gives (B, size).
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        hidden, latent = min(512, size // 2), min(256, size // 4)
        self.encoder = nn.Sequential(dense_stage(size, hidden), dense_stage(hidden, latent))
        self.decoder = nn.Sequential(dense_stage(latent, hidden), dense_stage(hidden, size))

    def forward(self, vector: Tensor) -> Tensor:
        latent = self.encoder(vector)  # (B, 256) in the paper
        return self.decoder(latent)  # (B, size)


class RecurrentArea(nn.Module):
    """Stacked recurrent layers that read a sequence; gives the last state of the last layer.

    Takes (B, T, features), gives (B, nodes[-1]), or (B, 2 * nodes[-1]) where both directions are read: the last states
    of the two directions side by side, forward first. Computes in float32 also under autocast, because the rounding of
    bfloat16 adds up over a thousand steps.

    Args:
        cell: rnn, lstm or gru. RNN and LSTM have one bias vector, as in Keras; the GRU, which applies its reset gate
            after the product (Keras and torch), needs two.
        features: values a step.
        nodes: hidden size of each layer, from the first to the last.
        bidirectional: read from both ends.
    """

    def __init__(self, cell: str, features: int, nodes: tuple[int, ...], bidirectional: bool) -> None:
        super().__init__()
        self.cell, self.nodes, self.bidirectional = cell, nodes, bidirectional
        self.layers, self.out_features = recurrent_layers(cell, features, nodes, bidirectional)

    def forward(self, sequence: Tensor) -> Tensor:
        with torch.autocast(sequence.device.type, enabled=False):
            sequence = sequence.float() if sequence.dtype != torch.float64 else sequence
            *below, top = self.layers
            for layer in below:
                sequence, _ = layer(sequence)
            _, state = call(top, sequence, want_output=False)
        last = state[0] if self.cell == "lstm" else state  # (directions, B, H)
        return last.transpose(0, 1).flatten(1)  # (B, directions * H)


class RecurrentSequence(nn.Module):
    """`RecurrentArea` whose outputs at every step are wanted: (B, T, features) -> (B, T, nodes[-1]), or 2 * nodes[-1].

    Args:
        cell, features, nodes, bidirectional: as for `RecurrentArea`.
    """

    def __init__(self, cell: str, features: int, nodes: tuple[int, ...], bidirectional: bool) -> None:
        super().__init__()
        self.layers, self.out_features = recurrent_layers(cell, features, nodes, bidirectional)

    def forward(self, sequence: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Outputs of the last layer; beyond a sequence's own length (B,) they are 0."""
        with torch.autocast(sequence.device.type, enabled=False):
            sequence = sequence.float() if sequence.dtype != torch.float64 else sequence
            for layer in self.layers:
                sequence, _ = call(layer, sequence, lengths=lengths)
        return sequence


def recurrent_layers(
    cell: str, features: int, nodes: tuple[int, ...], bidirectional: bool
) -> tuple[nn.ModuleList, int]:
    """Layers that read one another's outputs, batch first, and the values that the last one gives a step."""
    layers = nn.ModuleList()
    for size in nodes:
        layers.append(recurrent_layer(cell, features, size, bidirectional))
        features = (2 if bidirectional else 1) * size
    return layers, features


def recurrent_layer(cell: str, features: int, size: int, bidirectional: bool = False) -> RNN | LSTM | GRU:
    """One layer of ``size`` nodes, batch first; on bias vectors see `RecurrentArea`."""
    return CELLS[cell](
        features, size, batch_first=True, bidirectional=bidirectional, bias_vectors=2 if cell == "gru" else 1
    )
