"""What the tasks that write have in common: a decoder learns to write a target, token after token."""

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
    """What a decoder should answer: tokens (B, T), PAD after the end, and how many they are."""

    tokens: Tensor
    count: int


TargetBatch = tuple[tuple[Tensor, ...], Targets]  # the network's arguments, the last given to the decoder


class Seq2SeqObjective(Objective):
    """An `Objective` whose network is given a target and answers with its next tokens."""

    metric = BLEU

    def loss(self, model: nn.Module, inputs: tuple[Tensor, ...], targets: Targets) -> Loss:
        """Mean cross-entropy of the target's tokens and its END, in nats."""
        logits = self._answer(model, *inputs)
        right = ((logits.argmax(-1) == targets.tokens) & (targets.tokens != PAD)).sum()
        return Loss(target_nats(logits, targets.tokens) / targets.count, right, targets.count)

    def _targets(self, sequences: Sequence[Sequence[int]]) -> tuple[Tensor, Targets]:
        """What the decoder is given (B, T), and what it should answer."""
        given, wanted = self._tensors(*with_ends(sequences))
        return given, Targets(wanted, sum(len(sequence) + 1 for sequence in sequences))


def mean_nats(model: nn.Module, batches: Iterable[TargetBatch]) -> float:
    """Mean cross-entropy of the targets of all batches, computed in float32."""
    nats, count = 0.0, 0
    with evaluating(model):
        for inputs, targets in batches:
            nats += float(target_nats(model(*inputs), targets.tokens))
            count += targets.count
    return nats / count
