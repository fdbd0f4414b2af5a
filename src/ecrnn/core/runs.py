"""Run directories: what a study writes, and how a trial is checked to be whole.

    study.yaml, environment.json
    <model>/repeat-<r>/config.yaml        the trial's own settings: a study of this model and repeat alone
                       metrics.jsonl      one line an epoch
                       predictions.npz    index, label, logits of every validation image; in an archive the class
                                          that was given in place of the logits, and no weights. For tasks without
                                          classes index and the statistics of the task's metric. Where
                                          the score is the mean over several epochs, these too
                       checkpoint/        weights.safetensors; while unfinished the training's checkpoints
                       manifest.json      SHA-256 of the files above and of itself, written last
                       error.json         instead of a manifest: why the trial failed

An archive has one file in place of these folders, `trials.zip`, in which they lie under the same names
(`ecrnn.core.packed`); trials that are trained in it later lie beside it. A trial without a valid manifest is not
finished. No torch here: reports are made where there is none.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import reprlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecrnn.core.config import PLAN, DataSettings, StudySettings, differences, read_yaml, to_yaml
from ecrnn.core.errors import EcrnnError, RunDirectoryError, raised_as
from ecrnn.core.files import (
    delete_temporaries,
    disk_errors,
    folder_option,
    is_temporary,
    make_folder,
    write_atomically,
)
from ecrnn.core.filesystems import lock, open_lock_file, same_file
from ecrnn.core.form import FIT_BEFORE
from ecrnn.core.manifests import MANIFEST, checked_manifest
from ecrnn.core.packed import PACKED
from ecrnn.core.predictions import AnyPredictions, read_predictions
from ecrnn.core.reading import MAX_METRICS, parse_json, read_json, read_text, there
from ecrnn.core.seals import seal_text, unsealed

STUDY, METRICS, ENVIRONMENT = "study.yaml", "metrics.jsonl", "environment.json"
TRAINING = "train.yaml"  # in the folder of one training, which is kept
_WITHOUT_DIGEST = "0.1.0"  # the version whose environment.json has none
FAILURE = "error.json"  # of a failed trial
LOCK = ".lock"  # the file that `locked` locks
MAX_EPOCHS = 100_000
_LONGEST_NAME = 200  # characters of a model's
_LONGEST_LINE = 2000  # characters of a failed trial's line


@dataclass(frozen=True)
class FinishedTrial:
    """A trial with a valid manifest.

    ``facts`` holds parameters, multiply-adds, seconds, device, threads and more; ``plan`` is what `plan_note` gave when
    it was trained, None in those of earlier versions. Of a folder from anywhere it may be anything else.
    """

    model: str
    repeat: int
    facts: dict[str, Any]
    metrics: list[dict[str, Any]]
    predictions: AnyPredictions
    plan: Any = None


def trial_folder(study: Path, model: str, repeat: int) -> Path:
    """Where the trial of ``model`` and ``repeat`` is written in a study."""
    return study / model / f"repeat-{repeat}"


def trial_home(study: Path, model: str, repeat: int) -> Path:
    """Where a trial is read from: its place in the `trials.zip` of an archive, or its folder where that has a manifest.

    Raises:
        EcrnnError: that file is damaged.
    """
    folder = trial_folder(study, model, repeat)
    packed = trial_folder(study / PACKED, model, repeat)
    return packed if there(packed) and not there(folder / MANIFEST) else folder


def grown(
    before: StudySettings, now: StudySettings, folder: Path, option: str = "--out", examples: str = "examples"
) -> StudySettings:
    """The study of ``before``, which lies in ``folder``, with the models and repeats of both.

    Args:
        before: settings of the study on disk.
        now: settings of the one that is to go on there.
        folder: where ``before`` lies, for the error.
        option: what chose that folder, for the error.
        examples: what the task calls its examples, for the error.

    Raises:
        RunDirectoryError: the two differ in anything else. The same examples may lie in another place.
    """
    other = difference(before, now, ("models", "repeats", "recipes", "sources", "tuning", "tuned"), examples)
    if other:
        raise RunDirectoryError(f"{folder} holds another study: {other}; choose another {option}")
    models = (*before.models, *(model for model in now.models if model not in before.models))
    return now.model_copy(update={"models": models, "repeats": max(before.repeats, now.repeats)})


def difference(
    before: DataSettings, now: DataSettings, free: Sequence[str] = (), examples: str = "examples"
) -> str | None:
    """The first difference between settings on disk and those that are to go on with them, in words; None if none.

    Where the fingerprints of both are known, they say whether the data is the same, and the place where it lies does
    not: a folder may be spelt in many ways, and moved.

    Args:
        before, now: settings of one kind.
        free: what may differ.
        examples: what the task calls its examples.
    """
    places = ("data_dir", "data", "val", "test", "groups", "bad_data", "bad_files", "fingerprint")
    update = {key: getattr(now, key) for key in (*free, *places)}
    if before.fingerprint == now.fingerprint and {before.fit, now.fit} == {"cut", FIT_BEFORE}:
        update["fit"] = now.fit  # no image has a shape of which the two rules make something else
    if others := differences(now, before.model_copy(update=update)):
        return others[0]
    if not (before.fingerprint and now.fingerprint):
        return None if before.data == now.data else f"data is {now.data} here and {before.data} there"
    if before.fingerprint == now.fingerprint:
        return None
    if before.data == now.data:
        return f"the {examples} of '{now.data}' have changed since it was begun: some were added, removed or altered"
    return f"the {examples} of '{now.data}' are not those of '{before.data}', with which it was begun"


def read_settings(folder: Path) -> StudySettings:
    """The settings of a run directory.

    Raises:
        EcrnnError: it is none, or its `study.yaml` is damaged or names what cannot be a model's folder.
    """
    path = folder / STUDY
    if not there(path):
        line = f"{folder} is not a run directory: it has no {STUDY}"
        raise RunDirectoryError(f"{line}; give the --out of an earlier compare")
    settings = StudySettings.read(read_yaml(path, folder, sealed=True), str(path))
    for model in settings.models:
        plain = 0 < len(model) <= _LONGEST_NAME and "\0" not in model
        if not plain or Path(model).is_absolute() or {".", ".."} & set(model.split("/")):
            raise RunDirectoryError(f"{path}: model {reprlib.repr(model)} is a path, not a name")
    if len(set(settings.models)) < len(settings.models):
        raise RunDirectoryError(f"{path} names a model twice")
    return settings


def write_settings(folder: Path, settings: StudySettings) -> None:
    """Write `study.yaml` of a run directory, with its digest."""
    write_atomically(folder / STUDY, seal_text(to_yaml(settings)))


def read_environment(folder: Path) -> dict[str, Any]:
    """Machine and versions of a run directory.

    Raises:
        EcrnnError: `environment.json` is missing or damaged.
    """
    path = folder / ENVIRONMENT
    content = read_json(path, within=folder)
    packages = content.get("packages") if isinstance(content, dict) else None
    before = isinstance(packages, dict) and packages.get("ecrnn") == _WITHOUT_DIGEST
    return unsealed(content, path, required=not before)


def plan_note(settings: StudySettings) -> dict[str, str]:
    """The plan of a study as its trials note it in their manifests: the SHA-256 of each part that there is.

    A plan is written down before the first training and does not change, so every trial has the same one.
    """
    parts = {key: getattr(settings, key) for key in ("metric", *PLAN)}
    if settings.sequential is not None:  # without what later versions may add
        parts["sequential"] = settings.sequential.model_dump(mode="json", exclude_defaults=True)
    texts = {key: json.dumps(value, sort_keys=True) for key, value in parts.items() if value is not None}
    return {key: hashlib.sha256(text.encode()).hexdigest() for key, text in texts.items()}


def read_trial(study: Path, model: str, repeat: int) -> FinishedTrial | None:
    """A finished trial from disk, or None if there is none.

    Raises:
        RunDirectoryError: it is finished, but a file of it is damaged or does not hold what it should; the line names
            the file.
    """
    with raised_as(RunDirectoryError):
        folder = trial_home(study, model, repeat)
        manifest = checked_manifest(folder, study)
        if manifest is None:
            return None
        metrics = read_metrics(folder / METRICS, within=study)
        predictions = read_predictions(folder / "predictions.npz", within=study)
    return FinishedTrial(model, repeat, manifest["facts"], metrics, predictions, manifest.get("plan"))


def read_metrics(path: Path, within: Path | None = None) -> list[dict[str, Any]]:
    """The metrics of each epoch, from `metrics.jsonl`.

    Raises:
        EcrnnError: it cannot be read, or a line is no JSON object.
    """
    lines = [line for line in read_text(path, MAX_METRICS, within).split("\n") if line.strip()]
    if len(lines) > MAX_EPOCHS:
        raise EcrnnError(f"{path} has {len(lines):,} lines, more than the {MAX_EPOCHS:,} epochs of any training")
    metrics = [parse_json(line, f"{path}, line {number},") for number, line in enumerate(lines, 1)]
    for number, line in enumerate(metrics, 1):
        if not isinstance(line, dict):
            raise EcrnnError(f"{path}, line {number}, should hold an object")
    return metrics


def read_failure(study: Path, model: str, repeat: int) -> str | None:
    """The one line that a failed trial left, or None."""
    path = trial_home(study, model, repeat) / FAILURE
    if not there(path):
        return None
    with contextlib.suppress(EcrnnError, KeyError, TypeError):
        return str(unsealed(read_json(path, within=study), path)["error"])[:_LONGEST_LINE]
    return "failed, and error.json cannot be read"


@contextlib.contextmanager
def locked(folder: Path, patience: float = 15.0, *, keep: bool = True, shared: bool = False) -> Iterator[int]:
    """Hold a run directory for this process and the children that inherit the descriptor; gives that descriptor.

    A killed process lets go of it by itself. Temporary files that killed processes left in the folder are deleted.

    Args:
        patience: seconds to wait for another process to finish, such as the workers of a study killed just before.
        keep: leave the lock's file; False deletes it at the end, for folders that are passed on, such as bundles.
        shared: with other workers, of which none may delete what another is about to write.

    Raises:
        RunDirectoryError: another process works in it, or it cannot be written.
    """
    make_folder(folder)
    path = folder / LOCK
    deadline = time.monotonic() + patience
    while (handle := _take(path, shared)) is None:
        if time.monotonic() > deadline:
            option = folder_option.get()
            raise RunDirectoryError(f"another process works in {folder}; wait for it or choose another {option}")
        time.sleep(0.1)
    try:
        if not shared:
            delete_temporaries(folder)
        yield handle
    finally:
        if not keep:
            with contextlib.suppress(OSError):  # it does no harm
                os.unlink(path)
        os.close(handle)


def _take(path: Path, shared: bool) -> int | None:
    """The descriptor of the lock file at ``path``, locked; None where another process has it or has deleted it."""
    with disk_errors(path):
        handle = open_lock_file(path)
        try:
            state = lock(handle, path, shared=shared)
            if state == "unsupported" or (state == "taken" and same_file(handle, path)):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        return None


def holds_nothing(name: str) -> bool:
    """Whether a file is a lock or a remnant of a killed process, and so no content of its folder."""
    return name == LOCK or is_temporary(name)


def check_free(folder: Path, kind: str, record: str, option: str) -> None:
    """Look whether a folder can be begun, before anything is written in it.

    Args:
        folder: need not be there.
        kind: what it is to be, "a study".
        record: what it would hold if that had been begun, "study".
        option: which names the folder.

    Raises:
        RunDirectoryError: it is a file, holds something, or cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise RunDirectoryError(f"{folder} is a file; {kind} is a folder, choose another {option}")
    if folder.is_dir():
        with disk_errors(folder, "read"):
            empty = all(holds_nothing(entry.name) for entry in folder.iterdir())
        if not empty:
            raise RunDirectoryError(f"{folder} is not empty and holds no {record}; choose another {option}")
