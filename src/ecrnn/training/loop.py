"""A training on disk: checkpoints, metrics, the best epoch's weights, and signals.

A training's position is (epoch, step): the order of the examples is a function of (seed, epoch), augmentation of
(seed, epoch, index), so a checkpoint holds tensors and two numbers, and a training stopped at any step by any signal
and resumed ends, on the CPU, with the same bits as one left alone. What a task adds to it stands in `objective`.
"""

from __future__ import annotations

import hashlib
import json
import signal
import time
from collections.abc import Callable, Generator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, NoReturn

import torch
from torch import nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import freed_memory_kept, threads
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Epoch, Event, Progress, Step, passed_on, silent
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.predictions import AnyPredictions
from ecrnn.core.reading import MAX_WEIGHTS, sha256
from ecrnn.models.weights import read_weights, weights_of
from ecrnn.training import checkpoints
from ecrnn.training.checkpoints import Checkpoint
from ecrnn.training.interruption import Interrupted, Interruption
from ecrnn.training.objective import Objective
from ecrnn.training.torchrun_ranks import Ranks
from ecrnn.training.trainer import Trained, Trainer

# Settings that checkpoints name only where they are not these: older checkpoints do not name them.
_UNNAMED = {
    "clip_norm": 0.0,
    "truncate_steps": 0,
    "batch_statistics": "even",
    "warmup": None,
    "label_smoothing": 0.0,
    "class_weights": "none",
    "weight_averaging": 0.0,
}
Kept = Callable[[nn.Module, list[dict[str, Any]], AnyPredictions | None], None]
_FREE = {"checkpoint_seconds", "patience"}  # change nothing of what a checkpoint holds


def fit(
    model: nn.Module,
    objective: Objective,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path | None = None,
    identity: dict[str, Any] | None = None,
    keep: Literal["best", "last"] = "last",
    window: int = 1,
    score_epochs: int = 1,
    longer: bool = False,
    kept: Kept | None = None,
    label: str = "training",
    ranks: Ranks | None = None,
    progress: Progress = silent,
) -> Trained:
    """Train ``model`` in place.

    Args:
        model: fresh from `ecrnn.models.build.build`.
        objective: batches, loss and metric.
        settings: resolved by `ecrnn.core.devices.resolve`.
        seed: of the order of the examples.
        folder: where `metrics.jsonl` and `checkpoint/` go; a training found there goes on. None: nothing is written and
            signals are left alone.
        identity: what makes it the same training, beside its settings and seed, for the check when it goes on.
        keep: whose epoch's weights the model has in the end: the last one's, or the best one's on the validation
            examples.
        window: the best epoch is that with the best mean metric over so many epochs up to it, or as many as there are;
            where few examples validate, the best of many single epochs is above all a lucky one.
        score_epochs: so many of the last epochs count, or as many as there are: their predictions are kept.
        longer: a training of fewer epochs that is found in the folder goes on, too. At a constant rate the bits are
            those of a training that was to have so many from the beginning.
        kept: called after each epoch whose weights are to be kept so far, with the model that has them, the metrics of
            all epochs and its predictions.
        label: what the events call this training.
        ranks: processes that share its batches, of which rank 0 alone has a folder; None: this one alone.
        progress: called with a `Step` after every step, and with an `Epoch` after every epoch.

    Raises:
        TrainingError: loss or gradients are not finite, and the settings' policy is to stop or did not help.
        RunDirectoryError: the folder cannot be written, or holds a training with other settings.
        Interrupted: SIGINT or SIGTERM came; the checkpoint is written.
    """
    events = fit_events(
        model,
        objective,
        settings,
        seed=seed,
        folder=folder,
        identity=identity,
        keep=keep,
        window=window,
        score_epochs=score_epochs,
        longer=longer,
        kept=kept,
        label=label,
        ranks=ranks,
    )
    return passed_on(events, progress)


def fit_events(
    model: nn.Module,
    objective: Objective,
    settings: TrainingSettings,
    *,
    seed: int,
    folder: Path | None = None,
    identity: dict[str, Any] | None = None,
    keep: Literal["best", "last"] = "last",
    window: int = 1,
    score_epochs: int = 1,
    longer: bool = False,
    kept: Kept | None = None,
    label: str = "training",
    ranks: Ranks | None = None,
) -> Generator[Event, None, Trained]:
    """The events that `fit` passes on; at its end the generator returns what `fit` does. Arguments as of `fit`."""
    interruptible = Interruption(forgiving=ranks is not None) if folder or ranks else nullcontext()
    with threads(settings.threads), freed_memory_kept(), torch.random.fork_rng(), interruptible as interruption:
        torch.manual_seed(seed)
        counted = {"window": window, "score_epochs": score_epochs}
        trainer = Trainer(model, objective, settings, seed=seed, **counted, label=label, ranks=ranks)
        if ranks is not None:
            assert interruption is not None
            ranks.heard = lambda: interruption.received
            if ranks.rank or folder is None:
                trainer.load_state_dict(ranks.same_state(trainer.state_dict()))
            if ranks.rank:
                return (yield from _followed(trainer, ranks))
        if folder is None:
            return (yield from trainer.events(keep))
        assert interruption is not None
        on_disk = _OnDisk(trainer, folder, identity or {}, keep, interruption, longer, kept)
        trained = yield from on_disk.events()
        if interruption.received:  # in the last epoch; what the caller had in mind next is not begun
            raise Interrupted(interruption.received)
        return trained


def _followed(trainer: Trainer, ranks: Ranks) -> Generator[Event, None, Trained]:
    """The events of another rank than the first, which stops where that one does, once its checkpoint is written."""
    for event in trainer.epochs():
        yield event
        if ranks.stop and (isinstance(event, Epoch) or trainer.position.step < trainer.steps):
            ranks.receive()
            raise Interrupted(ranks.stop)
    position = trainer.position
    counts = (position.skipped, position.roll_backs, position.epoch * trainer.steps)
    return Trained(position.history, *position.best, *counts, None, None)


class _OnDisk:
    """The folder of a training, which goes on with what it finds there."""

    def __init__(
        self,
        trainer: Trainer,
        folder: Path,
        identity: dict[str, Any],
        keep: Literal["best", "last"],
        interruption: Interruption,
        longer: bool,
        kept: Kept | None,
    ) -> None:
        self.longer, self.kept = longer, kept
        self.trainer, self.folder, self.keep, self.interruption = trainer, folder, keep, interruption
        self.checkpoint_folder = make_folder(folder / "checkpoint")
        self.best_path = self.checkpoint_folder / "best.safetensors"
        timeless = trainer.settings.model_dump(mode="json", exclude=_FREE)
        named = {name: value for name, value in timeless.items() if name not in _UNNAMED or value != _UNNAMED[name]}
        counted = {"window": trainer.window, "score_epochs": trainer.score_epochs}
        more = {name: epochs for name, epochs in counted.items() if epochs > 1}
        self.identity = {**identity, "seed": trainer.seed, "keep": keep, **more, **named}
        self.saved_at = time.monotonic()

    def events(self) -> Generator[Event, None, Trained]:
        """The trainer's events; what each is about is on disk."""
        self.resume()
        if self.trainer.ranks is not None:
            self.trainer.ranks.same_state(self.trainer.state_dict())
        for event in self.trainer.epochs():
            if isinstance(event, Epoch):
                self._keep_epoch()
            yield event
            if isinstance(event, Step):
                self._checkpoint_if_due()
            elif self.stop:  # now that all of the epoch is on disk
                self._leave()
        last = self.trainer.predictions()
        best = None
        if self.keep == "best":
            digest = self.trainer.position.best_digest
            best = read_weights(self.best_path, self.trainer.model.state_dict(), self.checkpoint_folder, digest)
        self.trainer.end_with(best)
        trained = self.trainer.trained(last)
        self._write_metrics()
        return trained

    def resume(self) -> None:
        """Go on from the last checkpoint, if there is one."""
        trainer = self.trainer
        latest = checkpoints.read_latest(self.checkpoint_folder, self.identity, longer=self.longer)
        if latest is None:
            return
        if trainer.settings.non_finite == "roll-back" and latest.position.epoch > 0:
            start = self._of_epoch()
            if start is None or start.position.epoch != latest.position.epoch:
                return  # the epoch's start, to which a roll-back would go, is lost: begin again, for the same bits
            trainer.epoch_start = start
        if not trainer.fits(latest):
            raise RunDirectoryError(f"{self.checkpoint_folder} holds a checkpoint of another network; delete it")
        if self.keep == "best" and not self._best_is_whole(latest):
            checkpoints.remove(self.checkpoint_folder, *checkpoints.NAMES)
            return  # the best epoch's weights are lost: begin again, for the same bits
        trainer.restore(latest)

    def _of_epoch(self) -> Checkpoint | None:
        """The checkpoint at the end of the last whole epoch."""
        return checkpoints.read(self.checkpoint_folder / "epoch.safetensors", self.identity, longer=self.longer)

    def _best_is_whole(self, latest: Checkpoint) -> bool:
        """Whether the best epoch's weights are on disk, where the checkpoint of that very epoch can put them again."""
        epoch, digest = latest.position.best[0], latest.position.best_digest
        if epoch == 0:
            return True
        try:
            read_weights(self.best_path, self.trainer.model.state_dict())
            if digest in (None, sha256(self.best_path, MAX_WEIGHTS)):  # None: from before there were digests
                return True
        except EcrnnError:  # cut, missing, or something else
            pass
        of_epoch = self._of_epoch()
        if of_epoch is None or of_epoch.position.epoch != epoch or not self.trainer.fits(of_epoch):
            return False
        self.trainer.restore(of_epoch)
        with self.trainer.predicting():
            best = weights_of(self.trainer.model)
        # On another machine the statistics of averaged weights may have other last bits, and then it is another file.
        latest.position.best_digest = hashlib.sha256(best).hexdigest()
        write_atomically(self.best_path, best)
        return True

    def _checkpoint_if_due(self) -> None:
        trainer, stop = self.trainer, self.stop
        due = time.monotonic() - self.saved_at >= trainer.settings.checkpoint_seconds
        inside = trainer.position.step < trainer.steps  # else the epoch's own checkpoint comes next
        if inside and (stop or due):
            self._save("step.safetensors")
        if inside and stop:
            self._leave()

    @property
    def stop(self) -> int | None:
        """The signal by which the training stops after this step; of several ranks, when all have heard of it."""
        ranks = self.trainer.ranks
        return self.interruption.received if ranks is None else ranks.stop

    def _leave(self) -> NoReturn:
        if self.trainer.ranks is not None:
            self.trainer.ranks.send({})  # the others may go, too: torchrun ends all when one has gone
        raise Interrupted(self.stop or signal.SIGTERM)

    def _save(self, name: str) -> None:
        trainer = self.trainer
        checkpoints.write(trainer.capture(), self.checkpoint_folder / name, self.identity)
        self.saved_at = time.monotonic()
        if name == "epoch.safetensors":
            checkpoints.remove(self.checkpoint_folder, "step.safetensors")

    def _keep_epoch(self) -> None:
        best = None
        if self.trainer.improved and self.keep == "best":
            with self.trainer.predicting():
                best = weights_of(self.trainer.model)
            self.trainer.position.best_digest = hashlib.sha256(best).hexdigest()
        self._save("epoch.safetensors")
        if best is not None:  # after the checkpoint, from which these weights can be had if this write never ends
            write_atomically(self.best_path, best)
        self._write_metrics()
        if self.kept is not None and (best is not None or self.keep == "last"):
            with self.trainer.predicting():
                self.kept(self.trainer.model, self.trainer.position.history, self.trainer.predictions())

    def _write_metrics(self) -> None:
        lines = "".join(json.dumps(metrics, allow_nan=False) + "\n" for metrics in self.trainer.position.history)
        write_atomically(self.folder / "metrics.jsonl", lines)
