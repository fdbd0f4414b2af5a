"""CNN, LSTM and GRU side by side: against torch's own layers, and that it learns."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from models.stock import HeightWidthChannel, StockStages, check_seeds, compare_with_twin, steps_to_learn
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.layers.initialisation import initialise
from ecrnn.models.names import ModelName
from ecrnn.models.parallel import Parallel
from ecrnn.models.spec import InputSpec

IMAGE, CLASSES = (3, 16, 32), 4
SMALL = ModelName("parallel", nodes=(7,))


def parallel(name: ModelName = SMALL, image=IMAGE, classes: int = CLASSES) -> Parallel:
    network = Parallel(name, InputSpec(image, classes))
    initialise(network, 0)
    return network


class Twin(nn.Module):
    """`parallel-7` in torch's own layers, for images of 16x32."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = StockStages(3)
        self.flatten = HeightWidthChannel()
        self.lstm = nn.LSTM(96, 7, batch_first=True)
        self.gru = nn.GRU(96, 7, batch_first=True)
        self.head = nn.Linear(512 + 7 + 7, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        rows = torch.stack([images[:, :, row].transpose(1, 2).flatten(1) for row in range(16)], dim=1)
        lstm, gru = self.lstm(rows)[0][:, -1], self.gru(rows)[0][:, -1]
        return self.head(torch.cat([self.flatten(self.cnn(images)), lstm, gru], dim=1))


def test_it_is_what_torchs_layers_give() -> None:
    compare_with_twin(parallel(), Twin(), torch.randn(3, *IMAGE))


def test_parameters_by_formula() -> None:
    """LSTM 4 H (I + H + 1), with one bias vector; GRU 3 H (I + H + 2); the convolution stages as in `cnn`."""
    convolutions = sum((9 * i + 1) * o + 2 * o for i, o in pairwise((1, 32, 64, 128, 256)))
    recurrent = 4 * 64 * (32 + 64 + 1) + 3 * 64 * (32 + 64 + 2)
    network = parallel(ModelName("parallel", nodes=(64,)), (1, 32, 32), 10)
    assert sum(p.numel() for p in network.parameters()) == convolutions + recurrent + (1024 + 128 + 1) * 10


def test_alone_as_in_a_batch() -> None:
    network, images = parallel(), torch.randn(4, *IMAGE)
    network.train()(images)
    network.eval()
    alone = torch.cat([network(image[None]) for image in images])
    compare({"logits": alone}, {"logits": network(images)}, tolerance("float32", 512))


def test_it_learns_32_images_by_heart() -> None:
    images, classes = torch.randn(32, *IMAGE, generator=torch.Generator().manual_seed(0)), torch.arange(32) % CLASSES
    network = parallel().train()
    steps_to_learn(network, lambda: F.cross_entropy(network(images), classes), below=0.1, rate=3e-3, most=100)


def test_every_weight_is_drawn_from_the_seed() -> None:
    check_seeds(lambda: Parallel(SMALL, InputSpec(IMAGE, CLASSES)))
