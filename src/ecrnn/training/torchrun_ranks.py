"""One training by several processes (ranks), started by torchrun: gloo between CPUs, NCCL between GPUs.

Each rank has the network, takes its share of every batch, and computes with statistics and gradients that are sums over
all ranks, so that all make the same step, which is that of one process up to rounding:

    batch normalisation   the sums of a batch and of its gradients, over all ranks
    gradient              sum of count_r * gradient_r / sum of count_r, where rank r's loss is a mean over count_r
    signals               go with the gradients, so that all ranks stop at the same step

Rank 0 alone reads and writes the folder, and validates; the others take state and position from it. A batch of fewer
examples than ranks is computed whole by each. What a network draws itself, as for dropout, is a function of (seed,
step, rank), so that a training that goes on with as many ranks has the same bits.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from safetensors.torch import load, save
from torch import Tensor, nn

from ecrnn.core.devices import resolve_device
from ecrnn.core.errors import TrainingError
from ecrnn.core.torchrun import Place, place
from ecrnn.layers.normalisation import sum_by
from ecrnn.training.checkpoints import Position
from ecrnn.training.objective import Loss, Objective

PATIENCE = timedelta(days=1)  # of ranks that wait for rank 0, which validates; a rank that ends is noticed at once


class Ranks:
    """The ranks of one training, as one of them sees them.

    Args:
        here: which of them this process is.

    Attributes:
        rank, world: number of this rank, from 0, and of all.
        stop: signal by which all ranks stop after the present step; 0 for none.
        heard: gives the signal that this process has got, or None.
    """

    def __init__(self, here: Place) -> None:
        self.rank, self.world = here.rank, here.world
        self.stop = 0
        self.heard: Callable[[], int | None] = lambda: None
        self._parent = os.getppid()
        self._together = False  # whether all ranks compute the same batch now

    def share_statistics(self, model: nn.Module) -> None:
        """Let batch normalisation be over all ranks.

        Raises:
            TrainingError: a layer cannot.
        """
        if others := sum_by(model, self._summed):
            line = f"layer {others[0]} is torch's own batch normalisation, whose statistics stay within one process"
            raise TrainingError(f"{line}; use BatchNorm2d of ecrnn.layers.normalisation, or train without torchrun")

    def _summed(self, values: Tensor) -> Tensor:
        """The sum of ``values`` over all ranks, for batch normalisation; so are its gradients."""
        if not self._together:
            return values
        total: Tensor = _Sum.apply(values, self.sum_)  # type: ignore[no-untyped-call]
        return total

    def backward(
        self, model: nn.Module, objective: Objective, positions: np.ndarray, epoch: int, seed: Sequence[int]
    ) -> Loss:
        """Leave the gradient of the loss on a whole batch in the parameters; gives that loss.

        Args:
            model, objective: of the training.
            positions: (B,), of all examples of the batch among those that train.
            epoch: from 0.
            seed: whole numbers that no other step has.
        """
        whole = len(positions) < self.world  # each rank computes all of it
        torch.manual_seed(int(np.random.SeedSequence([*seed, self.rank]).generate_state(1)[0]))
        self._together = not whole
        try:
            if whole:
                inputs, targets = objective.batch(positions, epoch)
            else:
                inputs, targets = objective.part(positions, epoch, *share(len(positions), self.rank, self.world))
            loss = objective.loss(model, inputs, targets)
            divisor = torch.as_tensor(loss.count if loss.divisor is None else loss.divisor, dtype=torch.float32)
            (loss.mean * divisor.to(loss.mean.device)).backward()  # type: ignore[no-untyped-call]
        finally:
            self._together = False
        return self._joined(model, loss, divisor, self.world if whole else 1)

    def _joined(self, model: nn.Module, loss: Loss, divisor: Tensor, times: int) -> Loss:
        """The loss of all ranks, whose gradients are then each rank's; every example was computed ``times`` times."""
        gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
        mean = loss.mean.detach().float()
        correct = mean.new_zeros(()) if loss.correct is None else loss.correct.float()
        sums = mean.new_tensor([float(loss.count), float(self._heard() is not None)])
        divisor = divisor.to(mean.device)
        together = torch.cat(
            [*(g.reshape(-1) for g in gradients), torch.stack([divisor, mean * divisor, correct]), sums]
        )
        self.sum_(together)
        *_, total, error, correct, count, stops = together[-5:].unbind()
        start = 0
        for gradient in gradients:
            part = together[start : start + gradient.numel()]
            gradient.copy_(part.view(gradient.shape) / total)
            start += gradient.numel()
        known = (correct / times).round() if loss.correct is not None else None
        self._agree(bool(stops))
        return Loss(error / total, known, round(float(count) / times))

    def send(self, plain: dict[str, Any], tensors: dict[str, Tensor] | None = None) -> None:
        """Rank 0: send plain data, and tensors by name, to all others, which `receive`."""
        for data in (json.dumps(plain).encode(), save(tensors or {})):
            self._pass_on(data)

    def receive(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Other ranks: what rank 0 sends."""
        plain, tensors = self._pass_on(b""), self._pass_on(b"")
        return json.loads(plain), load(tensors)

    def same_state(self, state: dict[str, Any]) -> dict[str, Any]:
        """The state of rank 0's training on every rank, as `Trainer.state_dict` gives it."""
        if self.rank == 0:
            parts = {key: part for key, part in state.items() if part is not None}
            tensors = {
                f"{key}/{name}": tensor for key, part in parts.items() for name, tensor in part["tensors"].items()
            }
            self.send({key: part["position"] for key, part in parts.items()}, tensors)
            return state
        positions, tensors = self.receive()
        found: dict[str, Any] = dict.fromkeys(state)
        for key, position in positions.items():
            named = {name.partition("/")[2]: tensor for name, tensor in tensors.items() if name.startswith(f"{key}/")}
            found[key] = {"tensors": named, "position": position}
        return found

    def after_epoch(self, position: Position) -> Position:
        """The position of rank 0 after an epoch, on every rank; all stop if rank 0 has heard a signal."""
        if self.rank == 0:
            self._agree(self._heard() is not None)
            self.send({"position": vars(position), "stop": self.stop})
            return position
        plain, _ = self.receive()
        self._agree(bool(plain["stop"]))
        found = Position(**plain["position"])
        found.best = (found.best[0], found.best[1])
        return found

    def sum_(self, values: Tensor) -> None:
        """Replace ``values`` by their sum over all ranks."""
        with self._lost():
            dist.all_reduce(values)

    def _pass_on(self, data: bytes) -> bytes:
        """Bytes of rank 0, on every rank."""
        with self._lost():
            size = torch.tensor([len(data)])
            dist.broadcast(size, 0)
            values = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
            if self.rank:
                values = torch.empty(int(size), dtype=torch.uint8)
            dist.broadcast(values, 0)
        return values.numpy().tobytes()

    def _heard(self) -> int | None:
        """The signal that this process has got; the end of torchrun is one, too."""
        return self.heard() or (signal.SIGTERM if os.getppid() != self._parent else None)

    def _agree(self, stops: bool) -> None:
        self.stop = int(self._heard() or signal.SIGTERM) if stops else 0

    @contextlib.contextmanager
    def _lost(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # of torch.distributed: it has no other where a connection breaks
            lost = f"rank {self.rank} of {self.world}: a connection to the other processes of this training is lost"
            cause = re.sub(r"^\[[^]]*\] |\. This is .*", "", str(error).partition("\n")[0])[:200]
            raise TrainingError(
                f"{lost} ({cause}); if one was killed, the same command with --resume goes on"
            ) from error


class _Sum(torch.autograd.Function):
    """The sum over all ranks."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, sum_: Callable[[Tensor], None]) -> Tensor:
        ctx.sum_ = sum_
        total = values.clone()
        sum_(total)
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_total: Tensor) -> tuple[Tensor, None]:
        d_values = d_total.clone()
        ctx.sum_(d_values)
        return d_values, None


def share(n: int, rank: int, world: int) -> tuple[int, int]:
    """Start and end of a rank's share of ``n`` examples; shares differ by one example at most."""
    return rank * n // world, (rank + 1) * n // world


@contextlib.contextmanager
def joined(device: str) -> Iterator[Ranks | None]:
    """Inside, this process is one of the ranks that torchrun has started; None where it has started one or none.

    Args:
        device: that computes, "auto" too. Each rank takes the GPU of its number on its machine.

    Raises:
        TrainingError: a machine has fewer GPUs than ranks, or the ranks do not find each other.
    """
    here = place()
    if here.world == 1:
        yield None
        return
    backend = "gloo"
    if resolve_device(device) == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        if here.local_world > torch.cuda.device_count():
            line = f"{here.local_world} processes on this machine, which has {torch.cuda.device_count()} GPUs"
            raise TrainingError(f"{line}; give torchrun a smaller --nproc-per-node, or --device cpu")
        torch.cuda.set_device(here.local_rank)
    ranks = Ranks(here)
    with ranks._lost():
        dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield ranks
    finally:
        dist.destroy_process_group()
