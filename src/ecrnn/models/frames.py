"""CNN, then RNN over the frames of a clip: one of the hybrid topologies of the related work (fall detection in video).

One CNN, the paper's area, sees each frame by itself; what it gives is one step of a sequence that an RNN reads, and its
last state is what the softmax layer sees. What moves, and which way, only the RNN can tell.
"""

from __future__ import annotations

from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.areas import ConvolutionArea, RecurrentArea
from ecrnn.layers.scans import Flatten
from ecrnn.models.names import ModelName
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec


@register("frames", task="clip-classification", default="lstm-32", cells="any", layers=1, example="frames-gru-64")
class FramesRNN(nn.Module):
    """Takes clips (B, T, C, H, W), standardised; gives logits (B, classes).

    Args:
        name: with cell and nodes of the recurrent layers.
        spec: with frames, image and classes.
    """

    def __init__(self, name: ModelName, spec: InputSpec) -> None:
        super().__init__()
        assert name.cell is not None
        self.frames, image, classes = spec.take("frames", "image", "classes")
        self.cnn = ConvolutionArea(image)
        channels, height, width = self.cnn.out_shape
        self.flatten = Flatten()
        self.rnn = RecurrentArea(name.cell, channels * height * width, name.nodes, name.bidirectional)
        self.head = nn.Linear(self.rnn.out_features, classes)

    def forward(self, clips: Tensor) -> Tensor:
        batch, frames = clips.shape[:2]
        if frames != self.frames:
            raise EcrnnError(f"clips have {frames} frames, the model takes {self.frames}")
        maps = self.cnn(clips.flatten(0, 1))  # (B * T, 256, H/16, W/16)
        sequence = self.flatten(maps).unflatten(0, (batch, frames))  # (B, T, 1024) at 32x32
        state = self.rnn(sequence)  # (B, nodes), or (B, 2 * nodes)
        return self.head(state)
