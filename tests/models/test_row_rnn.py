"""RNN over rows, and then CNN: against torch's own layers, and that they learn."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from models.stock import HeightWidthChannel, StockStages, check_seeds, compare_with_twin, steps_to_learn
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.layers.initialisation import initialise
from ecrnn.models.names import ModelName
from ecrnn.models.row_rnn import RowsRNN
from ecrnn.models.spec import InputSpec

IMAGE, CLASSES = (3, 16, 9), 4
ROWS = ModelName("rows", "lstm", True, (6, 5))
THEN_CNN = ModelName("rows", "gru", True, (8,), variant="cnn")
BOTH = [ROWS, THEN_CNN]


def make(name: ModelName, image=IMAGE, classes: int = CLASSES) -> nn.Module:
    network = RowsRNN(name, InputSpec(image, classes))
    initialise(network, 0)
    return network


def rows_of(images: Tensor) -> Tensor:
    """(B, H, W * C), the channels of a pixel side by side."""
    return torch.stack([images[:, :, row].transpose(1, 2).flatten(1) for row in range(images.shape[2])], dim=1)


class RowsTwin(nn.Module):
    """`rows-bilstm-6-5` in torch's own layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(27, 6, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(12, 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        outputs, _ = self.first(rows_of(images))
        outputs, _ = self.second(outputs)
        return self.head(torch.cat([outputs[:, -1, :5], outputs[:, 0, 5:]], dim=1))


class ThenCNNTwin(nn.Module):
    """`rows-bigru-8-cnn` in torch's own layers: its map of 16 x 16 leaves one of 1 x 1."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(27, 8, batch_first=True, bidirectional=True)
        self.cnn = StockStages(1)
        self.flatten = HeightWidthChannel()
        self.head = nn.Linear(256, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        outputs, _ = self.rnn(rows_of(images))
        return self.head(self.flatten(self.cnn(outputs.unsqueeze(1))))


@pytest.mark.parametrize(("name", "twin"), [(ROWS, RowsTwin), (THEN_CNN, ThenCNNTwin)])
def test_they_are_what_torchs_layers_give(name: ModelName, twin: type[nn.Module]) -> None:
    compare_with_twin(make(name), twin(), torch.randn(3, *IMAGE))


def test_parameters_by_formula() -> None:
    """An LSTM has 4 H (I + H + 1) with one bias vector; the convolution stages are as in `cnn`, on one channel."""
    rows = make(ModelName("rows", "lstm", False, (64,)), (1, 28, 28), 10)
    recurrent = 4 * 64 * (28 + 64 + 1)
    assert sum(p.numel() for p in rows.parameters()) == recurrent + 65 * 10 == 24_458
    both = make(ModelName("rows", "lstm", False, (64,), variant="cnn"), (1, 28, 28), 10)
    convolutions = sum((9 * i + 1) * o + 2 * o for i, o in pairwise((1, 32, 64, 128, 256)))
    assert sum(p.numel() for p in both.parameters()) == recurrent + convolutions + (256 * 1 * 4 + 1) * 10


@pytest.mark.parametrize("name", BOTH)
def test_alone_as_in_a_batch(name: ModelName) -> None:
    network, images = make(name), torch.randn(4, *IMAGE)
    network.train()(images)
    network.eval()
    alone = torch.cat([network(image[None]) for image in images])
    compare({"logits": alone}, {"logits": network(images)}, tolerance("float32", 512))


@pytest.mark.parametrize("name", BOTH)
def test_they_learn_32_images_by_heart(name: ModelName) -> None:
    generator = torch.Generator().manual_seed(0)
    images, classes = torch.randn(32, *IMAGE, generator=generator), torch.arange(32) % CLASSES
    network = make(name).train()
    steps_to_learn(network, lambda: F.cross_entropy(network(images), classes), below=0.1, rate=1e-2, most=150)


@pytest.mark.parametrize("name", BOTH)
def test_every_weight_is_drawn_from_the_seed(name: ModelName) -> None:
    check_seeds(lambda: RowsRNN(name, InputSpec(IMAGE, CLASSES)))
