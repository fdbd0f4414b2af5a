"""studies/attempt_folders: a trial gets its place as a whole, and what workers have begun comes home."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from core.lines import one_line
from studies.small import settings

from ecrnn.core import filesystems
from ecrnn.core.attempts import WORK
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.events import Event, Message
from ecrnn.core.files import make_folder
from ecrnn.core.leases import Lease, Leases
from ecrnn.core.runs import locked, read_settings, write_settings
from ecrnn.studies import attempt_folders
from ecrnn.studies.attempt_folders import bring_home, folder_of, folders_of, progress_of, put
from ecrnn.studies.shared_trials import SharedTrials

OF = settings("any")

MANIFEST = "manifest.json"


def filled(folder: Path, *names: str) -> Path:
    make_folder(folder)
    for name in names:
        (folder / name).write_text(folder.parent.name)
    return folder


def test_a_folder_gets_its_place_once(tmp_path: Path) -> None:
    home = tmp_path / "cnn" / "repeat-0"
    filled(home, "error.json", "metrics.jsonl")  # unfinished: is replaced as a whole
    first = filled(tmp_path / "1" / "t", MANIFEST, ".metrics.jsonl.0123abcd.tmp")
    assert put(first, home)
    assert os.listdir(home) == [MANIFEST]
    second = filled(tmp_path / "2" / "t", MANIFEST, "more")
    assert not put(second, home)
    assert not second.exists()
    assert (home / MANIFEST).read_text() == "1"
    assert not put(second, home)  # gone
    assert os.listdir(home) == [MANIFEST]
    assert os.listdir(tmp_path / "1") == []


def test_what_is_finished_in_the_last_moment_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another worker puts its finished trial there after the look, and before what was there is put aside."""
    home = filled(tmp_path / "cnn" / "repeat-0", "error.json")
    left, finished = filled(tmp_path / "1" / "t", "metrics.jsonl"), filled(tmp_path / "2" / "t", MANIFEST)

    def late(path: Path) -> bool:
        found = path.exists()
        if finished.exists():
            os.rename(home, tmp_path / "old")
            os.rename(finished, home)
        return found

    monkeypatch.setattr(attempt_folders, "there", late)
    assert not put(left, home)
    assert os.listdir(home) == [MANIFEST]
    assert os.listdir(tmp_path / "1") == []


def test_progress_is_seen_in_what_a_training_writes(tmp_path: Path) -> None:
    folder = filled(tmp_path / "a" / "t", "config.yaml")
    marks = [progress_of(folder, OF)]
    filled(folder, "config.yaml", "vocabulary.txt")
    assert progress_of(folder, OF) == marks[0]
    filled(folder / "checkpoint", "epoch.safetensors")
    marks.append(progress_of(folder, OF))
    os.utime(folder / "checkpoint" / "epoch.safetensors", (1, 1))
    marks.append(progress_of(folder, OF))
    (folder / "metrics.jsonl").write_text("{}")
    marks.append(progress_of(folder, OF))
    assert len(set(marks[:4])) == 4
    (folder / "lost.safetensors").symlink_to("nowhere")
    marks.append(progress_of(folder, OF))
    os.rename(folder, tmp_path / "b")
    assert progress_of(tmp_path / "b", OF) == marks[-1]
    assert progress_of(tmp_path / "b", settings("elsewhere")) == marks[-1]
    assert progress_of(tmp_path / "b", settings("any", seed=1)) != marks[-1]  # of another study


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study with a claim of another machine on each of two trials, whose leases last 0.4 s."""
    place = make_folder(tmp_path / "study")
    write_settings(place, settings("any", models=("cnn",), repeats=3))
    leases = Leases(place / WORK, 0.4, host="elsewhere")
    for repeat in range(2):
        assert leases.take(f"cnn.{repeat}", 1)
    filled(folder_of(place / WORK, ("cnn", 0), 1, "a0") / "cnn" / "repeat-0", "metrics.jsonl")
    filled(folder_of(place / WORK, ("cnn", 1), 1, "") / "cnn" / "repeat-1", MANIFEST)
    filled(place / "cnn" / "repeat-1", "metrics.jsonl")
    return place


def test_what_silent_workers_have_begun_comes_home(study: Path) -> None:
    events: list[Event] = []
    with locked(study) as lock:
        bring_home(study, lock, events.append)
        bring_home(study, lock, events.append)
    assert events == [Message(f"{study}: looks for 0 s whether the worker on elsewhere is still there")]
    assert os.listdir(study / "cnn" / "repeat-0") == ["metrics.jsonl"]
    assert os.listdir(study / "cnn" / "repeat-1") == [MANIFEST]
    assert not (study / WORK).exists()


def test_a_sign_of_life_refuses(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = Leases(study / WORK).read("cnn.1", 1)
    assert claim is not None
    lease = Lease(Leases(study / WORK), "cnn.1", 1, claim.token)
    monkeypatch.setattr(attempt_folders.time, "sleep", lambda seconds: lease.sign())
    with locked(study) as lock:
        line = f"a worker on elsewhere trains cnn, repeat 1 of {study}; 'ecrnn status {study}' shows what runs"
        with one_line(RunDirectoryError, line):
            bring_home(study, lock)
    assert folders_of(study / WORK, ("cnn", 0), below=9)


@pytest.mark.parametrize("locks", [True, False])
def test_workers_of_this_machine_are_known_to_be_gone_by_the_lock(
    study: Path, monkeypatch: pytest.MonkeyPatch, locks: bool
) -> None:
    monkeypatch.setattr(attempt_folders.Leases.__init__, "__defaults__", (0.4, "elsewhere"))
    if not locks:

        def none(*_: object) -> None:
            raise OSError(filesystems._ENOTSUPP, "unknown error 524")

        monkeypatch.setattr(filesystems.fcntl, "flock", none)
    events: list[Event] = []
    with locked(study) as lock:
        bring_home(study, lock, events.append)
    assert len(events) == (0 if locks else 1)
    assert not (study / WORK).exists()


@pytest.mark.parametrize("link", [".work", ".work/cnn.0.1.ab.folder", ".work/cnn.0.1.ab.folder/cnn", "cnn"])
def test_no_link_leads_out_of_a_study(tmp_path: Path, link: str) -> None:
    """Neither what trains writes elsewhere, nor is anything of elsewhere brought home."""
    study, elsewhere = make_folder(tmp_path / "study"), tmp_path / "elsewhere"
    write_settings(study, settings("any", models=("cnn",)))
    for place in (".", "cnn", "cnn.0.1.ab.folder/cnn"):
        filled(elsewhere / place / "repeat-0", MANIFEST)
    before = sorted(elsewhere.rglob("*"))
    make_folder((study / link).parent)
    (study / link).symlink_to(elsewhere)
    make_folder(study / WORK)
    with one_line(EcrnnError, f"points out of {study}"):
        SharedTrials(study, read_settings(study)).take()
    with one_line(EcrnnError, f"points out of {study}"), locked(study) as lock:
        bring_home(study, lock)
    assert sorted(elsewhere.rglob("*")) == before
