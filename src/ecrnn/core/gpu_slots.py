"""Which GPU each of several trainings has, and how many share it. torch is imported inside the functions.

A small network leaves most of a GPU idle, so several trainings may share one. Each is a process of its own, which sees
the one card that it was given, by CUDA_VISIBLE_DEVICES; how many share the card stands in its environment too, and
from there in its manifest.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping

from ecrnn.core.errors import EcrnnError

MOST_ON_GPU = 64  # trainings
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_SHARED = "ECRNN_TRIALS_PER_GPU"


def jobs_on_gpus(jobs: int, trials_per_gpu: int | None) -> int:
    """How many trainings run side by side on this machine.

    Args:
        jobs: as asked for; 1: as many as there is room for, where ``trials_per_gpu`` is given.
        trials_per_gpu: trainings on each GPU at the most; None: no bound.

    Raises:
        EcrnnError: there is no room for that many.
    """
    if trials_per_gpu is None or not (found := len(gpus())):
        return jobs
    if jobs > found * trials_per_gpu:
        needed = -(-jobs // trials_per_gpu)
        raise EcrnnError(f"{jobs} jobs with {trials_per_gpu} on each GPU need {needed} of them, and here are {found}")
    return found * trials_per_gpu if jobs == 1 else jobs


def gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES calls them."""
    import torch

    found = torch.cuda.device_count()
    visible = os.environ.get(_VISIBLE)
    return [str(number) for number in range(found)] if visible is None else visible.split(",")[:found]


def slots(device: str, jobs: int) -> list[Mapping[str, str]]:
    """What each of several trainings side by side has in its environment: its GPU, in turn, and how many share that.

    Args:
        device: of the trainings, resolved.
        jobs: trainings.
    """
    if device != "cuda":
        return [{}] * jobs
    found = gpus()
    cards = [{_VISIBLE: found[job % len(found)]} if found else {} for job in range(jobs)]
    shared = Counter(card.get(_VISIBLE) for card in cards)
    return [{**card, _SHARED: str(shared[card.get(_VISIBLE)] * sharing_gpu())} for card in cards]


def sharing_gpu() -> int:
    """How many trainings, this process's among them, were given its GPU at the most, as far as is known."""
    number = os.environ.get(_SHARED, "")
    return int(number) if number.isascii() and number.isdigit() else 1


def share_gpu(trainings: int) -> None:
    """Note for this process, and those that it starts, how many trainings share its GPU."""
    os.environ[_SHARED] = str(trainings)


def share_of_gpu(device: str, trials_per_gpu: int | None) -> float:
    """The part of a GPU that a training asks a scheduler for; 0.0 on other devices.

    With four decimals, which is what Ray counts with, cut off, or seven sevenths would be more than one.
    """
    return (10_000 // (trials_per_gpu or 1)) / 10_000 if device == "cuda" else 0.0
