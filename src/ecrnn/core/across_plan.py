"""Many data sets compared together: a folder with a study each, and `across.yaml`, which says what was named before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import Field

from ecrnn.core.checked_settings import Settings
from ecrnn.core.config import StudySettings, read_yaml, to_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import write_atomically
from ecrnn.core.reading import there
from ecrnn.core.runs import STUDY, read_settings
from ecrnn.core.seals import seal_text

ACROSS = "across.yaml"
MAX_DATA_SETS = 1000

# What may make a difference larger or smaller from one data set to another, and what a report calls it.
MODERATORS = {
    "log-n": "log10 of the training examples",
    "classes": "classes",
    "image-size": "pixels a side",
}


class AcrossPlan(Settings):
    """What a comparison across data sets was begun with; the settings of each study are in its own folder.

    ``data`` has the data sets by the names of their studies' folders, in the order of the report. ``moderators`` are
    named before the first training; so is the plan of a verdict, which stands in the settings of the studies.
    """

    data: dict[str, str] = Field(min_length=1, max_length=MAX_DATA_SETS)
    moderators: tuple[str, ...] = Field((), max_length=20)


def is_across(folder: Path) -> bool:
    """Whether ``folder`` holds a comparison across data sets."""
    return there(folder / ACROSS)


def read_plan(folder: Path) -> AcrossPlan:
    """The plan in ``folder``.

    Raises:
        EcrnnError: there is none, or it is damaged, or names what cannot be a folder of a study.
    """
    path = folder / ACROSS
    if not there(path):
        raise RunDirectoryError(f"{folder} holds no comparison across data sets: it has no {ACROSS}")
    plan = AcrossPlan.read(read_yaml(path, folder, sealed=True), str(path))
    for name in plan.data:
        check_name(name, str(path))
    return plan


def write_plan(folder: Path, plan: AcrossPlan) -> None:
    """Write `across.yaml`, with its digest."""
    write_atomically(folder / ACROSS, seal_text(to_yaml(plan)))


def studies_of(folder: Path, plan: AcrossPlan) -> list[Path]:
    """The folders of the studies of ``plan`` that are there, in its order."""
    return [folder / name for name in plan.data if there(folder / name)]


def check_of_plan(folder: Path, plan: AcrossPlan) -> list[str]:
    """Sentences on studies in ``folder`` that cannot be of its plan: not planned, or trained otherwise than the others.

    Raises:
        EcrnnError: the settings of a planned study cannot be read.
    """
    others = sorted({path.parent.name for path in folder.glob(f"*/{STUDY}")} - {*plan.data})
    found = []
    if others:
        more = f" and {len(others) - 1} more" if len(others) > 1 else ""
        line = f"{folder / others[0]}{more} {'lie' if more else 'lies'} there, but {folder / ACROSS} does not plan"
        found.append(f"{line} {'them' if more else 'it'}; put back its last copy, or move them elsewhere.")
    begun = {place: _of_all(read_settings(place)) for place in studies_of(folder, plan)}
    first = next(iter(begun), folder)
    for place, settings in begun.items():
        for key in [key for key, value in settings.items() if value != begun[first][key]][:1]:
            what = f"{key} is {settings[key]} there, and {begun[first][key]} in {first}"
            found.append(f"{place} was not begun with the others of {folder / ACROSS}: {what}.")
    return found


def noted(moderators: Sequence[str]) -> str:
    """The moderators of a plan as each of its studies notes them, before its first training."""
    return ", ".join(moderators) or "none"


def other_moderators(folder: Path, plan: AcrossPlan) -> list[str]:
    """A sentence where a study of ``plan`` was begun with other moderators; studies of earlier versions note none.

    Raises:
        EcrnnError: the settings of a planned study cannot be read.
    """
    for place in studies_of(folder, plan):
        found = read_settings(place).across_moderators
        if found not in (None, noted(plan.moderators)):
            line = (
                f"{folder / ACROSS} names the moderators {noted(plan.moderators)}, and {place} was begun with {found}"
            )
            return [f"{line}; put back its last copy."]
    return []


def _of_all(settings: StudySettings) -> dict[str, object]:
    """What all studies of a comparison across data sets have alike. Epochs they may not: small data sets want more."""
    return {"seed": settings.seed, "split": settings.split, "optimizer": settings.training.optimizer}


def check_name(name: str, where: str) -> None:
    """Raise an EcrnnError for a name that is not one of a folder right below another."""
    if name in ("", ".", "..") or not name.isprintable() or set(name) & set("/\\\0") or len(name.encode()) > 200:
        raise EcrnnError(f"{where}: {name[:50]!r} cannot be the folder of a study")
