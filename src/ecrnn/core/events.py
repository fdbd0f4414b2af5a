"""What happens while data is loaded and models train, as plain data that survives JSON; callers decide who shows it.

Every function that takes a while has a parameter ``progress`` and calls it with an `Event`. Worker processes send them
as lines of JSON, see `to_json`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from ecrnn.core.errors import EcrnnError

T = TypeVar("T")


@dataclass(frozen=True)
class Downloading:
    """A file on its way: ``done`` of ``total`` bytes."""

    file: str
    done: int
    total: int


@dataclass(frozen=True)
class Loading:
    """Examples being read and decoded, ``done`` of ``total``; ``what`` they are, in the plural."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Waiting:
    """How many trials of a study are to be trained in all; sent before the first, and again when more are to be."""

    trials: int


@dataclass(frozen=True)
class Step:
    """An optimizer step has been taken.

    Attributes:
        label: which training, for example "cnn, repeat 2".
        step, steps: optimizer steps done and in all.
        epoch, epochs: epoch now under way (from 1) and in all.
    """

    label: str
    step: int
    steps: int
    epoch: int
    epochs: int


@dataclass(frozen=True)
class Epoch:
    """An epoch has ended, and is on the disk.

    Attributes:
        label, step, steps, epochs: as of `Step`.
        epoch: that has ended, from 1.
        metrics: its line of `metrics.jsonl`, such as "train_loss", "validation_accuracy" and "seconds".
    """

    label: str
    step: int
    steps: int
    epoch: int
    epochs: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Message:
    """A line for people, about the data or the study."""

    text: str


@dataclass(frozen=True)
class Failed:
    """A trial of a study has failed; ``error`` is the line that says why."""

    model: str
    repeat: int
    error: str


@dataclass(frozen=True)
class Finished:
    """A trial of a study is finished, and is on the disk."""

    model: str
    repeat: int


Event = Downloading | Loading | Waiting | Step | Epoch | Message | Failed | Finished
Progress = Callable[[Event], None]

_KINDS: dict[str, type[Event]] = {
    kind.__name__.lower(): kind for kind in (Downloading, Loading, Waiting, Step, Epoch, Message, Failed, Finished)
}


def silent(event: Event) -> None:
    """Progress that nobody looks at."""


def passed_on(events: Generator[Event, None, T], progress: Progress) -> T:
    """Call ``progress`` with every event of a generator; gives what the generator returns."""
    with closing(events):
        while True:
            try:
                event = next(events)
            except StopIteration as end:
                result: T = end.value
                return result
            progress(event)


def to_json(event: Event) -> str:
    """One line of JSON, without its end, in ASCII."""
    return json.dumps({"kind": type(event).__name__.lower(), **asdict(event)})


def from_json(line: str) -> Event:
    """The event that `to_json` wrote.

    Raises:
        EcrnnError: the line holds no event.
    """
    try:
        plain = json.loads(line)
    except (ValueError, RecursionError):
        plain = None
    if not isinstance(plain, dict):
        raise EcrnnError(f"{line!r:.200} is no event: it is not an object of JSON")
    return from_plain(plain)


def from_plain(plain: dict[str, Any]) -> Event:
    """As `from_json`, of the object that the line holds.

    Raises:
        EcrnnError: it is no event.
    """
    kind = _KINDS.get(str(plain.get("kind")))
    if kind is None:
        raise EcrnnError(f"{plain!r:.200} is no event: its kind should be one of {', '.join(_KINDS)}")
    values = {name: value for name, value in plain.items() if name != "kind"}
    if values.keys() != {field.name for field in fields(kind)}:
        raise EcrnnError(f"{plain!r:.200} is no event: it should hold {', '.join(f.name for f in fields(kind))}")
    for field in fields(kind):
        if not _FITS[str(field.type)](values[field.name]):
            raise EcrnnError(f"{plain!r:.200} is no event: its {field.name} should be of type {field.type}")
    return kind(**values)


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(type(number) in (int, float) for number in value.values())


_FITS: dict[str, Callable[[Any], bool]] = {  # by the annotation of a field
    "str": lambda value: isinstance(value, str),
    "int": lambda value: type(value) is int,
    "Mapping[str, float]": _numbers,
}
