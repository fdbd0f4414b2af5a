"""The objective of tasks that write: a decoder learns to write a target, token after token."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from ecrnn.data.vocabulary import PAD
from ecrnn.models.generation import target_nats, with_ends
from ecrnn.models.inference import evaluating
from ecrnn.stats.metrics import BLEU
from ecrnn.training.objective import Loss, Objective

VALIDATED = 64  # examples at a time whose validation loss is computed


@dataclass(frozen=True)
class Targets:
    """The targets of a decoder: tokens (B, T), PAD after the end, and their number."""

    tokens: Tensor
    count: int


TargetBatch = tuple[tuple[Tensor, ...], Targets]  # the network's arguments, the last of which the decoder reads


class Seq2SeqObjective(Objective):
    """An `Objective` whose network reads a target and predicts its next tokens."""

    metric = BLEU

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...], targets: Targets) -> Loss:
        """Mean cross-entropy of the target's tokens and its END, in nats."""
        logits = self._outputs(model, *inputs)
        correct = ((logits.argmax(-1) == targets.tokens) & (targets.tokens != PAD)).sum()
        return Loss(target_nats(logits, targets.tokens) / targets.count, correct, targets.count)

    def _targets(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Targets]:
        """The decoder's inputs (B, T) and its targets."""
        inputs, targets = self._tensors(*with_ends(sequences))
        return inputs, Targets(targets, sum(len(sequence) + 1 for sequence in sequences))


def mean_nats(model: nn.Module, batches: Iterable[TargetBatch]) -> float:
    """Mean cross-entropy of the targets of all batches, computed in float32."""
    nats, count = 0.0, 0
    with evaluating(model):
        for inputs, targets in batches:
            nats += float(target_nats(model(*inputs), targets.tokens))
            count += targets.count
    return nats / count
