"""What a training says while it runs, as plain data; who shows it is the caller's affair."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tick:
    """A training's position, sent after every step.

    Attributes:
        label: which training, for example "cnn, repeat 2".
        step, steps: optimizer steps done and in all.
        epoch, epochs: epoch now under way (from 1) and in all.
        metrics: the metrics of the epoch that has just ended, else empty.
    """

    label: str
    step: int
    steps: int
    epoch: int
    epochs: int
    metrics: dict[str, float] = field(default_factory=dict)


Progress = Callable[[Tick], None]
LoadingProgress = Callable[[str, int, int], None]  # (what, done, total): bytes of a download, or pictures decoded


def silent(tick: Tick) -> None:
    """Progress that nobody looks at."""
