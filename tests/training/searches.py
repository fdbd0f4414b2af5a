"""Searches for recipes with known scores, written as a study writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ecrnn.core.config import StudySettings, to_yaml
from ecrnn.core.files import make_folder, write_json
from ecrnn.core.manifests import write_manifest
from ecrnn.core.predictions import PredictedClasses, write_predictions
from ecrnn.core.runs import read_settings, trial_folder, write_settings

POINTS: list[dict[str, Any]] = [{}, {"lr": 0.009}, {"lr": 0.002}, {"lr": 0.0005}]


def make_point(folder: Path, model: str, number: int, right: int, **facts: Any) -> None:
    """A finished point of which ``right`` of ten images are right."""
    place = trial_folder(folder, model, number)
    place.mkdir(parents=True)
    label = np.zeros(10, np.int64)
    predicted = (np.arange(10) >= right).astype(np.int64)
    write_predictions(place / "predictions.npz", PredictedClasses(np.arange(10), label, predicted))
    (place / "metrics.jsonl").write_text('{"epoch": 1}\n')
    (place / "config.yaml").write_text(to_yaml(read_settings(folder).of_trial(model, number)))
    known = {"model": model, "repeat": number, "n_train": 20, "n_validation": 10, "classes": ["a", "b"], "seconds": 2.0}
    write_manifest(place, ("config.yaml", "metrics.jsonl", "predictions.npz"), known | facts)


def make_failure(folder: Path, model: str, number: int, noted: dict[str, Any] | None = None) -> None:
    """A point that failed."""
    place = make_folder(trial_folder(folder, model, number))
    write_json(place / "error.json", {"error": "the loss is not finite", **(noted or {})})


def make_tuning(folder: Path, **search: Any) -> Path:
    """A tuning of two networks and a baseline, without its trials."""
    points = {"cnn": POINTS, "ecnn": POINTS, "majority": [{}]}
    tuning = {"space": {"lr": "1e-4..1e-2:log"}, "budget": 4, "part": "0.2", "points": points}
    given = {
        "data": "digits",
        "models": list(points),
        "repeats": 4,
        "fingerprint": "0" * 64,
        "recipes": {"ecnn": {"epochs": 7, "lr": 0.02}},
        "tuning": tuning | search,
    }
    write_settings(make_folder(folder), StudySettings.read(given))
    return folder


def fill(folder: Path, **right: list[int | None]) -> Path:
    """Give points so many right images of ten; None: the point failed."""
    for model, counts in right.items():
        for number, count in enumerate(counts):
            if count is None:
                make_failure(folder, model, number)
            else:
                fitted = {"estimator": "DummyClassifier"} if model == "majority" else {}
                make_point(folder, model, number, count, **fitted)
    return folder
