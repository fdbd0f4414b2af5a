"""Next-token prediction as the loop sees it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from training.small_tasks import LENGTH, TRAIN, N, small

from ecrnn.core.predictions import Scored
from ecrnn.data.vocabulary import UNKNOWN


def test_batches() -> None:
    one = small("next-token")
    inputs, targets = one.objective.batch(np.array([3, 0]), 0)
    assert inputs.shape == targets.shape == (2, LENGTH)
    assert torch.equal(inputs[:, 1:], targets[:, :-1])
    text = one.data.text[: LENGTH + 1]
    assert one.processor.decode(inputs[1].tolist()) == text[:-1]
    assert one.processor.decode(targets[1].tolist()) == text[1:]
    both = one.processor.decode([*inputs[0].tolist(), int(targets[0, -1])])
    assert both == one.data.text[3 * LENGTH : 4 * LENGTH + 1]


def nats(one, model: torch.nn.Module, i: int) -> tuple[float, int]:
    """-log p of block i, character by character with the state carried on, in NumPy float64; and right answers."""
    ids = one.processor.vocabulary.encode(one.data.block(i))
    state, total, right = None, 0.0, 0
    for own, following in pairwise(ids):
        with torch.no_grad():
            logits, state = model(torch.tensor([[own]]), state)
        scores = logits[0, 0].double().numpy()
        total += np.log(np.exp(scores).sum()) - scores[following]
        right += int(scores.argmax()) == following
    return total, right


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_loss(precision: str, tolerance: float) -> None:
    one = small("next-token", precision=precision)
    model = one.network().eval()
    loss = one.objective.loss(model, *one.objective.batch(np.array([7, 2, 29]), 0))
    total, right = np.sum([nats(one, model, i) for i in (7, 2, 29)], axis=0)
    assert loss.count == 3 * LENGTH
    assert loss.mean.item() == pytest.approx(total / loss.count, rel=tolerance)
    assert loss.correct is not None
    if precision == "float32":
        assert int(loss.correct) == right


def test_validation() -> None:
    one = small("next-token")
    assert one.processor.vocabulary.encode(one.data.block(N - 1))[-2:] == [UNKNOWN] * 2
    model = one.network().eval()
    figures, scored = one.objective.validate(model)
    assert isinstance(scored, Scored)
    expected = [nats(one, model, i)[0] for i in range(TRAIN, N)]
    np.testing.assert_allclose(scored.statistics, [(own, LENGTH) for own in expected], rtol=1e-5)
    assert figures["validation_loss"] == pytest.approx(sum(expected) / (10 * LENGTH), rel=1e-5)
    assert figures["validation_bits"] == pytest.approx(figures["validation_loss"] / np.log(2))
