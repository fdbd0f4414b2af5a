"""One trial trained again in a temporary folder, and compared to the bit with the one that is kept.

The same settings, data, processor, number of threads and versions give the same bits. Where they do not, the line says
what differs first, in the order in which a training makes it: the metrics of its epochs, the predictions, the weights;
and what else than the trial is not as it was, by environment.json. If nothing is, the check fails; if something is, as
on a processor of another kind, it stays open: that training here gives other bits shows nothing then.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from ecrnn.core.config import StudySettings
from ecrnn.core.devices import environment
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Progress, passed_on
from ecrnn.core.manifests import checked_manifest
from ecrnn.core.predictions import AnyPredictions, PredictedClasses
from ecrnn.core.reading import MAX_WEIGHTS, read_bytes, read_json, there
from ecrnn.core.runs import FinishedTrial, trial_folder, trial_home
from ecrnn.core.text import counted
from ecrnn.data.example_set import ExampleSet
from ecrnn.studies.engines.protocol import Trial
from ecrnn.studies.trials import WEIGHTS, run_trial
from ecrnn.studies.verification.result import Check, check
from ecrnn.training.finished import read_finished

NAME = "training"
_MACHINE = ("processor", "machine", "cpu_capability", "cuda", "python")
_PACKAGES = ("ecrnn", "torch", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Kept:
    """What is kept of a training. ``digests`` are of files that are not here themselves, as those of an archive."""

    name: str
    metrics: list[dict[str, Any]]
    predictions: AnyPredictions | None
    weights: bytes | None
    digests: Mapping[str, str]


def check_trial(
    folder: Path, settings: StudySettings, trial: Trial, data: ExampleSet, machine: list[str], progress: Progress
) -> Check:
    """Train a trial of a study again.

    Args:
        folder: of the study, in which the trial is whole.
        settings: of the study, whose ``data_dir`` is where the data lies now.
        trial: model and repeat.
        data: of the study.
        machine: what is not as in environment.json, from `other_machine`.
        progress: called with the events of the training.
    """
    finished, home = read_finished(folder, settings, *trial), trial_home(folder, *trial)
    manifest = checked_manifest(home, folder)
    assert finished is not None
    assert manifest is not None
    weights = read_bytes(home / WEIGHTS, MAX_WEIGHTS, folder) if there(home / WEIGHTS) else None
    digests = manifest.get("archived_from") or {}
    name = f"{trial[0]}, repeat {trial[1]}"
    kept = Kept(name, finished.metrics, finished.predictions, weights, digests)
    with tempfile.TemporaryDirectory(prefix="ecrnn-verify-") as place:
        try:
            passed_on(run_trial(data, Path(place), settings, *trial), progress)
        except EcrnnError as error:
            return check(NAME, "", unknown=[f"{name} could not be trained again: {error}"])
        again = read_finished(Path(place), settings, *trial)
        assert again is not None
        return compared(kept, again, trial_folder(Path(place), *trial), machine)


def compared(kept: Kept, again: FinishedTrial, home: Path, machine: list[str]) -> Check:
    """The check of a training that was done again and lies in ``home``."""
    first = next(_differences(kept, again, home), None)
    if first is None:
        epochs = counted(len(kept.metrics), "epochs")
        return check(NAME, f"{kept.name} trained again, {epochs}: the same to the bit")
    line = f"{kept.name} trained again differs, first in {first}"
    if machine:
        return check(NAME, "", unknown=[f"{line}; not verified, as not all is as it was: {'; '.join(machine)}"])
    return check(
        NAME,
        "",
        [f"{line}; machine, threads and versions are as in environment.json, so kernels, code or trial differ"],
    )


def _differences(kept: Kept, again: FinishedTrial, home: Path) -> Iterator[str]:
    """What differs, in the order in which a training makes it."""
    yield from other_metrics(kept.metrics, again.metrics)
    if kept.predictions is not None:
        yield from _other_predictions(kept.predictions, again.predictions)
    if kept.weights is not None:
        yield from other_weights(kept.weights, read_bytes(home / WEIGHTS, MAX_WEIGHTS))
    manifest = checked_manifest(home)
    assert manifest is not None
    for name in ("predictions.npz", WEIGHTS):
        if name in kept.digests and manifest["files"].get(name) != kept.digests[name]:
            yield f"{name}, of which the archive keeps the digest"


def other_metrics(kept: list[dict[str, Any]], again: list[dict[str, Any]]) -> Iterator[str]:
    """Differences between the lines of two metrics.jsonl, but for the seconds."""
    if len(kept) != len(again):
        yield f"metrics.jsonl: {counted(len(kept), 'epochs')} kept, {len(again)} now"
    for line, other in zip(kept, again, strict=False):
        for key in (*line, *(key for key in other if key not in line)):
            if key != "seconds" and line.get(key) != other.get(key):
                yield f"metrics.jsonl, epoch {line.get('epoch')}: {key} {line.get(key)} kept, {other.get(key)} now"


def _other_predictions(kept: AnyPredictions, again: AnyPredictions) -> Iterator[str]:
    if isinstance(kept, PredictedClasses):
        again = again.without_logits()
    if type(kept) is not type(again):
        yield "predictions.npz: of another kind"
        return
    order = {name: place for place, name in enumerate(("index", "label", "earlier"))}
    for name in sorted(vars(kept), key=lambda name: order.get(name, len(order))):
        mine, theirs = getattr(kept, name), getattr(again, name)
        if mine is None or theirs is None:
            if mine is not theirs:
                yield f"predictions.npz: {name}, which one of them lacks"
        elif line := other_array(mine, theirs):
            yield f"predictions.npz: {name}, {line}"


def other_weights(kept: bytes, again: bytes) -> Iterator[str]:
    """Differences between two safetensors, the first tensor first."""
    if kept == again:
        return
    try:
        mine, theirs = load(kept), load(again)
    except (SafetensorError, KeyError):  # KeyError: a type that NumPy does not have
        yield "the weights: one of the files cannot be read"
        return
    for name in mine:
        line = "missing now" if name not in theirs else other_array(mine[name], theirs[name])
        if line:
            yield f"the weights: {name}, {line}"
    yield "the file of the weights, whose tensors are the same"


def other_array(mine: np.ndarray, theirs: np.ndarray) -> str | None:
    """Where two arrays differ in a bit, or None."""
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        return f"{mine.dtype} of shape {list(mine.shape)} kept, {theirs.dtype} of shape {list(theirs.shape)} now"
    if mine.tobytes() == theirs.tobytes():
        return None
    differ = np.frombuffer(mine.tobytes(), "u1") != np.frombuffer(theirs.tobytes(), "u1")
    values = differ.reshape(-1, mine.dtype.itemsize).any(axis=1)
    place = int(np.flatnonzero(values)[0])
    at = ", ".join(map(str, np.unravel_index(place, mine.shape)))
    first = f"[{at}]: {mine.flat[place]} kept, {theirs.flat[place]} now"
    return f"{int(values.sum()):,} of {values.size:,} values, first {first}"


def other_machine(folder: Path, facts: Mapping[str, Any]) -> list[str]:
    """What is not as in the environment.json of a study, in words.

    Args:
        folder: of the study.
        facts: of the trial that is trained again, with its device.
    """
    path = folder / "environment.json"
    try:
        before = read_json(path, within=folder)
    except EcrnnError as error:
        return [f"machine and versions are not known: {error}"]
    now = environment()
    lines = [(key, before.get(key), now.get(key)) for key in _MACHINE] if isinstance(before, dict) else []
    packages = before.get("packages", {}) if isinstance(before, dict) else {}
    if isinstance(packages, dict):
        lines += [(name, packages.get(name), now["packages"].get(name)) for name in _PACKAGES]
    found = [f"{name} was {str(old)[:100]} and is {new}" for name, old, new in lines if old != new]
    if (device := facts.get("device", "cpu")) != "cpu":
        found.append(f"it was trained on {str(device)[:50]}, where bits are not promised")
    return found
