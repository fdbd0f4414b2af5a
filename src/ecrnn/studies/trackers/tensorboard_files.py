"""A run as TensorBoard's event files (extra `tensorboard`), a folder for each trial."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import disk_errors, make_folder, write_atomically
from ecrnn.core.reading import read_text, there
from ecrnn.studies.trackers.tracked_run import TrackedRun, TrackedTrial
from ecrnn.training.event_files import tag

SUFFIX = ".ecrnn-track"  # ends the names of the event files that are of an export, and so are replaced by the next
_DIGEST = "ecrnn-track.sha256"  # a line with the digest of what was written, and one with the key of its trial
_LARGEST = 1000  # bytes of that file


def write_event_files(run: TrackedRun, out: Path) -> int:
    """Write the trials of a run that are not there yet as they are now.

    Args:
        run: from `read_tracked`.
        out: which `tensorboard --logdir` is given.

    Returns:
        How many were written.

    Raises:
        EcrnnError: TensorBoard's package is missing, or the folder cannot be written.
        RunDirectoryError: it holds event files of another run, or of something else; nothing is written then.
    """
    try:
        writer: Any = import_module("torch.utils.tensorboard").SummaryWriter
    except ImportError as error:
        raise EcrnnError("--to tensorboard needs the package tensorboard; pip install 'ecrnn[tensorboard]'") from error
    for trial in run.trials:
        _check_free(trial, out)
    return sum(_write(trial, out / trial.name, writer) for trial in run.trials)


def _check_free(trial: TrackedTrial, out: Path) -> None:
    """Raise a RunDirectoryError where the trial's place holds what is not an export of it."""
    folder = out / trial.name
    _, key = _recorded(folder)
    if key not in ("", trial.key):  # earlier versions noted none
        line = f"{folder} holds {trial.name} of another run, which would be overwritten"
        raise RunDirectoryError(f"{line}; give each run a folder of its own, as in -o {out / 'other'}")
    with disk_errors(folder, "read"):
        foreign = [path for path in folder.glob("events.out.tfevents.*") if not path.name.endswith(SUFFIX)]
    if foreign:
        line = f"{folder} holds event files of something else, such as of 'ecrnn train --tensorboard'"
        raise RunDirectoryError(f"{line}; choose another -o")


def _recorded(folder: Path) -> tuple[str, str]:
    """Digest and key of the trial that was written into a folder; "" where there is none."""
    if not there(folder / _DIGEST):
        return "", ""
    digest, _, key = read_text(folder / _DIGEST, _LARGEST).partition("\n")
    return digest.strip(), key.strip()


def _write(trial: TrackedTrial, folder: Path, writer: Any) -> bool:
    """Write one trial; False if it is there."""
    make_folder(folder)
    record = folder / _DIGEST
    if _recorded(folder)[0] == trial.digest:
        return False
    with disk_errors(folder):
        for path in folder.glob("events.out.tfevents.*"):
            path.unlink()
        record.unlink(missing_ok=True)
        with writer(str(folder), filename_suffix=SUFFIX) as events:
            rows = "\n".join(f"| {name} | {value} |" for name, value in trial.settings.items())
            events.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", 0, walltime=trial.ended)
            for metrics, time in zip(trial.history, trial.times(), strict=True):
                for name, value in metrics.items():
                    if name != "epoch":
                        events.add_scalar(tag(name), value, int(metrics["epoch"]), walltime=time)
    write_atomically(record, f"{trial.digest}\n{trial.key}\n")
    return True
