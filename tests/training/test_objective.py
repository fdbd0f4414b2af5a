"""What holds for the objective of every task."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from training.small_tasks import MODELS, TRAIN, N, small

from ecrnn.data.batches import bucketed, shuffled
from ecrnn.stats.metrics import METRICS

TASKS = pytest.mark.parametrize("task", MODELS)
LENGTHS = {
    "sequence-classification",
    "text-classification",
    "translation",
    "transcription",
}  # whose examples are of many lengths


@TASKS
@pytest.mark.parametrize("batch_size", [8, 29])
def test_every_example_once_an_epoch(task: str, batch_size: int) -> None:
    objective = small(task, batch_size=batch_size).objective
    for epoch in range(3):
        batches = objective.order(7, epoch)
        assert len(batches) == objective.steps
        assert sorted(np.concatenate(batches).tolist()) == list(range(TRAIN))
        if objective.lengths is None:
            expected = shuffled(TRAIN, batch_size, 7, epoch)
        else:
            expected = bucketed(objective.lengths, batch_size, 7, epoch)
        assert [own.tolist() for own in batches] == [own.tolist() for own in expected]
    assert (objective.lengths is not None) == (task in LENGTHS)
    assert (len(objective), objective.steps) == (TRAIN, {8: 4, 29: 1}[batch_size])


@TASKS
def test_a_batch_is_a_function_of_positions_and_epoch(task: str) -> None:
    """Whatever was asked for before, as a training that goes on needs it."""
    positions = np.array([4, 0, 17])
    first = small(task, augment="crop").objective
    first.order(3, 0)
    first.batch(np.arange(5), 0)
    ours, theirs = (o.batch(positions, 2) for o in (first, small(task, augment="crop").objective))
    pairs = list(zip(tensors(ours), tensors(theirs), strict=True))
    assert len(pairs) > 1
    assert all(torch.equal(a, b) for a, b in pairs)


def tensors(parts: object) -> list[torch.Tensor]:
    if isinstance(parts, torch.Tensor):
        return [parts]
    inner = vars(parts).values() if hasattr(parts, "__dict__") else parts if isinstance(parts, tuple) else ()
    return [tensor for part in inner for tensor in tensors(part)]


@TASKS
@pytest.mark.parametrize("training", [True, False])
def test_validation_leaves_the_model_as_it_was(task: str, training: bool) -> None:
    one = small(task)
    model = one.network().train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    figures, predictions = one.objective.validate(model)
    again, _ = one.objective.validate(model)
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    metric = one.objective.metric
    assert METRICS[metric.name] is metric
    assert list(figures) == ["validation_loss", f"validation_{metric.name}"]
    assert figures == again, "dropout must be off"
    assert predictions is not None
    assert predictions.index.dtype == np.int64
    assert predictions.index.tolist() == list(range(TRAIN, N))
    assert figures[f"validation_{metric.name}"] == metric.value(predictions.statistics)


@TASKS
def test_nothing_to_validate(task: str) -> None:
    one = small(task, validate=TRAIN)
    assert one.objective.validate(one.network()) == ({}, None)


@TASKS
def test_one_example_validates_as_among_others(task: str) -> None:
    one, alone = small(task), small(task, train=N - 1)
    model = one.network()
    _, predictions = one.objective.validate(model)
    _, last = alone.objective.validate(model)
    assert predictions is not None
    assert last is not None
    assert last.index.tolist() == [N - 1]
    np.testing.assert_allclose(last.statistics[0], predictions.statistics[-1], rtol=1e-5)


@TASKS
def test_precision(task: str) -> None:
    """In bfloat16 products are, losses and gradients are not, and validation is not touched."""
    losses, figures, seen = {}, {}, []
    for precision in ("float32", "bfloat16"):
        one = small(task, precision=precision)
        model = one.network().eval()
        head = [m for m in model.modules() if isinstance(m, nn.Linear)][-1]
        head.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
        loss = one.objective.loss(model, *one.objective.batch(np.arange(8), 0))
        assert seen.pop() == getattr(torch, precision)
        loss.mean.backward()
        assert loss.mean.dtype == torch.float32
        assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
        losses[precision] = loss.mean.item()
        figures[precision], _ = one.objective.validate(model)
        assert set(seen) == {torch.float32}
    assert losses["float32"] != losses["bfloat16"]
    assert losses["bfloat16"] == pytest.approx(losses["float32"], rel=0.05)
    assert figures["float32"] == figures["bfloat16"]
