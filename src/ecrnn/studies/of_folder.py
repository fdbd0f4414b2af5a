"""Whether a study is of the images in a folder as they are now: its predictions know them by their places alone."""

from __future__ import annotations

from pathlib import Path

from ecrnn.core.errors import DataError
from ecrnn.core.events import Progress, silent
from ecrnn.core.runs import read_settings
from ecrnn.core.tasks import default
from ecrnn.studies.tasks import load_examples


def check_study_of(
    study: Path, folder: Path, *, val: Path | None = None, test: Path | None = None, progress: Progress = silent
) -> None:
    """Look whether a study is of the images in a folder, all of which are decoded for it as the study did.

    Args:
        study: its folder.
        folder, val, test: of the images.
        progress: called with `Loading` events.

    Raises:
        DataError: it is of others, or of some that were altered since; or one cannot be read that the study has not
            left out.
        EcrnnError: there is no study.
    """
    settings = read_settings(study)
    parts = {"val": None if val is None else str(val), "test": None if test is None else str(test), "groups": None}
    data = load_examples(default(), settings.model_copy(update={"data": str(folder), **parts}), progress)
    if settings.fingerprint not in (None, data.fingerprint):
        line = f"{study} is of other images than {folder}, or some were added, removed or altered since"
        raise DataError(f"{line}; give its compare command again with another --out")
