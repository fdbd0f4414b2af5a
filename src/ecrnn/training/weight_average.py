"""The exponential average of a network's weights, which predicts better than the weights of any one step.

    average <- d * average + (1 - d) * weights        after every step, d = min(decay, (1 + n) / (10 + n)) at step n

so that the first steps, of networks that have learnt nothing, are soon forgotten (Tan and Le's EfficientNet, 2019, and
TensorFlow's ExponentialMovingAverage have the same rule). Batch normalisation needs statistics of the averaged network:
neither the average of the statistics nor those of the last step are its own. They are taken anew, as the mean over the
first `BATCHES` batches of the epoch, before it predicts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ecrnn.layers.normalisation import statistics_anew
from ecrnn.training.objective import Objective

BATCHES = 32  # by which the statistics of the averaged network are taken


class WeightAverage:
    """The average of the parameters of ``model`` so far.

    Args:
        model: as it is before the first step.
        decay: below 1; the average is over the last 1 / (1 - decay) steps or so.

    Attributes:
        weights: the averaged parameters by name.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        self._whole: dict[str, Tensor] | None = None  # with batch statistics, as long as it stays as it is

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Take in the weights after optimizer step ``step``, from 0."""
        new = 1 - min(self.decay, (1 + step) / (10 + step))
        now = [parameter.detach() for _, parameter in model.named_parameters()]
        torch._foreach_lerp_(list(self.weights.values()), now, new)
        self._whole = None

    def put_into(self, model: nn.Module, objective: Objective, seed: int, epoch: int) -> None:
        """Give ``model`` the averaged weights, and batch statistics that are theirs.

        Args:
            model: whose weights were averaged.
            objective: what it learns.
            seed: of the order of the examples.
            epoch: from 0, whose first batches give the statistics.
        """
        if self._whole is not None:
            model.load_state_dict(self._whole)
            return
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(self.weights[name])
        with statistics_anew(model) as needed, torch.no_grad():
            for positions in objective.order(seed, epoch)[:BATCHES] if needed else ():
                objective.loss(model, *objective.batch(positions, epoch))
        self._whole = copies(model)

    def restore(self, weights: dict[str, Tensor]) -> None:
        """Go on from such ``weights``."""
        for name, tensor in weights.items():
            self.weights[name].copy_(tensor)
        self._whole = None


def copies(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the weights and buffers of ``model``, where they are."""
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
