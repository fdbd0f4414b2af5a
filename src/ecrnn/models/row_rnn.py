"""RNN over the rows of an image, alone and with a CNN behind it: the related work reads malware drawn as images so.

Each row, all its columns and channels, is one step. `rows-<cell>-<nodes>` classifies by the RNN's last state, the
classic way to give an image to an RNN. `rows-<cell>-<nodes>-cnn` keeps its outputs at all steps: they are a map of
steps x nodes with one channel, on which the paper's CNN area and the softmax layer go on.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, RecurrentArea, RecurrentSequence
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register(
    "rows", task="image-classification", default=None, cells="any", layers=1, example="rows-lstm-64", suffixes=("cnn",)
)
class RowsRNN(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes), from the RNN's last state.

    Args:
        name: with cell and nodes; its variant "cnn" has a CNN over the RNN's outputs in place of the last state.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        assert name.cell is not None
        (channels, height, width), classes = spec.take("image", "classes")
        self.flatten = Flatten()
        self.scan = Scan("rows", height, width, channels)
        area = RecurrentSequence if name.variant == "cnn" else RecurrentArea
        self.rnn = area(name.cell, self.scan.features, name.nodes, name.bidirectional)
        self.cnn = ConvolutionArea((1, height, self.rnn.out_features)) if name.variant == "cnn" else None
        self.head = nn.Linear(math.prod(self.cnn.out_shape) if self.cnn else self.rnn.out_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        sequence = self.scan(self.flatten(images))  # (B, H, W * C)
        features = self.rnn(sequence)  # (B, nodes), or (B, 2 * nodes); of all steps (B, H, nodes)
        if self.cnn is not None:
            maps = self.cnn(features[:, None])  # (B, 256, H/16, nodes/16)
            features = self.flatten(maps)
        return self.head(features)
