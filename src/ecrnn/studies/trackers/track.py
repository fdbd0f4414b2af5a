"""`ecrnn track`: a finished run for a tracker of experiments, after the fact and as often as one likes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecrnn.core.errors import EcrnnError, RunDirectoryError, unknown_name
from ecrnn.core.files import path_of
from ecrnn.core.text import counted
from ecrnn.studies.places import spelt_as_it_exists
from ecrnn.studies.trackers.mlflow_runs import URI, log_runs
from ecrnn.studies.trackers.tensorboard_files import write_event_files
from ecrnn.studies.trackers.tracked_run import read_tracked

TRACKERS = ("tensorboard", "mlflow")


@dataclass(frozen=True)
class Tracked:
    """What an export did.

    Attributes:
        where: folder or URI.
        written: trials that were not there as they are now.
        there: trials that were.
        unfinished: trials of the study that have not ended, and so are left out.
    """

    where: str
    written: int
    there: int
    unfinished: int

    def line(self) -> str:
        """What an export did, in words."""
        before = f", {self.there} there already" if self.there else ""
        left = f"; {self.unfinished} not finished, left out" if self.unfinished else ""
        return f"{counted(self.written, 'trials')} written to {self.where}{before}{left}"


def track(
    run: str | Path,
    to: Literal["tensorboard", "mlflow"],
    *,
    out: str | Path | None = None,
    uri: str | None = None,
    experiment: str | None = None,
) -> Tracked:
    """Give the epochs and settings of a run's finished trials to a tracker; repeated, it adds what is new.

    Args:
        run: folder of a study or a tuning, or a bundle that `ecrnn.train` left.
        to: "tensorboard", event files (extra `tensorboard`), or "mlflow", runs in a store of MLflow (extra `mlflow`).
        out: of "tensorboard", the folder; default `runs/tensorboard/<name of the run>`.
        uri: of "mlflow", its tracking URI; default "sqlite:///mlflow.db", a file in the working folder.
        experiment: of "mlflow", the name of the experiment; default the name of the run's folder.

    Raises:
        EcrnnError: no run, a damaged one, an unknown tracker, its package is missing, or it refuses; one line.

    Examples:
        >>> import ecrnn
        >>> ecrnn.track("runs/compare-digits", "tensorboard").line()  # doctest: +SKIP
        '6 trials written to runs/tensorboard/compare-digits'
    """
    if to not in TRACKERS:
        raise unknown_name("tracker", to, TRACKERS)
    for name, value, of in (("out", out, "tensorboard"), ("uri", uri, "mlflow"), ("experiment", experiment, "mlflow")):
        if value is not None and of != to:
            raise EcrnnError(f"{name} is for {of}, not for {to}; omit it")
    found = read_tracked(Path(spelt_as_it_exists(path_of(run, "run"))))
    if not found.trials:
        raise RunDirectoryError(f"{run} has no finished trial yet; there is nothing to track")
    if to == "tensorboard":
        folder = Path("runs") / "tensorboard" / found.name if out is None else path_of(out, "out")
        where, written = str(folder), write_event_files(found, folder)
    else:
        where = uri or URI
        written = log_runs(found, where, experiment)
    return Tracked(where, written, len(found.trials) - written, found.unfinished)
