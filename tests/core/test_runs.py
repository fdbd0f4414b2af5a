"""core/runs: what counts as finished, hostile files, and the lock."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from core.trials import FILES, predictions

from ecrnn.core import runs
from ecrnn.core.config import StudySettings
from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.manifests import write_manifest
from ecrnn.core.packed import pack
from ecrnn.core.predictions import PredictedClasses, Predictions, read_predictions, write_predictions
from ecrnn.core.seals import seal


def test_predictions_round_trip(tmp_path: Path) -> None:
    given = predictions()
    write_predictions(tmp_path / "p.npz", given)
    found = read_predictions(tmp_path / "p.npz")
    for name in ("index", "label", "logits"):
        assert getattr(found, name).dtype == getattr(given, name).dtype
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))


@pytest.mark.parametrize("index", [[3, 4, 7, 900], [900, 3, 70_000, 4], [], [0]])
def test_predicted_classes_round_trip(tmp_path: Path, index: list[int]) -> None:
    n = len(index)
    given = PredictedClasses(np.array(index, np.int64), np.arange(n) % 3, np.arange(n) % 2)
    write_predictions(tmp_path / "p.npz", given)
    found = read_predictions(tmp_path / "p.npz")
    assert isinstance(found, PredictedClasses)
    for name in ("index", "label", "predicted"):
        assert getattr(found, name).dtype == np.int64
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))
    np.testing.assert_array_equal(found.correct, given.label == given.predicted)


def test_predicted_classes_have_no_logits() -> None:
    one = np.zeros(1, np.int64)
    assert not hasattr(PredictedClasses(one, one, one), "logits")  # which a type checker sees


def test_predicted_classes_are_small(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    index, label = np.sort(rng.choice(50_000, 15_000, replace=False)), rng.integers(0, 10, 15_000)
    write_predictions(tmp_path / "p.npz", PredictedClasses(index, label, label[::-1]))
    assert (tmp_path / "p.npz").stat().st_size < 25_000
    with np.load(tmp_path / "p.npz") as arrays:
        assert {name: arrays[name].dtype for name in arrays} == dict.fromkeys(arrays, np.dtype(np.uint8))


def test_correct() -> None:
    given = Predictions(np.arange(3), np.array([0, 1, 1]), np.array([[1, 0], [1, 0], [0, 1]], np.float32))
    assert given.correct.tolist() == [True, False, True]


def test_same_predictions_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_predictions(tmp_path / "a.npz", predictions())
    monkeypatch.setattr(time, "time", lambda: 1e9)  # a zip file's entries have times
    monkeypatch.setattr(time, "localtime", lambda *_: time.gmtime(1e9))
    write_predictions(tmp_path / "b.npz", predictions())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def _arrays(**changed: Any) -> bytes:
    given = predictions()
    arrays = {"index": given.index, "label": given.label, "logits": given.logits} | changed
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def _one_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


def _flipped(position: float) -> bytes:
    buffer = io.BytesIO()
    given = predictions(500)
    np.savez_compressed(buffer, index=given.index, label=given.label, logits=given.logits)
    data = bytearray(buffer.getvalue())
    data[int(position * len(data))] ^= 0xFF
    return bytes(data)


def _foreign_zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("index", "label", "logits"):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr': '<i8'}")
    return buffer.getvalue()


def _huge_header() -> bytes:
    """An array that says it has 2**50 numbers."""
    buffer = io.BytesIO()
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (2**50,)})
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in ("index", "label", "logits"):
            archive.writestr(f"{name}.npy", header.getvalue())
    return buffer.getvalue()


def _classes(**changed: Any) -> bytes:
    small = np.arange(7, dtype=np.uint8)
    return _arrays(index=None, logits=None, **({"index_steps": small, "label": small, "predicted": small} | changed))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "no predicted classes": lambda: _classes(predicted=None),
    "predicted classes as floats": lambda: _classes(predicted=np.zeros(7)),
    "fewer predicted classes": lambda: _classes(predicted=np.zeros(6, np.uint8)),
    "flat steps": lambda: _classes(index_steps=np.zeros((7, 1), np.uint8)),
    "true and false as labels": lambda: _classes(label=np.zeros(7, bool)),
    "empty": lambda: b"",
    "text": lambda: b"hello",
    "object array": lambda: _arrays(logits=np.array([{}, []], object)),
    "no logits": lambda: _arrays(logits=None),
    "no index": lambda: _arrays(index=None),
    "float64 logits": lambda: _arrays(logits=np.zeros((7, 3))),
    "int32 labels": lambda: _arrays(label=np.zeros(7, np.int32)),
    "other byte order": lambda: _arrays(index=np.arange(7).astype(">i8")),
    "text labels": lambda: _arrays(label=np.array(list("abcdefg"))),
    "fewer labels": lambda: _arrays(label=np.zeros(6, np.int64)),
    "flat logits": lambda: _arrays(logits=np.zeros(7, np.float32)),
    "no classes": lambda: _arrays(logits=np.zeros((7, 0), np.float32)),
    "scalar index": lambda: _arrays(index=np.int64(3)),
    "truncated": lambda: _arrays()[:-30],
    "half": lambda: _arrays()[:400],
    "one array": _one_array,
    "changed byte": lambda: _flipped(0.2),
    "changed byte further on": lambda: _flipped(0.7),
    "header cut": _foreign_zip,
    "larger than memory": _huge_header,
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_predictions(tmp_path: Path, what: str) -> None:
    (tmp_path / "p.npz").write_bytes(HOSTILE[what]())
    with one_line(EcrnnError, tmp_path / "p.npz"):
        read_predictions(tmp_path / "p.npz")


def test_missing_predictions(tmp_path: Path) -> None:
    with one_line(EcrnnError, tmp_path / "p.npz", "No such file"):
        read_predictions(tmp_path / "p.npz")


def test_finished_trial(trial: Path) -> None:
    finished = runs.read_trial(trial.parents[1], "cnn", 2)
    assert finished is not None
    assert (finished.model, finished.repeat, finished.facts) == ("cnn", 2, {"seconds": 1.5})
    assert finished.metrics == [{"epoch": 1}, {"epoch": 2}]
    np.testing.assert_array_equal(finished.predictions.logits, predictions().logits)


def test_a_trial_that_never_began(tmp_path: Path) -> None:
    assert runs.read_trial(tmp_path, "cnn", 0) is None
    assert runs.read_failure(tmp_path, "cnn", 0) is None


def test_a_trial_that_was_trained_again_is_read_before_the_archives(trial: Path) -> None:
    study, place = trial.parents[1], "cnn/repeat-2"
    (study / "trials.zip").write_bytes(pack({f"{place}/{name}": b"" for name in (*FILES, "manifest.json")}))
    assert runs.trial_home(study, "cnn", 2) == trial
    (trial / "manifest.json").unlink()
    assert runs.trial_home(study, "cnn", 2) == study / "trials.zip" / place


def _no_space(*paths: Path) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_success_drops_the_old_failure(trial: Path) -> None:
    (trial / "error.json").write_text('{"error": "out of memory"}')
    assert runs.read_failure(trial.parents[1], "cnn", 2) == "out of memory"
    with pytest.MonkeyPatch.context() as full, one_line(RunDirectoryError, "no space left"):
        full.setattr("ecrnn.core.files.os.replace", _no_space)
        write_manifest(trial, FILES, {})
    assert runs.read_failure(trial.parents[1], "cnn", 2) == "out of memory"  # it goes when the success is there
    write_manifest(trial, FILES, {})
    assert not (trial / "error.json").exists()
    assert runs.read_failure(trial.parents[1], "cnn", 2) is None


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", "3"])
def test_a_damaged_failure_is_still_a_failure(trial: Path, content: str) -> None:
    (trial / "error.json").write_text(content)
    assert runs.read_failure(trial.parents[1], "cnn", 2) == "failed, and error.json cannot be read"


def test_one_letter_of_a_failure_that_turned(trial: Path) -> None:
    (trial / "error.json").write_text(json.dumps(seal({"error": "the loss is not finite at epoch 2"})))
    assert runs.read_failure(trial.parents[1], "cnn", 2) == "the loss is not finite at epoch 2"
    (trial / "error.json").write_text((trial / "error.json").read_text().replace("epoch 2", "epoch 3"))
    assert runs.read_failure(trial.parents[1], "cnn", 2) == "failed, and error.json cannot be read"


def test_machine_and_versions(tmp_path: Path) -> None:
    path, early = tmp_path / "environment.json", {"cores": 2, "packages": {"ecrnn": "0.1.0"}}
    path.write_text(json.dumps(early))
    assert runs.read_environment(tmp_path) == early, "of a version that wrote no digest"
    now = {"cores": 2, "packages": {"ecrnn": "0.2.0"}}
    path.write_text(json.dumps(seal(now)))
    assert runs.read_environment(tmp_path) == now
    path.write_text(path.read_text().replace('"digest"', '"dicest"'))
    with one_line(EcrnnError, path, "does not match its own digest"):
        runs.read_environment(tmp_path)


def test_settings_that_were_changed_by_hand(tmp_path: Path) -> None:
    runs.write_settings(tmp_path, StudySettings(data="digits", models=("cnn",), seed=1))
    assert runs.read_settings(tmp_path).seed == 1
    path = tmp_path / "study.yaml"
    path.write_text(path.read_text().replace("seed: 1", "seed: 2"))
    with one_line(EcrnnError, path, "does not match its first line"):
        runs.read_settings(tmp_path)


HOLDER = """
import sys, time
from pathlib import Path
from ecrnn.core.runs import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path):
    """Another process that holds the lock of ``tmp_path / "run"``."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_lock_held_by_another(tmp_path: Path, holder: subprocess.Popen) -> None:
    folder = tmp_path / "run"
    before = time.monotonic()
    with one_line(RunDirectoryError, "another process", folder, "--out"), runs.locked(folder, patience=0.3):
        pytest.fail("the lock was given twice")
    assert time.monotonic() - before >= 0.3
    os.kill(holder.pid, signal.SIGKILL)
    with runs.locked(folder) as descriptor:
        os.fstat(descriptor)
    assert holder.wait() == -signal.SIGKILL


def test_lock_is_waited_for(tmp_path: Path, holder: subprocess.Popen) -> None:
    """A lock let go of while one waits for it is taken: the workers of a killed study need a moment to leave."""
    assert holder.stdin is not None
    slept: list[float] = []

    def let_go(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 1:
            holder.kill()
            holder.wait()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecrnn.core.runs.time.sleep", let_go)
        with runs.locked(tmp_path / "run", patience=60):
            assert slept


def test_lock_again_and_after_an_error(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), runs.locked(tmp_path / "new" / "run", patience=0):
            raise KeyError
    with runs.locked(tmp_path / "new" / "run", patience=0):
        pass
    assert os.listdir(tmp_path / "new" / "run") == [".lock"]


def test_lock_that_is_deleted_at_the_end(tmp_path: Path) -> None:
    with runs.locked(tmp_path / "run", keep=False):
        assert os.listdir(tmp_path / "run") == [".lock"]
    assert not os.listdir(tmp_path / "run")


def test_a_lock_that_was_deleted_meanwhile_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that waits gets the lock of a file that no longer lies there, and a third one makes a new file."""
    real, opened = runs.open_lock_file, []

    def open_and_lose(path: Path) -> int:
        handle = real(path)
        if not opened:
            path.unlink()
        opened.append(handle)
        return handle

    monkeypatch.setattr("ecrnn.core.runs.open_lock_file", open_and_lose)
    with runs.locked(tmp_path) as handle:
        assert len(opened) == 2
        assert os.path.samestat(os.fstat(handle), (tmp_path / ".lock").stat())


def test_two_processes_with_a_lock_that_is_deleted(tmp_path: Path) -> None:
    """Never both inside, though each deletes the file that the other one waits for."""
    program = f"""
import os, time
from pathlib import Path
from ecrnn.core.runs import locked
pause = time.sleep
time.sleep = lambda seconds: pause(seconds / 50)  # between two attempts to get the lock
for _ in range(40):
    with locked(Path({str(tmp_path)!r}), patience=60, keep=False):
        os.mkdir({str(tmp_path / "inside")!r})
        pause(0.00004)
        os.rmdir({str(tmp_path / "inside")!r})
"""
    both = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        assert process.communicate(timeout=60)[1] == ""
        assert process.returncode == 0
    assert not os.listdir(tmp_path)


def test_the_one_who_has_the_lock_tidies_up(tmp_path: Path) -> None:
    (tmp_path / "cnn" / "repeat-0").mkdir(parents=True)
    for place in (tmp_path, tmp_path / "cnn" / "repeat-0"):
        (place / ".manifest.json.0a1b2c3d.tmp").write_text("half")
    (tmp_path / "cnn" / "notes.tmp").write_text("mine")
    with runs.locked(tmp_path, keep=False):
        pass
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["notes.tmp"]


def test_lock_on_a_disk_that_refuses(read_only_disk: Path) -> None:
    with one_line(RunDirectoryError, read_only_disk, "read-only"), runs.locked(read_only_disk, patience=0):
        pytest.fail("locked")


def test_the_plan_that_trials_note() -> None:
    study = StudySettings.read({"data": "digits", "models": ["cnn", "ecnn"], "baseline": "cnn", "planned_repeats": 3})
    digest = hashlib.sha256(b'"cnn"').hexdigest()
    assert runs.plan_note(study) == {"baseline": digest, "planned_repeats": hashlib.sha256(b"3").hexdigest()}
    longer = study.model_copy(update={"repeats": 9, "models": ("cnn",), "data_dir": "elsewhere"})
    assert runs.plan_note(longer) == runs.plan_note(study)  # what may change of a study is none of its plan
    assert runs.plan_note(study.model_copy(update={"rope": 0.01})).keys() == {"baseline", "planned_repeats", "rope"}
