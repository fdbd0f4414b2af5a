"""A training in memory: a step, an epoch or all of it at a time. `ecrnn.training.loop.fit` keeps one on disk."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import freed_memory_kept, threads
from ecrnn.core.errors import TrainingError
from ecrnn.core.events import Epoch, Event, Message, Progress, Step, passed_on, silent
from ecrnn.core.predictions import AnyPredictions
from ecrnn.core.text import counted
from ecrnn.layers.normalisation import average
from ecrnn.recurrence import configure
from ecrnn.training import checkpoints
from ecrnn.training.checkpoints import Checkpoint, Position
from ecrnn.training.objective import Loss, Objective
from ecrnn.training.optimizers import learning_rate, make_optimizer
from ecrnn.training.torchrun_ranks import Ranks
from ecrnn.training.weight_average import WeightAverage, copies

MAX_ROLL_BACKS = 5


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
        last_predictions: of the last epoch's weights, and of the epochs before it that count.
    """

    history: list[dict[str, Any]]
    best_epoch: int
    best_value: float | None
    skipped: int
    roll_backs: int
    steps: int
    predictions: AnyPredictions | None = field(compare=False)
    last_predictions: AnyPredictions | None = field(compare=False)


class Trainer:
    """The state of one training, and its steps.

    Args:
        model: fresh from `ecrnn.models.build.build`; trained in place.
        objective: batches, loss and metric.
        settings: resolved by `ecrnn.core.devices.resolve`.
        seed: of the order of the examples. Random numbers of the model itself, as of dropout, are torch's own.
        window: the best epoch is that with the best mean metric over so many epochs up to it, or as many as there are;
            where few examples validate, the best of many single epochs is above all a lucky one.
        score_epochs: so many of the last epochs count, or as many as there are: their predictions are kept.
        label: what the events call this training.
        ranks: processes that share its batches; None: this one alone.

    Attributes:
        position: where it stands.
        steps: optimizer steps an epoch.
        improved: whether the last whole epoch is the best so far.

    Example:
        >>> trainer = Trainer(model, objective, settings)  # doctest: +SKIP
        >>> for event in trainer.epochs():  # doctest: +SKIP
        ...     print(event)
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        settings: TrainingSettings,
        *,
        seed: int = 0,
        window: int = 1,
        score_epochs: int = 1,
        label: str = "training",
        ranks: Ranks | None = None,
    ) -> None:
        self.model = model.to(device=settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        configure(model, cutoff=settings.cutoff, truncate=settings.truncate_steps)
        average(model, settings.batch_statistics)
        if settings.patience and score_epochs > 1:
            raise TrainingError(f"{label}: patience chooses the end, over whose last epochs no score can be the mean")
        self.objective, self.settings, self.seed = objective, settings, seed
        self.window, self.label, self.ranks = window, label, ranks
        if ranks is not None:
            ranks.share_statistics(self.model)
        self.score_epochs = min(score_epochs, settings.epochs)
        self.optimizer = make_optimizer(self.model, settings)
        self.steps = objective.steps
        self.position = Position()
        self.improved = False
        self._earlier: list[np.ndarray] = []  # predictions of the epochs before the last that count
        decay = settings.weight_averaging
        self.average = WeightAverage(self.model, decay) if decay else None
        self.epoch_start = self.capture() if settings.non_finite == "roll-back" else None  # to which one goes
        self._known_predictions: AnyPredictions | None = None  # of the model as it is now

    def fit(self, progress: Progress = silent, *, keep: Literal["best", "last"] = "last") -> Trained:
        """Train until the last epoch of the settings.

        Args:
            progress: called with a `Step` after every step, and with an `Epoch` after every epoch.
            keep: whose epoch's weights the model has in the end: the last one's, or the best one's on the validation
                examples.

        Raises:
            TrainingError: loss or gradients are not finite, and the settings' policy is to stop or did not help.
        """
        with threads(self.settings.threads), freed_memory_kept(), torch.random.fork_rng():
            torch.manual_seed(self.seed)
            return passed_on(self.events(keep), progress)

    def events(self, keep: Literal["best", "last"] = "last") -> Generator[Event, None, Trained]:
        """The events that `fit` passes on; at its end the generator returns what `fit` does."""
        best: dict[str, Tensor] | None = None
        for event in self.epochs():
            if isinstance(event, Epoch) and self.improved and keep == "best":
                with self.predicting():
                    best = copies(self.model)
            yield event
        last = self.predictions()
        self.end_with(best)
        return self.trained(last)

    def epochs(self) -> Iterator[Event]:
        """Train from where it stands: a `Step` a step, an `Epoch` an epoch, and a `Message` where patience ends it."""
        self.model.train()
        while self.position.epoch < self.settings.epochs:
            if self.out_of_patience:
                yield Message(early_end(self.label, self.position, self.settings, self.objective.metric.title))
                return
            if self.settings.non_finite == "roll-back" and self.position.step == 0:
                self.epoch_start = self.capture()
            yield from self._epoch()

    @property
    def out_of_patience(self) -> bool:
        """Whether so many epochs, one after another, were no better than the best that training stops."""
        patience, best = self.settings.patience, self.position.best[0]
        return patience > 0 and best > 0 and self.position.epoch - best >= patience

    @contextlib.contextmanager
    def predicting(self) -> Iterator[None]:
        """Inside, the model has the weights that predict: the average of all steps, where they are averaged."""
        if self.average is None:
            yield
            return
        trained = copies(self.model)
        self._put_average()
        try:
            yield
        finally:
            self.model.load_state_dict(trained)

    def end_with(self, best: Mapping[str, Tensor] | None = None) -> None:
        """Give the model the weights that stay, those that predict or ``best``; it trains no further."""
        if best is not None:
            self.model.load_state_dict(best)
            self._known_predictions = None
        elif self.average is not None:
            self._put_average()
        self.average = None

    def _put_average(self) -> None:
        assert self.average is not None
        self.average.put_into(self.model, self.objective, self.seed, max(0, self.position.whole_epochs - 1))

    def state_dict(self) -> dict[str, Any]:
        """A copy of all that the training needs to go on: tensors by name, and the position as plain data."""
        return {"now": self.capture().to_plain(), "epoch_start": self.epoch_start and self.epoch_start.to_plain()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave, in this process or another; the bits are those of a training left alone.

        Raises:
            TrainingError: it is of another network or optimizer.
        """
        self.restore(Checkpoint.from_plain(state["now"]))
        if state["epoch_start"] is not None:
            self.epoch_start = Checkpoint.from_plain(state["epoch_start"])

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it is of another network or optimizer.
        """
        if not self.fits(checkpoint):
            raise TrainingError("the state is that of another network or optimizer")
        self._restore(checkpoint)
        self._known_predictions = None

    def fits(self, checkpoint: Checkpoint) -> bool:
        """Whether a checkpoint is of such a network, optimizer and number of epochs that count."""
        first = self.settings.epochs - self.score_epochs + 1  # the first epoch that counts, from 1
        epoch, examples = checkpoint.position.epoch, len(self.objective.split.validation)
        count = max(0, min(epoch, self.settings.epochs - 1) - first + 1) if examples else 0
        earlier = checkpoints.earlier_of(checkpoint)
        kept = len(earlier) == count and all(array.shape[:1] == (examples,) for array in earlier)
        return kept and checkpoints.fits(checkpoint, self.model, self.optimizer, self._average_weights())

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.position = checkpoints.restore(checkpoint, self.model, self.optimizer)
        if self.average is not None:
            self.average.restore(checkpoints.average_of(checkpoint))
        self._earlier = checkpoints.earlier_of(checkpoint)

    def predictions(self) -> AnyPredictions | None:
        """The model's predictions of the validation examples; None where there are none."""
        if self._known_predictions is None:
            with self.predicting():
                _, self._known_predictions = self.objective.validate(self.model)
        return self._known_predictions

    def trained(self, last: AnyPredictions | None) -> Trained:
        """What the training leaves; ``last`` are the predictions of the last epoch's weights."""
        position = self.position
        steps = position.epoch * self.steps
        counts = (position.skipped, position.roll_backs, steps)
        scored = last and last.with_earlier(self._earlier)
        return Trained(position.history, *position.best, *counts, self.predictions(), scored)

    def _epoch(self) -> Iterator[Event]:
        batches = self.objective.order(self.seed, self.position.epoch)
        while self.position.step < self.steps:
            started = time.monotonic()
            finite = self.step(batches[self.position.step])
            self.position.seconds += time.monotonic() - started
            if not finite and self.settings.non_finite == "roll-back":
                self._roll_back()
                return
            self.position.step += 1
            yield Step(*self._place(), self.position.epoch + 1, self.settings.epochs)
        if self.ranks is None or self.ranks.rank == 0:
            self._end_epoch()
        if self.ranks is not None:
            self.position = self.ranks.after_epoch(self.position)
        metrics = self.position.history[-1]
        yield Epoch(*self._place(), self.position.epoch, self.settings.epochs, metrics)

    def step(self, positions: np.ndarray) -> bool:
        """One optimizer step.

        Args:
            positions: (B,), of the examples of its batch among those that train, int64.

        Returns:
            False if loss or gradient was not finite: then nothing has changed, and the policy of the settings holds.

        Raises:
            TrainingError: they were not, and that policy is to stop.
        """
        position = self.position
        before = [b.clone() for b in self.model.buffers()] if self.settings.non_finite == "skip" else []
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._backward(positions)
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        known = [loss.mean.detach(), norm, *([] if loss.correct is None else [loss.correct])]
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
        if self.average is not None:
            self.average.update(self.model, position.epoch * self.steps + position.step)
        position.loss_sum += mean_loss * loss.count
        position.correct = int(rights[0]) + (position.correct or 0) if rights else None
        position.seen += loss.count
        return True

    def _backward(self, positions: np.ndarray) -> Loss:
        """The loss on a batch, whose gradient the parameters then have."""
        epoch = self.position.epoch
        if self.ranks is not None:
            seed = (self.seed, epoch, self.position.step)
            return self.ranks.backward(self.model, self.objective, positions, epoch, seed)
        loss = self.objective.loss(self.model, *self.objective.batch(positions, epoch))
        loss.mean.backward()  # type: ignore[no-untyped-call]
        return loss

    def _end_epoch(self) -> None:
        """Validate, and put the position at the start of the next epoch."""
        position, started = self.position, time.monotonic()
        if not position.seen:
            raise TrainingError(f"{self.label}: no step of epoch {position.epoch + 1} was finite; use a smaller --lr")
        with self.predicting():
            validation, self._known_predictions = self.objective.validate(self.model)
        if self.score_epochs > 1 and position.epoch >= self.settings.epochs - self.score_epochs:
            validation |= self._keep(self._known_predictions)
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
        self.improved = self.is_best()
        if self.improved:
            score = position.score(position.epoch + 1, self.objective.metric.name, self.window)
            position.best = (position.epoch + 1, score)
        position.epoch, position.step = position.epoch + 1, 0
        position.loss_sum, position.correct, position.seen, position.seconds = 0.0, 0, 0, 0.0

    def _keep(self, predictions: AnyPredictions | None) -> dict[str, float]:
        """Keep the predictions of an epoch that counts; gives what they will not tell any more."""
        if predictions is None:
            return {}
        if self.position.epoch + 1 < self.settings.epochs:  # those of the last are kept whole
            self._earlier.append(predictions.compact())
        return self.objective.more_scores(predictions)

    def is_best(self) -> bool:
        """Whether the last epoch is better than those before it; of two with the same score, the one of lower loss."""
        name, (epoch, best), last = self.objective.metric.name, self.position.best, len(self.position.history)
        if f"validation_{name}" not in self.position.history[-1]:
            return False
        score = self.position.score(last, name, self.window)
        if best is None:
            return True
        if score == best:
            now, before = (self.position.score(e, "loss", self.window) for e in (last, epoch))
            return now < before
        return self.objective.metric.better(score, best)

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
        self._restore(self.epoch_start)
        self.position.roll_backs, self.position.skipped = roll_backs, skipped

    def capture(self) -> Checkpoint:
        """A copy of where it stands."""
        average = self._average_weights()
        return checkpoints.capture(self.model, self.optimizer, self.position, self._earlier, average)

    def _average_weights(self) -> dict[str, Tensor]:
        return {} if self.average is None else self.average.weights

    def _learning_rate(self) -> float:
        done = self.position.epoch * self.steps + self.position.step
        rate = learning_rate(self.settings, done, self.settings.epochs * self.steps)
        return rate * 0.5**self.position.roll_backs

    def _place(self) -> tuple[str, int, int]:
        """Label, and optimizer steps done and in all, for events."""
        done = self.position.epoch * self.steps + self.position.step
        return self.label, done, self.settings.epochs * self.steps


def early_end(label: str, position: Position, settings: TrainingSettings, metric: str) -> str:
    """The line about a training that its patience has ended."""
    better = f"no better validation {metric} for {counted(settings.patience, 'epochs')}"
    stopped = f"{label}: stopped after epoch {position.epoch} of {settings.epochs}"
    return f"{stopped}: {better}, best is epoch {position.best[0]}"
