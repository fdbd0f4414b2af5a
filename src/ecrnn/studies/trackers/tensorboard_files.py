"""A run as TensorBoard's event files (extra `tensorboard`), a folder for each trial."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import disk_errors, make_folder, write_atomically
from ecrnn.core.reading import there
from ecrnn.studies.trackers.tracked_run import TrackedRun, TrackedTrial
from ecrnn.training.event_files import tag

SUFFIX = ".ecrnn-track"  # ends the names of the event files that are of an export, and so are replaced by the next
_DIGEST = "ecrnn-track.sha256"


def write_event_files(run: TrackedRun, out: Path) -> int:
    """Write the trials of a run that are not there yet as they are now.

    Args:
        run: from `read_tracked`.
        out: which `tensorboard --logdir` is given.

    Returns:
        How many were written.

    Raises:
        EcrnnError: TensorBoard's package is missing, or the folder cannot be written.
        RunDirectoryError: it holds event files of something else.
    """
    try:
        writer: Any = import_module("torch.utils.tensorboard").SummaryWriter
    except ImportError as error:
        raise EcrnnError("--to tensorboard needs the package tensorboard; pip install 'ecrnn[tensorboard]'") from error
    return sum(_write(trial, out / trial.name, writer) for trial in run.trials)


def _write(trial: TrackedTrial, folder: Path, writer: Any) -> bool:
    """Write one trial; False if it is there."""
    make_folder(folder)
    record = folder / _DIGEST
    if there(record) and record.read_text(encoding="ascii", errors="replace").strip() == trial.digest:
        return False
    with disk_errors(folder):
        for path in folder.glob("events.out.tfevents.*"):
            if not path.name.endswith(SUFFIX):
                line = f"{folder} holds event files of something else, such as of 'ecrnn train --tensorboard'"
                raise RunDirectoryError(f"{line}; choose another -o")
            path.unlink()
        record.unlink(missing_ok=True)
        with writer(str(folder), filename_suffix=SUFFIX) as events:
            rows = "\n".join(f"| {name} | {value} |" for name, value in trial.settings.items())
            events.add_text("settings", f"| setting | value |\n|---|---|\n{rows}", 0, walltime=trial.ended)
            for metrics, time in zip(trial.history, trial.times(), strict=True):
                for name, value in metrics.items():
                    if name != "epoch":
                        events.add_scalar(tag(name), value, int(metrics["epoch"]), walltime=time)
    write_atomically(record, f"{trial.digest}\n")
    return True
