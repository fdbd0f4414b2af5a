"""What the tasks with classes have in common."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training.small_tasks import small
from training.trainings import make_settings, make_task

from ecrnn.core.predictions import Predictions
from ecrnn.models.build import build
from ecrnn.training.classification import score


@pytest.mark.parametrize("task", ["clip-classification", "text-classification"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_loss(task: str, precision: str, tolerance: float) -> None:
    """Against cross-entropy in NumPy float64, one example at a time."""
    one = small(task, precision=precision)
    model, positions = one.network().eval(), np.arange(9)
    loss = one.objective.loss(model, *one.objective.batch(positions, 0))
    nats, right = 0.0, 0
    for position in positions:
        inputs, labels = one.objective.batch(np.array([position]), 0)
        assert labels.tolist() == [one.data.labels[position]]
        with torch.no_grad():
            (logits,) = model(*(inputs if isinstance(inputs, tuple) else (inputs,))).double().numpy()
        nats -= (logits - np.log(np.exp(logits).sum()))[labels[0]]
        right += logits.argmax() == labels[0]
    assert loss.mean.item() == pytest.approx(nats / 9, rel=tolerance)
    assert loss.correct is not None
    assert loss.count == 9
    if precision == "float32":
        assert int(loss.correct) == right


@pytest.mark.parametrize("name", ["mlp-6", "mlp-6-squared"])
def test_a_model_with_an_error_of_its_own_is_trained_with_it(name: str) -> None:
    task = make_task(make_settings())
    task.optimizer = torch.optim.SGD(build("mlp-6", (3, 8, 8), 4, 0).parameters())
    model = build(name, (3, 8, 8), 4, 0)
    inputs, targets = task.batch(np.arange(8), 0)
    loss = task.loss(model, inputs, targets)
    outputs = model(inputs).detach()
    right = torch.eye(4)[targets]
    if name.endswith("squared"):
        expected = 0.5 * ((outputs.exp() - right) ** 2).sum(1).mean()
    else:
        expected = -(outputs.log_softmax(1) * right).sum(1).mean()
    torch.testing.assert_close(loss.mean.detach(), expected)
    assert loss.correct is not None
    assert int(loss.correct) == int((outputs.argmax(1) == targets).sum())


def test_score() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], np.float32))
    given = Predictions(np.arange(3), np.array([0, 1, 1]), logits)
    found = score(given)
    assert found["validation_accuracy"] == pytest.approx(2 / 3)
    assert found["validation_loss"] == pytest.approx(-np.log([0.5, 0.1, 0.8]).mean(), rel=1e-6)
