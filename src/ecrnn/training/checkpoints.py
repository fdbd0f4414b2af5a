"""Checkpoints: the whole state of a training in one safetensors file, written atomically, checked when read.

`epoch.safetensors` is the state at the end of the last whole epoch, `step.safetensors` a later one inside an epoch,
if any. A damaged file is passed over for the other one: from either, the training ends with the same bits.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from ecrnn.core.errors import EcrnnError, RunDirectoryError, TrainingError
from ecrnn.core.files import disk_errors, write_atomically
from ecrnn.core.reading import MAX_WEIGHTS, opened, parse_json

NAMES = ("step.safetensors", "epoch.safetensors")
_NEWER = ("examples", "processor", "source")  # of an identity, which older checkpoints do not name
_EARLIER = "earlier."  # begins the names of the predictions of epochs before the last that count
_AVERAGE = "average."  # begins the names of averaged weights


@dataclass
class Position:
    """Where a training stands, beside its tensors. Everything here is JSON.

    Attributes:
        epoch: whole epochs done.
        step: batches done of the epoch under way.
        loss_sum, correct, seen: of those batches, for the epoch's training metrics; ``correct`` is None where a task
            has no right and wrong answers while it trains.
        seconds: spent on the epoch under way.
        skipped: steps left out because of a loss or gradient that was not finite.
        roll_backs: how often the training went back to the start of an epoch, with half the learning rate.
        history: the metrics of the whole epochs.
        best: epoch (from 1) and score of the best epoch so far.
        best_digest: SHA-256 of the file with that epoch's weights, where they are kept.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    correct: int | None = 0
    seen: int = 0
    seconds: float = 0.0
    skipped: int = 0
    roll_backs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: tuple[int, float | None] = (0, None)
    best_digest: str | None = None

    @property
    def whole_epochs(self) -> int:
        """Epochs of which every step is done; of the last one the end may be under way."""
        return self.epoch + (self.step > 0)

    def score(self, epoch: int, name: str, window: int) -> float:
        """The mean of a validation metric over ``window`` epochs, or as many as there are, up to ``epoch`` (from 1)."""
        lines = self.history[max(0, epoch - window) : epoch]
        return math.fsum(line[f"validation_{name}"] for line in lines) / len(lines)


@dataclass(frozen=True)
class Checkpoint:
    """A copy of a training's state: named tensors and its position."""

    tensors: dict[str, Tensor]
    position: Position

    def to_plain(self) -> dict[str, Any]:
        """Its tensors by name, and its position as plain data."""
        return {"tensors": self.tensors, "position": vars(self.position)}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Checkpoint:
        """What `to_plain` gave."""
        return Checkpoint(plain["tensors"], Position(**plain["position"]))


def capture(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    position: Position,
    earlier: Sequence[np.ndarray] = (),
    average: Mapping[str, Tensor] = MappingProxyType({}),
) -> Checkpoint:
    """Copy the state of model, optimizer and torch's generators to the CPU.

    Args:
        earlier: the predictions of epochs that count, as `ecrnn.core.predictions.compact` gives them.
        average: averaged weights by name, if there are any.
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{number}.{key}": value for key, value in state.items() if isinstance(value, Tensor)}
    tensors["generator.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        tensors["generator.cuda"] = torch.cuda.get_rng_state()
    tensors |= {f"{_EARLIER}{number}": torch.from_numpy(array) for number, array in enumerate(earlier)}
    tensors |= {f"{_AVERAGE}{name}": value for name, value in average.items()}
    copies = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()
    }
    copied = Position(**json.loads(json.dumps(vars(position))))
    return Checkpoint(copies, copied)


def fits(
    checkpoint: Checkpoint,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    average: Mapping[str, Tensor] = MappingProxyType({}),
) -> bool:
    """Whether a checkpoint is of such a model, optimizer and average: one from elsewhere may hold anything."""
    wanted = {f"model.{name}": (value.shape, value.dtype) for name, value in model.state_dict().items()}
    wanted |= {f"{_AVERAGE}{name}": (value.shape, value.dtype) for name, value in average.items()}
    state = torch.get_rng_state()
    wanted["generator.cpu"] = (state.shape, state.dtype)
    known = ({"exp_avg", "exp_avg_sq", "step"}, {"momentum_buffer"}, {"momentum_buffer", "norm"})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, parameter in enumerate(parameters):
        start = f"optimizer.{number}."
        keys = {name.removeprefix(start) for name in checkpoint.tensors if name.startswith(start)}
        if keys and keys not in known:
            return False
        shapes = {key: torch.Size() if key in ("step", "norm") else parameter.shape for key in keys}
        wanted |= {start + key: (shape, parameter.dtype) for key, shape in shapes.items()}
    found = {name: (value.shape, value.dtype) for name, value in checkpoint.tensors.items()}
    found.pop("generator.cuda", None)
    return {name: kind for name, kind in found.items() if not name.startswith(_EARLIER)} == wanted


def earlier_of(checkpoint: Checkpoint) -> list[np.ndarray]:
    """The predictions of epochs that `capture` was given."""
    count = sum(name.startswith(_EARLIER) for name in checkpoint.tensors)
    names = [f"{_EARLIER}{number}" for number in range(count)]
    return [checkpoint.tensors[name].numpy().copy() for name in names if name in checkpoint.tensors]


def average_of(checkpoint: Checkpoint) -> dict[str, Tensor]:
    """The averaged weights that `capture` was given, by name."""
    named = checkpoint.tensors.items()
    return {name.removeprefix(_AVERAGE): tensor for name, tensor in named if name.startswith(_AVERAGE)}


def restore(checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer) -> Position:
    """Bring model, optimizer and generators to the state of ``checkpoint``; gives its position."""
    tensors = checkpoint.tensors
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    states: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            states.setdefault(int(number), {})[key] = _laid_out_like(parameters[int(number)], tensor)
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    torch.set_rng_state(tensors["generator.cpu"])
    if "generator.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["generator.cuda"])
    position = Position(**json.loads(json.dumps(vars(checkpoint.position))))
    position.best = (position.best[0], position.best[1])
    return position


def _laid_out_like(parameter: Tensor, state: Tensor) -> Tensor:
    """A copy of ``state`` in the parameter's memory format: fused optimizers walk both in memory order."""
    if state.shape != parameter.shape:
        return state.clone()
    return torch.empty_like(parameter, dtype=state.dtype, requires_grad=False).copy_(state)


def write(checkpoint: Checkpoint, path: Path, identity: dict[str, Any]) -> None:
    """Write a checkpoint.

    Args:
        identity: the settings of the training; only the same training may go on from the file.

    Raises:
        TrainingError: a tensor is not finite: such a state is never written.
        RunDirectoryError: the disk refuses.
    """
    bad = [name for name, t in checkpoint.tensors.items() if t.is_floating_point() and not t.isfinite().all()]
    if bad:
        raise TrainingError(f"the state of the training is no longer finite ({bad[0]}); a smaller --lr may help")
    about = json.dumps({"identity": identity, "position": vars(checkpoint.position)})
    metadata = {"training": about, "digest": _digest(about, checkpoint.tensors)}
    write_atomically(path, save(checkpoint.tensors, metadata))


def read_latest(folder: Path, identity: dict[str, Any], *, longer: bool = False) -> Checkpoint | None:
    """The furthest whole checkpoint in ``folder``, or None where there is none; arguments as of `read`.

    Raises:
        RunDirectoryError: it belongs to a training with other settings.
    """
    found = [checkpoint for name in NAMES if (checkpoint := read(folder / name, identity, longer=longer))]
    return max(found, key=lambda c: (c.position.epoch, c.position.step), default=None)


def read(path: Path, identity: dict[str, Any], *, longer: bool = False) -> Checkpoint | None:
    """The checkpoint in ``path``, or None if it is absent or damaged.

    Args:
        path: of the file.
        identity: the settings of the training.
        longer: whether one of fewer epochs is taken, too.

    Raises:
        RunDirectoryError: it belongs to a training with other settings.
    """
    try:
        with opened(path, MAX_WEIGHTS), safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        if metadata["digest"] != _digest(metadata["training"], tensors):
            return None
        about = parse_json(metadata["training"], path)
        position = _position(about["position"])
    except (EcrnnError, OSError, SafetensorError, ValueError, KeyError, TypeError):
        return None
    if not isinstance(about["identity"], dict):
        return None
    found = {**{key: identity[key] for key in _NEWER if key in identity}, **about["identity"]}
    fewer = found.get("epochs")
    if longer and type(fewer) is int and fewer < identity["epochs"]:
        found["epochs"] = identity["epochs"]
    if found != identity:
        keys = sorted(key for key in identity.keys() | found.keys() if identity.get(key) != found.get(key))
        keys = [key for key in keys if key not in _NEWER] or keys  # these follow from the others
        raise RunDirectoryError(
            f"{path.parent} holds a training with another {', '.join(keys)}; choose another folder or the same settings"
        )
    return Checkpoint(tensors, position)


def _position(value: dict[str, Any]) -> Position:
    """Raises a TypeError or ValueError for what is none."""
    position = Position(**value)
    whole = (position.epoch, position.step, position.seen, position.skipped, position.roll_backs, position.best[0])
    if not all(type(number) is int and number >= 0 for number in whole):
        raise ValueError("a count is none")
    real = (position.loss_sum, position.seconds, position.correct or 0, position.best[1] or 0)
    if len(position.best) != 2 or not all(type(number) in (int, float) for number in real):
        raise ValueError("a sum is no number")
    if type(position.history) is not list or not all(type(line) is dict for line in position.history):
        raise ValueError("the history is not one of epochs")
    if position.best[0] > len(position.history) or not isinstance(position.best_digest, str | None):
        raise ValueError("the best epoch is none of them")
    return position


def remove(folder: Path, *names: str) -> None:
    """Delete checkpoints by file name, where they exist."""
    for name in names:
        with disk_errors(folder / name, "delete"):
            (folder / name).unlink(missing_ok=True)


def _digest(about: str, tensors: dict[str, Tensor]) -> str:
    """SHA-256 of all that a checkpoint holds, so that no changed byte goes unseen."""
    digest = hashlib.sha256(about.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {tuple(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
