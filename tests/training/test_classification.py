"""What the tasks with classes have in common."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from core.lines import one_line
from sklearn.utils.class_weight import compute_class_weight
from training.small_tasks import small
from training.trainings import make_settings, make_task

from ecrnn.core.errors import TrainingError
from ecrnn.core.predictions import Predictions
from ecrnn.models.build import build
from ecrnn.training.classification import balanced_weights, score


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


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_class_weights_and_label_smoothing(smoothing: float) -> None:
    """Against the definition, in NumPy float64, and scikit-learn's weights."""
    task = make_task(make_settings(label_smoothing=smoothing, class_weights="balanced"))
    task.split = replace(
        task.split, train=np.sort(np.concatenate([np.flatnonzero(task.labels == 0), np.arange(1, 12)]))
    )
    model = build("cnn", (3, 8, 8), 4, 0)
    task.optimizer = torch.optim.SGD(model.parameters())
    inputs, targets = task.batch(np.arange(16), 0)
    loss = task.loss(model.eval(), inputs, targets)
    trained_on = task.labels[task.split.train]
    weights = compute_class_weight("balanced", classes=np.arange(4), y=trained_on)
    assert weights.max() > 3 * weights.min()
    log_p = model(inputs).detach().double().log_softmax(1).numpy()
    labels = np.eye(4)[targets] * (1 - smoothing) + smoothing / 4
    expected = -(labels * weights * log_p).sum() / weights[targets].sum()
    assert loss.mean.item() == pytest.approx(expected, rel=1e-5)
    assert balanced_weights(np.array([0, 0, 2]), 4).tolist() == [0.75, 0, 1.5, 0]
    with one_line(TrainingError, "a loss of its own"):
        task.loss(build("mlp-6", (3, 8, 8), 4, 0), inputs, targets)


def test_score() -> None:
    logits = np.log(np.array([[0.5, 0.5], [0.9, 0.1], [0.2, 0.8]], np.float32))
    given = Predictions(np.arange(3), np.array([0, 1, 1]), logits)
    found = score(given)
    assert found["validation_accuracy"] == pytest.approx(2 / 3)
    assert found["validation_loss"] == pytest.approx(-np.log([0.5, 0.1, 0.8]).mean(), rel=1e-6)
