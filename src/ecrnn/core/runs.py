"""Run directories: what a study leaves on disk, and how one tells that a trial is whole (DESIGN, section 6).

    study.yaml, environment.json
    <model>/repeat-<r>/config.yaml        the trial's own settings: a study of this model and repeat alone
                       metrics.jsonl      one line an epoch
                       predictions.npz    index, label, logits of every validation picture
                       checkpoint/        weights.safetensors; while unfinished the training's checkpoints
                       manifest.json      SHA-256 of the files above, written last
                       error.json         instead of a manifest: why the trial failed

A trial without a valid manifest is not finished. No torch here: reports are made where there is none.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.errors import EcrnnError, RunDirectoryError
from ecrnn.core.files import disk_errors, make_folder, read_json, sha256, write_atomically, write_json

MANIFEST_FORMAT = 1

# What NumPy and zipfile raise for a file that is damaged or not theirs; TypeError is a lone array, not an archive.
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    RuntimeError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True)
class Predictions:
    """What a trained model said of its validation pictures.

    Attributes:
        index: (n,) int64, the picture's place in the data set.
        label: (n,) int64, its true class.
        logits: (n, classes) float32.
    """

    index: np.ndarray
    label: np.ndarray
    logits: np.ndarray

    @property
    def correct(self) -> np.ndarray:
        """(n,) bool: the class with the largest logit is the true one."""
        return self.logits.argmax(axis=1) == self.label


@dataclass(frozen=True)
class FinishedTrial:
    """A trial with a valid manifest. ``facts`` holds parameters, multiply-adds, seconds, device, threads and more."""

    model: str
    repeat: int
    facts: dict[str, Any]
    metrics: list[dict[str, Any]]
    predictions: Predictions


def trial_folder(study: Path, model: str, repeat: int) -> Path:
    """Where the trial of ``model`` and ``repeat`` lies in a study."""
    return study / model / f"repeat-{repeat}"


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Write ``predictions`` as .npz, atomically; the same predictions give the same bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, index=predictions.index, label=predictions.label, logits=predictions.logits)
    write_atomically(path, buffer.getvalue())


def read_predictions(path: Path) -> Predictions:
    """Read what `write_predictions` wrote, checking types and shapes.

    Raises:
        EcrnnError: the file is damaged or holds something else.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            index, label, logits = arrays["index"], arrays["label"], arrays["logits"]
    except _DAMAGED as error:
        raise EcrnnError(f"{path} is not a file of predictions: {error}") from error
    right = index.ndim == label.ndim == 1 and logits.ndim == 2 and len(index) == len(label) == len(logits)
    right = right and logits.shape[1] > 0
    if not right or index.dtype != np.int64 or label.dtype != np.int64 or logits.dtype != np.float32:
        raise EcrnnError(f"{path}: arrays of the wrong shape or type for predictions")
    return Predictions(index, label, logits)


def write_manifest(folder: Path, files: Sequence[str], facts: dict[str, Any]) -> None:
    """Write `manifest.json`, which makes the trial in ``folder`` a finished one, and drop an old `error.json`."""
    digests = {name: sha256(folder / name) for name in files}
    write_json(folder / "manifest.json", {"format": MANIFEST_FORMAT, "files": digests, "facts": facts})
    with disk_errors(folder):
        (folder / "error.json").unlink(missing_ok=True)


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The facts of a finished trial, or None where there is no manifest or a file does not match it."""
    path = folder / "manifest.json"
    if not path.is_file():
        return None
    try:
        manifest = read_json(path)
        files, facts = manifest["files"], manifest["facts"]
        whole = manifest["format"] == MANIFEST_FORMAT and "predictions.npz" in files
        whole = whole and isinstance(facts, dict)
        whole = whole and not any(Path(name).is_absolute() or ".." in Path(name).parts for name in files)
        whole = whole and all(sha256(folder / name) == digest for name, digest in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return facts if whole else None


def read_trial(study: Path, model: str, repeat: int) -> FinishedTrial | None:
    """A finished trial from disk, or None if it is not finished."""
    folder = trial_folder(study, model, repeat)
    facts = read_manifest(folder)
    if facts is None:
        return None
    metrics = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return FinishedTrial(model, repeat, facts, metrics, read_predictions(folder / "predictions.npz"))


def read_failure(study: Path, model: str, repeat: int) -> str | None:
    """The one line that a failed trial left, or None."""
    path = trial_folder(study, model, repeat) / "error.json"
    if not path.is_file():
        return None
    with contextlib.suppress(EcrnnError, KeyError, TypeError):
        return str(read_json(path)["error"])
    return "failed, and error.json cannot be read"


@contextlib.contextmanager
def locked(folder: Path, patience: float = 15.0) -> Iterator[int]:
    """Hold a run directory for this process and the children that inherit the descriptor; gives that descriptor.

    A killed process lets go of it by itself.

    Args:
        patience: seconds to wait for another process to finish, such as the workers of a study killed just before.

    Raises:
        RunDirectoryError: another process works in it, or it cannot be written.
    """
    make_folder(folder)
    with disk_errors(folder / ".lock"):
        lock = (folder / ".lock").open("a")
    deadline = time.monotonic() + patience
    with lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    line = f"another process works in {folder}; wait for it or choose another --out"
                    raise RunDirectoryError(line) from error
                time.sleep(0.1)
        yield lock.fileno()
