"""Synthetic studies of the same models on several data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from report.synthetic import make_study

MODELS = {"cnn": 0.0, "ecrnn-bilstm-16": 0.04, "crnn-bilstm-16": 0.0}
IMAGE = {"preprocessing": {"image": [3, 32, 32], "mean": [1.0], "std": [1.0]}}


def make_studies(root: Path, data_sets: int = 5, **settings: Any) -> list[Path]:
    """``data_sets`` studies of three models, three repeats each; the second model is better by about four points."""
    rng = np.random.default_rng(7)
    folders = []
    for d in range(data_sets):
        level = rng.uniform(0.6, 0.85)
        accuracies = {model: level + effect + rng.normal(0, 0.01) for model, effect in MODELS.items()}
        of_set = {
            "data": f"sets/set-{d}",
            "fingerprint": f"{d:02x}" * 32,
            "classes": [f"class {c}" for c in range(d + 2)],
            "facts": IMAGE,
        }
        options = {"repeats": 3, "n_validation": 150, "images": 500, "epochs": 2, **of_set, **settings}
        folders.append(make_study(root / f"s{d}", accuracies, **options))
    return folders
