"""The paper's networks as a user of torch writes them: torch.nn's layers and nothing of ours.

They are the opponents of `ecrnn bench step` and `ecrnn bench one-image`, for images of 3x32x32 and ten classes.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.orders import DEFAULT_SCAN
from ecrnn.models.names import ModelName

_CLOSE = 1e-4  # of logits, relative to the largest: far under what another layer, order or constant does


def dense_nodes(name: ModelName) -> tuple[int, ...]:
    """Outputs of the dense hidden layers of a model, at images of 3x32x32: the encoder area's or a CNN's own."""
    if name.family in ("ecnn", "ecrnn"):
        return (512, 256, 512, 1024)
    return () if name.cell else name.nodes


class Stock(nn.Module):
    """Takes standardised images (B, 3, 32, 32), gives logits (B, 10).

    Args:
        name: name of a model that reads its map in the paper's order.

    Raises:
        EcrnnError: the model has another scan, or is none of the paper's family.
    """

    def __init__(self, name: ModelName) -> None:
        super().__init__()
        if name.family not in ("cnn", "ecnn", "crnn", "ecrnn"):
            raise EcrnnError(f"only cnn, ecnn, crnn and ecrnn models are measured, not {name}")
        if name.scan != DEFAULT_SCAN:
            raise EcrnnError(f"only models with the scan {DEFAULT_SCAN} are measured, not {name}")
        channels = (3, 32, 64, 128, 256)
        self.convolutions = nn.Sequential()
        for before, after in pairwise(channels):
            self.convolutions.extend(
                [
                    nn.Conv2d(before, after, 3, padding=1),
                    nn.ReLU(),
                    nn.BatchNorm2d(after, eps=1e-3, momentum=0.01),
                    nn.MaxPool2d(2),
                ]
            )
        self.dense = nn.Sequential()
        features = 1024
        for size in dense_nodes(name):
            norm = nn.BatchNorm1d(size, eps=1e-3, momentum=0.01)
            self.dense.extend([nn.Linear(features, size), nn.ReLU(), norm])
            features = size
        self.recurrent = nn.ModuleList()
        self.directions = 2 if name.bidirectional else 1
        if name.cell:
            kind: Any = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[name.cell]
            features = 1
            for hidden_size in name.nodes:
                self.recurrent.append(kind(features, hidden_size, batch_first=True, bidirectional=name.bidirectional))
                features = self.directions * hidden_size
        self.head = nn.Linear(features, 10)

    def forward(self, images: Tensor) -> Tensor:
        x = self.convolutions(images)  # (B, 256, 2, 2)
        x = x.permute(0, 2, 3, 1).flatten(1)  # (B, 1024)
        x = self.dense(x)
        if len(self.recurrent):
            x = x.unsqueeze(2)  # (B, 1024, 1)
            for layer in self.recurrent:
                x, last = layer(x)
            h_n = last[0] if isinstance(last, tuple) else last
            x = h_n.transpose(0, 1).flatten(1)  # (B, directions * hidden_size)
        return self.head(x)


@torch.no_grad()
def stock_like(ours: nn.Module, name: ModelName) -> Stock:
    """The stock network with the weights of ``ours``, which gives the same logits.

    Args:
        ours: from `ecrnn.models.build.build`.
        name: name of its model.

    Raises:
        EcrnnError: it does not give the same, so that a comparison of their speed would be of two networks.
    """
    stock = Stock(name)
    for kind in (nn.Conv2d, nn.Linear, nn.modules.batchnorm._BatchNorm, nn.RNNBase):
        sources, targets = ([m for m in network.modules() if isinstance(m, kind)] for network in (ours, stock))
        assert len(sources) == len(targets), f"{name}: {len(sources)} layers {kind.__name__}, not {len(targets)}"
        for source, target in zip(sources, targets, strict=True):
            tensors = dict(source.named_parameters()) | dict(source.named_buffers())
            for key, tensor in (*target.named_parameters(), *target.named_buffers()):
                tensor.copy_(tensors.get(key, torch.zeros(())))  # ours may have one bias vector where torch has two
    _check_same(copy.deepcopy(ours), copy.deepcopy(stock), str(name))  # copies: training moves the running statistics
    return stock


def _check_same(ours: nn.Module, stock: nn.Module, name: str) -> None:
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for training in (False, True):
        expected, actual = ours.train(training)(images), stock.train(training)(images)
        error = float((actual - expected).abs().max() / expected.abs().max())
        if not error <= _CLOSE:
            mode = "training" if training else "evaluation"
            raise EcrnnError(f"{name}: the stock network's logits in {mode} are {error:.1e} off ours")
