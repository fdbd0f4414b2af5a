"""Trials one after another in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.events import Event, Failed, Finished
from ecrnn.studies.engines.protocol import OpenStudy, Trial
from ecrnn.studies.trials import record_failure, run_trial
from ecrnn.training.interruption import Interrupted


class LocalEngine:
    """The `ecrnn.studies.engines.protocol.Engine` that a study with one job has."""

    def start(self, study: OpenStudy, trials: Sequence[Trial]) -> None:
        self.study, self.trials = study, list(trials)

    def events(self) -> Generator[Event, None, None]:
        study = self.study
        while self.trials:
            model, repeat = self.trials.pop(0)
            try:
                yield from run_trial(study.data, study.folder, study.settings, model, repeat)
            except (Interrupted, RunDirectoryError):
                raise
            except Exception as error:  # noqa: BLE001 whatever one trial dies of, the others are run
                yield Failed(model, repeat, record_failure(study.folder, model, repeat, error))
            else:
                yield Finished(model, repeat)

    def stop(self) -> None:
        """Begin no more trials; the one under way goes no further than its events are asked for."""
        self.trials = []
