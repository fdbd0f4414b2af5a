"""Small trainings for the tests: 60 images of four classes, 8x8, six steps an epoch, one thread."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import resolve
from ecrnn.core.events import Event, Progress, Step, silent
from ecrnn.core.tasks import TASKS
from ecrnn.data.batches import epoch_order
from ecrnn.data.image_set import ImageSet, from_arrays
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import parse_split
from ecrnn.layers.normalisation import BatchNorm2d
from ecrnn.models import build as models
from ecrnn.models.processor import Processor
from ecrnn.tasks.image_classification.objective import ImageClassification
from ecrnn.training import loop, trainer
from ecrnn.training.objective import Loss

SEED, STEPS, BATCH = 5, 6, 8
Poison = Callable[[int, int, float], str | None]  # (epoch, step, learning rate): "loss", "gradient" or nothing


@cache
def image_set(n: int = 60, classes: int = 4, channels: int = 3) -> ImageSet:
    """Noise over one pattern a class, so that there is something to learn."""
    rng = np.random.default_rng(1)
    labels = np.arange(n) % classes
    patterns = rng.integers(0, 256, (classes, 8, 8, channels))
    noise = rng.integers(0, 256, (n, 8, 8, channels))
    return from_arrays(((patterns[labels] + noise) // 2).astype(np.uint8), labels)


def make_settings(**settings: Any) -> TrainingSettings:
    base = {"epochs": 2, "batch_size": BATCH, "threads": 1, "precision": "float32", "device": "cpu"}
    return resolve(TrainingSettings.read(base | settings))


def build(model: str, image: tuple[int, int, int], classes: int, seed: int = 0) -> nn.Module:
    """The model of that name; for `cnn` two convolutions in place of four, with a hundredth of the weights."""
    if model != "cnn":
        return models.build(model, image, classes, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        first = [nn.Conv2d(image[0], 8, 3, padding=1), BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(8, 16, 3, padding=1), BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        network = nn.Sequential(*first, *second, nn.Linear(image[1] * image[2], classes))
    return network.to(memory_format=torch.channels_last)


class Poisoned(ImageClassification):
    """A task whose loss or gradient is not finite where ``poison`` says so."""

    poison: Poison | None = None
    optimizer: torch.optim.Optimizer | None = None

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Tensor, Tensor]:
        order = epoch_order(len(self), self.seed, epoch)
        self.place = epoch, int(np.flatnonzero(order == positions[0])[0]) // self.settings.batch_size
        return super().batch(positions, epoch)

    def loss(self, model: nn.Module, inputs: Tensor, targets: Tensor) -> Loss:
        healthy = super().loss(model, inputs, targets)
        if self.poison is None:
            return healthy
        loss = healthy.mean
        assert self.optimizer is not None
        match self.poison(*self.place, self.optimizer.param_groups[0]["lr"]):
            case "loss":
                loss = loss * torch.inf
            case "gradient":
                loss = loss + (next(model.parameters()).sum() * 0).sqrt()  # 0, with the gradient 0 * inf
        return replace(healthy, mean=loss)


def make_task(settings: TrainingSettings, images: ImageSet | None = None, seed: int = SEED) -> Poisoned:
    images = images or image_set()
    split = parse_split("0.8").split(images, seed, 0)
    preprocessing = fit_preprocessing(images.images, split.train, settings.standardise)
    processor = Processor(TASKS["image-classification"], images.classes, preprocessing)
    return Poisoned(images, split, processor, settings, seed)


def train(
    folder: Path | str | None = None,
    *,
    model: str = "cnn",
    seed: int = SEED,
    keep: str = "last",
    window: int = 1,
    score_epochs: int = 1,
    poison: Poison | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> tuple[nn.Module, trainer.Trained]:
    """A training from its beginning, or from what it left in ``folder``, to its end."""
    resolved = make_settings(**settings)
    task = make_task(resolved, seed=seed)
    task.poison = poison
    network = build(model, task.images.image, len(task.images.classes), seed)
    make_optimizer = trainer.make_optimizer

    def make(*arguments: Any) -> torch.optim.Optimizer:
        task.optimizer = make_optimizer(*arguments)
        return task.optimizer

    trainer.make_optimizer = make
    try:
        trained = loop.fit(
            network,
            task,
            resolved,
            seed=seed,
            folder=Path(folder) if folder else None,
            identity={"model": model},
            keep=keep,  # type: ignore[arg-type]
            window=window,
            score_epochs=score_epochs,
            progress=progress,
        )
    finally:
        trainer.make_optimizer = make_optimizer
    return network, trained


def train_all(folder: str, progress: Progress = silent, **arguments: Any) -> None:
    """`train` as a process of its own calls it."""
    train(folder, progress=progress, **arguments)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def left_on_disk(folder: Path) -> dict[str, Any]:
    """All that must not depend on where a training was stopped: its last checkpoint and its metrics, without times."""
    with safe_open(folder / "checkpoint" / "epoch.safetensors", framework="pt") as file:
        left: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        position = json.loads(file.metadata()["training"])["position"]
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    left["metrics"] = [timeless(json.loads(line)) for line in lines]
    left["position"] = position | {"history": [timeless(line) for line in position["history"]]}
    return left


def timeless(metrics: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in metrics.items() if name != "seconds"}


def same(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    """Fail unless all is there and equal to the last bit; say what is not."""
    assert expected.keys() == actual.keys()
    assert any(isinstance(value, Tensor) for value in expected.values())
    off = [name for name, value in expected.items() if not _equal(value, actual[name])]
    assert not off, f"{len(off)} of {len(expected)} differ: {off[:5]}"


def _equal(expected: Any, actual: Any) -> bool:
    if not isinstance(expected, Tensor):
        return expected == actual
    a, b = (t.contiguous().reshape(-1).view(torch.uint8) for t in (expected, actual))
    return expected.dtype == actual.dtype and expected.shape == actual.shape and torch.equal(a, b)


class Stop(Exception):
    """Raised by `stop_at`."""


def stop_at(step: int, act: Callable[[], object] | None = None) -> Progress:
    """Progress that raises `Stop`, or acts, after optimizer step ``step`` (from 1) of the whole training."""

    def progress(event: Event) -> None:
        if isinstance(event, Step) and event.step == step:
            if act is None:
                raise Stop
            act()

    return progress
