"""A training by several processes, from the command line: what rank 0 decides, the others follow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from core.lines import one_line
from safetensors.torch import load_file

from ecrnn.core.config import TrainSettings
from ecrnn.core.errors import DataError, TrainingError
from ecrnn.data.image_set import ImageSet, from_arrays
from ecrnn.models.names import parse
from ecrnn.studies.following import follow, leading
from ecrnn.training.torchrun_ranks import Ranks

MODEL = parse("mlp-16")
SETTINGS = TrainSettings.read({"data": "arrays", "model": "mlp-16", "image_size": 8}, "test")


class Told:
    """A rank that was sent these messages, and keeps what it sends."""

    rank, world = 1, 2

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages, self.sent = list(messages), list[dict[str, Any]]()

    def receive(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return self.messages.pop(0), {}

    def send(self, plain: dict[str, Any]) -> None:
        self.sent.append(plain)


def followed(*messages: dict[str, Any]) -> bool:
    return follow(cast(Ranks, Told(*messages)), MODEL, arrays())


def arrays() -> ImageSet:
    return from_arrays(np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1), np.uint8), np.arange(20) % 2)


def test_what_was_finished_before_is_not_trained() -> None:
    assert followed({"trained": False}) is False


def test_a_rank_with_other_data_says_so() -> None:
    begun = {"settings": SETTINGS.model_dump(mode="json"), "identity": {"fingerprint": "another"}}
    with one_line(TrainingError, "rank 1: ", "not what rank 0 has: other fingerprint"):
        followed(begun)


def test_an_error_of_rank_0_before_it_begins_ends_the_others() -> None:
    ranks = Told()
    with pytest.raises(DataError), leading(cast(Ranks, ranks)):
        raise DataError("no such folder")
    with one_line(TrainingError, "rank 1 of 2", "rank 0 has begun nothing"):
        followed(*ranks.sent)


class Torchrun:
    """`ecrnn train` by two processes, on digits, for 4 epochs of 12 steps."""

    def __init__(self, out: Path, *more: str, processes: int = 2) -> None:
        self.out = out
        self.before = self.newest()
        command = ["torch.distributed.run", f"--nproc-per-node={processes}", "-m", "ecrnn", "train", "digits"]
        options = ["--model", "ecrnn-gru-2", "--image-size", "8", "--epochs", "4", "--device", "cpu"]
        checkpoints = ["--precision", "float32", "--resume", "--set", "training.checkpoint_seconds=0.1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", *command, *options, *checkpoints, "-o", str(out), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ
            | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"},  # where pieces of lines are written at once
            start_new_session=True,
        )

    def newest(self) -> int:
        """When the last checkpoint was written."""
        times = [0]
        for path in self.out.glob("checkpoint/*.safetensors"):
            with suppress(FileNotFoundError):
                times.append(path.stat().st_mtime_ns)
        return max(times)

    def wait(self) -> None:
        """Until it has written a checkpoint."""
        for _ in range(3000):
            if self.newest() > self.before:
                return
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.1)
        raise AssertionError("no checkpoint comes")

    def ranks(self) -> list[int]:
        """Their process ids, by rank."""
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            found[next(int(v[5:]) for v in variables if v.startswith(b"RANK="))] = int(pid)
        return [found[rank] for rank in sorted(found)]

    def lines(self) -> list[str]:
        """Of ecrnn on both streams, once all has ended."""
        out, err = self.process.communicate(timeout=900)
        return [line for line in (out + err).splitlines() if line.startswith(("ecrnn:", "ecrnn-"))]


@pytest.mark.slow
def test_it_goes_on_after_kills_and_signals(tmp_path: Path) -> None:
    alone = Torchrun(tmp_path / "alone")
    assert [line for line in alone.lines() if ": epoch 4 of 4" in line]  # and once, not by each rank
    assert alone.process.returncode == 0
    out = tmp_path / "killed"
    for victim in (1, 0):
        killed = Torchrun(out)
        killed.wait()
        os.kill(killed.ranks()[victim], signal.SIGKILL)
        (line,) = [line for line in killed.lines() if line.startswith("ecrnn: ")]
        assert line.startswith(f"ecrnn: rank {1 - victim} of 2: a connection to the other processes")
        assert killed.process.returncode == 1
    stopped = Torchrun(out)
    stopped.wait()
    os.kill(stopped.ranks()[1], signal.SIGTERM)
    assert [line for line in stopped.lines() if line.startswith("ecrnn: ")] == [
        "ecrnn: stopped by SIGTERM; --resume goes on with it"
    ]
    of_bits = f"ecrnn: {out} holds a training by 2 processes, on whose number its bits depend"
    begun_nothing = [f"ecrnn: rank {rank} of 3: rank 0 has begun nothing; its line says why" for rank in (1, 2)]
    refused, *others = sorted(Torchrun(out, processes=3).lines())
    assert refused.startswith(of_bits)
    assert others == begun_nothing
    resumed = Torchrun(out)
    resumed.lines()
    assert resumed.process.returncode == 0
    for name in ("model.safetensors", "examples.bin"):
        assert (out / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name
    last, of_alone = (load_file(place / "checkpoint" / "epoch.safetensors") for place in (out, tmp_path / "alone"))
    assert {name: tensor.tolist() for name, tensor in last.items()} == {
        name: tensor.tolist() for name, tensor in of_alone.items()
    }
