"""Studies that train until they are decided: what is trained, what is fixed, and that kills change nothing."""

from __future__ import annotations

import signal
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from studies.small import Study, everything
from training.forks import DONE, Forks

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Event, Failed, Finished, Message, Step, Waiting
from ecrnn.core.runs import read_settings
from ecrnn.stats import ACCURACY
from ecrnn.studies import looks
from ecrnn.studies.engines.local import LocalEngine
from ecrnn.studies.engines.protocol import OpenStudy, Trial
from ecrnn.studies.study import run_study
from ecrnn.training import decisions

MODELS = ("cnn", "majority", "logistic")
UNTIL_DECIDED: dict[str, Any] = {"models": MODELS, "repeats": 5, "sequential": {}, "training": {"epochs": 1}}


def table(monkeypatch: pytest.MonkeyPatch, **means: float) -> None:
    """Scores that the trials are given: a mean by model, and 0.001 up and down by repeat."""
    wobble = (0.0, 0.001, -0.001, 0.0005, -0.0005)

    def score(trial: Any, metric: Any, counted: int) -> float:
        return means[trial.model] + wobble[trial.repeat] * (1 + MODELS.index(trial.model))

    monkeypatch.setattr(looks, "score", score)


def test_the_plan_is_written_before_the_first_training(study: Study, tmp_path: Path) -> None:
    seen: list[StudySettings] = []

    def progress(event: Event) -> None:
        if isinstance(event, Step) and not seen:
            seen.append(read_settings(tmp_path))

    study.run(tmp_path, progress=progress, **UNTIL_DECIDED)
    plan = seen[0].sequential
    assert plan is not None
    assert (plan.looks, plan.alpha, plan.slack, plan.seed, plan.n_train, plan.n_test) == (
        (3, 4, 5),
        0.05,
        3.0,
        0,
        38,
        10,
    )
    assert (seen[0].repeats, seen[0].planned_repeats) == (5, 5)
    assert read_settings(tmp_path) == seen[0]
    found = decisions.plan_of(seen[0], ACCURACY)
    assert (found.looks, found.rope, found.n_train) == ((3, 4, 5), 0.005, 38)


def test_only_models_of_open_pairs_are_trained_on(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`majority` is far below the others, which are close: its pairs close at the first look."""
    table(monkeypatch, cnn=0.9, majority=0.2, logistic=0.897)
    events: list[Event] = []
    outcome = study.run(tmp_path, progress=events.append, rope=0.0, **UNTIL_DECIDED)
    first = [(model, repeat) for repeat in range(3) for model in MODELS]
    assert outcome.trained[:9] == first
    assert {model for model, _ in outcome.trained[9:]} == {"cnn", "logistic"}
    texts = [event.text for event in events if isinstance(event, Message)]
    looks = [text for text in texts if text.startswith("looked after")]
    assert looks[0].startswith("looked after 3 repeats: ")
    assert looks[-1].endswith("no pair is open, nothing more is trained")
    waiting = [event.trials for event in events if isinstance(event, Waiting)]
    assert (waiting[0], waiting[-1]) == (9, len(outcome.trained))
    again = study.run(tmp_path, rope=0.0, **UNTIL_DECIDED)
    assert (again.trained, again.failed) == ([], {})
    assert sorted(again.found) == sorted(outcome.trained)


def test_all_repeats_where_nothing_is_decided_and_no_more(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(monkeypatch, cnn=0.9, majority=0.9, logistic=0.9)
    plan = {**UNTIL_DECIDED, "sequential": {"slack": 1e6}}
    outcome = study.run(tmp_path, rope=0.0, **plan)
    assert sorted(outcome.trained) == sorted((model, repeat) for model in MODELS for repeat in range(5))


def test_with_several_seeds_a_look_is_after_whole_splits(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each split is trained twice; by their means `majority` is far below at the first look."""
    wobble = (0.02, -0.02, 0.021, -0.019, 0.022, -0.022, 0.019, -0.021)
    means = {"majority": 0.2, "logistic": 0.897}
    monkeypatch.setattr(looks, "score", lambda trial, *_: means[trial.model] + wobble[trial.repeat])
    events: list[Event] = []
    plan = {**UNTIL_DECIDED, "models": tuple(means), "repeats": 8, "seeds_per_split": 2}
    outcome = study.run(tmp_path, progress=events.append, **plan)
    assert outcome.trained == [(model, repeat) for repeat in range(6) for model in means]
    found = read_settings(tmp_path)
    assert found.sequential is not None
    assert (found.sequential.looks, found.repeats) == ((3, 4), 8)
    texts = [event.text for event in events if isinstance(event, Message)]
    assert "looked after 3 splits: no pair is open, nothing more is trained" in texts
    assert study.run(tmp_path, **plan).trained == []


def test_a_study_goes_on_in_its_own_way(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the command that goes on does not say it, or names fewer models and repeats."""
    table(monkeypatch, cnn=0.9, majority=0.2, logistic=0.897)
    outcome = study.run(tmp_path, rope=0.0, **UNTIL_DECIDED)
    again = study.run(tmp_path, models=("cnn",), repeats=2, training={"epochs": 1})
    assert again.trained == []
    assert sorted(again.found) == sorted(outcome.trained)


@pytest.mark.slow
def test_killed_and_continued(forks: Forks, study: Study, tmp_path: Path) -> None:
    """The same trials with the same bytes, killed before the first look and between two; and no decisions are kept."""
    models = ["majority", "logistic"]
    arguments = {**UNTIL_DECIDED, "models": models, "data": study.data, "sequential": {"slack": 1e6, "alpha": 1e-9}}
    assert forks("studies.small:run", out=str(tmp_path / "whole"), **arguments) == DONE
    timed = ("manifest.json", "metrics.jsonl", "environment.json", ".lock")

    def left(out: Path) -> dict[str, bytes | None]:
        return {name: None if name.endswith(timed) else content for name, (content, _) in everything(out).items()}

    whole = left(tmp_path / "whole")
    trained = len([name for name in whole if name.endswith("manifest.json")])
    assert trained == 10
    for ticks in (3, 7):
        out = tmp_path / str(ticks)
        assert forks("studies.small:run", out=str(out), ticks=ticks, hold=True, **arguments) == -signal.SIGKILL
        assert len(list(out.rglob("manifest.json"))) < trained
        assert forks("studies.small:run", out=str(out), **arguments) == DONE
        assert left(out) == whole
    names = {Path(name).name for name in whole}
    assert names == {
        *("study.yaml", "environment.json", "keys.bin", ".lock"),
        *("config.yaml", "metrics.jsonl", "predictions.npz", "manifest.json"),
    }


class Recorded:
    """An engine of somebody else's: that of this process, and what it was asked for."""

    def __init__(self) -> None:
        self.engine, self.asked = LocalEngine(), list[list[Trial]]()

    def start(self, study: OpenStudy, trials: Sequence[Trial]) -> None:
        self.asked.append(list(trials))
        self.engine.start(study, trials)

    def events(self) -> Generator[Event, None, None]:
        yield from self.engine.events()

    def stop(self) -> None:
        self.engine.stop()


def test_an_engine_is_started_for_each_look(study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table(monkeypatch, cnn=0.9, majority=0.2, logistic=0.897)
    engine = Recorded()
    outcome = run_study(study.settings(rope=0.0, **UNTIL_DECIDED), tmp_path, engine=engine)
    assert len(engine.asked[0]) == 9
    assert len(engine.asked) > 1
    assert [trial for asked in engine.asked for trial in asked] == outcome.trained


@pytest.mark.slow
def test_two_jobs_decide_as_one(study: Study, tmp_path: Path) -> None:
    one, two = (study.run(tmp_path / str(jobs), jobs=jobs, **UNTIL_DECIDED) for jobs in (1, 2))
    assert sorted(one.trained) == sorted(two.trained)


def test_a_failed_training_puts_its_pairs_off_and_is_tried_again(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(monkeypatch, cnn=0.9, majority=0.9, logistic=0.9)
    broken = {("logistic", 1)}

    class Breaking(Recorded):
        def events(self) -> Generator[Event, None, None]:
            for event in super().events():
                failed = isinstance(event, Finished) and (event.model, event.repeat) in broken
                yield Failed(event.model, event.repeat, "broken") if failed else event

    plan = {**UNTIL_DECIDED, "sequential": {"slack": 1e6}}
    outcome = run_study(study.settings(rope=0.0, **plan), tmp_path, engine=Breaking())
    assert set(outcome.failed) == broken
    assert len(outcome.trained) == 14  # all but one of 3 x 5


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"split": "own", "val": "DATA"}, "needs random splits or folds"),
        ({"repeats": 2}, "repeats must be at least 3, got 2"),
        ({"pairs": (("cnn", "majority"),)}, "logistic is in no pair that is compared"),
        ({"sequential": {"looks": (3, 4)}}, "the last of sequential.looks, 4, must be the repeats, 5"),
        ({"sequential": {"looks": (1, 3, 5)}}, "looks must be at least 3, got 1"),
        ({"sequential": {"looks": (4, 3, 5)}}, "numbers of repeats that ascend"),
        ({"sequential": {"looks": (3, 3, 5)}}, "numbers of repeats that ascend"),
        ({"sequential": {"alpha": 1.0}}, "sequential.alpha"),
        ({"models": ("cnn",)}, "cnn is in no pair that is compared"),
    ],
)
def test_what_cannot_be_planned(study: Study, tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    given = {key: study.data if value == "DATA" else value for key, value in changes.items()}
    with pytest.raises(EcrnnError, match=line):
        study.run(tmp_path / "out", **{**UNTIL_DECIDED, **given})
    assert not (tmp_path / "out" / "study.yaml").exists()


@pytest.fixture(scope="module")
def planned(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("planned") / "study"
    study.run(out, **UNTIL_DECIDED)
    return out


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"repeats": 6}, "was planned with at most 5 repeats, which are not raised"),
        ({"models": (*MODELS, "ecnn")}, "ecnn was not among its models when it was planned"),
        ({"sequential": {"alpha": 0.1}}, "was planned with alpha 0.05, not 0.1, and a plan does not change"),
        ({"sequential": {"looks": (3, 5)}}, "was planned with looks 3, 4, 5, not 3, 5"),
        ({"rope": 0.1}, "was planned with"),
    ],
)
def test_a_plan_does_not_change(planned: Path, study: Study, changes: dict[str, Any], line: str) -> None:
    before = everything(planned)
    with pytest.raises(RunDirectoryError, match=line):
        study.run(planned, **{**UNTIL_DECIDED, **changes})
    after = everything(planned)
    assert {n: c for n, c in after.items() if n != ".lock"} == {n: c for n, c in before.items() if n != ".lock"}


def test_trainings_that_were_seen_are_not_planned(study: Study, left_alone: Path) -> None:
    with pytest.raises(RunDirectoryError, match="was begun without --until-decided"):
        study.run(left_alone, sequential={}, repeats=3)
