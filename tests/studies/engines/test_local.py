"""studies/engine/local: one trial after another, and what one dies of is its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from studies.small import Study

from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.events import Failed, Finished, Message
from ecrnn.core.runs import read_failure
from ecrnn.studies.engines import local
from ecrnn.studies.engines.local import LocalEngine
from ecrnn.studies.engines.protocol import OpenStudy


@pytest.fixture
def engine(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalEngine:
    """One whose trials say their model and do what it is called."""

    def run_trial(data: Any, folder: Path, settings: Any, model: str, repeat: int) -> Any:
        yield Message(model)
        match model:
            case "fails":
                raise ZeroDivisionError("by zero")
            case "full":
                raise RunDirectoryError("disk full")

    monkeypatch.setattr(local, "run_trial", run_trial)
    engine = LocalEngine()
    engine.study = OpenStudy(tmp_path, study.settings(), None, -1)  # type: ignore[arg-type]
    return engine


def test_one_that_fails(engine: LocalEngine, tmp_path: Path) -> None:
    engine.start(engine.study, [("a", 0), ("fails", 1), ("b", 2)])
    assert list(engine.events()) == [
        *(Message("a"), Finished("a", 0)),
        *(Message("fails"), Failed("fails", 1, "ZeroDivisionError: by zero")),
        *(Message("b"), Finished("b", 2)),
    ]
    assert read_failure(tmp_path, "fails", 1) == "ZeroDivisionError: by zero"


def test_a_full_disk_ends_all(engine: LocalEngine) -> None:
    engine.start(engine.study, [("full", 0), ("b", 0)])
    events = engine.events()
    assert next(events) == Message("full")
    with pytest.raises(RunDirectoryError, match="disk full"):
        next(events)


def test_after_stop_none_is_begun(engine: LocalEngine) -> None:
    engine.start(engine.study, [("a", 0), ("b", 0)])
    events = engine.events()
    assert next(events) == Message("a")
    engine.stop()
    assert list(events) == [Finished("a", 0)]
