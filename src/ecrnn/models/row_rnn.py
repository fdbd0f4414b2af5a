"""RNN over the rows of an image, alone and with a CNN behind it: the related work reads malware drawn as images so.

Each row, all its columns and channels, is one step. `rows-<cell>-<nodes>` classifies by the RNN's last state, the
classic way to give an image to an RNN. `rows-<cell>-<nodes>-cnn` keeps its outputs at all steps: they are a map of
steps x nodes with one channel, on which the paper's CNN area and the softmax layer go on.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.layers.areas import ConvolutionArea, RecurrentArea, RecurrentSequence
from ecrnn.layers.scans import Flatten, Scan
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


class RowsRNN(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes), from the RNN's last state.

    Args:
        name: with cell and nodes.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        assert name.cell is not None
        (channels, height, width), classes = spec.take("image", "classes")
        self.flatten = Flatten()
        self.scan = Scan("rows", height, width, channels)
        self.rnn = RecurrentArea(name.cell, self.scan.features, name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features, classes)

    def forward(self, images: Tensor) -> Tensor:
        sequence = self.scan(self.flatten(images))  # (B, H, W * C)
        state = self.rnn(sequence)  # (B, nodes), or (B, 2 * nodes)
        return self.head(state)


class RowsRNNThenCNN(nn.Module):
    """Takes images (B, C, H, W), standardised; gives logits (B, classes), from a CNN over the RNN's outputs.

    Args:
        name: with cell and nodes.
        spec: with image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        assert name.cell is not None
        (channels, height, width), classes = spec.take("image", "classes")
        self.flatten = Flatten()
        self.scan = Scan("rows", height, width, channels)
        self.rnn = RecurrentSequence(name.cell, self.scan.features, name.nodes, name.bidirectional)
        self.cnn = ConvolutionArea((1, height, self.rnn.out_features))
        maps, rows, columns = self.cnn.out_shape
        self.head = nn.Linear(maps * rows * columns, classes)

    def forward(self, images: Tensor) -> Tensor:
        sequence = self.scan(self.flatten(images))  # (B, H, W * C)
        outputs = self.rnn(sequence)  # (B, H, nodes), or (B, H, 2 * nodes)
        maps = self.cnn(outputs[:, None])  # (B, 256, H/16, nodes/16)
        return self.head(self.flatten(maps))


@register(
    "rows", task="image-classification", default=None, cells="any", layers=1, example="rows-lstm-64", suffixes=("cnn",)
)
def rows(name: ModelName, spec: InputSpec) -> nn.Module:
    """The network of a name: `RowsRNN`, or `RowsRNNThenCNN` for its variant "cnn"."""
    return RowsRNNThenCNN(name, spec) if name.variant == "cnn" else RowsRNN(name, spec)
