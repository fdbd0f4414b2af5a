"""What a verification gives: one check after another, each with what it found, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Status = Literal["holds", "fails", "open"]
Kind = Literal["study", "archive", "bundle"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the check: "seals", "trials", "plan", "splits", "scores", "data" or "training".
        status: "holds"; "fails" where something is not as it was written; "open" where that could not be found out.
        lines: what was compared where it holds, else one line for each thing that fails or stays open.
    """

    name: str
    status: Status
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Verification:
    """All checks of one folder, in the order in which they were made."""

    folder: Path
    kind: Kind
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every check holds; one that stayed open does not."""
        return all(check.status == "holds" for check in self.checks)


def check(name: str, holds: str, wrong: Sequence[str] = (), unknown: Sequence[str] = ()) -> Check:
    """A check from what it found.

    Args:
        name: of the check.
        holds: what to say where nothing else is.
        wrong: what is not as it was written, one line each.
        unknown: what could not be found out, one line each.
    """
    status: Status = "fails" if wrong else "open" if unknown else "holds"
    return Check(name, status, (*wrong, *unknown) or (holds,))
