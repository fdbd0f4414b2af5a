"""A study in small, to be kept and published: a copy that reports are made from as from the study itself.

Predicted classes stand in place of logits, and there are no weights: a trial of 15,000 images takes about 30 KB
in place of 2 to 8 MB. The statistics of tasks without classes are small and stay as they are. Settings, metrics, facts
and the lines of failed trials are those of the study; each manifest says which files of the study it was made from, by
their SHA-256. The same study gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import folder_option, write_atomically
from ecrnn.core.manifests import checked_manifest, read_manifest, write_manifest
from ecrnn.core.predictions import AnyPredictions, PredictedClasses, Scored, write_predictions
from ecrnn.core.reading import MAX_JSON, MAX_OTHER, check_inside, is_file, read_bytes, there
from ecrnn.core.runs import (
    STUDY,
    FinishedTrial,
    grown,
    holds_nothing,
    locked,
    read_settings,
    trial_folder,
    write_settings,
)
from ecrnn.training.finished import read_finished

_COPIED = ("config.yaml", "metrics.jsonl")


@dataclass(frozen=True)
class Archived:
    """What `archive_study` did: trials copied now, and finished ones that the archive had already.

    ``faults`` has a line for each file of the study that is damaged, so that what it is of was left out.
    """

    added: int
    kept: int
    faults: tuple[str, ...] = ()


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
    write_settings(archive, _joined(settings, archive))
    if there(study / "environment.json"):
        content = read_bytes(study / "environment.json", MAX_JSON, study)
        write_atomically(archive / "environment.json", content)
    copied, faults = [], []
    for model in settings.models:
        for repeat in range(settings.first_repeat, settings.first_repeat + settings.repeats):
            if there(trial_folder(study, model, repeat)):
                try:
                    finished = read_finished(study, model, repeat)
                except EcrnnError as error:
                    faults.append(f"{model}, repeat {repeat} was left out: {error}")
                else:
                    copied.append(_copy(study, archive, model, repeat, finished))
    return Archived(copied.count(True), copied.count(False), tuple(faults))


def _joined(settings: StudySettings, archive: Path) -> StudySettings:
    """The settings that the archive gets: those of the study, with models and repeats that it holds already."""
    if is_file(archive / STUDY):
        return grown(read_settings(archive), settings, archive, "--archive")
    if archive.exists() and not archive.is_dir():
        raise RunDirectoryError(f"{archive} is a file; an archive is a folder, choose another --archive")
    if archive.is_dir() and not all(holds_nothing(entry.name) for entry in archive.iterdir()):
        raise RunDirectoryError(f"{archive} is not empty and holds no study; choose another --archive")
    return settings


def _copy(study: Path, archive: Path, model: str, repeat: int, finished: FinishedTrial | None) -> bool | None:
    """Copy one trial: True if that was done now, False if it lay there already, None if it is not finished."""
    trial, home = trial_folder(study, model, repeat), trial_folder(archive, model, repeat)
    check_inside(home, archive)
    if finished is None:
        failure = trial / "error.json"
        if there(failure) and read_manifest(home) is None:
            write_atomically(home / failure.name, read_bytes(failure, MAX_JSON, study))
        return None
    origin = _origin(trial)
    if read_manifest(home) is not None:
        if _origin(home) != origin:
            raise RunDirectoryError(f"{home} holds another result than {trial}; delete it, or choose another --archive")
        return False
    predictions: AnyPredictions = finished.predictions
    if not isinstance(predictions, Scored):
        predictions = PredictedClasses(predictions.index, predictions.label, predictions.predicted)
    write_predictions(home / "predictions.npz", predictions)
    for name in _COPIED:
        write_atomically(home / name, read_bytes(trial / name, MAX_OTHER, study))
    write_manifest(home, (*_COPIED, "predictions.npz"), finished.facts, archived_from=origin)
    return True


def _origin(trial: Path) -> dict[str, Any]:
    """The digests of the study's own files, also where ``trial`` is of an archive."""
    manifest = checked_manifest(trial)
    assert manifest is not None  # it was read before
    origin = manifest.get("archived_from", manifest["files"])
    if not isinstance(origin, dict):
        raise RunDirectoryError(f"{trial / 'manifest.json'}: archived_from should be an object")
    return origin
