"""A small finished trial."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ecrnn.core.manifests import write_manifest
from ecrnn.core.predictions import Predictions, write_predictions
from ecrnn.core.runs import trial_folder

FILES = ("config.yaml", "metrics.jsonl", "predictions.npz", "checkpoint/weights.safetensors")


def predictions(n: int = 7, classes: int = 3) -> Predictions:
    rng = np.random.default_rng(0)
    return Predictions(np.arange(n), rng.integers(0, classes, n), rng.standard_normal((n, classes)).astype(np.float32))


def make_trial(study: Path) -> Path:
    """The folder of a finished trial of cnn, repeat 2, in ``study``."""
    folder = trial_folder(study, "cnn", 2)
    (folder / "checkpoint").mkdir(parents=True)
    (folder / "config.yaml").write_text("data: digits\n")
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n{"epoch": 2}\n')
    (folder / "checkpoint" / "weights.safetensors").write_bytes(b"weights")
    write_predictions(folder / "predictions.npz", predictions())
    write_manifest(folder, FILES, {"seconds": 1.5})
    return folder
