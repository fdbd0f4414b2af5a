"""What is wrong with a network of somebody's own: a broken one for every check, and right ones that pass."""

from __future__ import annotations

import functools
import inspect
import re

import pytest
import torch
from torch import nn

from ecrnn.core.errors import EcrnnError
from ecrnn.models import registry
from ecrnn.models.names import parse
from ecrnn.models.own_check import check_models
from ecrnn.models.registry import register
from ecrnn.models.spec import InputSpec
from ecrnn.training.objective import Loss

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


class LossOfEach(Right):
    def loss(self, logits, labels):
        return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


class LossRaises(Right):
    def loss(self, logits, labels):
        return self.nothing(logits)


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
            r"training on it raises AttributeError: 'Raises' object has no",
        ),
        (RaisesWhenBuilt, r"building it raises RuntimeError: no$"),
        (Tuple, r"it gives tuple, and should give logits, a tensor \(4, 3\)"),
        (Transposed, r"it gives \(3, 4\) for 4 images, and should give \(4, 3\)"),
        (Labels, r"it gives torch.int64, and should give logits in floating point"),
        (NotFinite, "its logits for 4 images are not finite"),
        (LossOfEach, r"its loss on outputs \(4, 3\) is \[.*\], and should be a finite number"),
        (LossRaises, r"its loss on outputs \(4, 3\) raises AttributeError"),
        (NoParameters, "it has no parameters to train; layers in a plain list need nn.ModuleList"),
        (Lazy, "it has lazy layers, whose sizes are not known; take them from spec"),
        (Frozen, r"all its parameters are frozen \(requires_grad is False\)"),
        (Leaves, r"training on it raises SystemExit: 3"),
        (Double, "parameter conv.weight is torch.float64; ecrnn trains float32"),
        (Complex, "phase is torch.complex64, which files of weights do not hold here"),
        (Detached, "no gradient reaches its parameters"),
        (Counts, "seen changes in training and is not saved; make it a persistent buffer"),
        (Attribute, "total changes in training and is not saved"),
        (Remembers, "the same images give other logits the second time"),
        (LearnsInEvaluation, r"prediction changes steps; in eval\(\) nothing should be learnt"),
        (Mixes, "one of the images has other logits alone than in a batch"),
        (Shares, "shared.weight is shared by all its networks"),
    ],
)
def test_what_is_wrong_is_one_line(kind, line):
    with pytest.raises(EcrnnError, match=rf"^model 'mine' \(test_own_check.py, line \d+\): {line}") as error:
        check(kind)
    assert "\n" not in str(error.value)
    lines, first = inspect.getsourcelines(kind)
    assert first < int(re.search(r"line (\d+)", str(error.value))[1]) < first + len(lines)


class Sequences:
    """Six sequences of 2 features and different lengths, as a training sees them; the loss of a class or of a step."""

    def __init__(self, task):
        self.task = task

    def __len__(self):
        return 6

    def batch(self, positions, epoch):
        steps = torch.arange(6) % 3 * 2 + 3
        longest = int(steps[positions].max())
        x = torch.randn(6, 7, 2, generator=torch.Generator().manual_seed(epoch))[positions, :longest]
        x[torch.arange(longest) >= steps[positions, None]] = 0
        if self.task == "sequence-classification":
            return (x, steps[positions]), torch.tensor(positions % 3)
        return (x[:, :, 0] > 0).long(), (x[:, :, 1] > 0).long()

    def loss(self, network, inputs, targets):
        outputs = network(*(inputs if isinstance(inputs, tuple) else (inputs,)))
        logits = outputs if isinstance(outputs, torch.Tensor) else outputs[0]
        return Loss(nn.functional.cross_entropy(logits.flatten(0, -2), targets.flatten()), None, len(targets))


class Mean(nn.Module):
    """Of the steps that are there; nothing wrong."""

    def __init__(self, spec):
        super().__init__()
        self.head = nn.Linear(2, 3)

    def forward(self, x, lengths):
        return self.head(x.sum(1) / lengths[:, None])


class Masks(Mean):
    """As wide as the longest sequence, which every batch of a training is."""

    def forward(self, x, lengths):
        mask = torch.arange(int(lengths.max())) < lengths[:, None]
        return super().forward(x * mask[..., None], lengths)


class OfPadding(Mean):
    """Data of one length would have none."""

    def forward(self, x, lengths):
        return self.head(x.mean(1))


class OfSteps(Mean):
    def forward(self, x, lengths):
        return self.head(x)


class Infinite(Mean):
    def forward(self, x, lengths):
        return super().forward(x, lengths) / 0


class Centred(Mean):
    def forward(self, x, lengths):
        logits = super().forward(x, lengths)
        return logits - logits.mean(0)


class Running(Mean):
    def forward(self, x, lengths):
        self.total = getattr(self, "total", 0) + x.mean()
        return super().forward(x, lengths) + self.total


class Text(nn.Module):
    """A language model of two tokens, with its state; nothing wrong."""

    def __init__(self, spec):
        super().__init__()
        self.table = nn.Embedding(2, 2)

    def forward(self, ids, state=None):
        return self.table(ids), None


class TextOfNan(Text):
    def forward(self, ids, state=None):
        return self.table(ids), torch.full((1,), torch.nan)


class TextOfSums(Text):
    def forward(self, ids, state=None):
        return self.table(ids).sum(1), None


class TextRemembers(Text):
    calls = 0

    def forward(self, ids, state=None):
        TextRemembers.calls += 1
        return self.table(ids) + TextRemembers.calls, None


CLASSES_OF_SEQUENCES, NEXT_TOKEN = "sequence-classification", "next-token"


@pytest.mark.parametrize(
    ("task", "kind", "line"),
    [
        (CLASSES_OF_SEQUENCES, Mean, None),
        (CLASSES_OF_SEQUENCES, Masks, None),
        (CLASSES_OF_SEQUENCES, OfPadding, None),
        (CLASSES_OF_SEQUENCES, OfSteps, r"it gives \(4, 7, 3\) for 4 sequences, and should give \(4, 3\)"),
        (CLASSES_OF_SEQUENCES, Infinite, "its logits for 4 sequences are not finite"),
        (CLASSES_OF_SEQUENCES, Centred, "one of the sequences has other logits alone than in a batch"),
        (CLASSES_OF_SEQUENCES, Running, "total changes in training and is not saved"),
        (NEXT_TOKEN, Text, None),
        (NEXT_TOKEN, TextOfNan, r"what it gives for 4 \w+ is not finite \(NaN\)"),
        (NEXT_TOKEN, TextOfSums, r"its loss on outputs \(4, 2\) raises ValueError: Expected input batch_size"),
        (NEXT_TOKEN, TextRemembers, r"the same \w+ give other outputs the second time"),
    ],
)
def test_models_of_other_tasks_are_checked_by_the_data(task, kind, line):
    register("mine", task=task)(kind)
    spec = InputSpec(classes=3, features=2) if task == CLASSES_OF_SEQUENCES else InputSpec(tokens=5)
    if line is None:
        return check_models(spec, parse("mine"), examples=lambda: Sequences(task))
    with pytest.raises(EcrnnError, match=rf"^model 'mine' \(test_own_check.py, line \d+\): {line}"):
        check_models(spec, parse("mine"), examples=lambda: Sequences(task))
    return None


def of_width(spec, *, width=3):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.Linear(width, spec.classes - (width == 1)))


def test_a_function_some_of_whose_arguments_are_given():
    register("mine", task="image-classification")(functools.partial(of_width, width=2))
    check_models(SPEC, parse("mine"))
    line = rf"line {of_width.__code__.co_firstlineno}\): it gives \(4, 2\) for 4 images"
    with pytest.raises(EcrnnError, match=line):
        check_models(SPEC, parse("mine+width=1"))


def test_what_is_no_network():
    register("mine", task="image-classification")(lambda spec: None)
    with pytest.raises(EcrnnError, match=r"^model 'mine': it gives NoneType, and should give a torch.nn.Module$"):
        check_models(SPEC, parse("mine"))
