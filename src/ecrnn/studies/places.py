"""Where data and studies lie: how a path is spelt, and what the data is called. What it is, its fingerprint says."""

from __future__ import annotations

import os
from pathlib import Path

from ecrnn.core.config import StudySettings, TrainSettings
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.spelling import on_disk
from ecrnn.data import catalogue


def spelt_as_it_exists(path: str | Path) -> str:
    """``path`` in the spelling under which it exists: as it is, with ``~`` as the home folder, composed or decomposed.

    Shells write the home folder in place of ``~``; Python and configuration files do not. File systems of macOS take
    the two ways of writing "é" for one, those of Linux for two, so a name that came from the other may not be found.

    Returns:
        The path as it is where no spelling exists, but for ``~``.
    """
    home = os.path.expanduser(path)
    found = str(path) if os.path.exists(path) else str(on_disk(Path(home)))
    return found if os.path.exists(found) else home


def data_name(settings: StudySettings | TrainSettings) -> str:
    """What the data of a study or a training is called: its registered name, or the last part of its path."""
    name = Path(settings.data).name
    return name if name not in ("", "..", "~") else Path(spelt_as_it_exists(settings.data)).resolve().name or "data"


def check_same_kind_of_data(
    before: StudySettings | TrainSettings, now: StudySettings | TrainSettings, folder: Path, option: str
) -> None:
    """A registered data set and a folder are two things, whatever lies in the folder.

    Args:
        before, now: settings of what lies in ``folder``, and of what is to go on there.
        folder, option: for the error.

    Raises:
        RunDirectoryError: one names a registered data set and the other does not, or another one.
    """
    registered = {settings.data if catalogue.task_of(settings.data) else None for settings in (before, now)}
    if len(registered) > 1:
        raise RunDirectoryError(
            f"{folder} was begun with the data '{before.data}', not with '{now.data}'; choose another {option}"
        )
