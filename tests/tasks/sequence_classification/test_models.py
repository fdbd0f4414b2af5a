"""Networks of sequences: against torch's own layers, and each sequence alone as in a batch."""

from __future__ import annotations

import pytest
import torch
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.layers.initialisation import initialise
from ecrnn.models.names import ModelName
from ecrnn.models.spec import InputSpec
from ecrnn.tasks.sequence_classification.models import SequenceCNN, SequenceRNN

FEATURES, CLASSES, STEPS = 3, 4, 23
SPEC = InputSpec(classes=CLASSES, features=FEATURES)
NAMES = [
    ModelName("sequence", "lstm", True, (6,)),
    ModelName("sequence", "gru", False, (5, 4)),
    ModelName("sequence", "rnn", True, (4, 3)),
    ModelName("sequence-cnn", "lstm", True, (6,)),
    ModelName("sequence-cnn", "gru", False, (5,)),
]


def network(name: ModelName, seed: int = 0) -> nn.Module:
    kind = SequenceCNN if name.family == "sequence-cnn" else SequenceRNN
    made = kind(name, SPEC)
    initialise(made, seed)
    return made


def batch(lengths: list[int], garbage: float = 9.0) -> tuple[Tensor, Tensor]:
    """Sequences with something else than zeros behind their ends."""
    x = torch.randn(len(lengths), max(lengths), FEATURES, generator=torch.Generator().manual_seed(1))
    for row, length in zip(x, lengths, strict=True):
        row[length:] = garbage
    return x, torch.tensor(lengths)


@pytest.mark.parametrize("name", NAMES, ids=str)
@pytest.mark.parametrize("training", [False, True])
def test_what_lies_behind_the_ends_does_not_matter(name, training):
    lengths = [1, 2, 7, 8, STEPS]
    model = network(name).train(training)
    (x, count), (other, _) = batch(lengths), batch(lengths, garbage=-3.0)
    x.requires_grad_()
    logits = model(x, count)
    assert logits.shape == (5, CLASSES)
    compare({"logits": model(other, count)}, {"logits": logits}, tolerance("float32", STEPS))
    logits.square().sum().backward()
    for row, length in zip(x.grad, lengths, strict=True):
        assert not row[length:].any(), "a step behind the end has a gradient"
        assert row[:length].any(1).all(), "a step has no gradient"


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_alone_and_in_a_batch(name):
    model = network(name).train()
    model(*batch([5, 9, STEPS, 12]))  # running statistics that are not the initial ones
    model.eval()
    x, lengths = batch([1, 2, 3, 9, STEPS])
    alone = torch.cat([model(row[None, :length], length[None]) for row, length in zip(x, lengths, strict=True)])
    compare({"logits": alone}, {"logits": model(x, lengths)}, tolerance("float32", STEPS))


class Twin(nn.Module):
    """The same network in torch.nn's layers, for one sequence at a time, in evaluation."""

    def __init__(self, ours: nn.Module, name: ModelName) -> None:
        super().__init__()
        self.ours, self.name = ours, name
        kind = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[name.cell]
        self.layers = []
        for layer in ours.rnn.layers:
            twin = kind(layer.input_size, layer.hidden_size, batch_first=True, bidirectional=name.bidirectional)
            twin.load_state_dict(
                {key: layer.state_dict().get(key, torch.zeros_like(value)) for key, value in twin.state_dict().items()}
            )
            self.layers.append(twin)

    def forward(self, x: Tensor) -> Tensor:
        if self.name.family == "sequence-cnn":
            for stage in self.ours.stages:
                weight, bias = stage.convolution.weight, stage.convolution.bias
                x = nn.functional.conv1d(x.transpose(1, 2), weight, bias, padding=2).relu()
                norm = stage.normalisation
                x = nn.functional.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=1e-3)
                x = nn.functional.max_pool1d(x, 2, ceil_mode=True).transpose(1, 2)
        for layer in self.layers:
            x, state = layer(x)
        last = state[0] if self.name.cell == "lstm" else state
        return nn.functional.linear(last.transpose(0, 1).flatten(1), self.ours.head.weight, self.ours.head.bias)


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_it_is_the_network_in_torchs_layers(name):
    model = network(name).train()
    model(*batch([5, 9, STEPS, 12]))
    model.eval()
    x, lengths = batch([1, 4, 9, STEPS])
    twin = Twin(model, name)
    expected = torch.cat([twin(row[None, :length]) for row, length in zip(x, lengths, strict=True)])
    compare({"logits": model(x, lengths)}, {"logits": expected}, tolerance("float32", STEPS))


def test_the_batchs_statistics_are_those_of_the_steps_that_exist():
    model = network(NAMES[3]).train()
    x, lengths = batch([2, STEPS, 5])
    stage = model.stages[0]
    stage(x, lengths)
    maps = [stage.convolution(row[None, :n].transpose(1, 2)).relu()[0] for row, n in zip(x, lengths, strict=True)]
    exist = torch.cat(maps, 1)  # (maps, steps)
    torch.testing.assert_close(stage.normalisation.running_mean, exist.mean(1))
    torch.testing.assert_close(stage.normalisation.running_var, exist.var(1))


@pytest.mark.parametrize("name", [NAMES[0], NAMES[4]], ids=str)
def test_it_learns_which_of_two_ends_rises(name):
    torch.manual_seed(0)
    model = network(name).train()
    lengths = torch.randint(6, STEPS + 1, (32,))
    x, labels = torch.randn(32, STEPS, FEATURES) * 0.1, torch.arange(32) % 2
    for row, length, label in zip(x, lengths, labels, strict=True):
        row[length - 1 if label else 0, 0] += 3
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x, lengths), labels)
        loss.backward()
        optimizer.step()
    assert loss < 0.1
