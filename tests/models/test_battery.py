"""What every image classifier must do, and for each check a broken model that fails it.

The models of the other tasks are in test_task_battery.py.

A check takes ``make(image, classes, seed)`` and the smallest side of an image that the model takes. Every family and
form, every cell and the scans run through all of them, at sizes at which that takes a moment.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from oracles import compare, tolerance
from torch import nn

from ecrnn.layers.orders import SCANS
from ecrnn.models.build import build
from ecrnn.models.family import CELLS, MIN_SIDE
from ecrnn.models.names import parse
from ecrnn.models.registry import built_in, find
from ecrnn.models.weights import load_weights, save_weights

Make = Callable[[tuple[int, int, int], int, int], nn.Module]

CLASSICS = ("mlp", "lenet5", "alexnet")
FAMILIES = tuple(name for name, row in built_in().items() if row.task == "image-classification" and not row.estimator)
NAMED = (
    "cnn",
    "cnn-20-9",
    "ecnn",
    *(f"{family}-{cell}-6" for family in ("crnn", "ecrnn") for cell in CELLS),
    *(f"crnn-bilstm-6@{scan}" for scan in SCANS[1:]),
    "ecrnn-bigru-6-4@positions",
    "crnn-bilstm-4-5-6",
    "mlp-12",
    *("-".join(filter(None, (family, form))) for family in CLASSICS for form in ("", *built_in()[family].suffixes)),
    "rows-lstm-6",
    "rows-bigru-6",
    "rows-gru-9-cnn",
    "parallel-6",
)
_named = {parse(name).family for name in NAMED}
NAMES = (*NAMED, *(built_in()[family].example or family for family in FAMILIES if family not in _named))
RATES = {"alexnet": 1e-4, "alexnet-lrn": 1e-4}  # at which eight images are learnt, where it is not 0.01
STEPS = 512  # of the longest sequence here, for the tolerance


def least_side(name: str) -> int:
    return find(parse(name).family).min_side


def random_images(count: int, image: tuple[int, int, int]) -> torch.Tensor:
    return torch.randn(count, *image, generator=torch.Generator().manual_seed(count))


def logits_of(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(x)


def check_batch_of_one(make: Make, side: int = MIN_SIDE) -> None:
    for image in ((1, side, side), (3, side + 8, side)):
        logits = logits_of(make(image, 5, 0), random_images(1, image))
        assert logits.shape == (1, 5), f"one image {image} gives {tuple(logits.shape)}"


def check_odd_sizes(make: Make, side: int = MIN_SIDE) -> None:
    for image in ((1, side + 1, side + 3), (3, side + 9, side + 5), (1, side, side + 23)):
        network = make(image, 3, 0)
        for logits in (logits_of(network, random_images(2, image)), network.train()(random_images(2, image))):
            assert logits.shape == (2, 3), f"two images {image} give {tuple(logits.shape)}"
            assert logits.dtype == torch.float32
            assert logits.isfinite().all(), f"not finite at {image}"


def check_overfits(make: Make, side: int = MIN_SIDE, rate: float = 1e-2) -> None:
    network, x, y = make((1, side, side), 2, 0).train(), random_images(8, (1, side, side)), torch.arange(8) % 2
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    loss = torch.tensor(torch.inf)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x), y)
        if loss < 0.2:
            break
        loss.backward()
        optimizer.step()
    assert loss < 0.2, f"loss of eight images is still {loss:.3f}"


def check_alone_and_in_a_batch(make: Make, side: int = MIN_SIDE) -> None:
    for image in ((1, side, side), (3, side + 9, side + 5)):
        network, x = make(image, 4, 0), random_images(7, image)
        alone = torch.cat([logits_of(network, row[None]) for row in x])
        compare({"logits": alone}, {"logits": logits_of(network, x)}, tolerance("float32", STEPS))


def check_seeds(make: Make, side: int = MIN_SIDE) -> None:
    first, again, other = (make((1, side, side), 3, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first), "one seed gives two networks"
    drawn = [name for name in first if first[name].ndim > 1 and first[name].count_nonzero() > len(first[name])]
    same = [name for name in drawn if torch.equal(first[name], other[name])]  # not those that begin as 0 or identity
    assert not same, f"{same} do not depend on the seed"


def check_saves_and_loads(make: Make, side: int = MIN_SIDE) -> None:
    one, two, x = make((1, side, side), 3, 1), make((1, side, side), 3, 2), random_images(4, (1, side, side))
    one.train()(x)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(one, Path(folder) / "weights")
        load_weights(two, Path(folder) / "weights")
    assert torch.equal(logits_of(one, x), logits_of(two, x)), "loaded weights give other logits"


def check_gradients_reach_every_parameter(make: Make, side: int = MIN_SIDE) -> None:
    image = (3, side + 24, side + 24)  # smaller maps have one row, and nothing recurs in a sequence of one step
    network, x = make(image, 3, 0).train(), random_images(4, image)
    learnt = {name: p for name, p in network.named_parameters() if p.requires_grad}
    reached: set[str] = set()
    for _ in range(3):  # what lies below a layer that begins as 0 is reached once that layer has moved
        logits = network(x)
        logits.backward(torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)))
        for name, p in learnt.items():
            assert p.grad is not None, f"no gradient reaches {name}"
            assert p.grad.isfinite().all(), f"the gradient of {name} is not finite"
        reached |= {name for name, p in learnt.items() if p.grad is not None and p.grad.any()}
        if len(reached) == len(learnt):
            break
        torch.optim.SGD(learnt.values(), lr=0.01).step()
    for name in learnt:
        assert name in reached, f"the gradient of {name} is zero"


def check_evaluation_has_no_side_effects(make: Make, side: int = MIN_SIDE) -> None:
    network, x = make((1, side, side), 3, 0), random_images(5, (1, side, side))
    network.train()(x)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    given, generator = x.clone(), torch.get_rng_state()
    first, second = logits_of(network, x), logits_of(network, x)
    assert torch.equal(first, second), "twice the same images give two answers"
    assert torch.equal(given, x), "the images were changed"
    assert torch.equal(generator, torch.get_rng_state()), "random numbers were drawn"
    changed = [name for name, tensor in network.state_dict().items() if not torch.equal(before[name], tensor)]
    assert not changed, f"evaluation changed {changed}"


def kinds(case: Mapping[str, Any]) -> dict[str, str]:
    """What a check of a model is one of: every check meets every family, cell, scan and form."""
    name = parse(case["name"])
    parts = {"family": name.family, "cell": name.cell, "scan": name.scan, "form": name.variant, "check": case["check"]}
    return {part: str(value) for part, value in parts.items() if value}


CHECKS = {name.removeprefix("check_"): f for name, f in list(globals().items()) if name.startswith("check_")}


@pytest.mark.sampled(cover=1, kinds=kinds)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_battery(name, check):
    more = {"rate": RATES[name]} if check == "overfits" and name in RATES else {}
    CHECKS[check](partial(build, name), least_side(name), **more)


def test_every_family_cell_and_scan_is_in_it():
    parsed = [parse(name) for name in NAMES]
    assert {p.family for p in parsed} == set(FAMILIES)
    for family in ("cnn", "mlp"):
        assert len({p.nodes for p in parsed if p.family == family}) == 2
    variants = {(name, suffix) for name in FAMILIES for suffix in built_in()[name].suffixes}
    assert {(p.family, p.variant) for p in parsed if p.variant} == variants
    for family in ("crnn", "ecrnn"):
        found = {("bi" if p.bidirectional else "") + p.cell for p in parsed if p.family == family}
        assert found == set(CELLS)
    assert {p.scan for p in parsed} == set(SCANS)


class Broken(nn.Module):
    """A right network with something wrong around it."""

    def __init__(self, image, classes, seed):
        super().__init__()
        self.inner = build("cnn", image, classes, self.seed(seed))

    def seed(self, seed):
        return seed

    def forward(self, x):
        return self.inner(x)


class LosesTheBatchAxis(Broken):
    def forward(self, x):
        return self.inner(x).squeeze()


class WantsEvenSides(Broken):
    def forward(self, x):
        return self.inner(F.pixel_shuffle(F.pixel_unshuffle(x, 2), 2))


class DividesByZero(Broken):
    def forward(self, x):
        return self.inner(x) / (x.shape[-1] % 2 == 0)


class IsCutOff(Broken):
    def forward(self, x):
        return self.inner(x).detach() + sum(p.sum() * 0 for p in self.parameters())


class LooksAtTheOthers(Broken):
    def forward(self, x):
        logits = self.inner(x)
        return logits - 1e-3 * logits.mean(0)


class DrawsItsOwnWeights(Broken):
    def __init__(self, image, classes, seed):
        super().__init__(image, classes, seed)
        nn.init.normal_(self.inner.head.weight)


class IgnoresTheSeed(Broken):
    def seed(self, seed):
        return 0


class SavesNotAll(Broken):
    def __init__(self, image, classes, seed):
        super().__init__(image, classes, seed)
        self.scale = 1 + seed

    def forward(self, x):
        return self.inner(x) * self.scale


class HasAnUnusedWeight(Broken):
    def __init__(self, image, classes, seed):
        super().__init__(image, classes, seed)
        self.unused = nn.Parameter(torch.zeros(1))


class DetachesItsFirstLayers(Broken):
    def forward(self, x):
        network = self.inner
        return network.head(network.flatten(network.cnn(x).detach()))


class DetachesABias(Broken):
    def forward(self, x):
        bias = self.inner.head.bias
        return self.inner(x) - bias  # its gradient is there and zero


class CountsItsCalls(Broken):
    def __init__(self, image, classes, seed):
        super().__init__(image, classes, seed)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        return self.inner(x)


class AlwaysDropsOut(Broken):
    def forward(self, x):
        return self.inner(F.dropout(x, 0.1, training=True))


class NormalisesInPlace(Broken):
    def forward(self, x):
        return self.inner(x.sub_(0.5))


BROKEN = [
    (LosesTheBatchAxis, "batch_of_one", "gives"),
    (WantsEvenSides, "odd_sizes", "divisible"),
    (DividesByZero, "odd_sizes", "not finite at"),
    (IsCutOff, "overfits", "is still"),
    (LooksAtTheOthers, "alone_and_in_a_batch", "relative error"),
    (DrawsItsOwnWeights, "seeds", "one seed gives two"),
    (IgnoresTheSeed, "seeds", "do not depend on the seed"),
    (SavesNotAll, "saves_and_loads", "other logits"),
    (HasAnUnusedWeight, "gradients_reach_every_parameter", "no gradient reaches unused"),
    (DetachesItsFirstLayers, "gradients_reach_every_parameter", r"no gradient reaches inner\.cnn"),
    (DetachesABias, "gradients_reach_every_parameter", r"the gradient of inner\.head\.bias is zero"),
    (CountsItsCalls, "evaluation_has_no_side_effects", "evaluation changed"),
    (AlwaysDropsOut, "evaluation_has_no_side_effects", "two answers"),
    (NormalisesInPlace, "evaluation_has_no_side_effects", "two answers"),
]


@pytest.mark.parametrize(("broken", "check", "line"), BROKEN, ids=lambda v: getattr(v, "__name__", None))
def test_the_battery_sees(broken, check, line):
    with pytest.raises((AssertionError, RuntimeError), match=line):
        CHECKS[check](broken)


def test_each_check_has_a_model_that_fails_it():
    assert {check for _, check, _ in BROKEN} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_the_wrapper_alone_breaks_nothing(check):
    CHECKS[check](Broken)
