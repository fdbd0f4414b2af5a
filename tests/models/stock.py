"""torch's own layers with the weights of one of our networks, the order in which the dense layers read a map, and what
the tests of several families ask.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
from oracles import compare
from torch import Tensor, nn

from ecrnn.layers.initialisation import initialise


def stock(ours: nn.Module, kinds: tuple[type[nn.Module], ...], *layers: nn.Module) -> nn.Sequential:
    """torch's layers one after the other with the weights of ``ours``, layer by layer."""
    sources = [module for module in ours.modules() if isinstance(module, kinds)]
    targets = [layer for layer in layers if isinstance(layer, kinds)]
    for source, target in zip(sources, targets, strict=True):
        target.load_state_dict(source.state_dict())
    return nn.Sequential(*layers)


class HeightWidthChannel(nn.Module):
    """The order in which the dense layers read a map."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.movedim(1, -1).reshape(len(maps), -1)


class StockStages(nn.Sequential):
    """The paper's CNN area in torch's own layers, for images of 16 pixels a side or more."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        for before, after in pairwise((channels, 32, 64, 128, 256)):
            self.extend(
                [nn.Conv2d(before, after, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(after, eps=1e-3), nn.MaxPool2d(2)]
            )


def compare_with_twin(ours: nn.Module, twin: nn.Module, *inputs: Tensor, tolerance: float = 1e-9) -> None:
    """Fail unless ``twin``, torch's own layers, gives the logits and all gradients of ``ours``, in float64.

    Weights are given to the twin in the order in which both have them, after a random change, so that no bias is 0; the
    second bias vector of its LSTM and RNN, which ours have not, is 0.
    """
    generator = torch.Generator().manual_seed(7)
    ours.double()
    twin.double()
    sources = list(ours.named_parameters())
    targets = dict(twin.named_parameters())
    with torch.no_grad():
        for path, layer in twin.named_modules():
            if isinstance(layer, nn.LSTM | nn.RNN):  # our areas give these one bias vector
                for name in [name for name, _ in layer.named_parameters() if "bias_hh" in name]:
                    targets.pop(f"{path}.{name}").zero_()
        for (_, source), target in zip(sources, targets.values(), strict=True):
            source.add_(torch.randn(source.shape, generator=generator, dtype=source.dtype), alpha=0.1)
            target.copy_(source)
    made = []
    for network, parameters in ((twin, targets.values()), (ours, [p for _, p in sources])):
        given = [x.double().clone().requires_grad_() if x.is_floating_point() else x for x in inputs]
        logits = network(*given)
        logits = logits[0] if isinstance(logits, tuple) else logits
        cotangent = torch.randn(logits.shape, dtype=logits.dtype, generator=torch.Generator().manual_seed(8))
        logits.backward(cotangent)
        gradients = {f"d {name}": p.grad for (name, _), p in zip(sources, parameters, strict=True)}
        to_inputs = {f"d input {k}": x.grad for k, x in enumerate(given) if x.requires_grad}
        made.append({"logits": logits.detach(), **to_inputs, **gradients})
    compare(made[0], made[1], tolerance)


def check_seeds(make: Callable[[], nn.Module]) -> None:
    """Fail unless `initialise` draws every weight of ``make()`` from its seed alone."""
    states = []
    for global_seed, seed in ((1, 5), (2, 5), (2, 6)):
        torch.manual_seed(global_seed)
        network = make()
        initialise(network, seed)
        states.append(network.state_dict())
    first, again, other = states
    assert [name for name in first if not torch.equal(first[name], again[name])] == []
    assert [name for name in first if first[name].dim() > 1 and torch.equal(first[name], other[name])] == []


def steps_to_learn(network: nn.Module, loss: Callable[[], Tensor], below: float, rate: float, most: int) -> int:
    """Steps of Adam until ``loss()`` is ``below``; fails after ``most``."""
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    for step in range(most):
        optimizer.zero_grad()
        now = loss()
        if now < below:
            return step
        now.backward()
        optimizer.step()
    raise AssertionError(f"the loss is still {now.item():.3f} after {most} steps")


class StockRecurrence(nn.Module):
    """A copy of a network in which torch's own RNN, LSTM and GRU stand for ours, for `compare_with_twin`.

    Args:
        network: with parts that keep their names.
        by_hand: from the copy and the inputs to the result, written for the test.
    """

    def __init__(self, network: nn.Module, by_hand: Callable[..., Tensor]) -> None:
        super().__init__()
        self.network, self.by_hand = copy.deepcopy(network), by_hand
        for name, layer in list(self.network.named_modules()):
            if isinstance(layer, nn.RNNBase):
                kind = getattr(nn, type(layer).__name__)
                stock = kind(layer.input_size, layer.hidden_size, batch_first=True, bidirectional=layer.bidirectional)
                self.network.set_submodule(name, stock)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.by_hand(self.network, *inputs)
