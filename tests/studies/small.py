"""Small studies for the tests: two models, two repeats, two epochs of five steps, one thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import StudySettings, TrainSettings
from ecrnn.core.events import Epoch, Progress, Step, silent
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.study import Outcome, run_study
from ecrnn.studies.train import train_bundle

MODELS = ("cnn", "ecnn")
TRAINING = {"epochs": 2, "batch_size": 8, "threads": 1, "precision": "float32", "device": "cpu"}


@dataclass(frozen=True)
class Study:
    """``Study(data)``, with the settings of `small.settings`."""

    data: str

    def settings(self, **changes: Any) -> StudySettings:
        return settings(**{"data": self.data} | changes)

    def run(self, out: Path, *, jobs: int = 1, progress: Progress = silent, **changes: Any) -> Outcome:
        return run_study(self.settings(**changes), out, jobs=jobs, progress=progress)


def settings(data: str, **changes: Any) -> StudySettings:
    training = TRAINING | changes.pop("training", {})
    given = {"data": data, "image_size": 8, "models": MODELS, "repeats": 2, "split": "0.8"}
    return StudySettings.read(given | changes | {"training": training})


def train_settings(data: str, **changes: Any) -> TrainSettings:
    training = TRAINING | changes.pop("training", {})
    given = {"data": data, "image_size": 8, "model": "cnn"}
    return TrainSettings.read(given | changes | {"training": training})


def run(data: str, out: str, progress: Progress = silent, jobs: int = 1, **changes: Any) -> None:
    """A study as a process of its own runs it."""
    run_study(settings(data, **changes), Path(out), jobs=jobs, progress=progress)


def train(data: str, out: str, progress: Progress = silent, **changes: Any) -> None:
    """A training to keep, as a process of its own runs it."""
    train_bundle(train_settings(data, **changes), Path(out), resume=True, progress=progress)


def of_trainings(act: Callable[[Step | Epoch], object]) -> Progress:
    """Progress that calls ``act`` with the steps and epochs."""
    return lambda event: act(event) if isinstance(event, Step | Epoch) else None


def predictions(out: Path, **changes: Any) -> dict[tuple[str, int], bytes]:
    """The bytes of every trial's predictions."""
    wanted = planned_trials(settings("any", **changes))
    return {
        (model, repeat): (out / model / f"repeat-{repeat}" / "predictions.npz").read_bytes() for model, repeat in wanted
    }


def everything(out: Path) -> dict[str, tuple[bytes, int]]:
    """All files below a folder with their bytes and times."""
    files = (path for path in out.rglob("*") if path.is_file())
    return {path.relative_to(out).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
