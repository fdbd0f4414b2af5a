"""The loop: it learns, the seed decides every bit, and nothing that is not finite stays."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from core.lines import one_line
from safetensors import safe_open
from safetensors.torch import load_file
from training.small_tasks import MODELS, small
from training.trainings import (
    STEPS,
    build,
    image_set,
    left_on_disk,
    make_settings,
    make_task,
    same,
    stop_at,
    timeless,
    train,
    weights,
)

from ecrnn.core.errors import RunDirectoryError, TrainingError
from ecrnn.core.events import Epoch, Event, Step
from ecrnn.data.batches import epoch_order
from ecrnn.recurrence import LSTM
from ecrnn.tasks.image_classification.objective import ImageClassification
from ecrnn.training import checkpoints, loop
from ecrnn.training.interruption import Interrupted
from ecrnn.training.objective import Loss, Objective
from ecrnn.training.trainer import Trainer

pytestmark = pytest.mark.usefixtures("torch_is_put_back")


@pytest.mark.sampled(most=2)
@pytest.mark.parametrize("model", ["cnn", "crnn-gru-2", "ecrnn-bilstm-2"])
def test_it_learns(model: str) -> None:
    _, trained = train(model=model, epochs=6, lr=0.01)
    losses = [metrics["train_loss"] for metrics in trained.history]
    assert losses[-1] < 0.9 * losses[0]
    assert trained.history[-1]["train_accuracy"] > trained.history[0]["train_accuracy"]
    assert (trained.steps, trained.skipped, trained.roll_backs) == (6 * STEPS, 0, 0)


def test_it_overfits_eight_images() -> None:
    images = image_set(16, 2)
    settings = make_settings(epochs=30, lr=0.003, batch_size=4)
    task = make_task(settings, images)
    task.split = replace(task.split, train=task.split.train[:8])
    network = build("cnn", images.image, 2, 0)
    trained = loop.fit(network, task, settings, seed=0)
    assert trained.history[-1]["train_loss"] < 0.05
    assert trained.history[-1]["train_accuracy"] == 1.0


def test_the_order_is_a_function_of_seed_and_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, list[int]]] = []
    batch = ImageClassification.batch

    def watched(self, positions, epoch):
        seen.append((epoch, positions.tolist()))
        return batch(self, positions, epoch)

    monkeypatch.setattr(ImageClassification, "batch", watched)
    train(epochs=2, seed=9)
    orders = [[p for epoch, positions in seen if epoch == number for p in positions] for number in range(2)]
    assert orders == [epoch_order(48, 9, number).tolist() for number in range(2)]
    assert orders[0] != orders[1]
    assert [len(positions) for _, positions in seen] == [8] * 12


def test_same_seed_same_bits() -> None:
    first, one = train(model="ecrnn-bilstm-2", epochs=1, augment="flip-crop")
    with torch.random.fork_rng(devices=[]):
        torch.rand(3)  # what others draw does not matter
        second, two = train(model="ecrnn-bilstm-2", epochs=1, augment="flip-crop")
    third, _ = train(model="ecrnn-bilstm-2", epochs=1, augment="flip-crop", seed=6)
    same(weights(first), weights(second))
    assert [timeless(m) for m in one.history] == [timeless(m) for m in two.history]
    with pytest.raises(AssertionError, match="differ"):
        same(weights(first), weights(third))


def test_the_cutoff_reaches_the_recurrent_layers() -> None:
    for cutoff in (1e-8, 0.0):
        model, _ = train(model="ecrnn-bilstm-2", epochs=1, cutoff=cutoff)
        assert [layer.cutoff for layer in model.modules() if isinstance(layer, LSTM)] == [cutoff]


def test_checkpoints_do_not_change_the_training(tmp_path: Path) -> None:
    without, _ = train(epochs=2)
    with_folder, _ = train(tmp_path, epochs=2, checkpoint_seconds=1e-9)
    same(weights(without), weights(with_folder))


@pytest.mark.parametrize("window", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_best_and_last(tmp_path: Path, window: int) -> None:
    """The best epoch's weights are those of a training that ends there; on disk and in memory the same."""
    settings = {"epochs": 6, "lr": 2.0}
    model, trained = train(tmp_path, keep="best", window=window, **settings)
    scores = {
        epoch: tuple(
            np.mean([line[f"validation_{name}"] for line in trained.history[max(0, epoch - window) : epoch]])
            for name in ("accuracy", "loss")
        )
        for epoch in range(1, 7)
    }
    best = max(score for score, _ in scores.values())
    assert trained.best_value == pytest.approx(best, rel=1e-12)
    assert trained.best_epoch == min((loss, epoch) for epoch, (score, loss) in scores.items() if score > best - 1e-9)[1]
    in_memory, _ = train(keep="best", window=window, **settings)
    same(weights(model), weights(in_memory))
    until_then, _ = train(epochs=trained.best_epoch, lr=2.0)
    same(weights(model), weights(until_then))
    last, of_last = train(**settings)
    assert trained.best_epoch < 6, "the test needs a best epoch that is not the last"
    assert any(
        not torch.equal(a, b) for a, b in zip(model.state_dict().values(), last.state_dict().values(), strict=True)
    )
    assert np.array_equal(trained.last_predictions.logits, of_last.predictions.logits)
    assert not np.array_equal(trained.predictions.logits, of_last.predictions.logits)
    assert trained.predictions.correct.mean() == trained.history[trained.best_epoch - 1]["validation_accuracy"]


def test_a_window_longer_than_the_training_is_all_of_it() -> None:
    model, trained = train(keep="best", window=50, epochs=4, lr=0.03)
    other, of_four = train(keep="best", window=4, epochs=4, lr=0.03)
    assert trained.best_epoch == of_four.best_epoch
    same(weights(model), weights(other))


def test_checkpoints_of_before_there_was_a_choice(tmp_path: Path) -> None:
    """What they did not name is named only where it is something else; so they still go on."""
    train(tmp_path, epochs=1, batch_statistics="even", keep="best")
    with safe_open(tmp_path / "checkpoint" / "epoch.safetensors", "pt") as file:
        identity = json.loads(file.metadata()["training"])["identity"]
    assert not {"batch_statistics", "window", "clip_norm", "truncate_steps"} & identity.keys()
    for other, named in (({}, "batch_statistics"), ({"batch_statistics": "even", "window": 3}, "window")):
        with pytest.raises(RunDirectoryError, match=f"another {named};"):
            train(tmp_path, epochs=1, keep="best", **other)


def test_the_rule_of_batch_statistics_changes_what_predicts_and_nothing_that_trains() -> None:
    (one, of_one), (other, of_other) = (train(epochs=3, batch_statistics=rule) for rule in ("recent", "even"))
    mine, theirs = one.state_dict(), other.state_dict()
    differ = {name for name in mine if not torch.equal(mine[name], theirs[name])}
    assert differ == {name for name in mine if "running" in name}
    losses = [[line["train_loss"] for line in trained.history] for trained in (of_one, of_other)]
    assert losses[0] == losses[1]


def test_metrics_on_disk(tmp_path: Path) -> None:
    _, trained = train(tmp_path, epochs=3, schedule="cosine")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == trained.history
    assert [line["epoch"] for line in trained.history] == [1, 2, 3]
    names = ["epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy", "lr", "seconds"]
    for line in trained.history:
        assert list(line) == names
        assert all(math.isfinite(value) for value in line.values())


def test_metrics_are_there_after_every_epoch(tmp_path: Path) -> None:
    found: list[int] = []

    def progress(event: Event) -> None:
        if isinstance(event, Epoch):
            found.append(len((tmp_path / "metrics.jsonl").read_text().splitlines()))

    train(tmp_path, epochs=3, progress=progress)
    assert found == [1, 2, 3]


def test_an_epoch_interrupted_at_its_end_is_on_disk_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validate = ImageClassification.validate

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)
        return validate(*arguments)

    monkeypatch.setattr(ImageClassification, "validate", interrupted)
    with pytest.raises(Interrupted):
        train(tmp_path, epochs=3)
    left = left_on_disk(tmp_path)
    assert left["position"]["epoch"] == 1
    assert [line["epoch"] for line in left["metrics"]] == [1]


def test_progress() -> None:
    events: list[Any] = []
    _, trained = train(epochs=2, progress=events.append)
    assert [type(event) for event in events] == [*[Step] * 6, Epoch] * 2
    steps = [event for event in events if isinstance(event, Step)]
    assert [event.step for event in steps] == list(range(1, 13))
    assert [event.epoch for event in steps] == [1] * 6 + [2] * 6
    epochs = [event for event in events if isinstance(event, Epoch)]
    assert [(event.step, event.epoch) for event in epochs] == [(6, 1), (12, 2)]
    assert [event.metrics for event in epochs] == trained.history
    assert {(event.steps, event.epochs, event.label) for event in events} == {(12, 2, "training")}


def test_a_training_goes_no_further_than_it_is_asked_for(tmp_path: Path) -> None:
    """And closed at any event it leaves torch and the signals as they were."""
    before, threads = signal.getsignal(signal.SIGTERM), torch.get_num_threads()
    settings = make_settings(epochs=2, threads=1 if threads > 1 else 2)
    task = make_task(settings)
    model = build("cnn", task.images.image, len(task.images.classes))
    task.optimizer = torch.optim.SGD(model.parameters())  # which only trainings that are poisoned look at
    events = loop.fit_events(model, task, settings, seed=0, folder=tmp_path)
    assert [next(events).step for _ in range(3)] == [1, 2, 3]
    assert torch.get_num_threads() != threads
    events.close()
    assert (signal.getsignal(signal.SIGTERM), torch.get_num_threads()) == (before, threads)


def test_torch_is_put_back_after_an_error() -> None:
    """And after a success, which the fixture of this folder looks at in every test."""
    threads = torch.get_num_threads()
    other = 1 if threads > 1 else 2
    seen: list[int] = []

    def progress(event: Event) -> None:
        seen.append(torch.get_num_threads())
        raise KeyError

    with pytest.raises(KeyError):
        train(threads=other, progress=progress)
    assert seen == [other]
    assert torch.get_num_threads() == threads


def test_handlers_are_put_back(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    inside: list[object] = []
    train(tmp_path, epochs=1, progress=lambda event: inside.append(signal.getsignal(signal.SIGTERM)))
    assert before[1] not in inside
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted):
        train(tmp_path / "b", progress=stop_at(3, lambda: signal.raise_signal(signal.SIGINT)))
    assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_without_a_folder_signals_are_left_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    inside: list[object] = []
    train(epochs=1, progress=lambda event: inside.append(signal.getsignal(signal.SIGTERM)))
    assert set(inside) == {before}


def test_in_a_thread(tmp_path: Path, left_alone) -> None:
    """Where Python hears no signals, a training with a folder runs all the same."""
    thread = threading.Thread(target=train, args=(tmp_path,))
    thread.start()
    thread.join()
    same(left_on_disk(left_alone()), left_on_disk(tmp_path))


def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left_alone) -> None:
    real = os.fsync

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    def fill(*_: object) -> None:
        monkeypatch.setattr("ecrnn.core.files.os.fsync", full)

    with one_line(RunDirectoryError, "no space left", tmp_path):
        train(tmp_path, progress=stop_at(STEPS + 2, fill), checkpoint_seconds=1e-9)
    monkeypatch.setattr("ecrnn.core.files.os.fsync", real)
    train(tmp_path)
    same(left_on_disk(left_alone()), left_on_disk(tmp_path))


def once(kind: str, epoch: int = 1, step: int = 2):
    return lambda e, s, rate: kind if (e, s) == (epoch, step) else None


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_not_finite_stop(tmp_path: Path, kind: str) -> None:
    with one_line(TrainingError, "epoch 2, step 3", "not finite", "--lr"):
        train(tmp_path, poison=once(kind), checkpoint_seconds=1e-9)
    found = list((tmp_path / "checkpoint").iterdir())
    assert {path.name for path in found} == {"epoch.safetensors", "step.safetensors"}
    for path in found:
        assert all(t.isfinite().all() for t in load_file(path).values() if t.is_floating_point())
    train(tmp_path)  # and goes on from before the step


@pytest.mark.parametrize("kind", ["loss", "gradient"])
def test_not_finite_skip(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The step leaves weights, batch statistics and the optimizer's state as they were."""
    states: list[dict[str, torch.Tensor]] = []
    step = Trainer.step

    def watched(self: Trainer, positions) -> bool:
        before = checkpoints.capture(self.model, self.optimizer, self.position).tensors
        finite = step(self, positions)
        if not finite:
            states.extend([before, checkpoints.capture(self.model, self.optimizer, self.position).tensors])
        return finite

    monkeypatch.setattr(Trainer, "step", watched)
    model, trained = train(poison=once(kind), non_finite="skip")
    assert trained.skipped == 1
    assert len(states) == 2
    assert any("running_mean" in name for name in states[0])
    same(*states)
    assert all(value.isfinite().all() for value in model.state_dict().values())


def test_an_epoch_of_which_every_step_is_skipped_stops_the_training(tmp_path: Path) -> None:
    with one_line(TrainingError, "no step of epoch 2", "--lr"):
        train(tmp_path, poison=lambda epoch, step, rate: "loss" if epoch == 1 else None, non_finite="skip")


def test_skip_is_exact_under_resume(tmp_path: Path) -> None:
    settings = {"poison": once("loss"), "non_finite": "skip"}
    train(tmp_path / "alone", **settings)
    for step in range(1, 2 * STEPS):
        with pytest.raises(Interrupted):
            train(tmp_path / "run", progress=stop_at(step, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    _, trained = train(tmp_path / "run", **settings)
    assert trained.skipped == 1
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))


def high_rate(epoch: int, step: int, rate: float) -> str | None:
    """Not finite at one place until the rate was halved twice."""
    return "gradient" if (epoch, step) == (1, 3) and rate > 0.0003 else None


def test_roll_back_is_to_the_start_of_the_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    starts: list[dict[str, torch.Tensor]] = []
    rates: list[tuple[int, int, float]] = []
    step = Trainer.step

    def watched(self: Trainer, positions) -> bool:
        position = self.position
        if position.epoch == 1 and position.step == 0:
            starts.append(checkpoints.capture(self.model, self.optimizer, position).tensors)
        finite = step(self, positions)
        rates.append((position.epoch, position.step, self.optimizer.param_groups[0]["lr"]))
        return finite

    monkeypatch.setattr(Trainer, "step", watched)
    _, trained = train(poison=high_rate, non_finite="roll-back", lr=0.001)
    assert (trained.roll_backs, trained.skipped) == (2, 2)
    assert len(starts) == 3
    same(starts[0], starts[1])
    same(starts[0], starts[2])
    assert [rate for e, s, rate in rates if (e, s) == (1, 0)] == [0.001, 0.0005, 0.00025]
    assert [rate for e, s, rate in rates if e == 0] == [0.001] * STEPS
    assert trained.history[1]["lr"] == 0.00025


def test_roll_back_in_the_first_epoch() -> None:
    fresh, _ = train(lr=0.0005)
    rolled, trained = train(
        lr=0.001, non_finite="roll-back", poison=lambda e, s, r: "loss" if r > 0.0006 and s else None
    )
    assert trained.roll_backs == 1
    same(weights(fresh), weights(rolled))


def test_roll_back_gives_up() -> None:
    tries: list[float] = []

    def always(epoch: int, step: int, rate: float) -> str | None:
        if step == 1:
            tries.append(rate)
        return "loss" if step == 1 else None

    with one_line(TrainingError, "rolling back 5 times", "--lr"):
        train(poison=always, non_finite="roll-back", lr=0.001)
    assert tries == [0.001 / 2**n for n in range(6)]


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
def test_roll_back_is_exact_under_resume(tmp_path: Path, optimizer: str) -> None:
    settings = {"poison": high_rate, "non_finite": "roll-back", "optimizer": optimizer, "epochs": 3}
    train(tmp_path / "alone", **settings)
    for step in [1, 5, 6, 7, 8, 9, 7, 8, 9, 8, 9, 10, 13, 17]:  # some reached before, some after a roll-back
        with pytest.raises(Interrupted):
            train(tmp_path / "run", progress=stop_at(step, lambda: signal.raise_signal(signal.SIGTERM)), **settings)
    _, trained = train(tmp_path / "run", **settings)
    assert trained.roll_backs == 2
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))


@pytest.mark.sampled(most=1)
@pytest.mark.parametrize("start", ["damaged", "of the epoch before"])
def test_roll_back_without_the_start_of_its_epoch_begins_again(tmp_path: Path, start: str) -> None:
    def poison(epoch: int, step: int, rate: float) -> str | None:
        return high_rate(epoch - 1, step, rate)

    settings = {"poison": poison, "non_finite": "roll-back", "epochs": 3}
    train(tmp_path / "alone", **settings)
    path, stop = tmp_path / "run" / "checkpoint" / "epoch.safetensors", lambda: signal.raise_signal(signal.SIGTERM)
    before: list[bytes] = []

    def progress(event: Step | Epoch) -> None:
        before.extend([path.read_bytes()] if event.step == STEPS + 1 else [])
        stop_at(2 * STEPS + 2, stop)(event)

    with pytest.raises(Interrupted):
        train(tmp_path / "run", progress=progress, **settings)
    path.write_bytes(b"damaged" if start == "damaged" else before[0])
    _, trained = train(tmp_path / "run", **settings)
    assert trained.roll_backs == 2
    same(left_on_disk(tmp_path / "alone"), left_on_disk(tmp_path / "run"))


@pytest.mark.parametrize("policy", ["stop", "skip", "roll-back"])
def test_validation_that_is_not_finite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    nan = {"validation_loss": math.nan, "validation_accuracy": 0.5}
    monkeypatch.setattr(ImageClassification, "validate", lambda self, model: (nan, None))
    with one_line(TrainingError, "epoch 1", "not finite"):
        train(tmp_path, non_finite=policy)
    assert not list(tmp_path.rglob("*.safetensors"))
    assert not (tmp_path / "metrics.jsonl").exists()


@pytest.mark.parametrize("most", [0.5, 1e9])
def test_clipping_by_norm(monkeypatch: pytest.MonkeyPatch, most: float) -> None:
    """A step of plain gradient descent is as long as the gradient allows, and keeps its direction."""
    sgd: dict[str, Any] = {"optimizer": "sgd", "momentum": 0.0, "epochs": 1, "batch_size": 48}  # one step
    fresh = weights(build("cnn", image_set().image, 4, 5))
    names = [name for name, _ in build("cnn", image_set().image, 4, 5).named_parameters()]

    def way(**settings: Any) -> torch.Tensor:
        after = weights(train(lr=0.01, **sgd, **settings)[0])
        return torch.cat([(fresh[name] - after[name]).flatten().double() for name in names]) / 0.01

    free, clipped = way(), way(clip_norm=most)
    assert float(free.norm()) > 0.6
    if most == 1e9:
        assert torch.equal(free, clipped)
    else:
        assert float(clipped.norm()) == pytest.approx(0.5, rel=1e-3)
        assert float(torch.dot(free, clipped) / free.norm() / clipped.norm()) == pytest.approx(1, abs=1e-5)


def test_truncated_steps_reach_the_recurrent_layers() -> None:
    model, _ = train(model="crnn-lstm-2", truncate_steps=7, epochs=1)
    assert [m.truncate for m in model.modules() if isinstance(m, LSTM)] == [7]
    other, _ = train(model="crnn-lstm-2", epochs=1)
    assert [m.truncate for m in other.modules() if isinstance(m, LSTM)] == [0]
    assert not torch.equal(weights(model)["rnn.layers.0.weight_hh_l0"], weights(other)["rnn.layers.0.weight_hh_l0"])


def test_an_older_training_goes_on(tmp_path: Path) -> None:
    """Checkpoints from before there was clipping or truncation are of trainings without them."""
    with pytest.raises(Interrupted):
        train(tmp_path, progress=stop_at(2, lambda: signal.raise_signal(signal.SIGTERM)))
    about = json.loads(safe_metadata(tmp_path / "checkpoint" / "step.safetensors"))
    assert not {"clip_norm", "truncate_steps"} & about["identity"].keys()
    with pytest.raises(RunDirectoryError, match="holds a training with another clip_norm;"):
        train(tmp_path, clip_norm=1.0)


def safe_metadata(path: Path) -> str:
    with safe_open(path, framework="pt") as file:
        return file.metadata()["training"]


def seen_losses(monkeypatch: pytest.MonkeyPatch, objective: Objective) -> list[tuple[float, int | None, int]]:
    """(mean, right, count) of every step of a training, as they come."""
    seen: list[tuple[float, int | None, int]] = []
    healthy = objective.loss

    def watched(*arguments: Any) -> Loss:
        loss = healthy(*arguments)
        seen.append((loss.mean.item(), None if loss.correct is None else int(loss.correct), loss.count))
        return loss

    monkeypatch.setattr(objective, "loss", watched)
    return seen


@pytest.mark.parametrize("task", MODELS)
def test_training_metrics_are_over_what_was_counted(monkeypatch: pytest.MonkeyPatch, task: str) -> None:
    """Tokens where batches have different numbers of them; and no accuracy where nothing is right or wrong."""
    one = small(task, epochs=2)
    seen = seen_losses(monkeypatch, one.objective)
    trained = loop.fit(one.network(), one.objective, one.objective.settings, seed=1)
    steps = one.objective.steps
    for epoch, metrics in enumerate(trained.history):
        means, rights, counts = zip(*seen[epoch * steps : (epoch + 1) * steps], strict=True)
        total = sum(mean * count for mean, count in zip(means, counts, strict=True))
        assert metrics["train_loss"] == pytest.approx(total / sum(counts), rel=1e-6)
        assert metrics["train_loss"] != pytest.approx(sum(means) / steps, rel=1e-6), "the test needs unequal batches"
        if task == "transcription":
            assert rights == (None,) * steps
            assert "train_accuracy" not in metrics
        else:
            assert metrics["train_accuracy"] == sum(rights) / sum(counts)
        assert {"validation_loss", f"validation_{one.objective.metric.name}"} < metrics.keys()


@pytest.mark.sampled(cover=1)
@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize(("task", "best"), [("next-token", 2), ("transcription", 2), ("translation", 4)])
def test_the_metric_says_which_epoch_is_best(tmp_path: Path, task: str, best: int, on_disk: bool) -> None:
    """Bits and error rates are better when lower; of equal epochs the first is kept."""
    one = small(task, epochs=5)
    values = [3.0, 2.0, 2.0, 4.0, 4.0]
    left = iter(values)
    name = f"validation_{one.objective.metric.name}"
    one.objective.validate = lambda model: ({"validation_loss": 1.0, name: next(left, 9.0)}, None)  # type: ignore[method-assign]
    kept, folder = one.network(), tmp_path if on_disk else None
    trained = loop.fit(kept, one.objective, one.objective.settings, seed=1, folder=folder, keep="best")
    assert (trained.best_epoch, trained.best_value) == (best, values[best - 1])
    until_then = small(task, epochs=best)
    model = until_then.network()
    loop.fit(model, until_then.objective, until_then.objective.settings, seed=1)
    same(weights(model), weights(kept))


def test_roll_back_where_nothing_is_right_or_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    one = small("transcription", epochs=2, non_finite="roll-back")
    healthy, calls = one.objective.loss, []

    def poisoned(*arguments: Any) -> Loss:
        loss = healthy(*arguments)
        calls.append((loss.mean.item(), loss.count))
        return replace(loss, mean=loss.mean * math.inf) if len(calls) == one.objective.steps + 2 else loss

    monkeypatch.setattr(one.objective, "loss", poisoned)
    trained = loop.fit(one.network(), one.objective, one.objective.settings, seed=1)
    assert trained.roll_backs == 1
    assert len(calls) == 2 * one.objective.steps + 2
    last = calls[-one.objective.steps :]
    assert trained.history[1]["train_loss"] == pytest.approx(sum(m * n for m, n in last) / sum(n for _, n in last))
    assert [metrics["lr"] for metrics in trained.history] == [0.001, 0.0005]
    assert [("train_accuracy" in metrics) for metrics in trained.history] == [False, False]


@pytest.mark.parametrize(("losses", "best"), [([3.0, 2.0, 2.5], 2), ([1.0, 2.0, 3.0], 1), ([2.0, 2.0, 1.5], 3)])
def test_of_equal_epochs_the_one_with_the_lower_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, losses: list[float], best: int
) -> None:
    told = iter([*losses, 0.0])  # the last for the predictions of the weights that are kept
    monkeypatch.setattr(
        ImageClassification,
        "validate",
        lambda self, model: ({"validation_loss": next(told), "validation_accuracy": 0.0}, self.predict(model)),
    )
    _, trained = train(tmp_path, keep="best", epochs=3)
    assert (trained.best_epoch, trained.best_value) == (best, 0.0)
