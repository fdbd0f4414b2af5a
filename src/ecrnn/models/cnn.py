"""CNN: the paper's base line, Table 1 without rows 15-24. Four convolution stages, flatten, softmax layer."""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea
from ecrnn.layers.scans import Flatten


class CNN(nn.Module):
    """Takes pictures (B, C, H, W), standardised; gives logits (B, classes)."""

    def __init__(self, image: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        self.cnn = ConvolutionArea(image)
        channels, height, width = self.cnn.out_shape
        self.flatten = Flatten()
        self.head = nn.Linear(channels * height * width, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 256, H/16, W/16)
        vector = self.flatten(maps)  # (B, 1024) at 32x32
        return self.head(vector)
