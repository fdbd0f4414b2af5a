"""What every model of a task other than image classification must do, and for each check a broken model that fails it.

A check takes ``make(seed)`` and examples, of which one can be had alone, without the others' padding.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from models.test_battery import kinds
from oracles import compare, tolerance
from torch import Tensor, nn

from ecrnn.core.tasks import TASKS
from ecrnn.data.vocabulary import BEGIN, END, PAD
from ecrnn.models.build import make
from ecrnn.models.family import CELLS, ONE_WAY
from ecrnn.models.names import parse
from ecrnn.models.registry import built_in
from ecrnn.models.spec import InputSpec
from ecrnn.models.weights import load_weights, save_weights

Make = Callable[[int], nn.Module]

NAMES = (
    *(f"charlm-{cell}-16" for cell in ONE_WAY),
    "charlm-gru-12-16",
    *(f"sentiment-{cell}-8" for cell in CELLS),
    "sentiment-gru-8-7",
    "sentiment-cnn",
    "sentiment-cnn-bilstm-8",
    "sentiment-parallel",
    *("translate-rnn-16", "translate-gru-16", "translate-lstm-16-attention"),
    *("caption-rnn-32", "caption-lstm-32", "caption-gru-32-attention"),
    *("ocr-gru-8", "ocr-bilstm-8-7"),
    *("frames-lstm-8", "frames-bigru-8"),
    *("sequence-bilstm-8", "sequence-gru-8-7", "sequence-cnn-gru-8", "sequence-cnn-rnn-8-7"),
)
SIZES = {
    "text-classification": InputSpec(tokens=40, classes=3),
    "next-token": InputSpec(tokens=12),
    "translation": InputSpec(tokens=11, source_tokens=12),
    "captioning": InputSpec((3, 16, 32), tokens=11),
    "transcription": InputSpec((1, 16, 40), tokens=7),
    "clip-classification": InputSpec((1, 16, 16), 3, frames=4),
    "sequence-classification": InputSpec(classes=3, features=2),
}


@dataclass
class Examples:
    """A batch: what the model takes, what it should say, and where each input is padded.

    ``lengths`` are those of the examples by the number of the input, ``said`` the steps of the result that count.
    """

    inputs: tuple[Tensor, ...]
    targets: Tensor
    loss: Callable[[Any, Tensor], Tensor]
    lengths: dict[int, Tensor]
    said: Tensor | None = None
    last: int = 1  # where the steps of an input stand among its sizes, from the end

    def alone(self) -> Iterator[tuple[Tensor, ...]]:
        """The inputs of each example by itself."""
        for row in range(len(self.targets)):
            own = [part[row : row + 1] for part in self.inputs]
            for number, lengths in self.lengths.items():
                own[number] = own[number].narrow(-self.last, 0, int(lengths[row]))
            yield tuple(own)


def by_class(result: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(result, targets)


def by_step(result: Any, targets: Tensor) -> Tensor:
    return F.cross_entropy(logits_in(result).flatten(0, 1), targets.flatten(), ignore_index=PAD)


def by_ctc(result: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
    log_p = result[0].log_softmax(2).transpose(0, 1)
    return F.ctc_loss(log_p, targets, result[1], (targets != PAD).sum(1))


def logits_in(result: Any) -> Tensor:
    return result[0] if isinstance(result, tuple) else result


def examples(name: str, count: int) -> Examples:
    """``count`` random ones for the model ``name``."""
    generator = torch.Generator().manual_seed(count)
    draw = partial(torch.randint, generator=generator)
    of = SIZES[parse(name).task.name]
    normal = partial(torch.randn, generator=generator)
    lengths, classes = draw(1, 8, (count,)), torch.arange(count) % (of.classes or 1)
    lengths[0] = 7
    counts = torch.arange(7) < lengths[:, None]
    if of.features is not None:
        steps = normal(count, 7, of.features) * counts[:, :, None]
        return Examples((steps, lengths), classes, by_class, {0: lengths}, last=2)
    return _of_other_tasks(name, of, draw, normal, lengths, counts, classes)


def _of_other_tasks(name, of, draw, normal, lengths, counts, classes) -> Examples:
    count = len(lengths)
    match parse(name).task.name:
        case "clip-classification":
            return Examples((normal(count, of.frames, *of.image),), classes, by_class, {})
        case "text-classification":
            return Examples((draw(4, of.tokens, (count, 7)) * counts, lengths), classes, by_class, {0: lengths})
        case "next-token":
            text = draw(4, of.tokens, (count, 8))
            return Examples((text[:, :-1],), text[:, 1:], by_step, {})
        case "transcription":
            widths, height = draw(16, 41, (count,)), of.image[1]
            widths[0] = 40
            images = normal(count, 1, height, 40) * (torch.arange(40) < widths[:, None, None, None])
            targets = torch.stack([draw(4, of.tokens, (count,)), draw(1, 4, (count,))], 1)
            return Examples((images, widths), targets, by_ctc, {0: widths}, widths // 4)
    words = draw(4, of.tokens, (count, 7)) * counts
    target = torch.cat([torch.full((count, 1), BEGIN), words], 1)
    wanted = torch.cat([words, torch.zeros(count, 1, dtype=torch.int64)], 1)
    wanted[torch.arange(count), lengths] = END
    if parse(name).task.name == "captioning":
        return Examples((normal(count, *of.image), target), wanted, by_step, {1: lengths + 1}, lengths + 1)
    own = draw(1, 7, (count,))
    own[0] = 6
    source = draw(4, of.source_tokens, (count, 6)) * (torch.arange(6) < own[:, None])
    return Examples((source, own, target), wanted, by_step, {0: own, 2: lengths + 1}, lengths + 1)


@torch.no_grad()
def logits_of(network: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    return logits_in(network.eval()(*inputs))


def check_batch_of_one(make: Make, name: str) -> None:
    logits = logits_of(make(0), examples(name, 1).inputs)
    assert len(logits) == 1, f"one example gives {tuple(logits.shape)}"
    assert logits.isfinite().all()


def check_overfits(make: Make, name: str) -> None:
    """Without dropout, which is there to prevent it."""
    network, batch = make(0), examples(name, 32)
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    rate = 3e-3 if parse(name).task.name == "captioning" else 1e-2
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    losses = []
    for step in range(401):
        if step % 20 == 0:
            with torch.no_grad():
                losses.append(float(batch.loss(network.eval()(*batch.inputs), batch.targets)))
            if losses[-1] < 0.3 * losses[0]:
                return
            network.train()
        optimizer.zero_grad()
        batch.loss(network(*batch.inputs), batch.targets).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
    raise AssertionError(f"loss of 32 examples is still {losses[-1]:.3f}, and was {losses[0]:.3f}")


def check_alone_and_in_a_padded_batch(make: Make, name: str) -> None:
    network, batch = make(0), examples(name, 7)
    together = logits_of(network, batch.inputs)
    steps = [None] * 7 if batch.said is None else batch.said.tolist()
    expected = {
        str(row): logits_of(network, inputs)[0, :n]
        for row, (inputs, n) in enumerate(zip(batch.alone(), steps, strict=True))
    }
    actual = {str(row): together[row, :n] for row, n in enumerate(steps)}
    compare(expected, actual, tolerance("float32", 64))


def check_seeds(make: Make, name: str) -> None:
    first, again, other = (make(seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[key], again[key]) for key in first), "one seed gives two networks"
    same = [key for key in first if first[key].ndim > 1 and torch.equal(first[key], other[key])]
    assert not same, f"{same} do not depend on the seed"


def check_same_bits(make: Make, name: str) -> None:
    """Two trainings of some steps, from the same seeds."""
    ends = []
    for _ in range(2):
        torch.manual_seed(5)
        network, batch = make(0).train(), examples(name, 8)
        optimizer = torch.optim.Adam(network.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            batch.loss(network(*batch.inputs), batch.targets).backward()
            optimizer.step()
        ends.append(network.state_dict())
    off = [key for key in ends[0] if not torch.equal(ends[0][key], ends[1][key])]
    assert not off, f"{off} differ after the same three steps"


def check_saves_and_loads(make: Make, name: str) -> None:
    one, two, inputs = make(1), make(2), examples(name, 4).inputs
    one.train()(*inputs)
    with tempfile.TemporaryDirectory() as folder:
        save_weights(one, Path(folder) / "weights")
        load_weights(two, Path(folder) / "weights")
    assert torch.equal(logits_of(one, inputs), logits_of(two, inputs)), "loaded weights give other logits"


def check_gradients_reach_every_parameter(make: Make, name: str) -> None:
    network = make(0).train()
    logits = logits_in(network(*examples(name, 8).inputs))
    logits.backward(torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)))
    for key, p in network.named_parameters():
        assert p.grad is not None, f"no gradient reaches {key}"
        assert p.grad.isfinite().all(), f"the gradient of {key} is not finite"
        assert p.grad.any(), f"the gradient of {key} is zero"


def check_evaluation_has_no_side_effects(make: Make, name: str) -> None:
    network, inputs = make(0), examples(name, 5).inputs
    given = [part.clone() for part in inputs]
    network.train()(*inputs)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    generator = torch.get_rng_state()
    assert torch.equal(logits_of(network, inputs), logits_of(network, inputs)), "twice the same gives two answers"
    assert all(torch.equal(*pair) for pair in zip(given, inputs, strict=True)), "what was given was changed"
    assert torch.equal(generator, torch.get_rng_state()), "random numbers were drawn"
    changed = [key for key, tensor in network.state_dict().items() if not torch.equal(before[key], tensor)]
    assert not changed, f"evaluation changed {changed}"


CHECKS = {name.removeprefix("check_"): f for name, f in list(globals().items()) if name.startswith("check_")}


@pytest.mark.sampled(cover=1, kinds=kinds)
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", NAMES)
def test_battery(name, check):
    CHECKS[check](lambda seed: make(parse(name), SIZES[parse(name).task.name], seed), name)


def test_every_family_form_and_cell_is_in_it():
    parsed = [parse(name) for name in NAMES]
    for start, rule in built_in().items():
        own = [p for p in parsed if p.family == start]
        if rule.task == "image-classification":
            assert not own
            continue
        assert {p.variant for p in own} >= set(rule.suffixes), start
        assert any(len(p.nodes) > 1 for p in own) or rule.layers < 2, start
        if start in ("charlm", "sentiment", "translate", "caption"):
            assert {("bi" if p.bidirectional else "") + p.cell for p in own} == set(rule.cells), start
    assert set(SIZES) == set(TASKS) - {"image-classification"}


BASE = "sentiment-cnn"


class Broken(nn.Module):
    """A right network with something wrong around it."""

    def __init__(self, seed):
        super().__init__()
        self.inner = make(parse(BASE), SIZES[parse(BASE).task.name], self.seed(seed))

    def seed(self, seed):
        return seed

    def forward(self, tokens, lengths):
        return self.inner(tokens, lengths)


class LosesTheBatchAxis(Broken):
    def forward(self, tokens, lengths):
        return self.inner(tokens, lengths).squeeze()


class IsCutOff(Broken):
    def forward(self, tokens, lengths):
        return self.inner(tokens, lengths).detach() + sum(p.sum() * 0 for p in self.parameters())


class ReadsThePadding(Broken):
    def forward(self, tokens, lengths):
        return self.inner(tokens, torch.full_like(lengths, tokens.shape[1]))


class IgnoresTheSeed(Broken):
    def seed(self, seed):
        return 0


class DrawsElsewhere(Broken):
    drawn = 0

    def forward(self, tokens, lengths):
        DrawsElsewhere.drawn += 1
        return self.inner(tokens, lengths) * (1 + 1e-3 * DrawsElsewhere.drawn)


class SavesNotAll(Broken):
    def __init__(self, seed):
        super().__init__(seed)
        self.scale = 1 + seed

    def forward(self, tokens, lengths):
        return self.inner(tokens, lengths) * self.scale


class HasAnUnusedWeight(Broken):
    def __init__(self, seed):
        super().__init__(seed)
        self.unused = nn.Parameter(torch.zeros(1))


class ChangesWhatItIsGiven(Broken):
    def forward(self, tokens, lengths):
        return self.inner(tokens.clamp_(max=9), lengths)


class AlwaysDropsOut(Broken):
    def forward(self, tokens, lengths):
        return F.dropout(self.inner(tokens, lengths), 0.1, training=True)


BROKEN = [
    (LosesTheBatchAxis, "batch_of_one", "one example gives"),
    (IsCutOff, "overfits", "is still"),
    (ReadsThePadding, "alone_and_in_a_padded_batch", "relative error"),
    (IgnoresTheSeed, "seeds", "do not depend on the seed"),
    (DrawsElsewhere, "same_bits", "differ after the same three steps"),
    (SavesNotAll, "saves_and_loads", "other logits"),
    (HasAnUnusedWeight, "gradients_reach_every_parameter", "no gradient reaches unused"),
    (ChangesWhatItIsGiven, "evaluation_has_no_side_effects", "was changed"),
    (AlwaysDropsOut, "evaluation_has_no_side_effects", "two answers"),
]


@pytest.mark.parametrize(("broken", "check", "line"), BROKEN, ids=lambda v: getattr(v, "__name__", None))
def test_the_battery_sees(broken, check, line):
    with pytest.raises((AssertionError, RuntimeError), match=line):
        CHECKS[check](broken, BASE)


def test_each_check_has_a_model_that_fails_it():
    assert {check for _, check, _ in BROKEN} == set(CHECKS)


@pytest.mark.parametrize("check", CHECKS)
def test_the_wrapper_alone_breaks_nothing(check):
    CHECKS[check](Broken, BASE)
