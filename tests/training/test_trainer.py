"""A training in memory: it may be taken up anywhere, in another process, with the bits of one left alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from core.lines import one_line
from training.trainings import STEPS, image_set, make_settings, make_task, same, timeless, weights

from ecrnn.core.errors import TrainingError
from ecrnn.core.events import Epoch, Message, Step
from ecrnn.core.predictions import predictions_bytes
from ecrnn.models.build import build
from ecrnn.training import loop
from ecrnn.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("torch_is_put_back")


@pytest.fixture
def own_random_numbers() -> Iterator[None]:
    with torch.random.fork_rng(devices=[]):
        yield


def trainer(model: str = "ecrnn-bilstm-2", **settings) -> Trainer:
    images = image_set()
    of_training = make_settings(**{"epochs": 2, **settings})
    return Trainer(
        build(model, images.image, len(images.classes), 0), make_task(of_training, images), of_training, seed=5
    )


def test_it_is_the_training_that_is_kept_on_disk(tmp_path) -> None:
    one, two = trainer(), trainer()
    in_memory = one.fit()
    events: list[object] = []
    on_disk = loop.fit(two.model, two.objective, two.settings, seed=5, folder=tmp_path, progress=events.append)
    same(weights(one.model), weights(two.model))
    assert [timeless(m) for m in in_memory.history] == [timeless(m) for m in on_disk.history]
    assert [type(event) for event in events] == 2 * [*STEPS * [Step], Epoch]


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("done", [1, STEPS - 1, STEPS, STEPS + 2])
def test_it_goes_on_from_its_state(done: int, own_random_numbers: None) -> None:
    torch.manual_seed(3)
    alone = trainer(augment="flip-crop")
    list(alone.epochs())
    torch.manual_seed(3)
    first, second = trainer(augment="flip-crop"), trainer(augment="flip-crop")
    steps = (event for event in first.epochs() if isinstance(event, Step))
    for _ in range(done):
        next(steps)
    state = first.state_dict()
    for _ in steps:  # what the first does after that is its own
        pass
    torch.manual_seed(4)
    second.load_state_dict(state)
    assert (second.position.epoch, second.position.step) == divmod(done, STEPS) or done == STEPS
    list(second.epochs())
    same(weights(alone.model), weights(second.model))
    assert [timeless(m) for m in second.position.history] == [timeless(m) for m in alone.position.history]


def test_epochs_that_count_are_in_its_state() -> None:
    images = image_set()

    def make() -> Trainer:
        settings = make_settings(epochs=3)
        network = build("cnn", images.image, len(images.classes), 0)
        return Trainer(network, make_task(settings, images), settings, seed=5, score_epochs=3)

    alone, first, second = make(), make(), make()
    events = first.epochs()
    for _ in range(2 * (STEPS + 1) + 1):  # two epochs with their ends, and a step
        next(events)
    second.load_state_dict(first.state_dict())
    whole, on = alone.fit().last_predictions, second.fit().last_predictions
    assert whole.earlier.shape == (2, 12)
    assert predictions_bytes(whole) == predictions_bytes(on)


def test_the_learning_rate_falls_from_step_to_step() -> None:
    one, steps = trainer("cnn", schedule="cosine"), 2 * STEPS
    rates = [one.optimizer.param_groups[0]["lr"] for event in one.epochs() if isinstance(event, Step)]
    assert rates == [pytest.approx(0.0005 * (1 + math.cos(math.pi * done / steps))) for done in range(steps)]


def test_predictions_are_those_of_the_state_that_was_taken_up() -> None:
    one = trainer("cnn")
    state, before = one.state_dict(), predictions_bytes(one.predictions())
    list(one.epochs())
    assert predictions_bytes(one.predictions()) != before
    one.load_state_dict(state)
    assert predictions_bytes(one.predictions()) == before


def test_the_state_of_another_network_is_refused() -> None:
    state = trainer("cnn").state_dict()
    with one_line(TrainingError, "the state is that of another network or optimizer"):
        trainer().load_state_dict(state)


def test_a_roll_back_is_to_the_start_of_the_epoch_that_was_taken_up() -> None:
    one = trainer("cnn", non_finite="roll-back", lr=0.01)
    events = one.epochs()
    for _ in range(STEPS + 3):  # an epoch with its end, and two steps
        next(events)
    state, start = one.state_dict(), one.epoch_start
    two = trainer("cnn", non_finite="roll-back", lr=0.01)
    two.load_state_dict(state)
    with torch.no_grad():
        next(two.model.parameters()).fill_(torch.inf)
    again = next(two.epochs())
    assert (again.epoch, two.position.step, two.position.roll_backs) == (2, 1, 1)
    assert two.epoch_start is not None
    same(two.epoch_start.tensors, start.tensors)


def test_a_step_that_is_not_finite_changes_nothing() -> None:
    one = trainer("cnn", non_finite="skip")
    batch = one.objective.order(5, 0)[0]
    assert one.step(batch)
    with torch.no_grad():
        one.model.head.bias[0] = torch.nan
    before = one.state_dict()["now"]["tensors"]
    assert not one.step(batch)
    assert one.position.skipped == 1
    after = one.state_dict()["now"]["tensors"]
    assert all(torch.equal(before[name].nan_to_num(), after[name].nan_to_num()) for name in before)


def test_its_predictions_are_those_of_the_weights_it_has() -> None:
    one = trainer("cnn", epochs=4, lr=0.03)
    trained = one.fit(keep="best")
    assert trained.predictions.correct.mean() == trained.history[trained.best_epoch - 1]["validation_accuracy"]
    assert trained.last_predictions.correct.mean() == trained.history[-1]["validation_accuracy"]


def test_patience_ends_a_training_and_says_so(tmp_path) -> None:
    """At this rate nothing gets better for long; what is left is as of a training that was to end there."""
    settings = {"epochs": 30, "lr": 0.5, "patience": 3}
    one, two = trainer("cnn", **settings), trainer("cnn", **settings)
    events: list[object] = []
    trained = one.fit(events.append, keep="best")
    (message,) = [event.text for event in events if isinstance(event, Message)]
    accuracies = [line["validation_accuracy"] for line in trained.history]
    assert len(trained.history) == trained.best_epoch + 3 < 30
    assert max(accuracies[: trained.best_epoch]) >= max(accuracies[trained.best_epoch :])
    assert message == (
        f"training: stopped after epoch {len(trained.history)} of 30: no better validation accuracy for 3 epochs, best "
        f"is epoch {trained.best_epoch}"
    )
    arguments = {"seed": 5, "folder": tmp_path, "keep": "best"}
    on_disk = loop.fit(two.model, two.objective, two.settings, **arguments)
    assert [timeless(m) for m in on_disk.history] == [timeless(m) for m in trained.history]
    same(weights(one.model), weights(two.model))
    three = trainer("cnn", **settings)
    assert loop.fit(three.model, three.objective, three.settings, **arguments).steps == on_disk.steps  # and stays so
    with one_line(TrainingError, "patience chooses the end"):
        Trainer(one.model, one.objective, one.settings, score_epochs=3)
