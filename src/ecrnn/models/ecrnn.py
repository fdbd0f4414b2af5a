"""ECRNN, the paper's proposal, and its control ECNN.

ECRNN puts an encoder-decoder between the CNN and the RNN (the paper's section 1), so that the network itself can find
the order in which the RNN reads. Nothing but classification trains it; there is no reconstruction loss. ECNN has the
same encoder area and no RNN: it tells whether a gain comes from the RNN or from the dense layers alone.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, EncoderDecoder, RecurrentArea
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register(
    "ecrnn", task="image-classification", default=None, cells="any", layers=8, example="ecrnn-lstm-16-16", scans=True
)
class ECRNN(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes). The paper's Table 1."""

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        assert name.cell is not None
        self.cnn = ConvolutionArea(image)
        channels, height, width = self.cnn.out_shape
        self.flatten = Flatten()
        self.encoder = EncoderDecoder(channels * height * width)
        self.scan = Scan(name.scan, height, width, channels)
        self.rnn = RecurrentArea(name.cell, self.scan.features, name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 256, H/16, W/16)
        vector = self.flatten(maps)  # (B, 1024) at 32x32
        vector = self.encoder(vector)  # (B, 1024), through 256
        sequence = self.scan(vector)  # (B, 1024, 1)
        state = self.rnn(sequence)  # (B, nodes), or (B, 2 * nodes)
        return self.head(state)


@register("ecnn", task="image-classification")
class ECNN(nn.Module):
    """ECRNN without its RNN: takes images (B, C, H, W), standardised; gives logits (B, classes)."""

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        self.cnn = ConvolutionArea(image)
        channels, height, width = self.cnn.out_shape
        self.flatten = Flatten()
        self.encoder = EncoderDecoder(channels * height * width)
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        vector = self.flatten(self.cnn(images))  # (B, 1024) at 32x32
        return self.head(self.encoder(vector))
