"""Synthetic study directories with known scores, written by the same functions that a study uses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings, to_yaml
from ecrnn.core.files import make_folder, write_atomically, write_json
from ecrnn.core.manifests import write_manifest
from ecrnn.core.predictions import Predictions, Scored, write_predictions
from ecrnn.core.runs import trial_folder
from ecrnn.core.tasks import TASKS
from ecrnn.core.trial_of_study import with_recipe
from ecrnn.stats import METRICS

ACCURACIES = {"cnn": 0.7325, "crnn-bilstm-16": 0.734, "ecrnn-bilstm-16": 0.7708}
PARAMETERS = {"cnn": 400_586, "crnn-bilstm-16": 392_970, "ecrnn-bilstm-16": 1_715_210}
ENVIRONMENT = {
    "python": "3.11.2",
    "platform": "Linux-6.1.0-x86_64",
    "machine": "x86_64",
    "processor": "Intel(R) Xeon(R) Processor @ 2.70GHz",
    "cores": 2,
    "cpu_capability": "AVX512",
    "cuda": None,
    "packages": {"ecrnn": "0.1.0", "torch": "2.13.0", "numpy": "2.4.1", "scipy": "1.17.0"},
}
DIGITS = tuple(str(digit) for digit in range(10))


def make_study(
    folder: Path,
    accuracies: Mapping[str, float] = ACCURACIES,
    *,
    repeats: int = 10,
    first_repeat: int = 0,
    n_validation: int = 1500,
    images: int = 5000,
    classes: Sequence[str] = DIGITS,
    epochs: int = 15,
    spread: float = 0.006,
    failed: Sequence[tuple[str, int]] = (),
    missing: Sequence[tuple[str, int]] = (),
    fixed_test: bool = False,
    task: str = "image-classification",
    facts: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Path:
    """A study of len(accuracies) models by ``repeats``, with the settings and the accuracies (or other scores of the
    ``task``) given (last epoch)."""
    wanted: dict[str, Any] = {
        "data": "digits",
        "models": tuple(accuracies),
        "repeats": repeats,
        "first_repeat": first_repeat,
        "split": "own" if fixed_test else "0.7",
        "fingerprint": "ab" * 32,
        "training": {"epochs": epochs},
    }
    study = StudySettings.read(wanted | settings)
    make_folder(folder)
    write_atomically(folder / "study.yaml", to_yaml(study))
    write_json(folder / "environment.json", ENVIRONMENT)
    for repeat in range(first_repeat, first_repeat + repeats):
        own = 0 if fixed_test else study.split_number(repeat)
        index = np.random.default_rng(own).choice(images, n_validation, replace=False).astype(np.int64)
        label = (index % len(classes)).astype(np.int64)
        for number, (model, accuracy) in enumerate(accuracies.items()):
            home = trial_folder(folder, model, repeat)
            if (model, repeat) in failed:
                error = "the loss is not finite at epoch 2, step 17 (policy stop)"
                write_json(make_folder(home) / "error.json", {"error": error, "type": "TrainingError"})
            elif (model, repeat) not in missing:
                rng = np.random.default_rng([repeat, number])
                shared = np.random.default_rng(1000 + repeat).normal(0, spread)
                score = max(0.0, accuracy + shared + rng.normal(0, spread / 2))
                predictions: Predictions | Scored
                if TASKS[task].classes:
                    predictions = Predictions(index, label, make_logits(rng, label, min(score, 1.0), len(classes)))
                else:
                    predictions = Scored(index, make_statistics(rng, TASKS[task].metric, index, score))
                predictions = with_other_epochs(predictions, task, score, study.score_epochs, [7, repeat, number])
                own_facts = dict(facts or {}) if task == "image-classification" else {"task": task, **(facts or {})}
                write_trial(home, study, model, repeat, predictions, classes=classes, rng=rng, facts=own_facts)
    return folder


def with_other_epochs(
    last: Predictions | Scored, task: str, score: float, epochs: int, seed: list[int]
) -> Predictions | Scored:
    """The predictions of ``epochs`` epochs, of which those before the last are a little worse."""
    rng, earlier = np.random.default_rng(seed), []
    for _ in range(epochs - 1):
        if isinstance(last, Scored):
            earlier.append(make_statistics(rng, TASKS[task].metric, last.index, score))
        else:
            given = last.predicted.astype(np.int32)
            others = rng.random(len(given)) < 0.1
            given[others] = rng.integers(0, last.logits.shape[1], others.sum())
            earlier.append(given)
    return last.with_earlier(earlier)


def make_statistics(rng: np.random.Generator, metric: str, index: np.ndarray, score: float) -> np.ndarray:
    """(n, k) statistics of examples that have about this score; long examples are long for every model."""
    length = 5.0 + index % 16
    if metric == "bits":
        return np.stack([length * rng.normal(score, 0.02 * score, len(index)) * np.log(2), length], axis=1)
    if metric == "cer":
        return np.stack([rng.binomial(length.astype(int), score), length], axis=1).astype(np.float64)
    given = np.stack([length - n for n in range(4)], axis=1)
    return np.column_stack([rng.binomial(given.astype(int), score), given, length, length]).astype(np.float64)


def make_logits(rng: np.random.Generator, label: np.ndarray, accuracy: float, classes: int) -> np.ndarray:
    """(n, classes) float32 logits of which round(n * accuracy) are right; the wrong ones mostly take the next
    class."""
    n = len(label)
    wrong = rng.permutation(n)[round(n * accuracy) :]
    given = label.copy()
    step = np.where(rng.random(len(wrong)) < 0.6, 1, rng.integers(1, classes, len(wrong)))
    given[wrong] = (label[wrong] + step) % classes
    logits = rng.normal(0, 1, (n, classes))
    logits[np.arange(n), given] += 6 + logits.max(axis=1)
    return logits.astype(np.float32)


def write_trial(
    home: Path,
    study: StudySettings,
    model: str,
    repeat: int,
    predictions: Predictions | Scored,
    *,
    classes: Sequence[str],
    rng: np.random.Generator,
    facts: Mapping[str, Any],
) -> None:
    """The files of one finished trial."""
    make_folder(home)
    classed = isinstance(predictions, Predictions)
    metric = METRICS[TASKS[facts.get("task", "image-classification")].metric]
    last = metric.value(predictions.statistics)
    lines = []
    epochs = study.training.epochs
    for epoch in range(1, epochs + 1):
        rise = 1 - np.exp(-epoch / 4) + np.exp(-epochs / 4)
        noise = 0.0 if epoch == epochs else float(rng.normal(0, 0.008))
        held_out = last * (rise if metric.higher_is_better else 2 - rise) + noise
        train = min(0.999, held_out + 0.012 * epoch)
        lost = (1 - train, 1 - held_out) if metric.higher_is_better else (0.9 * held_out, held_out)
        lines.append(
            {
                "epoch": epoch,
                "train_loss": 1.6 * lost[0] + 0.05,
                **({"train_accuracy": train} if classed else {}),
                "validation_loss": 1.9 * lost[1] + 0.02 * epoch,
                f"validation_{metric.name}": held_out,
                "lr": 1e-3,
                "seconds": 9.5,
            }
        )
    counted = predictions.epochs()
    for line, of_epoch in zip(lines[-len(counted) :], counted, strict=True):
        if len(counted) > 1:  # as a training leaves them; the AUC of an epoch before the last is in no other file
            line[f"validation_{metric.name}"] = metric.value(of_epoch.statistics)
            line["validation_auc"] = 0.75 + 0.01 * line["epoch"]
    trial = study.of_trial(model, repeat)
    if trial.nested and "recipe" in facts:
        trial = with_recipe(trial, facts["recipe"])
    write_atomically(home / "config.yaml", to_yaml(trial))
    write_atomically(home / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    write_predictions(home / "predictions.npz", predictions)
    parameters = PARAMETERS.get(model, 500_000)
    best = max if metric.higher_is_better else min
    found = {
        "model": model,
        "repeat": repeat,
        "seed": study.seed * 1000 + repeat,
        "parameters": parameters,
        "trainable": parameters - 2000,
        "multiply_adds": parameters * 12,
        "steps": epochs * 28,
        "seconds": parameters / 3000 + repeat,
        "device": "cpu",
        "precision": "float32",
        "threads": 2,
        "n_train": 3500,
        "n_validation": len(predictions.index),
        "n_images": 5000,
        **({"classes": list(classes)} if classed else {}),
        "fixed_test": study.split == "own",
        f"last_{metric.name}": last,
        f"best_{metric.name}": best(line[f"validation_{metric.name}"] for line in lines),
        "best_epoch": epochs - 1,
        "skipped_steps": 0,
        "finished": f"2026-01-{1 + repeat:02d}T10:00:00+00:00",
    }
    files = ("config.yaml", "metrics.jsonl", "predictions.npz")
    more = {"score_epochs": len(counted)} if len(counted) > 1 else {}
    write_manifest(home, files, found | more | dict(facts))
