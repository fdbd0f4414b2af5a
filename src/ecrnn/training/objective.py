"""The objective of a training: batches, loss and metric of a task, which is all that the training loop knows of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import autocast
from ecrnn.core.predictions import AnyPredictions
from ecrnn.data.batches import batch_bounds, bucketed, shuffled
from ecrnn.data.splits import Split
from ecrnn.stats.metrics import Metric


@dataclass(frozen=True)
class Loss:
    """The loss of one batch.

    Attributes:
        mean: scalar, over what was counted; back-propagated.
        correct: scalar, number of correct predictions among them; None where training does not know it.
        count: images, texts or tokens that the mean is over.
        divisor: scalar, of the mean, where it is not ``count``: the sum of weights.
    """

    mean: Tensor
    correct: Tensor | None
    count: int
    divisor: Tensor | None = None


class Objective(ABC):
    """The data of one training, and the loss on it.

    The loop shows a network ``steps`` batches an epoch. `order` names the training examples of each batch by their
    positions in the training part, as a function of seed and epoch alone, so that a training can go on anywhere.

    Args:
        split: which examples train and which validate.
        settings: resolved (device, precision and batch size are not "auto").
        lengths: of the training examples, used to batch examples of similar length; None: shuffle freely.

    Attributes:
        metric: by which the network is judged.
        batch_size: examples of a batch.
        device: where batches are made.
    """

    metric: ClassVar[Metric]

    def __init__(self, split: Split, settings: TrainingSettings, lengths: np.ndarray | None = None) -> None:
        self.split, self.settings, self.lengths = split, settings, lengths
        self.device = torch.device(settings.device)
        assert settings.batch_size != "auto"
        self.batch_size: int = settings.batch_size

    def __len__(self) -> int:
        """Training examples."""
        return len(self.split.train)

    @property
    def steps(self) -> int:
        """Batches an epoch, the same in every epoch."""
        return len(batch_bounds(len(self), self.batch_size))

    def order(self, seed: int, epoch: int) -> list[np.ndarray]:
        """The positions (B,) of each batch of an epoch."""
        if self.lengths is None:
            return shuffled(len(self), self.batch_size, seed, epoch)
        return bucketed(self.lengths, self.batch_size, seed, epoch)

    @abstractmethod
    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Any, Any]:
        """Inputs and targets of the examples at ``positions``, on the device."""

    def part(self, positions: np.ndarray, epoch: int, start: int, end: int) -> tuple[Any, Any]:
        """The examples from ``start`` to ``end`` of a batch, as `batch` makes them where it makes all of it."""
        return self.batch(positions[start:end], epoch)

    @abstractmethod
    def loss(self, model: nn.Module, inputs: Any, targets: Any) -> Loss:
        """The network's loss on a batch, computed in the settings' precision."""

    def validate(self, model: nn.Module) -> tuple[dict[str, float], AnyPredictions | None]:
        """`validation_loss` and `validation_<metric>` of the network, and the predictions that they are computed from.

        Always in float32. Nothing where no example validates.
        """
        index = self.split.validation
        return self._validate(model, index) if len(index) else ({}, None)

    @abstractmethod
    def _validate(self, model: nn.Module, index: np.ndarray) -> tuple[dict[str, float], AnyPredictions]:
        """What `validate` gives for the examples ``index``, of which there is at least one."""

    def more_scores(self, predictions: AnyPredictions) -> dict[str, float]:
        """Scores, as of `validate`, that need more of the predictions than is kept of an epoch before the last."""
        return {}

    def _outputs(self, model: nn.Module, *inputs: Tensor) -> Any:
        """The network's outputs in training, computed in the settings' precision."""
        with autocast(self.settings.device, self.settings.precision):
            return model(*inputs)

    def _tensors(self, *arrays: np.ndarray) -> tuple[Tensor, ...]:
        """``arrays`` on the device."""
        return tuple(torch.from_numpy(array).to(self.device) for array in arrays)
