"""How much do repeats of a study depend on each other? Measured on data sets that share no image.

    python benchmarks/repeat_correlation.py --data-dir DATA --out results/repeat-correlation/cifar10.npz

The corrected resampled t test (Nadeau and Bengio, 2003) takes n_test / (n_train + n_test) for the correlation between
the scores of two repeats. Here CIFAR-10's 60,000 images are cut into disjoint data sets. On each of them two models are
trained on random 70:30 splits, and with further seeds on the first of these splits. Data sets share nothing, so the
variance between data sets, as a part of all variance, is the correlation of two repeats on one data set. It is given
for the last epoch and for the mean of the last three, of each model and of their difference.

The file holds, for each training, which validation images were classified correctly at the end of each of the last
three epochs. Given again, the command trains what is missing; `--sets 0` only prints the table.
"""

from __future__ import annotations

import argparse
import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from torch import nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import resolve
from ecrnn.core.files import write_atomically
from ecrnn.core.predictions import Predictions
from ecrnn.core.tasks import TASKS
from ecrnn.data.image_set import ImageSet
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import build
from ecrnn.models.processor import Processor
from ecrnn.tasks.image_classification.images import load
from ecrnn.tasks.image_classification.objective import ImageClassification
from ecrnn.training.trainer import Trainer

SPLITS, SEEDS, LAST = 6, 4, 3  # random splits; further seeds on the first of them; epochs that are scored
SIZE, TRAIN = 2000, 1400  # images of a data set, and those that train
LEVEL = 0.95

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Correlation:
    """The correlation of two repeats on one data set, its interval, and the standard deviations it comes from.

    Attributes:
        value: variance between data sets as a part of all variance; from a one-way analysis of variance.
        low, high: exact interval where scores are normal (Shrout and Fleiss, 1979).
        sd: of a score between repeats on one data set.
    """

    value: float
    low: float
    high: float
    sd: float


def correlation(scores: Floats, level: float = LEVEL) -> Correlation:
    """The intraclass correlation of scores (data sets, repeats)."""
    sets, repeats = scores.shape
    means = scores.mean(1)
    between = repeats * means.var(ddof=1)
    within = ((scores - means[:, None]) ** 2).sum() / (sets * (repeats - 1))
    freedom = sets - 1, sets * (repeats - 1)
    ratio, tail = between / within, (1 - level) / 2
    bounds = ratio / stats.f.isf(tail, *freedom), ratio * stats.f.isf(tail, *freedom[::-1])
    value, low, high = ((f - 1) / (f + repeats - 1) for f in (ratio, *bounds))
    return Correlation(value, low, high, float(np.sqrt(within)))


def through_shared_images(gains: Floats, index: NDArray[np.int64], sd: float) -> float:
    """The part of the correlation that comes from validation images which two repeats share.

    Args:
        gains: (data sets, repeats, images), 1, 0 or -1 of a difference, 1 or 0 of a model.
        index: of the same shape, which image each is.
        sd: of a score between repeats.
    """
    found = []
    for of_set, images in zip(gains, index, strict=True):
        for i in range(len(of_set)):
            for j in range(i):
                _, at_i, at_j = np.intersect1d(images[i], images[j], return_indices=True)
                centred = (of_set[i] - of_set[i].mean())[at_i] * (of_set[j] - of_set[j].mean())[at_j]
                found.append(centred.sum() / images.shape[1] ** 2)
    return float(np.mean(found)) / sd**2


class Watched(ImageClassification):
    """Image classification that keeps which validation images were classified correctly at the end of each epoch."""

    def validate(self, model: nn.Module) -> Any:
        metrics, predictions = super().validate(model)
        assert isinstance(predictions, Predictions)
        correct = predictions.logits.argmax(1) == predictions.label
        self.correct = [*getattr(self, "correct", []), correct][-LAST:]
        return metrics, predictions


def cut(data: int, repeat: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The images that train and that validate, of the 60,000; repeats from `SPLITS` on have the first split."""
    pool = np.random.default_rng(0).permutation(60_000)[data * SIZE : (data + 1) * SIZE]
    order = np.random.default_rng([1, data, repeat if repeat < SPLITS else 0]).permutation(pool)
    return np.sort(order[:TRAIN]), np.sort(order[TRAIN:])


def train(images: ImageSet, model: str, data: int, repeat: int, recipe: dict[str, Any]) -> NDArray[np.bool_]:
    """One training: (epochs, validation images), whether each was classified correctly."""
    split = Split(*cut(data, repeat), "0.7", "")
    settings = resolve(TrainingSettings(threads=1, precision="float32", device="cpu", **recipe))
    preprocessing = fit_preprocessing(images.images, split.train, settings.standardise)
    processor = Processor(TASKS["image-classification"], images.classes, preprocessing)
    seed = 1000 * data + repeat
    objective = Watched(images, split, processor, settings, seed)
    Trainer(build(model, images.image, len(images.classes), seed), objective, settings, seed=seed).fit()
    return np.array(objective.correct)


def table(correct: NDArray[np.bool_], models: list[str]) -> str:
    """Correlations as a Markdown table; ``correct`` is (data sets, repeats, models, epochs, images)."""
    sets = len(correct)
    index = np.array([[cut(data, repeat)[1] for repeat in range(SPLITS)] for data in range(sets)])
    lines = [
        "| score | of | correlation | 95 % interval | through shared images | SD between repeats | by seed alone |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, epochs in (("last epoch", 1), (f"mean of the last {LAST} epochs", LAST)):
        values = correct[:, :, :, -epochs:].mean(3)  # (data sets, repeats, models, images)
        contents = {model: values[:, :, i] for i, model in enumerate(models)}
        contents[f"{models[1]} - {models[0]}"] = values[:, :, 1] - values[:, :, 0]
        for what, gains in contents.items():
            scores = gains.mean(2)
            found = correlation(scores[:, :SPLITS])
            shared = through_shared_images(gains[:, :SPLITS], index, found.sd)
            by_seed = float(np.sqrt(scores[:, [0, *range(SPLITS, SPLITS + SEEDS)]].var(1, ddof=1).mean()))
            lines.append(
                f"| {name} | {what} | {found.value:+.3f} | {found.low:+.3f} to {found.high:+.3f} | {shared:+.3f} "
                f"| {100 * found.sd:.2f} points | {100 * by_seed:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--models", nargs=2, default=["cnn", "crnn-gru-24@positions"])
    parser.add_argument("--sets", type=int, default=24, help="number of data sets, at most 30")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    recipe = {"epochs": chosen.epochs, "batch_size": 64, "lr": 2e-3}
    done = np.zeros((0, SPLITS + SEEDS, 2, LAST, SIZE - TRAIN), bool)
    if chosen.out.is_file():
        with np.load(chosen.out) as file:
            done = np.unpackbits(file["correct"], axis=-1, count=SIZE - TRAIN).astype(bool)
    images = load("cifar10", data_dir=chosen.data_dir, image_size=16) if len(done) < chosen.sets else None
    start = time.perf_counter()
    for data in range(len(done), chosen.sets):
        assert images is not None
        repeats = range(SPLITS + SEEDS)
        new = [[train(images, model, data, repeat, recipe) for model in chosen.models] for repeat in repeats]
        done = np.concatenate([done, np.array(new)[None]])
        write_packed(chosen.out, done)
        print(f"data set {data}: {time.perf_counter() - start:.0f} s, {done[-1].mean(axis=(0, 2, 3))}", flush=True)
    print(table(done, chosen.models))


def write_packed(path: Path, correct: NDArray[np.bool_]) -> None:
    """Write all that was trained so far, whole or not at all."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, correct=np.packbits(correct, axis=-1))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue())


if __name__ == "__main__":
    main()
