"""CNN, LSTM and GRU side by side, concatenated: a hybrid topology of the related work (enzyme function).

All three see the whole image, the CNN as the paper's area does, the two RNNs row by row; the softmax layer sees the
CNN's last map and both last states at once.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, RecurrentArea
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register("parallel", task="image-classification", default="64", layers=1, example="parallel-32")
class Parallel(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes).

    Args:
        name: with the nodes of the LSTM, and of the GRU.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        channels, height, width = image
        self.cnn = ConvolutionArea(image)
        maps, rows, columns = self.cnn.out_shape
        self.flatten = Flatten()
        self.scan = Scan("rows", height, width, channels)
        self.lstm = RecurrentArea("lstm", self.scan.features, name.nodes, bidirectional=False)
        self.gru = RecurrentArea("gru", self.scan.features, name.nodes, bidirectional=False)
        features = maps * rows * columns + self.lstm.out_features + self.gru.out_features
        self.head = nn.Linear(features, classes)

    def forward(self, images: Tensor) -> Tensor:
        vector = self.flatten(self.cnn(images))  # (B, 1024) at 32x32
        sequence = self.scan(self.flatten(images))  # (B, H, W * C)
        parts = [vector, self.lstm(sequence), self.gru(sequence)]  # (B, nodes) from each RNN
        return self.head(torch.cat(parts, dim=1))
