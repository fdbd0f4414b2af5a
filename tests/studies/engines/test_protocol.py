"""studies/engine/protocol: a study runs on an engine that a stranger wrote, in a package of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from core.lines import one_line
from studies.small import MODELS, Study, predictions

import ecrnn
from ecrnn.core.errors import RunDirectoryError, UnknownNameError
from ecrnn.core.events import Epoch, Event, Failed, Finished, Step
from ecrnn.studies.engines.local import LocalEngine
from ecrnn.studies.engines.processes import ProcessEngine
from ecrnn.studies.engines.protocol import Engine, OpenStudy, Trial
from ecrnn.studies.study import run_study

TOY = '''
"""Every trial in a thread of its own, the events as lines of JSON over a queue, as from another machine."""

import queue
import threading

from ecrnn.core.events import Failed, Finished, from_json, to_json
from ecrnn.studies.trials import record_failure, run_trial


class ToyEngine:
    def start(self, study, trials):
        self.study, self.lines, self.stopped = study, queue.SimpleQueue(), False
        self.left = set(trials)
        self.threads = [threading.Thread(target=self.run, args=trial) for trial in trials]

    def run(self, model, repeat):
        study = self.study
        try:
            for event in run_trial(study.data, study.folder, study.settings, model, repeat):
                self.lines.put(to_json(event))
        except Exception as error:
            self.lines.put(to_json(Failed(model, repeat, record_failure(study.folder, model, repeat, error))))
        else:
            self.lines.put(to_json(Finished(model, repeat)))

    def events(self):
        for thread in self.threads:
            thread.start()
            alone = True
            while alone:
                event = from_json(self.lines.get())
                alone = not isinstance(event, Failed | Finished)
                yield event
            thread.join()

    def stop(self):
        self.stopped = True
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    package = tmp_path / "packages" / "toy_engines"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(TOY)
    monkeypatch.syspath_prepend(package.parent)
    yield importlib.import_module("toy_engines")
    del sys.modules["toy_engines"]


def test_a_strangers_engine_gives_the_bits_of_ours(
    toy: ModuleType, study: Study, left_alone: Path, tmp_path: Path
) -> None:
    engine: Engine = toy.ToyEngine()
    events: list[Event] = []
    outcome = run_study(study.settings(), tmp_path / "run", engine=engine, progress=events.append)
    assert predictions(tmp_path / "run") == predictions(left_alone)
    assert outcome.trained == sorted(predictions(left_alone), key=lambda trial: trial[1])
    assert not outcome.failed
    assert {(e.model, e.repeat) for e in events if isinstance(e, Finished)} == set(outcome.trained)
    assert {e.label for e in events if isinstance(e, Step)} == {f"{m}, repeat {r}" for m, r in outcome.trained}
    assert engine.stopped  # type: ignore[attr-defined]
    again = run_study(study.settings(), tmp_path / "run", engine=toy.ToyEngine())
    assert again.found == outcome.trained


def test_a_comparison_on_it(toy: ModuleType, study: Study, tmp_path: Path) -> None:
    labels: set[str] = set()
    report = ecrnn.compare(
        study.data,
        ["mlp-4"],
        2,
        engine=toy.ToyEngine(),
        out=tmp_path / "run",
        image_size=8,
        epochs=1,
        threads=1,
        progress=lambda event: labels.add(event.label) if isinstance(event, Epoch) else None,
    )
    assert [row.model for row in report.analysis.models] == ["mlp-4"]
    assert labels == {"mlp-4, repeat 0", "mlp-4, repeat 1"}


def test_its_failures_are_the_studys(toy: ModuleType, study: Study, tmp_path: Path, monkeypatch: Any) -> None:
    real = toy.run_trial

    def run(data: Any, folder: Path, settings: Any, model: str, repeat: int) -> Any:
        if (model, repeat) == ("cnn", 1):
            raise RuntimeError("no luck")
        return real(data, folder, settings, model, repeat)

    monkeypatch.setattr(toy, "run_trial", run)
    outcome = run_study(study.settings(training={"epochs": 1}), tmp_path / "run", engine=toy.ToyEngine())
    assert outcome.failed == {("cnn", 1): "RuntimeError: no luck"}
    assert outcome.trained == [("cnn", 0), ("ecnn", 0), ("ecnn", 1)]


class Pretended:
    """An engine that trains nothing and sends the events it is given; ``error`` is raised after that."""

    def __init__(self, *events: Event, error: BaseException | None = None) -> None:
        self.sent, self.error, self.calls = events, error, list[str]()

    def start(self, study: OpenStudy, trials: list[Trial]) -> None:
        self.calls.append(f"start {len(trials)}")
        assert (study.folder / "study.yaml").is_file()
        assert study.settings.fingerprint == study.data.fingerprint
        assert study.lock > 2

    def events(self) -> Any:
        try:
            self.calls.append("events")
            yield from self.sent
            if self.error:
                raise self.error
        finally:
            self.calls.append("closed")

    def stop(self) -> None:
        self.calls.append("stop")


def test_a_trial_that_an_engine_forgets_has_failed(study: Study, tmp_path: Path) -> None:
    engine, events = Pretended(Finished("ecnn", 1), Failed("cnn", 0, "no")), list[Event]()
    outcome = run_study(study.settings(), tmp_path, engine=engine, progress=events.append)
    assert engine.calls == ["start 4", "events", "closed", "stop"]
    assert outcome.trained == [("ecnn", 1)]
    assert outcome.failed == {
        ("cnn", 0): "no",
        ("ecnn", 0): "the engine ended without it",
        ("cnn", 1): "the engine ended without it",
    }
    assert {(e.model, e.repeat): e.error for e in events if isinstance(e, Failed)} == outcome.failed


@pytest.mark.parametrize("error", [RunDirectoryError("disk full"), KeyboardInterrupt()])
def test_an_engine_that_raises_is_stopped(study: Study, tmp_path: Path, error: BaseException) -> None:
    engine = Pretended(error=error)
    with pytest.raises(type(error)):
        run_study(study.settings(), tmp_path, engine=engine)
    assert engine.calls == ["start 4", "events", "closed", "stop"]


def test_a_caller_that_raises_stops_the_engine(study: Study, tmp_path: Path) -> None:
    engine = Pretended(Epoch("cnn, repeat 0", 1, 1, 1, 1, {}), Finished("cnn", 0))

    def progress(event: Event) -> None:
        if isinstance(event, Epoch):
            raise KeyError

    with pytest.raises(KeyError):
        run_study(study.settings(), tmp_path, engine=engine, progress=progress)
    assert engine.calls == ["start 4", "events", "closed", "stop"]


@pytest.mark.parametrize(
    ("engine", "jobs", "kind"),
    [
        (None, 1, LocalEngine),
        (None, 2, ProcessEngine),
        ("here", 2, LocalEngine),
        ("processes", 1, ProcessEngine),
    ],
)
def test_engines_by_name_and_by_jobs(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str | None, jobs: int, kind: type
) -> None:
    chosen: list[object] = []
    monkeypatch.setattr(kind, "start", lambda self, study, trials: chosen.append(trials))
    monkeypatch.setattr(kind, "events", lambda self: (Finished(*trial) for trial in chosen[0]))  # type: ignore[attr-defined]
    outcome = run_study(study.settings(), tmp_path, jobs=jobs, engine=engine)
    assert chosen == [[(model, repeat) for repeat in range(2) for model in MODELS]]
    assert outcome.trained == chosen[0]


def test_an_engine_by_a_wrong_name(study: Study, tmp_path: Path) -> None:
    with one_line(UnknownNameError, "unknown engine 'process', did you mean 'processes'?"):
        run_study(study.settings(), tmp_path, engine="process")
    assert not list(tmp_path.iterdir())
