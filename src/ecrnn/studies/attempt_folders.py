"""Folders of attempts: where workers that share a study train its trials, and how a trial gets to its place.

All of it lies in `.work` of the study, beside the claims: `<model>.<repeat>.<number>.<token>.folder` is that of the
claim with that number and token. A folder changes hands by one rename, so at every moment it has one owner, one name.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import time
from pathlib import Path

from ecrnn.core.attempts import ATTEMPT, FOLDER, WORK, name_of, trial_of
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.events import Message, Progress, silent
from ecrnn.core.files import disk_errors, is_temporary, make_folder
from ecrnn.core.filesystems import flush_folder
from ecrnn.core.filesystems import lock as try_lock
from ecrnn.core.leases import BEATS, Claim, Leases
from ecrnn.core.manifests import MANIFEST
from ecrnn.core.reading import check_inside, there
from ecrnn.core.runs import LOCK, read_settings, trial_folder
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.planned import planned_trials

_PLACES = {"data", "data_dir", "val", "test", "groups"}  # settings that say where the examples lie
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})


def put(folder: Path, home: Path) -> bool:
    """Give the folder of a trial its place, as a whole; what is unfinished there is replaced.

    Args:
        folder: of an attempt; nobody writes in it any more.
        home: the trial's place in the study.

    Returns:
        False if a finished trial lies there, and then ``folder`` is deleted; or if ``folder`` is gone.

    Raises:
        RunDirectoryError: the disk refuses.
    """
    for parent, _, names in os.walk(folder):
        for name in filter(is_temporary, names):  # of a process that was killed, or stopped for too long
            Path(parent, name).unlink(missing_ok=True)
    make_folder(home.parent)
    with disk_errors(home):
        while not _renamed(folder, home):
            if not folder.is_dir():
                return False
            if there(home / MANIFEST):
                shutil.rmtree(folder, ignore_errors=True)
                return False
            aside = folder.parent / f"{secrets.token_hex(4)}.old"
            if moved(home, aside) and there(aside / MANIFEST):  # finished by another at this moment
                put(aside, home)
            shutil.rmtree(aside, ignore_errors=True)
        flush_folder(home.parent)
    return True


def _renamed(folder: Path, home: Path) -> bool:
    """Rename a folder; False if it is gone, or the place is taken."""
    try:
        os.rename(folder, home)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno not in _TAKEN:
            raise
        return False
    return True


def moved(source: Path, target: Path) -> bool:
    """Rename a folder; False if it is gone."""
    with disk_errors(source, "rename"):
        try:
            os.rename(source, target)
        except FileNotFoundError:
            return False
    return True


def progress_of(folder: Path, settings: StudySettings) -> str:
    """How far a trial has come, as a digest of names, sizes and times of the files that are its progress.

    Args:
        folder: of the trial.
        settings: of the trial, whose digest goes into it: claims in a `.work` of another study are none on this trial.
    """
    digest = hashlib.sha256(settings.model_dump_json(exclude=_PLACES).encode())
    for parent, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.endswith(".safetensors") or name in ("metrics.jsonl", MANIFEST):
                status = os.lstat(Path(parent, name))
                digest.update(
                    f"{os.path.relpath(parent, folder)}/{name} {status.st_size} {status.st_mtime_ns}\n".encode()
                )
    return digest.hexdigest()[:16]


def folder_of(work: Path, trial: Trial, number: int, token: str) -> Path:
    """Where the attempt with that number and token trains: it stands for the study's folder."""
    return work / f"{name_of(trial)}.{number}.{token if token.isalnum() else ''}{FOLDER}"


def folders_of(work: Path, trial: Trial, below: int) -> list[Path]:
    """The folders of attempts at a trial with a number under ``below``, the last one first."""
    found = []
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir(work):
            attempt = ATTEMPT.fullmatch(entry)
            if attempt and attempt["name"] == name_of(trial) and int(attempt["number"]) < below:
                found.append((int(attempt["number"]), work / entry))
    return [folder for _, folder in sorted(found, reverse=True)]


def check_links(study: Path, trial: Trial) -> None:
    """Look whether links lead from what is begun of a trial out of its study, before anything is written there.

    Raises:
        EcrnnError: they do.
    """
    for root in (study, *folders_of(study / WORK, trial, below=10**6)):
        check_inside(trial_folder(root, *trial) / "checkpoint", study)


def bring_home(study: Path, lock: int, progress: Progress = silent) -> None:
    """Put all that workers have begun into its place in the study, which this process holds alone.

    Where the lock says nothing of workers, because they run on other machines or the file system has no locks, those
    that have not ended are watched for as long as their leases last.

    Args:
        study: the study's folder.
        lock: descriptor of its lock, as `ecrnn.core.runs.locked` gives it.
        progress: told that it takes a while.

    Raises:
        EcrnnError: a worker shows a sign of life; or links lead out of the study.
    """
    work = study / WORK
    check_inside(work, study)
    if not work.is_dir():
        return
    settings, leases = read_settings(study), Leases(work)
    locks = try_lock(lock, study / LOCK) == "taken"  # once more, which changes nothing
    held = [claim for claim in _last_claims(leases) if not claim.ended and not (locks and claim.host == leases.host)]
    _check_silent(leases, held, study, settings, progress)
    for trial in planned_trials(settings):
        check_links(study, trial)
        home = trial_folder(study, *trial)
        for root in folders_of(work, trial, below=10**6):
            if not home.is_dir() or there(trial_folder(root, *trial) / MANIFEST):
                put(trial_folder(root, *trial), home)
    shutil.rmtree(work, ignore_errors=True)


def _last_claims(leases: Leases) -> list[Claim]:
    """The last claim on each thing."""
    last = (leases.read(name, numbers[-1]) for name, numbers in leases.numbers().items())
    return [claim for claim in last if claim is not None]


def _check_silent(leases: Leases, held: list[Claim], study: Path, settings: StudySettings, progress: Progress) -> None:
    """Watch claims until all of them have been silent for their leases.

    Raises:
        RunDirectoryError: one shows a sign of life.
    """
    if not held:
        return
    wait = max(claim.lease for claim in held)
    progress(Message(f"{study}: looks for {wait:.0f} s whether the worker on {held[0].host} is still there"))
    begun = {claim.name: claim for claim in held}
    while held:
        time.sleep(min(claim.lease for claim in held) / BEATS)
        held = [now for claim in held if (now := leases.read(claim.name, claim.number)) and not now.ended]
        for claim in held:
            if claim.signs != begun[claim.name].signs:
                line = f"a worker on {claim.host} trains {settings.label(*trial_of(claim.name))} of {study}"
                raise RunDirectoryError(f"{line}; 'ecrnn status {study}' shows what runs: wait for it, or stop it")
        held = [claim for claim in held if not leases.is_silent(claim)]
