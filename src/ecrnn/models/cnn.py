"""CNN: the paper's base line, Table 1 without rows 15-24. Four convolution stages, flatten, softmax layer.

With dense hidden layers before the softmax layer it is a control of ECRNN's size: ECRNN with a BiLSTM of 16 nodes has
1,324,874 parameters after its CNN area, one hidden layer of N nodes gives 1,039 N + 10, so `cnn-1275` has 1,324,735,
0.01 % fewer.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, DenseArea
from ecrnn.layers.scans import Flatten
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register("cnn", task="image-classification", layers=8, layer="dense hidden layer", example="cnn-1275")
class CNN(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes). The hidden layers have ``name.nodes``."""

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        self.cnn = ConvolutionArea(image)
        channels, height, width = self.cnn.out_shape
        self.flatten = Flatten()
        self.dense = DenseArea(channels * height * width, name.nodes)
        self.head = nn.Linear(self.dense.out_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 256, H/16, W/16)
        vector = self.flatten(maps)  # (B, 1024) at 32x32
        hidden = self.dense(vector)  # (B, nodes[-1]), or the vector itself
        return self.head(hidden)
