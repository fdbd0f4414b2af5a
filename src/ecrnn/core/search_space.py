"""The space of recipes: `lr=1e-4..1e-2:log,weight_decay=0..1e-3,batch_size=32|128`, a dimension each.

    low..high        any number between the two, whole ones for settings that are
    low..high:log    likewise, equally likely by its logarithm
    a|b|c            one of these

A point of the unit cube becomes a point of the space, dimension by dimension. The seed is no dimension: a lucky seed
is no recipe.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecrnn.core.config import TrainingSettings
from ecrnn.core.errors import EcrnnError, SettingsError, unknown_name
from ecrnn.core.recipe_search import Point
from ecrnn.core.settings_faults import LONGEST_KEY

Space = str | Mapping[str, str | Sequence[Any]]

NUMBERS = ("lr", "weight_decay", "momentum", "clip_norm", "warmup", "label_smoothing", "weight_averaging")
WHOLE = ("batch_size", "epochs")
WORDS = ("optimizer", "schedule", "augment", "standardise", "class_weights")
TUNABLE = (*NUMBERS, *WHOLE, *WORDS)
DEFAULT = "lr=1e-4..1e-2:log,weight_decay=0..1e-3"
EDGE = 0.1  # of a dimension's length: so near to an end, a better value may lie beyond
_DIGITS = 4  # of a number that is drawn, so that people can type it


@dataclass(frozen=True)
class Dimension:
    """One setting of the space.

    Attributes:
        name: of the setting.
        choices: the values, where they are listed; else empty.
        low, high: both ends of a range.
        log: whether the range is on a logarithmic scale.
    """

    name: str
    choices: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 1.0
    log: bool = False

    @property
    def whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.name in WHOLE

    def at(self, u: float) -> Any:
        """The value at ``u``, from 0 to 1."""
        if self.choices:
            return self.choices[min(int(u * len(self.choices)), len(self.choices) - 1)]
        length = self.high - self.low
        value = self.low * (self.high / self.low) ** u if self.log else self.low + u * length
        if self.whole:
            value = round(value) if self.log else self.low + int(u * (length + 1))
        else:
            value = float(f"{value:.{_DIGITS}g}")
        return min(max(value, self.low), self.high)

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the space."""
        return value in self.choices if self.choices else self.low <= value <= self.high

    def near_end(self, value: Any) -> bool:
        """Whether a value lies in an outer tenth of its range, or outside; never for choices, nor near a bound.

        A bound is where the setting itself ends: a weight decay of 0 is no edge, as there is nothing beyond.
        """
        if self.choices or not isinstance(value, int | float):
            return False
        place = self._place(value)
        return (place < EDGE and self.low > 0) or place > 1 - EDGE

    def _place(self, value: float) -> float:
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else -1.0
        return (value - self.low) / (self.high - self.low)


def read_space(space: Mapping[str, str]) -> tuple[Dimension, ...]:
    """The dimensions of a space, each from its text.

    Raises:
        EcrnnError: it is empty, names what cannot be tuned, or a range or value is none; one line.
    """
    if not space:
        raise EcrnnError(f"the space is empty; name settings, as in {DEFAULT}")
    return tuple(_dimension(name, text) for name, text in space.items())


def parse_space(space: Space) -> dict[str, str]:
    """The text of each dimension, checked.

    Args:
        space: as in the module's first line, or a mapping of settings to "1e-4..1e-2:log", "32|128" or [32, 128].

    Raises:
        EcrnnError: as from `read_space`, or a setting is named twice.
    """
    texts: dict[str, str] = {}
    if isinstance(space, Mapping):
        for name, value in space.items():
            texts[str(name)] = value if isinstance(value, str) else "|".join(map(str, value))
    else:
        for part in filter(None, (part.strip() for part in space.split(","))):
            name, equals, text = (word.strip() for word in part.partition("="))
            if not equals:
                raise EcrnnError(f"space '{_short(part)}' wants setting=values, as in {DEFAULT}")
            if name in texts:
                raise EcrnnError(f"space names {_short(name)} twice; give each setting one range")
            texts[name] = text
    read_space(texts)
    return texts


def _dimension(name: str, text: str) -> Dimension:
    _check_name(name)
    low, dots, rest = text.partition("..")
    if dots:
        high, colon, scale = rest.partition(":")
        if name in WORDS:
            raise EcrnnError(f"space {name}={_short(text)}: {name} has no range, only words, as in {name}=a|b")
        if colon and scale.strip() != "log":
            raise EcrnnError(
                f"space {name}={_short(text)}: after the colon stands log or nothing, not '{_short(scale)}'"
            )
        return _range(name, text, _value(name, low), _value(name, high), log=bool(colon))
    choices = tuple(_value(name, word) for word in text.split("|"))
    if len(set(choices)) < max(2, len(choices)):
        what = "names a value twice" if len(choices) > 1 else "has one value, so nothing to choose from"
        raise EcrnnError(f"space {name}={_short(text)} {what}; give {name}=low..high or {name}=a|b")
    return Dimension(name, choices)


def _check_name(name: str) -> None:
    if name in TUNABLE:
        return
    if name in ("seed", "first_repeat"):
        line = "the seed is never tuned: a lucky one is no recipe, and verdicts are over many"
        raise EcrnnError(f"{line}; leave it out of the space")
    if name in TrainingSettings.model_fields:
        raise EcrnnError(f"space: {name} is not tunable; tunable are {', '.join(TUNABLE)}")
    raise unknown_name("setting", _short(name), TUNABLE, where="space")


def _range(name: str, text: str, low: float, high: float, *, log: bool) -> Dimension:
    if low == high:
        raise EcrnnError(f"space {name}={_short(text)} is empty: both ends are the same")
    if low > high:
        raise EcrnnError(f"space {name}={_short(text)} runs backwards; the smaller end stands first")
    if log and low <= 0:
        raise EcrnnError(f"space {name}={_short(text)}: 0 has no logarithm; begin above it, or leave :log out")
    return Dimension(name, (), low, high, log)


def _value(name: str, text: str) -> Any:
    """One value of a setting, with the bounds that it has in every training."""
    text = text.strip()
    if not text:
        raise EcrnnError(f"space: {name} lacks a value; give {name}=low..high or {name}=a|b")
    value: Any = text
    if name not in WORDS:
        try:
            value = int(text) if name in WHOLE else float(text)
        except ValueError:
            kind = "whole number" if name in WHOLE else "number"
            raise EcrnnError(f"space: {name} wants a {kind}, not '{_short(text)}'") from None
    try:
        return getattr(TrainingSettings.read({name: value}), name)
    except SettingsError as error:
        raise EcrnnError(f"space: {error}") from error


def _short(text: str) -> str:
    return text[:LONGEST_KEY]


def shown(point: Point) -> str:
    """A point for people: "lr 0.00316, batch_size 32"; the first point of a search is "untuned"."""
    if not point:
        return "untuned"
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in point.items()
    )
