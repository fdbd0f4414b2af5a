"""The reader of text: against torch's own layers, alone and in a padded batch, and that it learns."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from models.stock import check_seeds, compare_with_twin, steps_to_learn
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError
from ecrnn.layers.initialisation import initialise
from ecrnn.models import ctc
from ecrnn.models.names import ModelName
from ecrnn.models.ocr import Reader
from ecrnn.models.spec import InputSpec

IMAGE, TOKENS = (1, 40, 36), 9
SMALL = ModelName("ocr", "lstm", True, (7, 5))


def reader(name: ModelName = SMALL, image: tuple[int, int, int] = IMAGE, tokens: int = TOKENS) -> Reader:
    network = Reader(name, InputSpec(image, tokens=tokens))
    initialise(network, 0)
    return network


class Twin(nn.Module):
    """`ocr-bilstm-7-5` in torch's own layers, for images of one width and 40 pixels high, so of 2 rows at the end."""

    def __init__(self) -> None:
        super().__init__()
        stages = [
            (nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after, eps=1e-3))
            for before, after in pairwise((1, 32, 64, 128, 128))
        ]
        self.stages = nn.ModuleList(nn.ModuleList(stage) for stage in stages)
        self.first = nn.LSTM(2 * 128, 7, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(14, 5, batch_first=True, bidirectional=True)
        self.head = nn.Linear(10 + 2 * 128, TOKENS)

    def forward(self, images: Tensor) -> Tensor:
        x = images
        for (convolution, normalisation), pool in zip(self.stages, (2, 2, (2, 1), (2, 1)), strict=True):
            x = F.max_pool2d(normalisation(convolution(x).relu()), pool)
        upper, lower = x.unbind(2)  # rows of the map, (B, 128, W / 4)
        columns = torch.cat([upper, lower], dim=1).transpose(1, 2)
        outputs, _ = self.second(self.first(columns)[0])
        return self.head(torch.cat([outputs, columns], dim=2))


def test_it_is_what_torchs_layers_give() -> None:
    compare_with_twin(reader(), Twin(), torch.randn(3, *IMAGE))


def test_parameters_by_formula() -> None:
    """A convolution 3x3 has (9 I + 1) O, its normalisation 2 O, a BiLSTM 2 * 4 H (I + H + 1) with one bias vector."""
    convolutions = sum((9 * i + 1) * o + 2 * o for i, o in pairwise((1, 32, 64, 128, 128)))
    recurrent = 8 * 128 * (3 * 128 + 128 + 1)  # the map of 50 pixels is 3 rows high at the end
    network = reader(ModelName("ocr", "lstm", True, (128,)), (1, 50, 200), 23)
    assert sum(p.numel() for p in network.parameters()) == convolutions + recurrent + (256 + 3 * 128 + 1) * 23


@pytest.mark.parametrize("name", [SMALL, ModelName("ocr", "gru", False, (6,)), ModelName("ocr", "rnn", True, (6,))])
def test_alone_as_in_a_padded_batch(name: ModelName) -> None:
    network, widths = reader(name), torch.tensor([36, 4, 17, 31, 36])
    batch = torch.randn(5, *IMAGE)
    network.train()(batch)  # running statistics that are not 0 and 1
    network.eval()
    together, lengths = network(batch, widths)  # beyond the widths there is noise
    assert lengths.tolist() == [9, 1, 4, 7, 9] == [network.steps(width) for width in widths.tolist()]
    assert together.shape == (5, 9, TOKENS)
    for row, (width, length) in enumerate(zip(widths.tolist(), lengths.tolist(), strict=True)):
        alone, own = network(batch[row : row + 1, :, :, :width])
        assert own.tolist() == [length]
        compare({"logits": alone[0]}, {"logits": together[row, :length]}, tolerance("float32", 512))


def test_gradients_alone_as_in_a_padded_batch() -> None:
    """Of the CTC loss in evaluation, where batch normalisation does not join the images."""
    network, widths = reader().double().eval(), torch.tensor([36, 20, 31])
    batch, texts = torch.randn(3, *IMAGE, dtype=torch.float64), torch.tensor([[4, 4, 5], [6, 7, 8], [8, 5, 4]])

    def gradients(images: Tensor, own: Tensor | None, targets: Tensor) -> dict[str, Tensor]:
        network.zero_grad()
        ctc_loss(*network(images, own), targets, "sum").backward()
        return {name: p.grad.clone() for name, p in network.named_parameters()}

    alone = [gradients(batch[k : k + 1, :, :, :w], None, texts[k : k + 1]) for k, w in enumerate(widths)]
    sums = {name: sum(part[name] for part in alone) for name in alone[0]}
    compare(sums, gradients(batch, widths, texts), 1e-9)


def ctc_loss(logits: Tensor, lengths: Tensor, texts: Tensor, reduction: str = "mean") -> Tensor:
    ends = torch.full((len(texts),), texts.shape[1])
    return F.ctc_loss(logits.log_softmax(2).transpose(0, 1), texts, lengths, ends, ctc.BLANK, reduction)


def written(texts: Tensor, height: int = 16, letter: int = 12) -> tuple[Tensor, Tensor]:
    """Images of texts (B, L), an id a bar at a height of its own, letters of two widths; and the images' widths."""
    widths = (letter + texts[:, :1] % 2 * 4) * texts.shape[1]
    images = torch.zeros(len(texts), 1, height, int(widths.max()))
    for row, text in enumerate(texts):
        wide = int(widths[row]) // texts.shape[1]
        for at, character in enumerate(text.tolist()):
            images[row, 0, 2 * (character - 4) : 2 * (character - 4) + 3, at * wide + 2 : (at + 1) * wide - 2] = 1
    return images, widths[:, 0]


def test_it_learns_32_images_of_two_widths_by_heart() -> None:
    texts = torch.randint(4, 10, (32, 4), generator=torch.Generator().manual_seed(0))
    images, widths = written(texts)
    assert len(widths.unique()) == 2
    network = reader(ModelName("ocr", "lstm", True, (16,)), (1, 16, 64), 10).train()
    steps_to_learn(network, lambda: ctc_loss(*network(images, widths), texts), below=0.05, rate=1e-2, most=150)
    with torch.no_grad():
        logits, lengths = network(images, widths)
    assert ctc.greedy(logits, lengths) == texts.tolist()
    assert ctc.beam(logits.log_softmax(2), lengths) == texts.tolist()


def test_every_weight_is_drawn_from_the_seed() -> None:
    check_seeds(lambda: Reader(SMALL, InputSpec(IMAGE, tokens=TOKENS)))


@pytest.mark.parametrize("widths", [[36, 3], [36, 37], [36, 0], [36]])
def test_widths_out_of_bounds(widths: list[int]) -> None:
    with pytest.raises(EcrnnError, match=r"widths of images must be 2 from 4 to 36 pixels, got \[36"):
        reader()(torch.zeros(2, *IMAGE), torch.tensor(widths))


def test_a_image_too_narrow() -> None:
    with pytest.raises(EcrnnError, match="got \\[3\\]"):
        reader()(torch.zeros(1, 1, 40, 3))
