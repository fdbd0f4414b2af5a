"""The design of the field study, fixed before its first training: models, recipe, pairs, and the commands that train.

docs/field.md says why. A recipe is everything that stands here but for the learning rate, which is searched for each
model on images that no verdict uses, with as many trainings for all.
"""

from __future__ import annotations

import sys
from pathlib import Path

from data_sets import DataSet

CRNN, ECRNN, CNN = "crnn-bilstm-16", "ecrnn-bilstm-16", "cnn"
POSITIONS, ECNN, FLOOR = "crnn-bilstm-16@positions", "ecnn", "logistic"
NETWORKS = (CNN, CRNN, ECRNN, POSITIONS, ECNN)
MODELS = (*NETWORKS, FLOOR)
SECOND_MODELS = (CNN, CRNN, ECRNN, POSITIONS, FLOOR)
PAIRS = ((ECRNN, CRNN), (ECRNN, CNN), (CRNN, CNN))  # primary, Holm over these three
EXPLORATORY = ((ECRNN, ECNN), (ECNN, CNN), (POSITIONS, CRNN), (POSITIONS, CNN), (ECRNN, POSITIONS), (CNN, FLOOR))
MODERATORS = ("log-n", "classes", "image-size")
REPEATS, ROPE, SEED = 3, 0.01, 21

COUNTS, ORDERS, STEP_REPEATS = (4, 16, 64, 256, 1024), (0, 1, 2, 3), 5  # of the secondary study
CODE = Path(__file__).with_name("steps.py")

SPLIT, BATCH, IMAGES_SEEN, MOST_EPOCHS = 0.7, 32, 50_000, 100
SPACE, BUDGET, TUNE_PART = "lr=1e-4..1e-2:log", 9, 0.9


def epochs(images: float) -> int:
    """Passes over the training part of so many images: alike many images are seen on all data sets, as far as 100
    passes go."""
    return min(MOST_EPOCHS, round(IMAGES_SEEN / (SPLIT * images)))


def step_model(count: int, order: int) -> str:
    """The name of the network that reads the map in ``count`` steps."""
    return f"steps+count={count}" + (f"+order={order}" if order else "")


STEP_MODELS = tuple(step_model(count, order) for order in ORDERS for count in COUNTS)


def _common(images: float) -> list[str]:
    recipe = ["--batch-size", str(BATCH), "--set", "training.schedule=cosine", "--epochs", str(epochs(images))]
    split = ["--split", str(SPLIT), "--stratify", "--seed", str(SEED), "--score-epochs", "3"]
    return [*recipe, *split, "--precision", "bfloat16", "--device", "cpu", "--threads", "1", "--jobs", "2"]


def _ecrnn(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "ecrnn", *words]


def _place(data_set: DataSet) -> str:
    return f"data/{data_set.name}.npz"


def tune(data_set: DataSet, images: int, models: tuple[str, ...], out: str, *, code: bool = False) -> list[str]:
    """The command that searches for recipes on one of the sets that no verdict uses."""
    search = ["--budget", str(BUDGET), "--space", SPACE, "--tune-part", str(TUNE_PART)]
    more = ["--code", str(CODE)] if code else []
    words = ["tune", _place(data_set), "--models", ",".join(models), *search, *_common(TUNE_PART * images), *more]
    return _ecrnn(*words, "-o", out)


def compare(data_set: DataSet, images: int, models: tuple[str, ...], repeats: int, out: str, recipes: str) -> list[str]:
    """The command that trains the first ``repeats`` repeats of one data set; ``recipes`` is a file with the recipes."""
    pairs = ",".join(f"{a}:{b}" for a, b in PAIRS)
    plan = ["--pairs", pairs, "--rope", str(ROPE), "--set", f"planned_repeats={REPEATS}", "--repeats", str(repeats)]
    words = ["compare", _place(data_set), "--models", ",".join(models), "--config", recipes, *plan]
    return _ecrnn(*words, *_common(images), "-o", out)


def steps(data_set: DataSet, images: int, out: str, recipes: str) -> list[str]:
    """The command of the secondary study, on steps and order."""
    words = ["compare", _place(data_set), "--models", ",".join(STEP_MODELS), "--code", str(CODE), "--config", recipes]
    baseline = ["--baseline", step_model(1024, 0), "--rope", str(ROPE), "--repeats", str(STEP_REPEATS)]
    return _ecrnn(*words, *baseline, *_common(images), "-o", out)
