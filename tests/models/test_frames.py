"""CNN, then RNN over frames: against torch's own layers, and that it learns what no single frame shows."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from models.stock import HeightWidthChannel, StockStages, check_seeds, compare_with_twin, steps_to_learn
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.initialisation import initialise
from ecrnn.models.frames import FramesRNN
from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec

FRAMES, IMAGE, CLASSES = 3, (1, 16, 32), 4
SMALL = ModelName("frames", "gru", True, (7,))


def frames(name: ModelName = SMALL, count: int = FRAMES, image=IMAGE, classes: int = CLASSES) -> FramesRNN:
    network = FramesRNN(name, InputSpec(image, classes, frames=count))
    initialise(network, 0)
    return network


class Twin(nn.Module):
    """`frames-bigru-7` in torch's own layers, for frames of 16x32, of which a map of 1x2 is left."""

    def __init__(self) -> None:
        super().__init__()
        self.cnn = StockStages(1)
        self.flatten = HeightWidthChannel()
        self.rnn = nn.GRU(2 * 256, 7, batch_first=True, bidirectional=True)
        self.head = nn.Linear(14, CLASSES)

    def forward(self, clips: Tensor) -> Tensor:
        seen = self.flatten(self.cnn(torch.cat(list(clips)))).reshape(len(clips), FRAMES, -1)
        _, state = self.rnn(seen)
        return self.head(torch.cat([state[0], state[1]], dim=1))


def test_it_is_what_torchs_layers_give() -> None:
    compare_with_twin(frames(), Twin(), torch.randn(2, FRAMES, *IMAGE))


def test_parameters_by_formula() -> None:
    """The convolution stages as in `cnn`, an LSTM of 32 nodes on 1,024 values, and a dense layer."""
    convolutions = sum((9 * i + 1) * o + 2 * o for i, o in pairwise((3, 32, 64, 128, 256)))
    network = frames(ModelName("frames", "lstm", nodes=(32,)), 8, (3, 32, 32), 5)
    assert sum(p.numel() for p in network.parameters()) == convolutions + 4 * 32 * (1024 + 32 + 1) + 33 * 5 == 524_837


def test_alone_as_in_a_batch() -> None:
    network, clips = frames(), torch.randn(4, FRAMES, *IMAGE)
    network.train()(clips)
    network.eval()
    alone = torch.cat([network(clip[None]) for clip in clips])
    compare({"logits": alone}, {"logits": network(clips)}, tolerance("float32", 512))


@pytest.mark.slow
def test_it_learns_what_no_single_frame_shows() -> None:
    """32 clips of a bar that moves down or up, by one row a frame, from any row: the class is the direction."""
    clips = torch.zeros(32, 4, 1, 16, 8)
    for clip in range(32):
        for frame in range(4):
            row = (clip // 2 + (frame if clip % 2 else -frame)) % 16
            clips[clip, frame, 0, row] = 1
    for direction in (0, 1):  # each class has the same frames
        assert torch.equal(clips[direction::2].sum((0, 1)), clips[1 - direction :: 2].sum((0, 1)))
    classes = torch.arange(32) % 2
    network = frames(ModelName("frames", "lstm", False, (16,)), 4, (1, 16, 8), 2).train()
    steps_to_learn(network, lambda: F.cross_entropy(network(clips), classes), below=0.05, rate=3e-3, most=100)
    assert torch.equal(network(clips).argmax(1), classes)


def test_every_weight_is_drawn_from_the_seed() -> None:
    check_seeds(lambda: FramesRNN(SMALL, InputSpec(IMAGE, CLASSES, frames=FRAMES)))


def test_clips_of_another_length() -> None:
    with pytest.raises(EcrnnError, match="clips have 5 frames, the model takes 3"):
        frames()(torch.zeros(1, 5, *IMAGE))
