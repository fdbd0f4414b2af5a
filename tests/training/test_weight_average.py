"""The average of the weights: its recurrence, its batch statistics, and that it is what predicts and what is kept."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save
from torch import nn
from training.trainings import STEPS, image_set, left_on_disk, make_settings, make_task, same, stop_at, train, weights

from ecrnn.core.events import Epoch, Step
from ecrnn.models.build import build
from ecrnn.training import loop
from ecrnn.training.interruption import Interrupted
from ecrnn.training.trainer import Trainer
from ecrnn.training.weight_average import BATCHES

pytestmark = pytest.mark.usefixtures("torch_is_put_back")
DECAY = 0.6  # which is the smaller one from step 13 on, counted from 0


def test_it_is_the_recurrence_with_statistics_of_its_own() -> None:
    images, settings = image_set(), make_settings(epochs=3, weight_averaging=DECAY, lr=0.01)
    task = make_task(settings, images)
    trainer = Trainer(build("cnn", images.image, 4, 0), task, settings, seed=5)
    expected = {name: p.detach().double() for name, p in trainer.model.named_parameters()}
    scores = []
    for event in trainer.epochs():
        if isinstance(event, Step):
            n = event.step - 1
            decay = min(DECAY, (1 + n) / (10 + n))
            for name, p in trainer.model.named_parameters():
                expected[name] = decay * expected[name] + (1 - decay) * p.detach().double()
        elif isinstance(event, Epoch):
            scores.append(event.metrics["validation_loss"])
    stepped, last = weights(trainer.model), trainer.predictions()
    trainer.end_with()
    for name, p in trainer.model.named_parameters():
        torch.testing.assert_close(p.detach().double(), expected[name], rtol=1e-5, atol=1e-6)
        assert not torch.equal(p, stepped[name])
    assert STEPS < BATCHES
    other = build("cnn", images.image, 4, 0)
    other.load_state_dict(trainer.model.state_dict())
    batches = [task.batch(positions, 2)[0] for positions in task.order(5, 2)]
    with torch.no_grad():
        for layer in (m for m in other.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)):
            layer.rule = "even"
        torch.optim.swa_utils.update_bn(batches, other)
    for (name, mine), theirs in zip(trainer.model.named_buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(mine, theirs, msg=name)
    assert scores[-1] == pytest.approx(task.validate(trainer.model)[0]["validation_loss"], rel=1e-6)
    assert last.logits.tolist() == trainer.predictions().logits.tolist()


@pytest.mark.parametrize("keep", ["best", "last"])
def test_on_disk_stopped_and_in_memory_it_is_the_same(tmp_path: Path, keep: str) -> None:
    settings = {"keep": keep, "epochs": 3, "weight_averaging": DECAY, "lr": 0.02, "augment": "flip-crop"}
    alone, trained = train(**settings)
    for step in (4, STEPS, 2 * STEPS + 1):
        with pytest.raises(Interrupted):
            train(tmp_path, progress=stop_at(step, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    if keep == "best":
        (tmp_path / "checkpoint" / "best.safetensors").unlink()  # put again from the epoch's checkpoint
        assert trained.best_epoch < 3 or load_file(tmp_path / "checkpoint" / "epoch.safetensors")
    stopped, again = train(tmp_path, **settings)
    same(weights(alone), weights(stopped))
    assert (again.best_epoch, again.best_value) == (trained.best_epoch, trained.best_value)
    assert again.predictions.logits.tolist() == trained.predictions.logits.tolist()
    assert any(name.startswith("average.") for name in left_on_disk(tmp_path))


def test_best_weights_with_other_last_bits_are_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill left them unwritten, and the machine that makes them again rounds the averaged statistics otherwise."""
    monkeypatch.setattr(Trainer, "is_best", lambda trainer: len(trainer.position.history) == 1)
    settings = {"keep": "best", "epochs": 3, "weight_averaging": DECAY}
    with pytest.raises(Interrupted):
        train(tmp_path, progress=stop_at(STEPS + 2, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    (tmp_path / "checkpoint" / "best.safetensors").unlink()

    def other_bits(model: nn.Module) -> bytes:
        tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        return save(tensors | {"1.running_var": torch.nextafter(tensors["1.running_var"], torch.tensor(9.0))})

    monkeypatch.setattr(loop, "weights_of", other_bits)
    with pytest.raises(Interrupted):  # and stopped once more
        train(tmp_path, progress=stop_at(STEPS + 4, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    assert train(tmp_path, **settings)[1].best_epoch == 1


def test_the_training_itself_is_another_ones() -> None:
    """Averaging changes what predicts; the steps are those of a training without."""
    with_average, without = (train(epochs=2, weight_averaging=decay)[1] for decay in (DECAY, 0.0))
    losses = [[line["train_loss"] for line in trained.history] for trained in (with_average, without)]
    assert losses[0] == losses[1]
    assert with_average.history[-1]["validation_loss"] != without.history[-1]["validation_loss"]
