"""Resume is exact: stopped at any step, in any way, a training ends with the bits of one left alone."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
from pathlib import Path

import pytest
import torch
from core.lines import one_line
from lanes import EVERY_CASE
from safetensors import safe_open
from training.forks import DONE, INTERRUPTED, Forks
from training.small_tasks import MODELS, small, train_small
from training.trainings import STEPS, Stop, left_on_disk, same, stop_at, train, weights

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.events import Epoch
from ecrnn.core.predictions import predictions_bytes
from ecrnn.models.build import build
from ecrnn.training import checkpoints, loop
from ecrnn.training.checkpoints import Checkpoint
from ecrnn.training.interruption import Interrupted
from ecrnn.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("torch_is_put_back")

# Each optimizer in both precisions; models, schedules and augmentation in turn.
CASES = {
    "adam float32": {"optimizer": "adam", "schedule": "cosine", "augment": "flip-crop"},
    "adam bfloat16": {"optimizer": "adam", "precision": "bfloat16"},
    "adamw float32": {"optimizer": "adamw", "weight_decay": 0.01, "model": "ecrnn-bilstm-2", "schedule": "cosine"},
    "adamw bfloat16": {"optimizer": "adamw", "precision": "bfloat16", "augment": "flip-crop", "schedule": "cosine"},
    "sgd float32": {"optimizer": "sgd", "model": "crnn-gru-2", "augment": "flip-crop", "lr": 0.01},
    "clipped, truncated": {"clip_norm": 0.3, "truncate_steps": 5, "model": "crnn-lstm-2", "optimizer": "sgd"},
    "muon": {"optimizer": "muon", "precision": "bfloat16", "lr": 0.1, "schedule": "cosine", "augment": "flip-crop"},
    "averaged": {"weight_averaging": 0.9, "schedule": "one-cycle", "label_smoothing": 0.1, "class_weights": "balanced"},
    "augmented": {"augment": "flip,crop,rotate,colour,cutout,mixup"},
    "sgd bfloat16": {"optimizer": "sgd", "precision": "bfloat16", "schedule": "cosine", "lr": 0.01},
}
EVERY_STEP = {"checkpoint_seconds": 1e-9}


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("case", CASES)
def test_stopped_by_a_signal_at_every_step(tmp_path: Path, left_alone, case: str) -> None:
    """One training, stopped after each of its steps and taken up again each time."""
    settings = CASES[case]
    for step in range(1, 2 * STEPS):
        with pytest.raises(Interrupted):
            train(tmp_path, progress=stop_at(step, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    train(tmp_path, **settings)
    same(left_on_disk(left_alone(**settings)), left_on_disk(tmp_path))


@pytest.mark.parametrize("case", ["adam float32", pytest.param("sgd bfloat16", marks=pytest.mark.slow)])
def test_epochs_that_count_are_kept_through_stops(tmp_path: Path, case: str) -> None:
    """Of four epochs the last three count; stopped inside each of them, and at its last step."""
    settings: dict = CASES[case] | {"epochs": 4, "score_epochs": 3, "lr": 2.0 if case == "adam float32" else 0.02}
    _, alone = train(tmp_path / "alone", **settings)
    for step in (2, 2 * STEPS, 2 * STEPS + 1, 4 * STEPS - 1, 4 * STEPS):
        with pytest.raises(Interrupted):
            train(tmp_path / "run", progress=stop_at(step, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    _, stopped = train(tmp_path / "run", **settings)
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))
    assert predictions_bytes(alone.last_predictions) == predictions_bytes(stopped.last_predictions)
    counted = [epoch.correct.mean() for epoch in stopped.last_predictions.epochs()]
    assert counted == [line["validation_accuracy"] for line in stopped.history[1:]]
    assert case != "adam float32" or len(set(counted)) > 1  # else any epoch would do
    assert [line.get("validation_auc") is not None for line in stopped.history] == [False, True, True, True]


def test_a_roll_back_leaves_no_epoch_twice(tmp_path: Path) -> None:
    """The third of four epochs is begun again; on disk it is stopped between as well."""

    def high_rate(epoch: int, step: int, rate: float) -> str | None:
        return "loss" if epoch == 2 and step == 3 and rate > 6e-4 else None

    settings: dict = {"epochs": 4, "score_epochs": 3, "non_finite": "roll-back", "poison": high_rate}
    _, alone = train(**settings)
    for step in (STEPS + 1, 2 * STEPS + 1, 3 * STEPS + 2):
        with pytest.raises(Interrupted):
            train(tmp_path, progress=stop_at(step, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    _, stopped = train(tmp_path, **settings)
    assert (alone.roll_backs, stopped.roll_backs) == (1, 1)
    for trained in (alone, stopped):
        counted = [epoch.correct.mean() for epoch in trained.last_predictions.epochs()]
        assert counted == [line["validation_accuracy"] for line in trained.history[1:]]
    assert predictions_bytes(alone.last_predictions) == predictions_bytes(stopped.last_predictions)


@pytest.mark.parametrize("wanted", [1, 2, 3, 50])
def test_as_many_epochs_count_as_there_are(wanted: int) -> None:
    _, trained = train(epochs=2, score_epochs=wanted)
    earlier = trained.last_predictions.earlier
    assert (0 if earlier is None else len(earlier)) == min(wanted, 2) - 1
    assert trained.predictions.earlier is None


def test_a_checkpoint_that_lacks_an_epoch_is_not_gone_on_with(tmp_path: Path) -> None:
    settings: dict = {"epochs": 3, "score_epochs": 3}
    with pytest.raises(Interrupted):
        train(tmp_path, progress=stop_at(2 * STEPS + 1, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    folder = tmp_path / "checkpoint"
    path = folder / "step.safetensors"
    with safe_open(path, framework="pt") as file:
        identity = json.loads(file.metadata()["training"])["identity"]
    whole = checkpoints.read(path, identity)
    assert whole is not None
    assert identity["score_epochs"] == 3
    del whole.tensors["earlier.1"]
    checkpoints.write(whole, path, identity)
    with one_line(RunDirectoryError, folder, "holds a checkpoint of another network; delete it"):
        train(tmp_path, **settings)
    with one_line(RunDirectoryError, folder, "holds a training with another score_epochs"):
        train(tmp_path, epochs=3, score_epochs=2)


@pytest.mark.sampled(cover=1)
@pytest.mark.parametrize("keep", ["best", "last"])
@pytest.mark.parametrize("task", MODELS)
def test_every_task_goes_on(tmp_path: Path, task: str, keep: str) -> None:
    """Stopped inside all three epochs of four steps and at the end of the first; of them the last two count, and
    there is dropout where the model has it."""
    settings: dict = {"keep": keep, "augment": "crop", "precision": "bfloat16" if keep == "best" else "float32"}
    settings |= {"epochs": 3, "score_epochs": 2}
    alone, expected = train_small(tmp_path / "alone", task, **settings)
    for step in (1, 3, 4, 6, 9):
        stop = stop_at(step, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Interrupted):
            train_small(tmp_path / "run", task, progress=stop, **settings)
    model, trained = train_small(tmp_path / "run", task, **settings)
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))
    same(alone.state_dict(), model.state_dict())
    assert (trained.best_epoch, trained.best_value) == (expected.best_epoch, expected.best_value)
    assert trained.predictions is not None
    assert expected.predictions is not None
    assert trained.predictions.statistics.tolist() == expected.predictions.statistics.tolist()
    assert predictions_bytes(trained.last_predictions) == predictions_bytes(expected.last_predictions)
    metric = small(task).objective.metric
    counted = [metric.value(epoch.statistics) for epoch in trained.last_predictions.epochs()]
    assert counted == [line[f"validation_{metric.name}"] for line in trained.history[-2:]]


def test_dropout_is_resumed_with_the_same_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in AlexNet; the masks come from torch's generator, whose state is in the checkpoint."""

    def build_with_dropout(*arguments) -> torch.nn.Module:
        network = build(*arguments)
        network.output = torch.nn.Sequential(torch.nn.Dropout(0.5), network.output)
        return network

    monkeypatch.setattr("training.trainings.build", build_with_dropout)
    train(tmp_path / "alone", model="mlp-16")
    for step in range(1, 2 * STEPS):
        stop = stop_at(step, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(Interrupted):
            train(tmp_path / "run", model="mlp-16", progress=stop)
    train(tmp_path / "run", model="mlp-16")
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("step", range(1, 2 * STEPS + 1))
def test_died_at_each_step(tmp_path: Path, left_alone, step: int) -> None:
    """Died after step k with a checkpoint of step k - 1: a step is done twice."""
    settings = CASES["adam float32"]
    with pytest.raises(Stop):
        train(tmp_path, progress=stop_at(step), **settings, **EVERY_STEP)
    model, trained = train(tmp_path, **settings)
    same(left_on_disk(left_alone(**settings)), left_on_disk(tmp_path))
    assert trained.steps == 2 * STEPS
    assert len(trained.history) == 2
    for name, value in model.state_dict().items():
        assert torch.equal(value, left_on_disk(tmp_path)[f"model.{name}"])


@pytest.mark.parametrize("precision", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_keep_best(tmp_path: Path, left_alone, precision: str) -> None:
    settings = {"keep": "best", "epochs": 4, "lr": 0.003, "precision": precision}
    alone, _ = train(tmp_path / "alone", **settings)
    for step in range(1, 4 * STEPS, 2):
        with pytest.raises(Interrupted):
            train(tmp_path / "run", progress=stop_at(step, lambda: signal.raise_signal(signal.SIGINT)), **settings)
    model, _ = train(tmp_path / "run", **settings)
    same(alone.state_dict(), model.state_dict())
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))


def test_a_finished_training_is_not_trained_again(tmp_path: Path) -> None:
    _, first = train(tmp_path)
    before = left_on_disk(tmp_path)
    events: list[object] = []
    _, second = train(tmp_path, progress=events.append)
    assert not events
    assert second == first
    same(before, left_on_disk(tmp_path))


def test_optimizer_state_has_the_layout_of_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused optimizers walk weights and state in memory order; a state in another one meets other weights."""
    strides: list[list[tuple[int, ...]]] = []
    restore = Trainer.restore

    def watched(self: Trainer, checkpoint: Checkpoint) -> None:
        restore(self, checkpoint)
        pairs = [(p, state["exp_avg"]) for p, state in self.optimizer.state.items()]
        strides.append([s.stride() for p, s in pairs if p.dim() == 4])
        assert all(state.stride() == p.stride() for p, state in pairs)

    with pytest.raises(Interrupted):
        train(tmp_path, progress=stop_at(2, lambda: signal.raise_signal(signal.SIGTERM)))
    monkeypatch.setattr(Trainer, "restore", watched)
    train(tmp_path)
    assert len(strides[-1]) == 2  # the convolutions, so something was compared


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"lr": 0.5}, "lr"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"epochs": 3}, "epochs"),
        ({"seed": 6}, "seed"),
        ({"keep": "best"}, "keep"),
        ({"precision": "bfloat16"}, "precision"),
        ({"threads": 2}, "threads"),
        ({"model": "ecnn"}, "model"),
    ],
)
def test_other_settings(tmp_path: Path, left_alone, change: dict[str, object], key: str) -> None:
    shutil.copytree(left_alone(), tmp_path / "run")
    before = {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}
    with one_line(RunDirectoryError, tmp_path / "run" / "checkpoint", f"another {key};"):
        train(tmp_path / "run", **change)
    assert before == {p: p.read_bytes() for p in (tmp_path / "run").rglob("*") if p.is_file()}


def test_other_times_between_checkpoints_are_the_same_training(tmp_path: Path, left_alone) -> None:
    shutil.copytree(left_alone(), tmp_path / "run")
    train(tmp_path / "run", checkpoint_seconds=1)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["adam float32", "adamw bfloat16"])
def test_killed_at_random_moments(tmp_path: Path, left_alone, forks: Forks, case: str) -> None:
    """SIGKILL, 10 times or 20, at random moments of steps, validations and writes."""
    settings = CASES[case] | {"epochs": 10, "keep": "best"}
    rng, kills = random.Random(case), 0
    for _ in range(20 if EVERY_CASE else 10):
        ticks, delay = rng.randint(1, 3), rng.uniform(0, 0.05)
        arguments = {"folder": str(tmp_path), **settings, **EVERY_STEP}
        kills += forks("training.trainings:train_all", ticks=ticks, delay=delay, **arguments) == -signal.SIGKILL
    assert kills > 2
    assert forks("training.trainings:train_all", folder=str(tmp_path), **settings) == DONE
    same(left_on_disk(left_alone(**settings)), left_on_disk(tmp_path))
    best = tmp_path / "checkpoint" / "best.safetensors"
    assert best.read_bytes() == (left_alone(**settings) / "checkpoint" / "best.safetensors").read_bytes()
    assert not list(tmp_path.rglob("step.safetensors"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_process_told_to_stop(tmp_path: Path, left_alone, forks: Forks, name: str) -> None:
    settings = CASES["adam float32"]
    function, folder = "training.trainings:train_all", str(tmp_path)
    assert forks(function, folder=folder, ticks=2, signals=(name,), **settings) == INTERRUPTED
    assert (tmp_path / "checkpoint" / "step.safetensors").is_file()
    assert forks(function, folder=folder, **settings) == DONE
    same(left_on_disk(left_alone(**settings)), left_on_disk(tmp_path))


@pytest.mark.slow
def test_a_second_signal_ends_the_process_at_once(tmp_path: Path, left_alone, forks: Forks) -> None:
    settings = CASES["adam float32"]
    function, folder = "training.trainings:train_all", str(tmp_path)
    status = forks(function, folder=folder, ticks=9, hold=True, signals=("SIGINT", "SIGTERM"), **settings)
    assert status == -signal.SIGTERM
    assert forks(function, folder=folder, **settings) == DONE
    same(left_on_disk(left_alone(**settings)), left_on_disk(tmp_path))


def test_a_signal_in_the_last_step_is_not_lost(tmp_path: Path, left_alone) -> None:
    """The training is whole then, but its caller must not go on with the next one."""
    with pytest.raises(Interrupted) as caught:
        train(tmp_path, progress=stop_at(2 * STEPS, lambda: signal.raise_signal(signal.SIGTERM)))
    assert caught.value.signal == signal.SIGTERM
    train(tmp_path, progress=stop_at(2 * STEPS, lambda: pytest.fail("trained again")))
    same(left_on_disk(left_alone()), left_on_disk(tmp_path))


def test_a_signal_after_the_last_checkpoint_is_not_lost(tmp_path: Path) -> None:
    def progress(event) -> None:
        if isinstance(event, Epoch) and event.epoch == event.epochs:
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        train(tmp_path, progress=progress)


def test_a_signal_after_the_last_event_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop._OnDisk, "_write_metrics", lambda self: signal.raise_signal(signal.SIGTERM))
    monkeypatch.setattr(loop._OnDisk, "_keep_epoch", lambda self: None)
    with pytest.raises(Interrupted):
        train(tmp_path, epochs=1)


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("how", ["flipped", "cut", "missing", "a pipe"])
@pytest.mark.parametrize("put_again", [True, False])
def test_the_best_weights_are_damaged(tmp_path: Path, how: str, put_again: bool, monkeypatch) -> None:
    """From the checkpoint of their own epoch they are written again; with another the training begins again."""
    best = 3 if put_again else 1
    monkeypatch.setattr(Trainer, "is_best", lambda self: len(self.position.history) == best)
    network, trained = train(tmp_path, keep="best", epochs=3)
    assert trained.best_epoch == best
    path = tmp_path / "checkpoint" / "best.safetensors"
    good, data = weights(network), path.read_bytes()
    path.unlink()
    match how:
        case "flipped":
            path.write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
        case "cut":
            path.write_bytes(data[: len(data) // 2])
        case "a pipe":
            os.mkfifo(path)
    left: list[bool] = []  # at each step, whether there is a checkpoint of an epoch

    def progress(event) -> None:
        left.append((tmp_path / "checkpoint" / "epoch.safetensors").exists())

    network, trained = train(tmp_path, keep="best", epochs=3, progress=progress)
    assert trained.best_epoch == best
    assert left[:1] == ([] if put_again else [False])  # those of before are gone: one stopped now goes on from here
    assert path.read_bytes() == data
    same(weights(network), good)


def test_killed_between_a_checkpoint_and_the_best_weights(tmp_path: Path, monkeypatch) -> None:
    good = weights(train(tmp_path / "whole", keep="best", epochs=2)[0])
    real = loop.write_atomically

    def write(path: Path, content: bytes | str) -> None:
        if path.name == "best.safetensors":
            raise Stop
        real(path, content)

    monkeypatch.setattr(loop, "write_atomically", write)
    with pytest.raises(Stop):
        train(tmp_path / "run", keep="best", epochs=2)
    monkeypatch.setattr(loop, "write_atomically", real)
    steps: list[int] = []
    network, _ = train(tmp_path / "run", keep="best", epochs=2, progress=lambda event: steps.append(event.step))
    same(weights(network), good)
    assert steps[0] == STEPS + 1  # the epoch that was done is not trained again


def test_killed_between_the_last_checkpoint_and_its_metrics(tmp_path: Path) -> None:
    train(tmp_path, epochs=2)
    whole = (tmp_path / "metrics.jsonl").read_text()
    (tmp_path / "metrics.jsonl").write_text(whole.splitlines(keepends=True)[0])
    train(tmp_path, epochs=2, progress=lambda event: pytest.fail("trained again"))
    assert (tmp_path / "metrics.jsonl").read_text() == whole
