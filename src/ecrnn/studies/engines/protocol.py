"""What an engine does: it is handed trials of a study, runs them where it can, and says how they go.

An engine moves names, never data: all that a trial is lies in the study's folder, and all that it leaves too.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Event
from ecrnn.data.example_set import ExampleSet

Trial = tuple[str, int]  # model, repeat


@dataclass(frozen=True)
class OpenStudy:
    """A study that is worked on.

    Attributes:
        folder: holds its `study.yaml`, in which the settings are written.
        settings: resolved.
        data: its examples, as `ecrnn.studies.trials.load` gives them for ``settings``.
        lock: descriptor of its lock, which is held: processes that inherit it keep the study until they leave.
    """

    folder: Path
    settings: StudySettings
    data: ExampleSet
    lock: int


class Engine(Protocol):
    """Runs trials. `ecrnn.studies.study.run_study` calls `start`, then `events`, and `stop` in any case; once, or in a
    study that trains until it is decided again for each look.

    Trials are run by `ecrnn.studies.trials.run_trial`, which goes on with what it finds in the study's folder and
    leaves a finished trial alone. The error of one that fails is left on the disk by
    `ecrnn.studies.trials.record_failure`, and the others go on.
    """

    def start(self, study: OpenStudy, trials: Sequence[Trial]) -> None:
        """Take on ``trials``, to be begun in this order."""

    def events(self) -> Generator[Event, None, None]:
        """What happens, until nothing runs any more: for every trial either one `Finished` or one `Failed`.

        `Step` and `Epoch` may come in between. The generator may be closed at any event.

        Raises:
            RunDirectoryError: the study's folder cannot be written.
            ecrnn.training.interruption.Interrupted: SIGINT or SIGTERM came, and everything has stopped.
        """

    def stop(self) -> None:
        """Begin no more trials, and have those under way write a checkpoint and leave; does not wait for them."""


@dataclass(frozen=True)
class OnRay:
    """A Ray cluster, where an engine is asked for; "ray" means `OnRay()`.

    Attributes:
        address: such as "auto" or "10.0.0.1:6379"; None: a cluster of this machine alone, which ends with the study.
        collect: bring finished trials back from nodes that do not see the folder of the study; else all nodes see it.
    """

    address: str | None = None
    collect: bool = False


Place = Engine | OnRay | str | None  # where trials run


def check_engine(engine: Place) -> None:
    """Raise an EcrnnError for an engine that writes a study and ends before there is anything to report."""
    if engine in ("none", "slurm"):
        line = f"give 'ecrnn compare --engine {engine}', or let ecrnn.work(STUDY) on every machine train a study"
        raise EcrnnError(f"engine: in Python here, processes, ray or one of your own, not '{engine}'; {line}")
