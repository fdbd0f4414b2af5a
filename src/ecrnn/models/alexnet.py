"""AlexNet: five convolutions, the second, fourth and fifth in two groups, and three dense layers.

Source: Krizhevsky, Sutskever and Hinton, ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012,
section 3. The two groups are the original's two GPUs. 60,965,224 parameters at 3x224x224 and 1,000 classes, by layer:
34,944, 307,456, 885,120, 663,936, 442,624, 37,752,832, 16,781,312 and 4,097,000.

The source says 224x224, from which an 11x11 kernel at a stride of 4 does not come to its maps of 55x55. 227x227 would;
here two pixels of padding bring 224x224 there, and 227x227 has the same parameters. The first dense layer is computed
from the image, nothing is pooled to a fixed size, so a small image has a small network: 20,188,549 parameters at
64x64 and 5 classes. `alexnet-lrn` has the source's local response normalisation, which has no parameters, takes time
and is left out by most since; the source gains 1.2 to 1.4 points from it.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.scans import Flatten
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register(
    "alexnet",
    task="image-classification",
    suffixes=("lrn",),
    min_side=63,  # for a map of 1x1 after the last pooling
    usual={"image": (3, 224, 224), "classes": 1000},
)
class AlexNet(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes).

    Args:
        name: whose variant "lrn" has local response normalisation after the first two convolutions.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        image, classes = spec.take("image", "classes")
        normalised = name.variant == "lrn"
        channels, *sides = image
        self.cnn = nn.Sequential(
            nn.Conv2d(channels, 96, 11, stride=4, padding=2),  # (B, 96, 55, 55) at 224x224
            nn.ReLU(),
            *_response_normalisation(normalised),
            nn.MaxPool2d(3, stride=2),  # (B, 96, 27, 27)
            nn.Conv2d(96, 256, 5, padding=2, groups=2),
            nn.ReLU(),
            *_response_normalisation(normalised),
            nn.MaxPool2d(3, stride=2),  # (B, 256, 13, 13)
            nn.Conv2d(256, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),  # (B, 256, 6, 6)
        )
        height, width = (_last_side(side) for side in sides)
        self.flatten = Flatten()
        self.dense = nn.Sequential(
            nn.Linear(256 * height * width, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
        )
        self.head = nn.Linear(4096, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 256, 6, 6)
        vector = self.flatten(maps)  # (B, 9216)
        hidden = self.dense(vector)  # (B, 4096)
        return self.head(hidden)


def _response_normalisation(wanted: bool) -> list[nn.Module]:
    """The source's section 3.3: n = 5, k = 2, beta = 0.75, alpha = 1e-4, which torch divides by n."""
    return [nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)] if wanted else []


def _last_side(pixels: int) -> int:
    side = (pixels + 2 * 2 - 11) // 4 + 1  # after the first convolution; the others keep their map's size
    for _pool in range(3):
        side = (side - 3) // 2 + 1
    return side
