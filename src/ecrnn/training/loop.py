"""The one training loop.

A training's position is (epoch, step): the order of the examples is a function of (seed, epoch), augmentation of
(seed, epoch, index), so a checkpoint holds tensors and two numbers, and a training stopped at any step by any signal
and resumed ends, on the CPU, with the same bits as one left alone. What a task adds to it stands in `objective`.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors.torch import save
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import freed_memory_kept, threads
from ecrnn.core.errors import EcrnnError, RunDirectoryError, TrainingError
from ecrnn.core.events import Epoch, Event, Progress, Step, passed_on, silent
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.predictions import AnyPredictions
from ecrnn.core.reading import MAX_WEIGHTS, sha256
from ecrnn.layers.normalisation import average
from ecrnn.models.store import check_header, load_weights, weights_of
from ecrnn.recurrence import configure
from ecrnn.training import checkpoints
from ecrnn.training.checkpoints import Checkpoint, Position
from ecrnn.training.interruption import Interrupted, Interruption
from ecrnn.training.objective import Objective
from ecrnn.training.optimizers import learning_rate, make_optimizer

MAX_ROLL_BACKS = 5
# Settings that checkpoints name only where they are not these: older checkpoints do not name them.
_UNNAMED = {"clip_norm": 0.0, "truncate_steps": 0, "batch_statistics": "even"}


@dataclass(frozen=True)
class Trained:
    """What a training leaves beside the model's weights.

    Attributes:
        history: metrics of each epoch.
        best_epoch, best_value: the best epoch (from 1) and its score on the validation examples, the mean metric of
            ``window`` epochs up to it, or as many as there are; 0 and None where nothing validates.
        skipped, roll_backs: what was done about steps that were not finite.
        steps: optimizer steps of all epochs.
        predictions: of the weights that were kept, for the validation examples; None where there are none.
        last_predictions: of the last epoch's weights.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    best_value: float | None
    skipped: int
    roll_backs: int
    steps: int
    predictions: AnyPredictions | None = field(compare=False)
    last_predictions: AnyPredictions | None = field(compare=False)


def fit(
    model: nn.Module,
    task: Objective,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path | None = None,
    identity: dict[str, Any] | None = None,
    keep: Literal["best", "last"] = "last",
    window: int = 1,
    label: str = "training",
    progress: Progress = silent,
) -> Trained:
    """Train ``model`` in place.

    Args:
        model: fresh from `ecrnn.models.build.build`.
        task: batches, loss and metric.
        settings: resolved by `ecrnn.core.devices.resolve`.
        seed: of the order of the examples.
        folder: where `metrics.jsonl` and `checkpoint/` go; a training found there goes on. None: nothing is written and
            signals are left alone.
        identity: what makes it the same training, beside its settings and seed, for the check when it goes on.
        keep: whose epoch's weights the model has in the end: the last one's, or the best one's on the validation
            examples.
        window: the best epoch is that with the best mean metric over so many epochs up to it, or as many as there are;
            where few examples validate, the best of many single epochs is above all a lucky one.
        label: what the events call this training.
        progress: called with a `Step` after every step, and with an `Epoch` after every epoch.

    Raises:
        TrainingError: loss or gradients are not finite, and the settings' policy is to stop or did not help.
        RunDirectoryError: the folder cannot be written, or holds a training with other settings.
        Interrupted: SIGINT or SIGTERM came; the checkpoint is written.
    """
    events = fit_events(
        model, task, settings, seed=seed, folder=folder, identity=identity, keep=keep, window=window, label=label
    )
    return passed_on(events, progress)


def fit_events(
    model: nn.Module,
    task: Objective,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path | None = None,
    identity: dict[str, Any] | None = None,
    keep: Literal["best", "last"] = "last",
    window: int = 1,
    label: str = "training",
) -> Generator[Event, None, Trained]:
    """The events that `fit` passes on; at its end the generator returns what `fit` does. Arguments as of `fit`."""
    interruptible = Interruption() if folder else nullcontext()
    with threads(settings.threads), freed_memory_kept(), torch.random.fork_rng(), interruptible as interruption:
        torch.manual_seed(seed)
        training = _Training(model, task, settings, seed, folder, identity or {}, keep, label, interruption, window)
        trained = yield from training.run()
        if interruption and interruption.received:  # in the last epoch; what the caller had in mind next is not begun
            raise Interrupted(interruption.received)
        return trained


class _Training:
    """The state of one `fit`, and its steps."""

    def __init__(
        self,
        model: nn.Module,
        task: Objective,
        settings: TrainingSettings,
        seed: int,
        folder: Path | None,
        identity: dict[str, Any],
        keep: str,
        label: str,
        interruption: Interruption | None,
        window: int = 1,
    ) -> None:
        self.model = model.to(device=settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        configure(model, cutoff=settings.cutoff, truncate=settings.truncate_steps)
        average(model, settings.batch_statistics)
        self.task, self.settings, self.seed = task, settings, seed
        self.folder, self.keep, self.label, self.interruption = folder, keep, label, interruption
        self.checkpoint_folder = make_folder(folder / "checkpoint") if folder else None
        timeless = settings.model_dump(mode="json", exclude={"checkpoint_seconds"})
        named = {name: value for name, value in timeless.items() if name not in _UNNAMED or value != _UNNAMED[name]}
        smoothed = {"window": window} if window > 1 else {}
        self.identity = {**identity, "seed": seed, "keep": keep, **smoothed, **named}
        self.window = window
        self.optimizer = make_optimizer(self.model, settings)
        self.steps = task.steps
        self.position = Position()
        self.epoch_start = self._capture() if settings.non_finite == "roll-back" else None
        self.best_weights: dict[str, Tensor] | None = None
        self.predictions: AnyPredictions | None = None  # of the model as it is now, if they are known
        self.saved_at = time.monotonic()
        self._resume()

    def run(self) -> Generator[Event, None, Trained]:
        self.model.train()
        while self.position.epoch < self.settings.epochs:
            yield from self._epoch()
        last = self._predictions()
        if self.keep == "best":
            self._load_best()
        kept = self._predictions()
        self._write_metrics()
        position = self.position
        return Trained(
            position.history,
            *position.best,
            position.skipped,
            position.roll_backs,
            position.epoch * self.steps,
            kept,
            last,
        )

    def _predictions(self) -> AnyPredictions | None:
        if self.predictions is None:
            _, self.predictions = self.task.validate(self.model)
        return self.predictions

    def _epoch(self) -> Iterator[Event]:
        batches = self.task.order(self.seed, self.position.epoch)
        while self.position.step < self.steps:
            started = time.monotonic()
            finite = self._step(batches[self.position.step])
            self.position.seconds += time.monotonic() - started
            if not finite and self.settings.non_finite == "roll-back":
                self._roll_back()
                return
            self.position.step += 1
            yield Step(*self._place(), self.position.epoch + 1, self.settings.epochs)
            self._checkpoint_if_due()
        yield from self._end_epoch()

    def _step(self, positions: Any) -> bool:
        """One optimizer step; False if loss or gradient was not finite, and then nothing has changed."""
        position = self.position
        inputs, targets = self.task.batch(positions, position.epoch)
        before = [b.clone() for b in self.model.buffers()] if self.settings.non_finite == "skip" else []
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.task.loss(self.model, inputs, targets)
        loss.mean.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        known = [loss.mean.detach(), norm, *([] if loss.right is None else [loss.right])]
        mean_loss, length, *rights = torch.stack(known).tolist()  # the only wait for the device
        if not math.isfinite(mean_loss + length):
            if self.settings.non_finite == "stop":
                self._stop_not_finite(mean_loss, length)
            position.skipped += 1
            for buffer, value in zip(self.model.buffers(), before, strict=False):
                buffer.copy_(value)  # the batch statistics of the step that does not count
            return False
        if self.settings.clip_norm:
            torch.nn.utils.clip_grads_with_norm_(self.model.parameters(), self.settings.clip_norm, norm)
        self.optimizer.step()
        position.loss_sum += mean_loss * loss.count
        position.correct = int(rights[0]) + (position.correct or 0) if rights else None
        position.seen += loss.count
        return True

    def _end_epoch(self) -> Iterator[Event]:
        position, started = self.position, time.monotonic()
        if not position.seen:
            raise TrainingError(f"{self.label}: no step of epoch {position.epoch + 1} was finite; use a smaller --lr")
        validation, self.predictions = self.task.validate(self.model)
        metrics = {
            "epoch": position.epoch + 1,
            "train_loss": position.loss_sum / position.seen,
            **({} if position.correct is None else {"train_accuracy": position.correct / position.seen}),
            **validation,
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        self._check_finite(metrics)
        metrics["seconds"] = position.seconds + time.monotonic() - started
        position.history.append(metrics)
        best = None
        if self._is_best():
            position.best = (position.epoch + 1, position.score(position.epoch + 1, self.task.metric.name, self.window))
            best = self._keep_best()
        position.epoch, position.step = position.epoch + 1, 0
        position.loss_sum, position.correct, position.seen, position.seconds = 0.0, 0, 0, 0.0
        self._save("epoch.safetensors")
        if best is not None:  # after the checkpoint, from which these weights can be had if this write never ends
            write_atomically(self.best_path, best)
        if self.settings.non_finite == "roll-back":
            self.epoch_start = self._capture()
        self._write_metrics()
        yield Epoch(*self._place(), position.epoch, self.settings.epochs, metrics)
        if self.interruption and self.interruption.received:  # now that all of the epoch is on disk
            raise Interrupted(self.interruption.received)

    def _is_best(self) -> bool:
        """Whether the last epoch is better than those before it; of two with the same score, the one of lower loss."""
        name, (epoch, best), last = self.task.metric.name, self.position.best, len(self.position.history)
        if f"validation_{name}" not in self.position.history[-1]:
            return False
        score = self.position.score(last, name, self.window)
        if best is None:
            return True
        if score == best:
            now, before = (self.position.score(e, "loss", self.window) for e in (last, epoch))
            return now < before
        return self.task.metric.better(score, best)

    def _stop_not_finite(self, loss: float, norm: float) -> None:
        place = f"epoch {self.position.epoch + 1}, step {self.position.step + 1}"
        raise TrainingError(
            f"{self.label}: loss {loss:g} with gradient norm {norm:g} at {place} is not finite; "
            f"a smaller --lr than {self.settings.lr:g} may help, or --set training.non_finite=skip"
        )

    def _check_finite(self, metrics: dict[str, float]) -> None:
        if not all(math.isfinite(value) for value in metrics.values()):
            line = f"{self.label}: the loss after epoch {self.position.epoch + 1} is not finite; a smaller --lr"
            raise TrainingError(f"{line} than {self.settings.lr:g} may help")

    def _roll_back(self) -> None:
        """Back to the start of the epoch, with half the learning rate from there on."""
        assert self.epoch_start is not None
        roll_backs, skipped = self.position.roll_backs + 1, self.position.skipped
        if roll_backs > MAX_ROLL_BACKS:
            raise TrainingError(
                f"{self.label}: still not finite after rolling back {MAX_ROLL_BACKS} times; use a smaller --lr"
            )
        self.position = checkpoints.restore(self.epoch_start, self.model, self.optimizer)
        self.position.roll_backs, self.position.skipped = roll_backs, skipped

    def _learning_rate(self) -> float:
        done = self.position.epoch * self.steps + self.position.step
        rate = learning_rate(self.settings, done, self.settings.epochs * self.steps)
        return rate * 0.5**self.position.roll_backs

    def _capture(self) -> Checkpoint:
        return checkpoints.capture(self.model, self.optimizer, self.position)

    def _resume(self) -> None:
        if self.checkpoint_folder is None:
            return
        latest = checkpoints.read_latest(self.checkpoint_folder, self.identity)
        if latest is None:
            return
        if self.settings.non_finite == "roll-back" and latest.position.epoch > 0:
            start = checkpoints.read(self.checkpoint_folder / "epoch.safetensors", self.identity)
            if start is None or start.position.epoch != latest.position.epoch:
                return  # the epoch's start, to which a roll-back would go, is lost: begin again, for the same bits
            self.epoch_start = start
        if not checkpoints.fits(latest, self.model, self.optimizer):
            raise RunDirectoryError(f"{self.checkpoint_folder} holds a checkpoint of another network; delete it")
        if self.keep == "best" and not self._best_is_whole(latest):
            checkpoints.remove(self.checkpoint_folder, *checkpoints.NAMES)
            return  # the best epoch's weights are lost: begin again, for the same bits
        self.position = checkpoints.restore(latest, self.model, self.optimizer)

    def _best_is_whole(self, latest: Checkpoint) -> bool:
        """Whether the best epoch's weights are on disk, where the checkpoint of that very epoch can put them again."""
        assert self.checkpoint_folder is not None
        epoch, digest = latest.position.best[0], latest.position.best_digest
        if epoch == 0:
            return True
        try:
            check_header(self.best_path, self.model.state_dict())
            if digest in (None, sha256(self.best_path, MAX_WEIGHTS)):  # None: from before there were digests
                return True
        except EcrnnError:  # cut, missing, or something else
            pass
        of_epoch = checkpoints.read(self.checkpoint_folder / "epoch.safetensors", self.identity)
        if of_epoch is None or of_epoch.position.epoch != epoch or of_epoch.position.best_digest != digest:
            return False
        if not checkpoints.fits(of_epoch, self.model, self.optimizer):
            return False
        weights = {name: t for name, t in of_epoch.tensors.items() if name.startswith("model.")}
        write_atomically(self.best_path, save({name.removeprefix("model."): t for name, t in weights.items()}))
        return True

    def _checkpoint_if_due(self) -> None:
        stop = self.interruption.received if self.interruption else None
        due = time.monotonic() - self.saved_at >= self.settings.checkpoint_seconds
        inside = self.position.step < self.steps  # else the epoch's own checkpoint comes next
        if inside and (stop or due):
            self._save("step.safetensors")
        if inside and stop:
            raise Interrupted(stop)

    def _save(self, name: str) -> None:
        if self.checkpoint_folder is None:
            return
        checkpoints.write(self._capture(), self.checkpoint_folder / name, self.identity)
        self.saved_at = time.monotonic()
        if name == "epoch.safetensors":
            checkpoints.remove(self.checkpoint_folder, "step.safetensors")

    @property
    def best_path(self) -> Path:
        """Where the best epoch's weights lie; they are kept on disk where there is a folder."""
        assert self.checkpoint_folder is not None
        return self.checkpoint_folder / "best.safetensors"

    def _keep_best(self) -> bytes | None:
        """Keep the weights as the best ones; on disk that is done after the epoch's checkpoint, by the caller."""
        if self.keep != "best":
            return None
        if self.checkpoint_folder is None:
            self.best_weights = {name: t.detach().clone() for name, t in self.model.state_dict().items()}
            return None
        weights = weights_of(self.model)
        self.position.best_digest = hashlib.sha256(weights).hexdigest()
        return weights

    def _load_best(self) -> None:
        self.predictions = None
        if self.checkpoint_folder is not None:
            load_weights(self.model, self.best_path, self.checkpoint_folder, self.position.best_digest)
        elif self.best_weights is not None:
            self.model.load_state_dict(self.best_weights)

    def _write_metrics(self) -> None:
        if self.folder is not None:
            lines = "".join(json.dumps(metrics, allow_nan=False) + "\n" for metrics in self.position.history)
            write_atomically(self.folder / "metrics.jsonl", lines)

    def _place(self) -> tuple[str, int, int]:
        """Label, and optimizer steps done and in all, for events."""
        done = self.position.epoch * self.steps + self.position.step
        return self.label, done, self.settings.epochs * self.steps
