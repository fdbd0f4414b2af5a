"""A CRNN that reads the same feature map in few long or many short steps, with the same parameters: the field study's.

    ecrnn summary steps+count=64+order=1 --code benchmarks/field/steps.py --image 3x32x32

The paper's CRNN reads one value a step. Read in fewer steps, its input is wider, its recurrent layer larger, and both
change together. Here each of the map's values has its own vector of `WIDTH` weights; the input of a step is the sum of
the step's values, each times its vector, so that for every number of steps the recurrent layer takes `WIDTH` values a
step and the network has the same parameters. What changes is into how many sums the values are put, and their order.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

import ecrnn
from ecrnn.core.errors import EcrnnError
from ecrnn.data import counter_rng
from ecrnn.layers.areas import ConvolutionArea, RecurrentArea
from ecrnn.layers.initialisation import initialise
from ecrnn.layers.scans import Flatten
from ecrnn.models.spec import InputSpec

WIDTH, NODES = 64, 16
ORDERS = 4  # height, width, channel (0); and three permutations of each number of steps
_STREAM = 2028  # of `counter_rng`; its own are small numbers


@ecrnn.register("steps", task="image-classification", bounds={"count": (1, 4096), "order": (0, ORDERS - 1)})
class Steps(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes).

    Args:
        spec: of the images and classes.
        count: steps in which the map's values are read, alike many a step.
        order: in which they are read; 0: height, width, channel, the paper's; others: permutations drawn once.
    """

    def __init__(self, spec: InputSpec, *, count: int = 1, order: int = 0) -> None:
        super().__init__()
        self.cnn = ConvolutionArea(spec.image)
        channels, height, width = self.cnn.out_shape
        size = channels * height * width
        if size % count:
            raise EcrnnError(f"{size} values cannot be read in {count} steps of the same length")
        self.count = count
        self.flatten = Flatten()
        self.vectors = nn.Parameter(torch.empty(size, WIDTH))  # of the values in the paper's order
        self.rnn = RecurrentArea("lstm", WIDTH, (NODES,), bidirectional=True)
        self.head = nn.Linear(self.rnn.out_features, spec.classes)
        index = torch.arange(size) if order == 0 else torch.from_numpy(permutation(size, count, order))
        self.index: Tensor
        self.register_buffer("index", index, persistent=False)
        initialise(self, int(torch.randint(2**31, ())))
        nn.init.normal_(self.vectors, std=(count / size) ** 0.5)  # a step's input has the values' mean square

    def forward(self, images: Tensor) -> Tensor:
        vector = self.flatten(self.cnn(images))[:, self.index]  # (B, size)
        steps = vector.unflatten(1, (self.count, -1)).transpose(0, 1)  # (count, B, size / count)
        vectors = self.vectors[self.index].unflatten(0, (self.count, -1))  # (count, size / count, WIDTH)
        state = self.rnn((steps @ vectors).transpose(0, 1))  # of (B, count, WIDTH)
        return self.head(state)


def permutation(size: int, count: int, order: int) -> np.ndarray:
    """Permutation number ``order`` of ``size`` values that are read in ``count`` steps: int64 (size,)."""
    return counter_rng.permutation(size, (_STREAM, count, order))
