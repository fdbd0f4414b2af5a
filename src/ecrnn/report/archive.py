"""A study in small, to be kept and published: a copy that reports are made from as from the study itself.

Predicted classes stand in place of logits, and there are no weights: a trial of 15,000 pictures takes about 30 KB
in place of 2 to 8 MB. The statistics of tasks without classes are small and stay as they are. Settings, metrics, facts
and the lines of failed trials are those of the study; each manifest says which files of the study it was made from, by
their SHA-256. The same study gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings, to_yaml
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.files import disk_errors, folder_option, read_json, write_atomically
from ecrnn.core.runs import (
    AnyPredictions,
    PredictedClasses,
    Scored,
    grown,
    holds_nothing,
    locked,
    read_manifest,
    read_trial,
    trial_folder,
    write_manifest,
    write_predictions,
)
from ecrnn.report.read import read_settings

_COPIED = ("config.yaml", "metrics.jsonl")


@dataclass(frozen=True)
class Archived:
    """What `archive_study` did: trials copied now, and finished ones that the archive had already."""

    added: int
    kept: int


def archive_study(study: Path, archive: Path) -> Archived:
    """Copy the finished trials of ``study`` in small; given again, copy those that were finished since.

    Args:
        study: a run directory; it may still be worked on.
        archive: a folder, new, empty, or an earlier archive of the same study. It becomes a run directory.

    Raises:
        RunDirectoryError: ``study`` is no run directory or the archive itself, ``archive`` holds something else or
            another result of one of its trials, or the disk refuses.
    """
    settings = read_settings(study)
    if archive.resolve() == study.resolve():
        raise RunDirectoryError(f"{archive} is the study itself; choose another --archive")
    _joined(settings, archive)  # looks before anything is written, the lock too
    option = folder_option.set("--archive")
    try:
        with locked(archive, keep=False):
            return _archive(study, archive, settings)
    finally:
        folder_option.reset(option)


def _archive(study: Path, archive: Path, settings: StudySettings) -> Archived:
    write_atomically(archive / "study.yaml", to_yaml(_joined(settings, archive)))
    with disk_errors(study, "read"):
        if (study / "environment.json").is_file():
            write_atomically(archive / "environment.json", (study / "environment.json").read_bytes())
    copied = [
        _copy(study, archive, model, repeat)
        for model in settings.models
        for repeat in range(settings.first_repeat, settings.first_repeat + settings.repeats)
    ]
    return Archived(copied.count(True), copied.count(False))


def _joined(settings: StudySettings, archive: Path) -> StudySettings:
    """The settings that the archive gets: those of the study, with models and repeats that it holds already."""
    if (archive / "study.yaml").is_file():
        return grown(read_settings(archive), settings, archive, "--archive")
    if archive.exists() and not archive.is_dir():
        raise RunDirectoryError(f"{archive} is a file; an archive is a folder, choose another --archive")
    if archive.is_dir() and not all(holds_nothing(entry.name) for entry in archive.iterdir()):
        raise RunDirectoryError(f"{archive} is not empty and holds no study; choose another --archive")
    return settings


def _copy(study: Path, archive: Path, model: str, repeat: int) -> bool | None:
    """Copy one trial: True if that was done now, False if it lay there already, None if it is not finished."""
    trial, home = trial_folder(study, model, repeat), trial_folder(archive, model, repeat)
    finished = read_trial(study, model, repeat)
    if finished is None:
        failure = trial / "error.json"
        if failure.is_file() and read_manifest(home) is None:
            write_atomically(home / failure.name, failure.read_bytes())
        return None
    origin = _origin(trial)
    if read_manifest(home) is not None:
        if _origin(home) != origin:
            raise RunDirectoryError(f"{home} holds another result than {trial}; delete it, or choose another --archive")
        return False
    given: AnyPredictions = finished.predictions
    if not isinstance(given, Scored):
        given = PredictedClasses(given.index, given.label, given.predicted)
    write_predictions(home / "predictions.npz", given)
    for name in _COPIED:
        with disk_errors(trial / name, "read"):
            content = (trial / name).read_bytes()
        write_atomically(home / name, content)
    write_manifest(home, (*_COPIED, "predictions.npz"), finished.facts, archived_from=origin)
    return True


def _origin(trial: Path) -> dict[str, Any]:
    """The digests of the study's own files, also where ``trial`` is of an archive."""
    manifest = read_json(trial / "manifest.json")
    return manifest.get("archived_from", manifest["files"])
