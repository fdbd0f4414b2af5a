"""Which of the processes that torchrun has started this one is, as its environment variables say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from ecrnn.core.errors import SettingsError


@dataclass(frozen=True)
class Place:
    """The place of a process among those of one training.

    Attributes:
        rank: number of this process, from 0.
        world: number of processes.
        local_rank: number of this process on its machine, from 0.
        local_world: number of processes on its machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1


def place(environment: Mapping[str, str] = os.environ) -> Place:
    """The place of this process; that of the only one where torchrun has not started it."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return Place()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    return Place(*(int(environment[name]) for name in names))


def refuse_several(what: str) -> None:
    """Look whether torchrun has started several processes where one does all the work.

    Args:
        what: cannot be divided, such as "ecrnn compare".

    Raises:
        SettingsError: it has.
    """
    world = place().world
    if world > 1:
        line = f"torchrun has started {world} processes, but of all commands only 'ecrnn train' divides its work"
        raise SettingsError("nproc-per-node", f"{line} among them; give {what} without torchrun")
