"""LeNet-5, in two forms: `lenet5` as it is built today, and `lenet5-1998` as it was.

Source: LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the
IEEE 86 (1998), section II-B. Sizes are those at 32x32, for which it was made; at other sizes, from 16x16 on, C5 reads
whatever map is left.

| layer         | `lenet5`                       | `lenet5-1998`                                                     |
|---------------|--------------------------------|-------------------------------------------------------------------|
| C1            | convolution 5x5, 156           | the same                                                          |
| S2            | max-pooling                    | sum of 2x2 x coefficient + bias, squashed, 12                     |
| C3            | convolution 5x5, 2,416         | each map reads 3 to 6 of S2's 6 (Table I of the source), 1,516    |
| S4            | max-pooling                    | as S2, 32                                                         |
| C5, F6        | 48,120 and 10,164              | the same                                                          |
| activation    | ReLU                           | 1.7159 tanh(2/3 a)                                                |
| output        | dense, softmax, 850            | the same: 60,850 in all, of which 60,000 are below the output     |

60,000 is the source's own count of trainable parameters: its output units compare F6 with fixed bitmaps of the
characters (radial basis functions), which are not trained and exist for printed characters alone. For any classes to be
served the output is dense and softmax here, in both forms.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from ecrnn.layers.lenet5_layers import C3_TABLE, Squash, Subsampling, TableConvolution
from ecrnn.layers.scans import Flatten
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register(
    "lenet5",
    task="image-classification",
    suffixes=("1998",),
    min_side=16,  # for a map of 1x1 after S4
    usual={"image": (1, 32, 32), "classes": 10},
)
class LeNet5(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes).

    Args:
        name: whose variant "1998" is the network of that year.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        historic = name.variant == "1998"
        channels, *sides = image
        activation = Squash if historic else nn.ReLU
        self.cnn = nn.Sequential(
            OrderedDict(
                c1=nn.Conv2d(channels, 6, 5),  # (B, 6, 28, 28)
                a1=activation(),
                s2=_subsampling(6, historic),  # (B, 6, 14, 14)
                c3=TableConvolution(C3_TABLE, 6, 5) if historic else nn.Conv2d(6, 16, 5),  # (B, 16, 10, 10)
                a3=activation(),
                s4=_subsampling(16, historic),  # (B, 16, 5, 5)
            )
        )
        height, width = (((side - 4) // 2 - 4) // 2 for side in sides)
        self.flatten = Flatten()
        self.dense = nn.Sequential(
            OrderedDict(
                c5=nn.Linear(16 * height * width, 120),  # a convolution 5x5 over a map of 5x5
                a5=activation(),
                f6=nn.Linear(120, 84),
                a6=activation(),
            )
        )
        self.head = nn.Linear(84, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 16, 5, 5)
        vector = self.flatten(maps)  # (B, 400)
        hidden = self.dense(vector)  # (B, 84)
        return self.head(hidden)


def _subsampling(maps: int, historic: bool) -> nn.Module:
    return nn.Sequential(Subsampling(maps), Squash()) if historic else nn.MaxPool2d(2)
