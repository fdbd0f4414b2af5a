"""What `test_torchrun_ranks.py` looks at, computed by two ranks: `start` starts both, each runs this file.

Rank 0 also computes it alone and writes what came of either to a folder.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from training.small_tasks import MODELS, small
from training.trainings import SEED, image_set, left_on_disk, make_settings, make_task, same, stop_at

from ecrnn.core.errors import TrainingError
from ecrnn.core.events import Event, Step
from ecrnn.layers.normalisation import BatchNorm2d
from ecrnn.layers.stages import Stage
from ecrnn.recurrence import LSTM
from ecrnn.training.interruption import Interrupted
from ecrnn.training.loop import fit
from ecrnn.training.torchrun_ranks import Ranks, joined
from ecrnn.training.trainer import Trainer

IMAGES = {  # settings of trainings of images
    "fifty steps": {"batch_size": 23, "epochs": 17, "lr": 1e-3, "weight_averaging": 0.9},
    "odd batches": {"batch_size": 7, "augment": "flip-crop-mixup", "class_weights": "balanced", "clip_norm": 0.5},
}
POLICIES = ("skip", "roll-back")


class Small(nn.Module):
    """Two convolutions with batch normalisation, and a recurrence over the columns of their map."""

    def __init__(self, classes: int = 4, dropout: float = 0.0) -> None:
        super().__init__()
        first, second = (nn.Conv2d(channels, 16, 3, padding=1) for channels in (3, 16))
        self.first = Stage(first, nn.ReLU(), BatchNorm2d(16), nn.MaxPool2d(2))
        self.second = Stage(second, nn.ReLU(), BatchNorm2d(16))
        self.columns = LSTM(64, 8, batch_first=True)
        self.dropout, self.classes = nn.Dropout(dropout), nn.Linear(8, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = self.second(self.first(images))
        states, _ = self.columns(maps.permute(0, 3, 1, 2).flatten(2))
        return self.classes(self.dropout(states[:, -1]))


def network(dropout: float = 0.0) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Small(dropout=dropout)


def of_images(ranks: Ranks | None, **settings: Any) -> dict[str, Any]:
    """A training of images in memory."""
    resolved, model = make_settings(**settings), network()
    trained = fit(model, make_task(resolved, image_set()), resolved, seed=SEED, ranks=ranks)
    return {**model.state_dict(), "losses": losses(trained.history), "steps": torch.tensor(trained.steps)}


def of_few(ranks: Ranks | None) -> dict[str, Any]:
    """Steps of one example, fewer than there are ranks, after one of three."""
    resolved, model = make_settings(optimizer="sgd", lr=1e-2), network()
    trainer = Trainer(model, make_task(resolved, image_set()), resolved, seed=SEED, ranks=ranks)
    model.train()
    for positions in ([5, 1, 9], [7], [2]):
        trainer.step(np.array(positions))
    position = trainer.position
    return {**model.state_dict(), "sums": torch.tensor([position.loss_sum, position.correct or 0, position.seen])}


def of_task(ranks: Ranks | None, task: str) -> dict[str, Any]:
    """An epoch of a small training of any other task, without dropout, which each rank draws for itself."""
    one = small(task, epochs=1, batch_size=7, optimizer="sgd", lr=1e-3)
    model = one.network()
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    trained = fit(model, one.objective, one.objective.settings, seed=SEED, ranks=ranks)
    return {**model.state_dict(), "losses": losses(trained.history)}


def poisoned(ranks: Ranks | None, policy: str) -> dict[str, Any]:
    """A training in which one loss is not finite, of the share of the last rank alone."""
    resolved, model = make_settings(non_finite=policy, optimizer="sgd", lr=1e-3), network()
    task, calls = make_task(resolved, image_set()), 0

    def poison(epoch: int, step: int, _: float) -> str | None:
        nonlocal calls
        calls += (epoch, step) == (1, 2)
        return "loss" if (epoch, step, calls) == (1, 2, 1) and (ranks is None or ranks.rank == 1) else None

    trainer = Trainer(model, task, resolved, seed=SEED, ranks=ranks)
    task.poison, task.optimizer = poison, trainer.optimizer
    list(trainer.epochs())
    position = trainer.position
    return {**model.state_dict(), "counts": torch.tensor([position.skipped, position.roll_backs])}


def interrupted(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Two trainings on disk, with dropout: one left alone, one of which rank 1 hears SIGTERM, twice, in step 4."""
    resolved = make_settings(augment="flip")
    steps: list[int] = []

    def run(name: str, progress: Any) -> None:
        mine = folder / name if ranks.rank == 0 else None
        model, task = network(0.5), make_task(resolved, image_set())
        fit(model, task, resolved, seed=SEED, folder=mine, keep="best", ranks=ranks, progress=progress)

    def kill() -> None:
        if ranks.rank == 1:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)

    def look(event: Event) -> None:
        if isinstance(event, Step):
            steps.append(event.step)
            stop_at(4, kill)(event)

    run("alone", lambda _: None)
    with suppress(Interrupted):
        run("stopped", look)
    stopped = steps[-1]
    run("stopped", lambda _: None)
    if ranks.rank:
        ranks.sum_(torch.tensor(stopped))
        return {}
    both = torch.tensor(stopped)
    ranks.sum_(both)
    same(left_on_disk(folder / "alone"), left_on_disk(folder / "stopped"))
    return {"stopped": [stopped, int(both) - stopped]}


def losses(history: list[dict[str, Any]]) -> Tensor:
    keys = [key for key in history[-1] if key.endswith(("loss", "accuracy"))]
    return torch.tensor([[line[key] for key in keys] for line in history])


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    """The largest difference of two results, relative to 1 + the value."""
    assert one.keys() == other.keys()
    return max(float(((a - other[name]).abs() / (1 + a.abs())).max()) for name, a in one.items() if a.numel())


def main(folder: Path) -> None:
    found: dict[str, Any] = {}
    with joined("cpu") as ranks:
        assert ranks is not None
        cases: dict[str, Any] = {name: (of_images, {**settings}) for name, settings in IMAGES.items()}
        cases |= {task: (of_task, {"task": task}) for task in MODELS}
        cases["fewer than ranks"] = (of_few, {})
        cases |= {policy: (poisoned, {"policy": policy}) for policy in POLICIES}
        for name, (train, arguments) in cases.items():
            together = train(ranks, **arguments)
            if ranks.rank == 0:
                found[name] = difference(together, train(None, **arguments))
        found |= interrupted(ranks, folder)
        mine = torch.rand(2)  # as dropout draws them, after a step
        both = mine.clone()
        ranks.sum_(both)
        found["drawn"] = [mine.tolist(), (both - mine).tolist()]
        try:
            ranks.share_statistics(nn.Sequential(nn.BatchNorm2d(4)))
        except TrainingError as error:
            found["refused"] = str(error)
        if ranks.rank:
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            ranks.receive() if ranks.rank else ranks.sum_(torch.ones(3))
        except TrainingError as error:
            found["lost"] = str(error)
        (folder / "found.json").write_text(json.dumps(found))
        os._exit(0)


def start(folder: Path) -> dict[str, Any]:
    """Have two ranks compute; gives what rank 0 has found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"TORCHELASTIC_RUN_ID": "test", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "PYTHONPATH": str(Path(__file__).parents[1])}
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(2)
    ]
    statuses = [process.wait(timeout=900) for process in processes]
    assert statuses == [0, -signal.SIGKILL]
    found: dict[str, Any] = json.loads((folder / "found.json").read_text())
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
