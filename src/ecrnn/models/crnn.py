"""CRNN: an RNN reads the feature map of a CNN, one value a step. The paper's second base line, without rows 15-22.

Its last state is what the softmax layer sees. How the map becomes a sequence is the scan; the paper's takes the values
in the order height, width, channel, 1,024 steps of one value at 32x32.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, RecurrentArea
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register(
    "crnn", task="image-classification", default=None, cells="any", layers=8, example="crnn-lstm-16-16", scans=True
)
class CRNN(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes)."""

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        assert name.cell is not None
        self.cnn = ConvolutionArea(image)
        channels, height, width = self.cnn.out_shape
        self.flatten = Flatten()
        self.scan = Scan(name.scan, height, width, channels)
        self.rnn = RecurrentArea(name.cell, self.scan.features, name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 256, H/16, W/16)
        vector = self.flatten(maps)  # (B, 1024) at 32x32
        sequence = self.scan(vector)  # (B, 1024, 1)
        state = self.rnn(sequence)  # (B, nodes), or (B, 2 * nodes)
        return self.head(state)
