"""studies/shared_trials: who gets which trial, what becomes of it, and two that work on one without knowing it."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from core.lines import one_line
from studies.small import settings

from ecrnn.core import leases
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import write_json
from ecrnn.core.runs import read_failure
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.shared_trials import ATTEMPTS, Attempt, SharedTrials
from ecrnn.studies.status import forget_failures

STUDY = settings("any", models=("cnn", "ecnn"), repeats=3)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """[now], of a clock that the test moves."""
    now = [0.0]
    monkeypatch.setattr(leases.time, "monotonic", lambda: now[0])
    return now


def worker(place: Path, host: str, of: StudySettings = STUDY) -> SharedTrials:
    return SharedTrials(place, of, lease=60, host=host)


def taken(trials: SharedTrials) -> Attempt:
    attempt = trials.take()
    assert attempt is not None
    return attempt


def train(attempt: Attempt, host: str = "a") -> None:
    """Leave what a whole trial leaves."""
    attempt.folder.mkdir(parents=True, exist_ok=True)
    (attempt.folder / "predictions.npz").write_text(host)
    (attempt.folder / "manifest.json").write_text(json.dumps({"facts": {"host": host}}))


def silent(trials: SharedTrials, seconds: list[float]) -> Attempt:
    """What a worker takes over when it has waited long enough."""
    for _ in range(5):
        if attempt := trials.take():
            return attempt
        seconds[0] += 15
    raise AssertionError


def everything(place: Path) -> list[str]:
    return sorted(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def test_two_machines_share_a_study_by_repeats(tmp_path: Path) -> None:
    a, b = worker(tmp_path, "a"), worker(tmp_path, "b")
    order: list[tuple[str, Trial]] = []
    attempts = [("a", taken(a)), ("b", taken(b))]
    while attempts:
        host, attempt = attempts.pop(0)
        order.append((host, attempt.trial))
        train(attempt, host)
        assert (a if host == "a" else b).publish(attempt)
        if following := (a if host == "a" else b).take():
            attempts.append((host, following))
    assert sorted(trial for _, trial in order) == sorted(a.planned)
    hosts = {repeat: {host for host, trial in order if trial[1] == repeat} for repeat in range(3)}
    assert (hosts[0], hosts[1]) == ({"a"}, {"b"})  # the last one is shared, since there is nothing else left
    assert hosts[2] == {"a", "b"}
    assert everything(tmp_path) == sorted(
        f"{m}/repeat-{r}/{name}" for m, r in a.planned for name in ("manifest.json", "predictions.npz")
    )
    assert not (tmp_path / ".work").exists()
    assert a.take() is None
    assert a.needed() == []


def test_a_machine_that_comes_again_knows_its_repeats_by_the_manifests(tmp_path: Path) -> None:
    first = worker(tmp_path, "a")
    (of_a, of_b) = taken(first), taken(worker(tmp_path, "b"))
    assert (of_a.trial, of_b.trial) == (("cnn", 0), ("cnn", 1))
    train(of_a, "a")
    first.publish(of_a)
    assert taken(worker(tmp_path, "c")).trial == ("cnn", 2)
    assert taken(worker(tmp_path, "a")).trial == ("ecnn", 0)


@pytest.mark.parametrize("quicker", ["stopped", "second"])
def test_one_that_was_stopped_continues_beside_the_one_that_took_over(
    tmp_path: Path, seconds: list[float], quicker: str
) -> None:
    """Whoever is quicker, one whole trial lies there in the end, and the other notices."""
    of = settings("any", models=("cnn",), repeats=1)
    a, b = worker(tmp_path, "a", of), worker(tmp_path, "b", of)
    stopped = taken(a)
    (stopped.folder / "checkpoint").mkdir()
    (stopped.folder / "checkpoint" / "epoch.safetensors").write_text("so far")
    second = silent(b, seconds)
    assert (second.trial, second.lease.number) == (stopped.trial, 2)
    assert (second.folder / "checkpoint" / "epoch.safetensors").read_text() == "so far"
    train(stopped, "a")  # it continues, and does not know
    train(second, "b")
    if quicker == "stopped":
        assert a.publish(stopped)
        assert not b.publish(second)
    else:
        assert b.publish(second)
        assert not a.publish(stopped)
    winner = "a" if quicker == "stopped" else "b"
    assert (tmp_path / "cnn" / "repeat-0" / "predictions.npz").read_text() == winner
    assert not stopped.lease.sign()
    assert not (tmp_path / ".work").exists()
    for trials in (a, b, worker(tmp_path, "c", of)):
        assert trials.needed() == [] or trials.take() is None
        assert trials.finished == {("cnn", 0): trials.finished[("cnn", 0)]}


def test_one_whose_folder_was_taken_away_in_the_last_moment_deletes_nothing_of_the_others(
    tmp_path: Path, seconds: list[float]
) -> None:
    of = settings("any", models=("cnn",), repeats=1)
    a, b = worker(tmp_path, "a", of), worker(tmp_path, "b", of)
    stopped = taken(a)
    train(stopped, "a")
    second = silent(b, seconds)  # with the whole trial, which nobody has put into its place
    assert not a.publish(stopped)
    assert a.finished == {}
    assert (second.folder / "manifest.json").exists()
    assert second.lease.sign()
    assert b.publish(second)
    assert everything(tmp_path) == ["cnn/repeat-0/manifest.json", "cnn/repeat-0/predictions.npz"]


def test_what_is_left_politely_counts_as_no_attempt(tmp_path: Path) -> None:
    for number in range(1, 2 * ATTEMPTS):
        trials = worker(tmp_path, "a")
        attempt = taken(trials)
        assert (attempt.trial, attempt.lease.number) == (("cnn", 0), number)
        (attempt.folder / "metrics.jsonl").write_text("{}\n")
        trials.leave(attempt)
        assert (tmp_path / "cnn" / "repeat-0" / "metrics.jsonl").exists()  # where any engine goes on with it
    assert everything(tmp_path / "cnn") == ["repeat-0/metrics.jsonl"]


@pytest.mark.parametrize("further", [False, True])
def test_a_trial_whose_worker_dies_three_times_has_failed_unless_it_got_further(tmp_path: Path, further: bool) -> None:
    of = settings("any", models=("cnn",), repeats=1)
    for number in range(ATTEMPTS):
        trials = worker(tmp_path, "a", of)
        attempt = taken(trials)
        if further:
            (attempt.folder / "metrics.jsonl").write_text("{}\n" * number)
        assert trials.leases.bury("a", attempt.lease.leases.read("cnn.0", number + 1).pid, "killed by SIGKILL")  # type: ignore[union-attr]
    shutil.copytree(tmp_path / ".work", tmp_path / "other" / ".work")  # whose claims are none on trials of the other
    assert taken(worker(tmp_path / "other", "b", of.model_copy(update={"seed": 1}))).lease.number == ATTEMPTS + 1
    trials = worker(tmp_path, "b", of)
    attempt = trials.take()  # type: ignore[assignment]
    if further:
        assert attempt is not None
        return
    assert attempt is None
    line = trials.failed["cnn", 0]
    assert (
        line
        == f"begun {ATTEMPTS} times, and each time the worker was lost before the next checkpoint: killed by SIGKILL"
    )
    assert read_failure(tmp_path, "cnn", 0) == line
    assert worker(tmp_path, "c", of).take() is None
    assert forget_failures(tmp_path, of) == [("cnn", 0)]
    assert taken(worker(tmp_path, "c", of)).lease.number == 1


def test_what_one_machine_lost_is_left_to_others_while_there_are_any(tmp_path: Path) -> None:
    a, b = worker(tmp_path, "a"), worker(tmp_path, "b")
    lost, of_b = taken(a), taken(b)
    (lost.folder / "checkpoint").mkdir()
    a.lose(lost, "MemoryError: ")
    rest = [taken(a) for _ in range(4)]
    assert lost.trial not in {attempt.trial for attempt in rest}
    assert a.take() is None  # b is at work
    again = taken(b)
    assert (again.trial, again.lease.number) == (lost.trial, 2)
    assert (again.folder / "checkpoint").exists()
    b.lose(again, "MemoryError: ")
    for attempt in (of_b, *rest):
        train(attempt)
        a.publish(attempt)
    last = taken(worker(tmp_path, "a"))  # nobody else is there any more
    assert (last.trial, last.lease.number) == (lost.trial, 3)
    a.lose(last, "MemoryError: too large")
    assert worker(tmp_path, "c").take() is None
    assert (read_failure(tmp_path, *lost.trial) or "").endswith(
        "lost before the next checkpoint: MemoryError: too large"
    )


def test_one_who_always_comes_second_pauses_and_at_last_gives_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials, pauses = worker(tmp_path, "a"), list[float]()
    monkeypatch.setattr(trials.leases, "take", lambda name, number: None)
    monkeypatch.setattr("ecrnn.studies.shared_trials.time.sleep", pauses.append)
    assert trials.take() is None
    assert 3 <= len(pauses) <= 20
    assert all(0 <= pause <= 1 for pause in pauses)
    assert len(set(pauses)) > 1


def test_an_error_of_its_own_is_written_down_and_not_tried_again(tmp_path: Path) -> None:
    of = settings("any", models=("cnn",), repeats=1)
    trials = worker(tmp_path, "a", of)
    attempt = taken(trials)
    assert trials.fail(attempt, EcrnnError("loss is not finite")) == "loss is not finite"
    assert read_failure(tmp_path, "cnn", 0) == "loss is not finite"
    assert trials.take() is None
    assert worker(tmp_path, "b", of).take() is None
    write_json(tmp_path / "cnn" / "repeat-0" / "error.json", {"error": "no memory", "model": "cnn", "repeat": 1})
    with one_line(RunDirectoryError, "error.json is of another trial, cnn, repeat 1"):
        worker(tmp_path, "b", of).take()


def test_what_another_engine_has_left_goes_on(tmp_path: Path) -> None:
    home = tmp_path / "cnn" / "repeat-0"
    (home / "checkpoint").mkdir(parents=True)
    (home / "checkpoint" / "step.safetensors").write_text("so far")
    (home / ".metrics.jsonl.0123abcd.tmp").write_text("of a killed process")
    trials = worker(tmp_path, "a")
    attempt = taken(trials)
    assert not home.exists()
    train(attempt)
    trials.publish(attempt)
    assert everything(home) == ["checkpoint/step.safetensors", "manifest.json", "predictions.npz"]


def test_remnants_of_lost_workers_are_swept(tmp_path: Path, seconds: list[float]) -> None:
    of = settings("any", models=("cnn",), repeats=1)
    a, b = worker(tmp_path, "a", of), worker(tmp_path, "b", of)
    stopped = taken(a)
    second = silent(b, seconds)
    train(stopped)
    a.publish(stopped)
    assert (tmp_path / ".work").exists()  # the second one, which is killed now
    b.leases.bury("b", b.leases.read("cnn.0", 2).pid, "killed")  # type: ignore[union-attr]
    assert second.folder.exists()
    c = worker(tmp_path, "c", of)
    assert c.take() is None
    c.sweep()
    assert not (tmp_path / ".work").exists()


def test_a_search_whose_points_wait_for_each_other_is_refused(tmp_path: Path) -> None:
    tuning = {"space": {"lr": "1e-4..1e-2:log"}, "search": "tpe", "part": "0.2"}
    of = StudySettings.read({"data": "any", "models": ["cnn"], "tuning": tuning})
    with one_line(EcrnnError, "each point waits for all before it", "ecrnn tune"):
        worker(tmp_path, "a", of)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ENOENT])
def test_only_a_folder_that_is_gone_was_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """A disk that does not answer for a moment ends no worker."""
    trials, stat = worker(tmp_path, "a"), os.stat

    def refuse(path: Any, *rest: Any, **more: Any) -> os.stat_result:
        if path == tmp_path:
            raise OSError(number, os.strerror(number))
        return stat(path, *rest, **more)

    monkeypatch.setattr(os, "stat", refuse)
    if number == errno.ESTALE:
        trials.check_there()
        return
    with one_line(RunDirectoryError, f"{tmp_path} is no longer there: it was moved or deleted"):
        trials.check_there()


def test_a_folder_with_another_number_was_moved_where_it_holds_no_study(tmp_path: Path) -> None:
    """A training makes such a folder; one with the study lies on a file system that has numbered it anew."""
    here, anew = tmp_path / "study", tmp_path / "anew"
    here.mkdir()
    anew.mkdir()
    trials = worker(here, "a")
    here.rename(tmp_path / "moved")
    anew.rename(here)
    (here / "study.yaml").touch()
    trials.check_there()
    (here / "study.yaml").unlink()
    with one_line(RunDirectoryError, f"{here} is no longer there: it was moved or deleted"):
        trials.check_there()
