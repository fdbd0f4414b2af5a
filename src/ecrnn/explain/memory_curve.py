"""How far back a last state reads, as plain data without torch; `ecrnn.explain.effective_memory` measures it.

Distances are counted from the end of a direction's reading: 0 is the step read last, for the forward direction the last
of the sequence, for the backward direction the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecrnn.core.errors import EcrnnError

GRADIENT_PARTS = (1e-3, 1e-6, 1e-8)  # of the largest gradient
STATE_PARTS = (0.1, 0.01)  # of the spread of the last state
CLASS_PART = 0.01  # of the images
FINE, EVERY = 64, 8  # all of the last 64 steps, then every 8th


@dataclass(frozen=True)
class Direction:
    """What one direction's last state depends on.

    Attributes:
        name: "forward" or "backward".
        input_spread: by `Memory.distances`, how much the step's input differs between images (standard deviation).
        largest_gradient: of all steps, in units of the state per unit of the input; see
            `ecrnn.explain.effective_memory`.
        gradient: each step's gradient by `Memory.distances`, as part of the largest.
        alone: by `Memory.distances`, change of the state when this step alone is replaced, in spreads of the state.
        older: by `Memory.kept`, change of the state when all but the last m steps are replaced, in spreads.
        gradient_steps: for each of `GRADIENT_PARTS` the steps up to the last whose gradient is above that part.
        memory: for each of `STATE_PARTS` the effective memory, see `effective`.
    """

    name: str
    input_spread: tuple[float, ...]
    largest_gradient: float
    gradient: tuple[float, ...]
    alone: tuple[float, ...]
    older: tuple[float, ...]
    gradient_steps: dict[str, int]
    memory: dict[str, int]


@dataclass(frozen=True)
class Memory:
    """How far back one network, or one recurrent layer, reads.

    Attributes:
        model: its name.
        repeat: of its training, or the seed of its weights.
        steps: length T of the sequence.
        samples: images (or sequences) it was measured on.
        distances: the steps that were replaced one at a time.
        kept: the numbers m of last steps that were kept while all older ones were replaced.
        directions: one or two, forward first.
        changed: by `kept`, part of the images whose predicted class changes when both directions keep only their last
            m steps; None where there is no class.
        class_memory: the smallest m from which on less than `CLASS_PART` of the classes change; None likewise.
    """

    model: str
    repeat: int
    steps: int
    samples: int
    distances: tuple[int, ...]
    kept: tuple[int, ...]
    directions: tuple[Direction, ...]
    changed: tuple[float, ...] | None = None
    class_memory: int | None = None


def distances_of(steps: int) -> tuple[int, ...]:
    """The distances at which a sequence of ``steps`` is looked at: each of the last 64 steps, then every 8th."""
    return (*range(min(FINE, steps)), *range(FINE, steps, EVERY))


def effective(changes: Sequence[float], kept: Sequence[int], below: float) -> int:
    """The effective memory: the smallest m in ``kept`` from which on every change is less than ``below``.

    Args:
        changes: with all but the last m steps replaced, for each m.
        kept: the numbers m, rising; the last is the whole sequence.
        below: the change that does not count.
    """
    found = kept[-1]
    for m, change in zip(reversed(kept), reversed(changes), strict=True):
        if not change < below:
            break
        found = m
    return found


def reach(gradient: Sequence[float], part: float) -> int:
    """Steps from the end of the reading up to the last whose gradient is above ``part`` of the largest.

    Args:
        gradient: of every step, by distance.
        part: between 0 and 1.
    """
    bar = part * max(gradient)
    return max((distance + 1 for distance, value in enumerate(gradient) if value > bar), default=0)


def from_plain(values: Mapping[str, Any]) -> Memory:
    """A `Memory` from what `dataclasses.asdict` made of one, after its way through JSON.

    Raises:
        EcrnnError: it is something else.
    """
    try:
        directions = tuple(Direction(**_tuples(one)) for one in values["directions"])
        return Memory(**_tuples(values) | {"directions": directions})
    except (TypeError, KeyError) as error:
        raise EcrnnError(f"not the memory of a network, as 'examples/how_far_back.py' writes it: {error}") from error


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
