"""What is wrong with a network of somebody's own: a broken one for every check, and right ones that pass."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.models import registry
from ecrnn.models.names import parse
from ecrnn.models.own_check import check_models
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec

SPEC = InputSpec((1, 8, 8), 3)


@pytest.fixture(autouse=True)
def _forgets(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})


def check(kind: type[nn.Module]) -> None:
    register("mine", task="image-classification")(kind)
    check_models(SPEC, parse("cnn"), parse("mine"))


class Right(nn.Module):
    """Convolution, batch normalisation, dropout and a tied weight: nothing wrong."""

    def __init__(self, spec):
        super().__init__()
        self.conv = nn.Conv2d(spec.image[0], 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.one, self.two = nn.Linear(4, 4), nn.Linear(4, 4)
        self.two.weight = self.one.weight
        self.register_buffer("mask", torch.ones(4, dtype=torch.bool))
        self.register_buffer("constant", torch.ones(4), persistent=False)
        self.head = nn.Linear(4, spec.classes)

    def forward(self, x):
        x = self.norm(self.conv(x)).mean((2, 3)) * self.mask * self.constant
        return self.head(self.drop(self.two(self.one(x))))


@pytest.mark.parametrize("kind", ["Right", "Caches"])
def test_right_networks_pass(kind):
    before = torch.get_rng_state()
    check(globals()[kind])
    assert torch.equal(before, torch.get_rng_state())


class Raises(Right):
    def forward(self, x):
        return self.nothing(x)


class RaisesWhenBuilt(Right):
    def __init__(self, spec):
        raise RuntimeError("no\nmemory")


class Tuple(Right):
    def forward(self, x):
        return super().forward(x), x


class Transposed(Right):
    def forward(self, x):
        return super().forward(x).T


class Labels(Right):
    def forward(self, x):
        return (super().forward(x) * 9).long()


class NotFinite(Right):
    def forward(self, x):
        return super().forward(x).log()


class NoParameters(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.layers = [nn.Linear(64, spec.classes)]

    def forward(self, x):
        return self.layers[0](x.flatten(1))


class Lazy(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.head = nn.LazyLinear(spec.classes)


class Frozen(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.requires_grad_(False)


class Leaves(Right):
    def forward(self, x):
        raise SystemExit(3)


class Double(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.double()


class Complex(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("phase", torch.zeros(2, dtype=torch.complex64))


class Detached(Right):
    def forward(self, x):
        return super().forward(x).detach().requires_grad_()


class Counts(Right):
    """A running mean that no file of weights has."""

    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("seen", torch.zeros(()), persistent=False)

    def forward(self, x):
        if self.training:
            self.seen = self.seen + 1
        return super().forward(x)


class Attribute(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.total = torch.zeros(())

    def forward(self, x):
        if self.training:
            self.total = self.total + x.mean()
        return super().forward(x)


class Caches(Right):
    """What a network keeps to be looked at, and never reads, is no state."""

    def forward(self, x):
        self.last = self.drop(x)
        return super().forward(x)


class Remembers(Right):
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        return super().forward(x) + type(self).calls


class LearnsInEvaluation(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x):
        self.steps += 1
        return super().forward(x)


class Mixes(Right):
    def forward(self, x):
        logits = super().forward(x)
        return logits - logits.mean(0)


SHARED = nn.Linear(3, 3)


class Shares(Right):
    def __init__(self, spec):
        super().__init__(spec)
        self.shared = SHARED

    def forward(self, x):
        return self.shared(super().forward(x))


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (
            Raises,
            r", line \d+\): training on it raises AttributeError: 'Raises' object has no",
        ),
        (RaisesWhenBuilt, r", line \d+\): building it raises RuntimeError: no$"),
        (Tuple, r"it gives tuple, and should give logits, a tensor \(4, 3\)"),
        (Transposed, r"it gives \(3, 4\) for 4 images, and should give \(4, 3\)"),
        (Labels, r"it gives torch.int64, and should give logits in floating point"),
        (NotFinite, "its logits for random images are not finite"),
        (NoParameters, "it has no parameters to train; layers in a plain list need nn.ModuleList"),
        (Lazy, "it has lazy layers, whose sizes are not known; take them from spec"),
        (Frozen, r"all its parameters are frozen \(requires_grad is False\)"),
        (Leaves, r", line \d+\): training on it raises SystemExit: 3"),
        (Double, "parameter conv.weight is torch.float64; ecrnn trains float32"),
        (Complex, "phase is torch.complex64, which files of weights do not hold here"),
        (Detached, "no gradient reaches its parameters"),
        (Counts, "seen changes in training and is not saved; make it a persistent buffer"),
        (Attribute, "total changes in training and is not saved"),
        (Remembers, "the same images give other logits the second time"),
        (LearnsInEvaluation, r"prediction changes steps; in eval\(\) nothing should be learnt"),
        (Mixes, "an image has other logits alone than in a batch"),
        (Shares, "shared.weight is shared by all its networks"),
    ],
)
def test_what_is_wrong_is_one_line(kind, line):
    with pytest.raises(EcrnnError, match=rf"^model 'mine' \(test_own_check.py.*{line}") as error:
        check(kind)
    assert "\n" not in str(error.value)


def test_what_is_no_network():
    register("mine", task="image-classification")(lambda spec: None)
    with pytest.raises(EcrnnError, match=r"^model 'mine': it gives NoneType, and should give a torch.nn.Module$"):
        check_models(SPEC, parse("mine"))
