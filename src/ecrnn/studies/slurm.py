"""`--engine slurm`: one array of workers for a study, written as a batch script and submitted; nothing waits for it.

The array is of workers that take trials, not of trials: where one model takes a hundred times as long as another,
nobody waits for a number that was dealt to somebody else. SLURM sends a worker SIGTERM two minutes before its time is
over, so it leaves a checkpoint; what is missing then, the same command submits again.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecrnn.core.config import StudySettings
from ecrnn.core.devices import THREADS_ELSEWHERE, check_shares_gpu
from ecrnn.core.errors import EcrnnError
from ecrnn.core.files import make_folder, write_atomically
from ecrnn.core.runs import locked, read_settings
from ecrnn.models.own_code import loaded_files
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.shared_trials import SharedTrials

FOLDER = "slurm"  # of a study: the script and the logs
WORKERS = 8
_SHORT = {"-A": "--account", "-c": "--cpus-per-task", "-J": "--job-name", "-n": "--ntasks", "-o": "--output"}
_SHORT |= {"-p": "--partition", "-q": "--qos", "-t": "--time", "-w": "--nodelist", "-x": "--exclude", "-a": "--array"}
_SHORT |= {"-C": "--constraint", "-e": "--error", "-G": "--gpus", "-M": "--clusters"}
_INSTEAD = {  # of what the script would say, in options of other names, beside which SLURM refuses it or asks for both
    "--mem": ("--mem-per-cpu", "--mem-per-gpu"),
    "--gres": ("--gpus", "--gpus-per-node", "--gpus-per-task"),
    "--cpus-per-task": ("--cpus-per-gpu",),
    "--requeue": ("--no-requeue",),
}
_OURS = {
    "--array": "--workers does it",
    "--job-name": "the workers of a study are found in the queue by it",
    "--clusters": "workers in the queue of another cluster would not be found",
}
_PATIENCE = 120.0  # seconds for sbatch and squeue to answer


@dataclass(frozen=True)
class Submission:
    """What `submit` did.

    Attributes:
        study: the study's folder.
        left: trials still to be trained.
        queued: workers of it that were in the queue before; where no trial is left, nobody has asked.
        workers: that were submitted now.
        job: SLURM's number of their array, "" where none was.
    """

    study: str
    left: int
    queued: int
    workers: int
    job: str


def submit(
    study: Path, workers: int = WORKERS, options: Sequence[str] = (), trials_per_gpu: int | None = None
) -> Submission:
    """Submit as many workers as are missing: not more than there are trials left, and none for one in the queue.

    Args:
        study: the folder of a study that is written.
        workers: of it at one time, at the most.
        options: of sbatch, such as "--partition=long", which stand in place of what the script would say.
        trials_per_gpu: trials of a worker at one time, on its GPU; None: one.

    Raises:
        EcrnnError: there is no SLURM here, or it refuses; the line is its own.
    """
    settings = read_settings(study)
    left = trials_left(study)
    if not left:
        return Submission(str(study), 0, 0, 0, "")
    with locked(make_folder(study / FOLDER), _PATIENCE, keep=False):  # else two commands that see no worker both submit
        return _submit(study, settings, left, workers, options, trials_per_gpu)


def _submit(
    study: Path, settings: StudySettings, left: int, workers: int, options: Sequence[str], trials_per_gpu: int | None
) -> Submission:
    """`submit`, by the one process that does at this moment."""
    before = queued(study)
    missing = max(0, min(workers, -(-left // (trials_per_gpu or 1))) - before)
    if not missing:
        return Submission(str(study), left, before, 0, "")
    path = study / FOLDER / "workers.sh"
    write_atomically(path, script(study, settings, missing, options, trials_per_gpu))
    job = _answer("sbatch", "--parsable", str(path)).strip().partition(";")[0]
    return Submission(str(study), left, before, missing, job)


def trials_left(study: Path) -> int:
    """How many trials of a study that is written are still to be trained."""
    trials = SharedTrials(study, read_settings(study))
    trials.count()
    return len(trials.needed())


def queued(study: Path) -> int:
    """How many workers of a study wait or run.

    Raises:
        EcrnnError: there is no SLURM here, or it does not answer.
    """
    lines = _answer("squeue", "--me", "--noheader", "--array", "--format=%T", f"--name={job_name(study)}")
    return len(lines.split())


def job_name(study: Path) -> str:
    """What the workers of a study are called in the queue."""
    return f"ecrnn-{hashlib.sha256(str(study.resolve()).encode()).hexdigest()[:10]}"


def script(
    study: Path,
    settings: StudySettings,
    workers: int,
    options: Sequence[str] = (),
    trials_per_gpu: int | None = None,
) -> str:
    """The batch script of an array of workers.

    Args:
        study: the study's folder.
        settings: of it.
        workers: of the array.
        options: of sbatch, which stand in place of ours.
        trials_per_gpu: trials of a worker at one time, on its GPU; None: one.

    Raises:
        EcrnnError: an option is none, or is not to be chosen; the place of the study cannot stand in a script; or
            trials cannot share a GPU.
    """
    check_shares_gpu(settings.training.device, trials_per_gpu)
    trials = trials_per_gpu or 1
    place = study.resolve()
    if set("%\"'\\\n") & set(str(place)):
        raise EcrnnError(f"{place}: SLURM takes no path with %, quotes or backslashes for its logs; rename the folder")
    lines = {
        "--job-name": job_name(study),
        "--array": f"1-{workers}",
        "--ntasks": "1",
        "--cpus-per-task": str(trials * (settings.training.threads or THREADS_ELSEWHERE)),
        "--mem": f"{4 * trials}G",
        "--time": "04:00:00",
        "--signal": "B:TERM@120",  # B: to the worker itself, which exec puts in the place of the shell
        "--requeue": "",
        "--open-mode": "append",
        "--output": f'"{place / FOLDER}/%A_%a.log"',
    }
    if settings.training.device == "cuda":
        lines["--gres"] = "gpu:1"
    chosen = _named(options)
    for key, others in _INSTEAD.items():
        if chosen.keys() & set(others):
            lines.pop(key, None)
    asked = "\n".join(f"#SBATCH {key}{'=' if value else ''}{value}" for key, value in {**lines, **chosen}.items())
    words = [sys.executable, "-P", "-m", "ecrnn", "work", str(place), *_code()]
    words += ["--trials-per-gpu", str(trials)] if trials > 1 else []
    return f"#!/bin/bash\n{asked}\n\ncd -- {shlex.quote(str(Path.cwd()))} || exit\nexec {shlex.join(words)}\n"


def _code() -> Iterable[str]:
    for file in loaded_files():
        yield from ("--code", str(file))


def _named(options: Sequence[str]) -> Mapping[str, str]:
    """The options of sbatch by their long names."""
    named = {}
    for option in options:
        key, value = _parted(option.strip())
        if key in _OURS:
            raise EcrnnError(f"--sbatch '{option}': {key} is not chosen there: {_OURS[key]}")
        named[key] = value
    return named


def _parted(option: str) -> tuple[str, str]:
    key, _, value = option.partition("=" if option.startswith("--") and "=" in option else " ")
    key = _SHORT.get(key, key)
    name = key.removeprefix("--").replace("-", "")
    if not (key.startswith("--") and name.isascii() and name.isalnum()) or not option.isprintable():
        raise EcrnnError(f"--sbatch wants an option of sbatch, as in --sbatch '--partition=long', not '{option[:100]}'")
    return key, value.strip()


def _answer(command: str, *arguments: str) -> str:
    """What a command of SLURM prints."""
    if shutil.which(command) is None:
        line = "start 'ecrnn work' on each machine yourself, or look at the script with --dry-run"
        raise EcrnnError(f"there is no {command} here, so no SLURM; {line}")
    try:
        done = subprocess.run(
            [command, *arguments], capture_output=True, errors="replace", timeout=_PATIENCE, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EcrnnError(f"{command} has not answered for {_PATIENCE:.0f} s") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise EcrnnError(f"{command} refuses: {lines[-1] if lines else f'status {done.returncode}'}")
    return done.stdout


def preview(
    study: Path,
    settings: StudySettings,
    workers: int = WORKERS,
    options: Sequence[str] = (),
    trials_per_gpu: int | None = None,
) -> str:
    """The script that would be submitted for a study that need not be written yet."""
    most = -(-len(planned_trials(settings)) // (trials_per_gpu or 1))
    return script(study, settings, min(workers, most), options, trials_per_gpu)
