"""What the training loop asks of a task: its batches, its loss and its metric. The loop knows nothing else of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from ecrnn.core.runs import AnyPredictions
from ecrnn.stats.metrics import Metric


@dataclass(frozen=True)
class Loss:
    """The loss of one batch.

    Attributes:
        mean: scalar, over what was counted; back-propagated.
        right: scalar, how many of them were answered rightly; None where that is not known while training.
        count: pictures, texts or tokens that the mean is over.
    """

    mean: Tensor
    right: Tensor | None
    count: int


class Objective(Protocol):
    """One training's data and what is to be learnt of it.

    The loop shows a network ``steps`` batches an epoch. `order` names the training examples of each batch by their
    positions in the training part, as a function of seed and epoch alone, so that a training can go on anywhere.
    """

    metric: Metric

    @property
    def steps(self) -> int:
        """Batches an epoch, the same in every epoch."""

    def order(self, seed: int, epoch: int) -> Sequence[np.ndarray]:
        """The positions (B,) of each batch of an epoch."""

    def batch(self, positions: np.ndarray, epoch: int) -> tuple[Any, Any]:
        """What the network is given for the examples at ``positions``, and what it should answer, on the device."""

    def loss(self, model: nn.Module, inputs: Any, targets: Any) -> Loss:
        """The network's loss on a batch, computed in the settings' precision."""

    def validate(self, model: nn.Module) -> tuple[dict[str, float], AnyPredictions | None]:
        """`validation_loss` and `validation_<metric>` of the network, and what they were computed from.

        Nothing where no example validates.
        """
