"""The trials of a study as workers on several machines share them: what is free, what is at work, what is done.

Each attempt at a trial trains in a folder of its own (`ecrnn.studies.attempt_folders`), and the trial appears in its
place by one rename of the whole folder. So a worker that was stopped past its lease and continues writes where nobody
reads, and whoever comes second finds a finished trial and deletes its own. An attempt goes on with the folder of the
one before it, which is renamed too: no file is ever written by two.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecrnn.core.attempts import WORK, name_of, trial_of
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import make_folder
from ecrnn.core.leases import DIED, FAILED, LEASE, LEFT, Claim, Lease, Leases
from ecrnn.core.manifests import MANIFEST, noted_fact
from ecrnn.core.packed import PACKED
from ecrnn.core.reading import check_inside, there
from ecrnn.core.runs import FAILURE, STUDY, trial_folder, trial_home
from ecrnn.core.trial_of_study import CONFIG, check_of_study, failure_of
from ecrnn.studies.attempt_folders import (
    check_links,
    folder_of,
    folders_of,
    moved,
    progress_of,
    put,
)
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.looks import Looks
from ecrnn.studies.planned import planned_trials

CHOSEN_BY = "--out of 'ecrnn compare'"  # for advice on a study's folder, which workers do not choose
ATTEMPTS = 3  # that may end without a result and without a step further
_ROUNDS = 10  # that a worker may lose to quicker ones, before it pauses as one that finds nothing
_PAUSE = 0.2  # seconds at the most between two rounds, drawn so that workers part


@dataclass(frozen=True)
class Attempt:
    """A trial that this process has claimed.

    Attributes:
        trial: model and repeat.
        lease: of it.
        root: the folder that stands for the study's while the trial is trained.
        home: the trial's place in the study.
    """

    trial: Trial
    lease: Lease
    root: Path
    home: Path

    @property
    def folder(self) -> Path:
        """Where the trial is trained."""
        return trial_folder(self.root, *self.trial)


def check_shared(settings: StudySettings, study: Path) -> None:
    """Raise an EcrnnError where workers cannot share the trials of a study."""
    if settings.tuning is not None and settings.tuning.search == "tpe":
        line = "in a search with tpe each point waits for all before it, which workers cannot share"
        raise EcrnnError(f"{study}: {line}; the 'ecrnn tune' that it was begun with goes on with it")


class SharedTrials:
    """The trials of a study, as one worker sees them.

    Args:
        study: the study's folder.
        settings: of its study.yaml.
        lease: seconds without a sign of life, after which others may take a trial of this worker.
        host: what this machine is called.
        looks_only: no trial is taken.
        only: the one trial that this worker is to train; None: any.

    Raises:
        EcrnnError: the trials of such a study cannot be shared, or its claims lie elsewhere.
    """

    def __init__(
        self,
        study: Path,
        settings: StudySettings,
        lease: float = LEASE,
        host: str | None = None,
        *,
        looks_only: bool = False,
        only: Trial | None = None,
    ) -> None:
        if not (looks_only or only):
            check_shared(settings, study)
        check_inside(study / WORK, study)
        self.study, self.settings, self._inode = study, settings, os.stat(study).st_ino
        self.leases = Leases(study / WORK, lease, host)
        self.planned = planned_trials(settings) if only is None else [only]
        self.finished: dict[Trial, str | None] = {}  # and on which machine, where that was asked: "" if nobody knows
        self.failed: dict[Trial, str] = {}
        self._counted, self._archive = False, there(study / PACKED)
        self._looks = Looks(study, settings) if settings.sequential is not None and only is None else None

    def check_there(self) -> None:
        """Look whether the study still lies where it did: in its old place nothing may be left that was made anew.

        Raises:
            RunDirectoryError: it does not.
        """
        if not self._is_there():
            for folder in (self.leases.folder, self.study):  # where a training made them anew
                with contextlib.suppress(OSError):
                    folder.rmdir()
            line = "it was moved or deleted; its new place, given to 'ecrnn work', goes on with what was begun"
            raise RunDirectoryError(f"{self.study} is no longer there: {line}")

    def _is_there(self) -> bool:
        """Whether the folder is the one that it was; one that a training made anew has another inode, and no study.

        Some file systems, such as sshfs, number a folder anew while it lies there.
        """
        try:
            return os.stat(self.study).st_ino == self._inode or there(self.study / STUDY)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:  # such as ESTALE for a moment
            return True

    def needed(self) -> list[Trial]:
        """What is still to be trained, as far as is known, in the order of the study."""
        wanted = self.planned
        if self._looks is not None:
            for trial in self.planned:
                self._has_ended(trial)
            wanted = self._looks.needed(self._looks.look(self.finished, self.failed))
        return [trial for trial in wanted if trial not in self.finished and trial not in self.failed]

    def take(self) -> Attempt | None:
        """Claim the next trial; None where there is none that nobody has, or others were quicker many times."""
        self.check_there()
        if not self._counted:
            self.count()
        lost = 0  # rounds, in which others were quicker
        while needed := self.needed():
            claims = self.claims(needed)
            free = self._free(needed, claims)
            for trial in sorted(free, key=self._strange(free, claims)):
                if not self._has_ended(trial) and (attempt := self._begin(trial, claims.get(trial))):
                    return attempt
            if any(self._has_ended(trial) for trial in needed):
                continue
            lost += 1
            if not free or lost == _ROUNDS:
                return None
            time.sleep(random.uniform(0, _PAUSE))
        return None

    def _free(self, needed: list[Trial], claims: Mapping[Trial, Claim]) -> list[Trial]:
        """The trials that nobody has; where there are none, those of workers that have gone.

        One that was lost on this machine, as for want of memory, is left to the others as long as there are any.
        """
        silent = {trial for trial, claim in claims.items() if not claim.ended and self.leases.is_silent(claim)}
        others = any(
            not claim.ended and trial not in silent and claim.host != self.leases.host
            for trial, claim in claims.items()
        )

        def is_free(trial: Trial) -> bool:
            claim = claims.get(trial)
            if claim is None or claim.ended != DIED:
                return claim is None or bool(claim.ended)
            return not (others and claim.host == self.leases.host)

        return [trial for trial in needed if is_free(trial)] or [trial for trial in needed if trial in silent]

    def count(self) -> None:
        """Look which trials have ended, where it is not known. `take` does it once, and then asks for one at a time.

        Raises:
            EcrnnError: the first finished trial of a model is of another study, as where another study.yaml was put
                here; whether the others are whole and of this one, a report looks.
        """
        self._counted = True
        for trial in self.planned:
            self._has_ended(trial)
        for trial in {model: (model, repeat) for model, repeat in reversed(self.finished)}.values():
            home = trial_home(self.study, *trial)
            if there(home / CONFIG):
                recipe = noted_fact(home, "recipe", self.study)
                check_of_study(self.study, self.settings, *trial, {"facts": {"recipe": recipe}})

    def claims(self, trials: list[Trial]) -> dict[Trial, Claim]:
        """The last claim on each of ``trials`` that has one."""
        numbers = self.leases.numbers()
        found = {}
        for trial in trials:
            of = numbers.get(name_of(trial))
            claim = self.leases.read(name_of(trial), of[-1]) if of else None
            if claim is not None:
                found[trial] = claim
        return found

    def _strange(self, free: Sequence[Trial], claims: Mapping[Trial, Claim]) -> Callable[[Trial], int]:
        """A key that puts trials of a repeat first that this machine has begun, then those of one that nobody has.

        So the models of a repeat are trained on one machine, as long as there is enough for all.
        """
        hosts: dict[int, set[str]] = {}
        for (_, repeat), claim in claims.items():
            if not claim.ended:
                hosts.setdefault(repeat, set()).add(claim.host)
        asked = {repeat for _, repeat in free} - hosts.keys()
        for (_, repeat), host in self.finished.items():
            if host is not None and repeat in asked:
                hosts.setdefault(repeat, set()).add(host)
        for trial in self.finished:  # of a repeat of which nothing is known, one manifest is read
            if trial[1] in asked and trial[1] not in hosts:
                self.finished[trial] = _host(self.study, trial)
                hosts[trial[1]] = {self.finished[trial] or ""}

        def strange(trial: Trial) -> int:
            of = hosts.get(trial[1])
            return 1 if not of else 0 if self.leases.host in of else 2

        return strange

    def _has_ended(self, trial: Trial) -> bool:
        """Whether a trial is finished or has failed, which is remembered. Whether it is whole, a report looks."""
        if trial in self.finished or trial in self.failed:
            return True
        home = trial_folder(self.study, *trial)
        packed = self._archive and there(trial_home(self.study, *trial) / MANIFEST)
        if packed or os.path.lexists(home / MANIFEST):
            self.finished[trial] = None
            return True
        if os.path.lexists(home / FAILURE) and (line := failure_of(self.study, self.settings, *trial)) is not None:
            self.failed[trial] = line
            return True
        return False

    def _begin(self, trial: Trial, last: Claim | None) -> Attempt | None:
        """Claim a trial, and bring what there is of it to a folder of its own; None: somebody was quicker, or it has
        ended."""
        name, number = name_of(trial), last.number + 1 if last else 1
        check_links(self.study, trial)
        lease = self.leases.take(name, number)
        if lease is None:
            return None
        root = folder_of(self.leases.folder, trial, number, lease.token)
        attempt = Attempt(trial, lease, root, trial_folder(self.study, *trial))
        if not self._has_ended(trial):  # between the look at it and now
            self._adopt(attempt)
        if self._has_ended(trial):  # or at this moment, by one whose lease had ended
            self._clean(attempt)
            return None
        mark = progress_of(attempt.folder, self.settings.of_trial(*trial))
        if (died := self._in_vain(name, number, mark)) >= ATTEMPTS:
            before = self.leases.read(name, number - 1)
            why = before.reason or f"the last one, on {before.host}, fell silent" if before else "it left no sign"
            line = f"begun {died} times, and each time the worker was lost before the next checkpoint: {why}"
            self.fail(attempt, RunDirectoryError(line))
            return None
        lease.note(mark=mark)
        return attempt

    def _adopt(self, attempt: Attempt) -> None:
        """Bring what an earlier attempt, or another engine, has left of a trial to the folder of this one."""
        for folder in folders_of(self.leases.folder, attempt.trial, below=attempt.lease.number):
            if moved(folder, attempt.root):
                break
        else:
            make_folder(attempt.folder.parent)
            if moved(attempt.home, attempt.folder) and there(attempt.folder / MANIFEST):  # finished at this moment
                put(attempt.folder, attempt.home)
        make_folder(attempt.folder)

    def _in_vain(self, name: str, number: int, mark: str) -> int:
        """How many attempts, one after another up to the last, ended without a step further and without saying why."""
        count = 0
        for earlier in range(number - 1, 0, -1):
            claim = self.leases.read(name, earlier)
            if claim is None or claim.ended in (LEFT, FAILED) or claim.mark not in ("", mark):
                break
            count += bool(claim.mark)  # without: lost before it began
        return count

    def publish(self, attempt: Attempt) -> bool:
        """Put a finished trial into its place; False if another worker has done so, or goes on with this folder.

        Raises:
            RunDirectoryError: the disk refuses, or the study is gone.
        """
        if not self._is_there():
            self.give_up(attempt)
        self.check_there()
        first = put(attempt.folder, attempt.home)
        if self._has_ended(attempt.trial):
            self.finished[attempt.trial] = self.leases.host if first else None
            self._clean(attempt)
        else:
            self.give_up(attempt)
        return first

    def leave(self, attempt: Attempt) -> None:
        """Put a trial that was begun into its place, for whoever goes on with it; this counts as no attempt."""
        put(attempt.folder, attempt.home)
        shutil.rmtree(attempt.root, ignore_errors=True)
        attempt.lease.end(LEFT)

    def lose(self, attempt: Attempt, reason: str) -> None:
        """End an attempt that this machine cannot go on with, which counts as one; others go on with its folder."""
        attempt.lease.end(DIED, reason)

    def fail(self, attempt: Attempt, error: BaseException) -> str:
        """Write down why a trial has failed, so that no worker tries it again; gives the line."""
        from ecrnn.studies.trials import record_failure  # which loads torch

        line = record_failure(attempt.root, *attempt.trial, error)
        put(attempt.folder, attempt.home)
        shutil.rmtree(attempt.root, ignore_errors=True)
        attempt.lease.end(FAILED, line)
        self.failed[attempt.trial] = line
        return line

    def give_up(self, attempt: Attempt) -> None:
        """Delete what this process has written since another has taken the trial over."""
        shutil.rmtree(attempt.root, ignore_errors=True)

    def sweep(self) -> None:
        """Delete what lost workers have left of trials that are finished."""
        for name, numbers in self.leases.numbers().items():
            trial = trial_of(name)
            claim = self.leases.read(name, numbers[-1])
            gone = claim is None or claim.ended or (claim.seen or 0.0) > claim.lease
            if gone and trial in self.planned and self._has_ended(trial) and trial in self.finished:
                self._remove(trial, numbers[-1])

    def forget(self, trial: Trial) -> None:
        """Delete the claims on a trial that nobody has."""
        self.leases.forget(name_of(trial), self.leases.numbers().get(name_of(trial), []))

    def _clean(self, attempt: Attempt) -> None:
        """Delete what is left of the attempts up to this one; a later one finds out by itself that all is done."""
        if attempt.trial in self.finished:
            self._remove(attempt.trial, attempt.lease.number)
        else:
            self.give_up(attempt)
            attempt.lease.end(LEFT)

    def _remove(self, trial: Trial, last: int) -> None:
        for folder in folders_of(self.leases.folder, trial, below=last + 1):
            shutil.rmtree(folder, ignore_errors=True)
        name = name_of(trial)
        self.leases.forget(name, [number for number in self.leases.numbers().get(name, []) if number <= last])
        with contextlib.suppress(OSError):
            self.leases.folder.rmdir()  # when it is empty


def _host(study: Path, trial: Trial) -> str:
    """The machine that a finished trial was trained on, "" where its manifest does not say."""
    with contextlib.suppress(EcrnnError):
        host = noted_fact(trial_home(study, *trial), "host", study)
        return host if isinstance(host, str) else ""
    return ""
