"""A study in small, to be kept and published: a copy that reports are made from as from the study itself.

The files of all trials are in one, `trials.zip`. Predicted classes stand in place of logits, and there are no weights:
a trial of 15,000 images takes about 30 KB in place of 2 to 8 MB. The statistics of tasks without classes are small and
stay as they are. Settings, metrics, facts and the lines of failed trials are those of the study; each manifest says
which files of the study it was made from, by their SHA-256. The same study gives the same bytes.

Archives of ecrnn 0.1.0 have a folder a trial in place of that file, as studies have. They are read, and added to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.arrays import MAX_FILE
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import folder_chosen_by, write_atomically
from ecrnn.core.manifests import MANIFEST, checked_manifest, manifest_text, read_manifest
from ecrnn.core.packed import PACKED, pack
from ecrnn.core.predictions import predictions_bytes
from ecrnn.core.reading import MAX_JSON, MAX_OTHER, check_inside, is_file, read_bytes, there
from ecrnn.core.runs import (
    FAILURE,
    STUDY,
    FinishedTrial,
    check_free,
    grown,
    locked,
    read_settings,
    trial_folder,
    trial_home,
    write_settings,
)
from ecrnn.core.spelling import on_disk
from ecrnn.training.finished import read_finished

_COPIED = ("config.yaml", "metrics.jsonl")
FILES = (*_COPIED, "predictions.npz", MANIFEST)  # of a finished trial


@dataclass(frozen=True)
class Archived:
    """What `archive_study` did: trials copied now, and finished ones that the archive had already.

    ``faults`` has a line for each trial that was left out, as the study, or the archive alone, holds it damaged.
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
    study, archive = on_disk(study), on_disk(archive)
    settings = read_settings(study)
    if settings.tuning is not None:
        raise RunDirectoryError(f"{study} holds a tuning, of which there are no archives; archive the comparison")
    if archive.resolve() == study.resolve():
        raise RunDirectoryError(f"{archive} is the study itself; choose another --archive")
    _joined(settings, archive)  # looks before anything is written, the lock too
    with folder_chosen_by("--archive"), locked(archive, keep=False):
        return _archive(study, archive, settings)


def _archive(study: Path, archive: Path, settings: StudySettings) -> Archived:
    joined = _joined(settings, archive)
    write_settings(archive, joined)
    if there(study / "environment.json"):
        content = read_bytes(study / "environment.json", MAX_JSON, study)
        write_atomically(archive / "environment.json", content)
    before = _of_archive(archive, joined)
    packed = dict(before)
    added, kept, faults = 0, 0, []
    for model, repeat in _trials(settings):
        trial = trial_home(study, model, repeat)
        if not there(trial):
            continue
        try:
            finished = read_finished(study, settings, model, repeat)
        except EcrnnError as error:
            faults.append(f"{model}, repeat {repeat} was left out: {error}")
            continue
        if _holds(archive, model, repeat, trial, finished):
            kept += finished is not None
            continue
        packed[model, repeat] = _small(study, trial, finished) or packed.get((model, repeat), {})
        added += finished is not None
    for (model, repeat), kept_files in packed.items():
        if not kept_files and there(trial_folder(archive / PACKED, model, repeat)):
            faults.append(
                f"{model}, repeat {repeat} was left out: {archive / PACKED} holds it damaged, {study} not at all"
            )
    files = {
        (trial_folder(Path(), *trial) / name).as_posix(): content
        for trial, files in packed.items()
        for name, content in files.items()
    }
    check_inside(archive / PACKED, archive)
    if packed != before:
        write_atomically(archive / PACKED, pack(files))
    return Archived(added, kept, tuple(faults))


def _of_archive(archive: Path, settings: StudySettings) -> dict[tuple[str, int], dict[str, bytes]]:
    """The files that `trials.zip` of the archive holds now, by trial; a damaged trial is left out."""
    found = {}
    for model, repeat in _trials(settings):
        home = trial_folder(archive / PACKED, model, repeat)
        finished = read_manifest(home) is not None
        names = FILES if finished else (FAILURE,) if there(home / FAILURE) else ()
        found[model, repeat] = {name: read_bytes(home / name, MAX_FILE, archive) for name in names}
    return found


def _trials(settings: StudySettings) -> Iterator[tuple[str, int]]:
    last = settings.first_repeat + settings.repeats
    return ((model, repeat) for model in settings.models for repeat in range(settings.first_repeat, last))


def _holds(archive: Path, model: str, repeat: int, trial: Path, finished: FinishedTrial | None) -> bool:
    """Whether the archive has this trial already, finished."""
    home = trial_home(archive, model, repeat)
    check_inside(home, archive)
    if read_manifest(home) is None:
        if there(trial_folder(archive, model, repeat) / MANIFEST):  # a folder of an earlier version, or trained here
            raise RunDirectoryError(f"{home} is damaged; delete it, or choose another --archive")
        return False
    if finished is not None and _origin(home) != _origin(trial):
        raise RunDirectoryError(f"{home} holds another result than {trial}; choose another --archive")
    return True


def _small(study: Path, trial: Path, finished: FinishedTrial | None) -> dict[str, bytes]:
    """The files of one trial as the archive keeps them; only the line of its failure, if any, of an unfinished one."""
    if finished is None:
        failure = trial / FAILURE
        return {FAILURE: read_bytes(failure, MAX_JSON, study)} if there(failure) else {}
    files = {name: read_bytes(trial / name, MAX_OTHER, study) for name in _COPIED}
    files["predictions.npz"] = predictions_bytes(finished.predictions.without_logits())
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    plan = _noted(trial, "plan")
    text = manifest_text(
        digests, finished.facts, archived_from=_origin(trial), **({} if plan is None else {"plan": plan})
    )
    return files | {MANIFEST: text.encode()}


def _joined(settings: StudySettings, archive: Path) -> StudySettings:
    """The settings that the archive gets: those of the study, with models and repeats that it holds already."""
    if is_file(archive / STUDY):
        return grown(read_settings(archive), settings, archive, "--archive")
    check_free(archive, "an archive", "study", "--archive")
    return settings


def _origin(trial: Path) -> dict[str, Any]:
    """The digests of the study's own files, also where ``trial`` is of an archive."""
    origin = _noted(trial, "archived_from")
    return _noted(trial, "files") or {} if origin is None else origin


def _noted(trial: Path, key: str) -> dict[str, Any] | None:
    """What the manifest of a trial notes beside its facts, or None where it does not."""
    manifest = checked_manifest(trial)
    assert manifest is not None  # it was read before
    noted = manifest.get(key)
    if not isinstance(noted, dict | None):
        raise RunDirectoryError(f"{trial / 'manifest.json'}: {key} should be an object")
    return noted
