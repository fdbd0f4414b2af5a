"""The batch size that `--batch-size auto` chooses: the usual one, halved until two conditions hold.

An epoch of the training examples has at least `STEPS` steps: from a few hundred images a network learns little in an
epoch of four steps, however good each of them is. And a step needs at most half of the memory of the device: what the
network keeps for the way back is measured on some of the very examples, and a step is taken to need twice as much.
docs/decisions/batch-size.md has the measurements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.machine_memory import device_memory
from ecrnn.core.text import counted
from ecrnn.training.objective import Objective

STEPS = 20  # an epoch
SMALLEST = 8  # examples of a batch, below which batch statistics say little
SHARE = 0.5  # of the memory, for a step
STEP = 2  # times what is kept for the way back is what a step needs
_PROBES = 16  # examples that are measured


@dataclass(frozen=True)
class ChosenBatchSize:
    """What was chosen and why.

    Attributes:
        batch_size: examples a step.
        usual: where it was halved from.
        examples: training examples.
        needed, memory: bytes of a step, and of the device.
        for_memory: whether the memory made it smaller than the examples alone.
    """

    batch_size: int
    usual: int
    examples: int
    needed: int
    memory: int
    for_memory: bool

    def line(self, examples: str) -> str:
        """What was chosen, in words; ``examples`` is what the task calls them."""
        steps = -(-self.examples // self.batch_size)
        line = f"batch size {self.batch_size}, by auto: {steps} steps for {counted(self.examples, examples)}"
        memory = f"about {_shown(self.needed)} a step of {_shown(self.memory)} memory"
        if self.batch_size == self.usual:
            return f"{line}, {memory}"
        why = "more would not fit into half of the memory" if self.for_memory else f"at least {STEPS} are wanted"
        return f"{line}, {memory}; {self.usual} is usual, but {why}"


def choose(network: nn.Module, objective: Objective, usual: int) -> ChosenBatchSize:
    """The batch size for a network on a training's examples.

    Args:
        network: a fresh one, which is of no use afterwards.
        objective: of any batch size.
        usual: the batch size that is halved.
    """
    memory, each = device_memory(objective.device.type), STEP * kept_bytes(network, objective)
    size = usual
    while size // 2 >= SMALLEST and -(-len(objective) // size) < STEPS:
        size //= 2
    enough = size
    while size // 2 >= 2 and size * each > SHARE * memory:
        size //= 2
    return ChosenBatchSize(size, usual, len(objective), size * each, memory, size < enough)


def kept_bytes(network: nn.Module, objective: Objective) -> int:
    """Bytes that a network in training keeps for the way back, an example: measured on a few, the longest if any are.

    What it keeps once, such as weights in another form, is counted as if it were of these examples, so that this is
    rather too much than too little.
    """
    network.to(device=objective.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    count = min(_PROBES, len(objective))
    positions = np.arange(count)
    if objective.lengths is not None:
        positions = np.sort(np.argsort(objective.lengths, kind="stable")[-count:])
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*network.parameters(), *network.buffers())}
    kept: dict[int, int] = {}  # by address; not by storage, which may be a larger one that is used again and again

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.data_ptr()] = max(tensor.nbytes, kept.get(tensor.data_ptr(), 0))
        return tensor.detach()  # without the graph, which else would keep itself

    with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = objective.loss(network, *objective.batch(positions, 0))
    del loss
    return -(-sum(kept.values()) // count)


def _shown(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
