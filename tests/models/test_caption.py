"""Captions: against torch's own layers, word by word as at once, and that they are learnt."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from models.stock import StockStages, check_seeds, compare_with_twin, steps_to_learn
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.data.vocabulary import BEGIN, END, PAD
from ecrnn.layers.initialisation import initialise
from ecrnn.models import beam_search
from ecrnn.models.caption import Captioner
from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec

IMAGE, TOKENS, NODES = (3, 32, 48), 11, 6
PLAIN = [ModelName("caption", cell, nodes=(NODES,)) for cell in ("lstm", "gru", "rnn")]
ATTENTION = [ModelName("caption", cell, nodes=(NODES,), variant="attention") for cell in ("lstm", "gru")]
BOTH = [PLAIN[0], ATTENTION[1]]
SUMS = 512  # of about so many terms the CNN's values are, for the tolerance


def captioner(name: ModelName = PLAIN[0], image=IMAGE, tokens: int = TOKENS) -> Captioner:
    network = Captioner(name, InputSpec(image, tokens=tokens))
    initialise(network, 0)
    return network


def captions(count: int, length: int) -> Tensor:
    words = torch.randint(4, TOKENS, (count, length), generator=torch.Generator().manual_seed(count))
    words[:, 0] = BEGIN
    return words


class Twin(nn.Module):
    """The plain form in torch's own layers."""

    def __init__(self, cell: str) -> None:
        super().__init__()
        self.cnn = StockStages(3)
        self.picture = nn.Linear(256, NODES)
        self.words = nn.Embedding(TOKENS, NODES)
        self.rnn = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[cell](NODES, NODES)
        self.head = nn.Linear(NODES, TOKENS)

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        image = self.picture(F.adaptive_avg_pool2d(self.cnn(images), 1).flatten(1))
        inputs = torch.stack([image, *self.words(target).unbind(1)])  # time first
        outputs, _ = self.rnn(inputs)
        return self.head(outputs[1:]).transpose(0, 1)


def without_dropout(network: Captioner) -> Captioner:
    network.dropout.p = 0.0
    return network


@pytest.mark.parametrize("name", PLAIN, ids=lambda name: name.cell)
def test_it_is_what_torchs_layers_give(name: ModelName) -> None:
    compare_with_twin(without_dropout(captioner(name)), Twin(name.cell), torch.randn(3, *IMAGE), captions(3, 5))


class AttentionTwin(Twin):
    """The form with attention, word by word, image by image."""

    def __init__(self, cell: str) -> None:
        super().__init__(cell)
        head = self.head
        del self.head
        self.score = nn.Linear(NODES, 256, bias=False)
        self.joined = nn.Linear(256 + NODES, NODES)
        self.head = head

    def forward(self, images: Tensor, target: Tensor) -> Tensor:
        maps = self.cnn(images)  # (B, 256, 2, 3)
        image = self.picture(F.adaptive_avg_pool2d(maps, 1).flatten(1))
        outputs, _ = self.rnn(torch.stack([image, *self.words(target).unbind(1)]))
        logits = []
        for row in range(len(images)):
            positions = [maps[row, :, y, x] for y in range(2) for x in range(3)]
            for h in outputs[1:, row]:
                weights = torch.stack([self.score(h) @ v for v in positions]).softmax(0)
                context = sum(weight * v for weight, v in zip(weights, positions, strict=True))
                logits.append(self.head(torch.tanh(self.joined(torch.cat([context, h])))))
        return torch.stack(logits).unflatten(0, (len(images), -1))


@pytest.mark.parametrize("name", ATTENTION, ids=lambda name: name.cell)
def test_with_attention_it_is_what_torchs_layers_give(name: ModelName) -> None:
    twin, inputs = AttentionTwin(name.cell), (torch.randn(3, *IMAGE), captions(3, 5))
    compare_with_twin(without_dropout(captioner(name)), twin, *inputs)


def test_parameters_by_formula() -> None:
    """LSTM 4 H (I + H + 1), GRU 3 H (I + H + 2); words V E; attention H C and (C + H + 1) H."""
    cnn = sum((9 * i + 1) * o + 2 * o for i, o in pairwise((3, 32, 64, 128, 256)))
    around = 257 * 128 + 1000 * 128 + 129 * 1000  # the image, the words, the head
    counts = {
        ModelName("caption", "lstm", nodes=(128,)): cnn + around + 4 * 128 * 257,
        ModelName("caption", "gru", nodes=(128,)): cnn + around + 3 * 128 * 258,
        ModelName("caption", "lstm", nodes=(128,), variant="attention"): cnn
        + around
        + 4 * 128 * 257
        + 128 * 256
        + (256 + 129) * 128,
    }
    for name, count in counts.items():
        assert sum(p.numel() for p in captioner(name, (3, 96, 96), 1000).parameters()) == count


@pytest.mark.parametrize("name", BOTH, ids=lambda name: name.variant)
def test_word_by_word_as_at_once(name: ModelName) -> None:
    """`encode`, `begin` and `step` give the logits of `forward`."""
    network, images, target = captioner(name), torch.randn(3, *IMAGE), captions(3, 6)
    network.train()(images, target)  # running statistics that are not 0 and 1
    network.eval()
    memory = network.encode(images)
    state, made = network.begin(memory), []
    for words in target.unbind(1):
        logits, state = network.step(words, state, memory)
        made.append(logits)
    compare({"logits": network(images, target)}, {"logits": torch.stack(made, 1)}, tolerance("float32", SUMS))
    assert all(len(part) == 3 for part in (*memory, *state))  # the batch is first, for a search to choose rows


@pytest.mark.parametrize("name", BOTH, ids=lambda name: name.variant)
def test_alone_as_in_a_padded_batch(name: ModelName) -> None:
    network, images, target = captioner(name), torch.randn(3, *IMAGE), captions(3, 6)
    network.train()(images, target)
    network.eval()
    lengths = (6, 1, 4)
    for row, length in enumerate(lengths):
        target[row, length:] = PAD
    together = network(images, target)
    for row, length in enumerate(lengths):
        alone = network(images[row : row + 1], target[row : row + 1, :length])
        compare({"logits": alone[0]}, {"logits": together[row, :length]}, tolerance("float32", SUMS))


@pytest.mark.parametrize("name", BOTH, ids=lambda name: name.variant)
def test_several_captions_of_a_image(name: ModelName) -> None:
    """Two captions each as the same images given twice."""
    network, images, target = captioner(name).eval(), torch.randn(3, *IMAGE), captions(6, 4)
    twice = network(images.repeat_interleave(2, dim=0), target)
    compare({"logits": twice}, {"logits": network(images, target)}, tolerance("float32", SUMS))


def test_words_are_dropped_in_training_only() -> None:
    network, images, target = captioner(), torch.randn(2, *IMAGE), captions(2, 4)
    assert not torch.equal(network(images, target), network(images, target))
    network.eval()
    assert torch.equal(network(images, target), network(images, target))


@pytest.mark.slow
@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("name", BOTH, ids=lambda name: name.variant)
def test_it_learns_32_captions_by_heart_and_writes_them(name: ModelName) -> None:
    """After BEGIN nothing but the image says which words come, so that words alone do not suffice."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, 3, 16, 16, generator=generator)
    target = torch.cat([captions(32, 4), torch.full((32, 1), END)], dim=1)
    network = without_dropout(captioner(replace(name, nodes=(32,)), (3, 16, 16))).train()

    def loss() -> Tensor:
        return F.cross_entropy(network(images, target[:, :-1]).flatten(0, 1), target[:, 1:].flatten())

    steps_to_learn(network, loss, below=0.06, rate=1e-2, most=200)
    memory = network.encode(images)  # in training mode, as it was learnt; nothing is dropped
    assert beam_search.greedy(network, memory, limit=6) == target[:, 1:-1].tolist()
    assert beam_search.beam(network, memory, limit=6, width=3) == target[:, 1:-1].tolist()


@pytest.mark.parametrize("name", BOTH, ids=lambda name: name.variant)
def test_every_weight_is_drawn_from_the_seed(name: ModelName) -> None:
    check_seeds(lambda: Captioner(name, InputSpec(IMAGE, tokens=TOKENS)))
