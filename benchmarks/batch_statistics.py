"""Which running statistics of batch normalisation predict best after a training of a few dozen steps?

    python benchmarks/batch_statistics.py photos/ --out results/batch-statistics/photos.jsonl

Running statistics have no part in training, which uses each batch's own. So one training scores every rule: the batch
statistics of each step are averaged by each rule side by side, and at the end of an epoch the network predicts with
each of them. A line of JSON is written for every training: accuracies by rule, part and epoch. Given again, the command
trains what is missing.

Each repeat draws --train images that train, a quarter as many that validate, and leaves the others as new images.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import resolve
from ecrnn.core.seeds import trial_seed
from ecrnn.core.tasks import TASKS
from ecrnn.data.image_set import ImageSet
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import build
from ecrnn.models.processor import Processor
from ecrnn.tasks.image_classification.images import load
from ecrnn.tasks.image_classification.objective import ImageClassification
from ecrnn.training.loop import fit

Rule = Callable[[int, int], float]  # batch (from 1), batches an epoch -> weight of that batch


def recent(rate: float, n: int) -> float:
    """The weight of batch n where each batch weighs (1 - rate) times the next one, and all weights together 1."""
    return rate / (1 - (1 - rate) ** n)


RULES: dict[str, Rule] = {
    "even": lambda n, steps: max(0.01, 1 / n),  # the first hundred batches weigh the same
    "recent-0.1": lambda n, steps: recent(0.1, n),
    "recent-0.3": lambda n, steps: recent(0.3, n),
    "tail-9": lambda n, steps: max(0.01, 10 / (n + 9)),  # weights grow as n ** 9: about the last tenth counts
    "tail-24": lambda n, steps: max(0.01, 25 / (n + 24)),  # about the last 25th
    "share": lambda n, steps: max(0.01, 1 / n, min(0.3, 40 / n)),  # three batches, later the last fortieth
    "epoch": lambda n, steps: recent(max(0.01, 1 / (1 + steps)), n),  # about the batches of one epoch
}
CURVES = ("even", "recent-0.1")  # with --curves judged at the end of every epoch, on some of the new images
SOME, MOST = 150, 2000  # new images that are judged, after an epoch and after the last


class Watched(ImageClassification):
    """Image classification that keeps the statistics of every rule, and judges the network with each of them."""

    def __init__(
        self,
        images: ImageSet,
        parts: dict[str, np.ndarray],
        settings: TrainingSettings,
        seed: int,
        curves: tuple[str, ...],
    ) -> None:
        split = Split(parts["train"], parts["train"][:0], "all", "")
        preprocessing = fit_preprocessing(images.images, split.train, settings.standardise)
        processor = Processor(TASKS["image-classification"], images.classes, preprocessing)
        super().__init__(images, split, processor, settings, seed)
        self.judged = {name: index for name, index in parts.items() if name != "train"}
        self.some = np.random.default_rng(seed).permutation(parts["new"])[:SOME]
        self.curves, self.epochs, self.epoch, self.batches = curves, settings.epochs, 0, 0
        self.averages: dict[str, list[Tensor]] = {}
        self.found: dict[str, dict[str, list[float]]] = {}

    def loss(self, model: nn.Module, inputs: Any, targets: Any) -> Any:
        result = super().loss(model, inputs, targets)
        self._take(model)
        return result

    def _take(self, model: nn.Module) -> None:
        self.batches += 1
        batch = of_batch(model)
        for rule, weight in RULES.items():
            if rule not in self.averages:
                self.averages[rule] = [values.clone() for values in batch]
            for average, values in zip(self.averages[rule], batch, strict=True):
                average.lerp_(values, weight(self.batches, self.steps))

    def validate(self, model: nn.Module) -> Any:
        self.epoch += 1
        last = self.epoch == self.epochs
        parts = self.judged if last else {**self.judged, "new": self.some}
        for rule in (*RULES, "anew") if last else self.curves:
            averages = self._anew(model) if rule == "anew" else self.averages[rule]
            for values, average in zip(statistics(model), averages, strict=True):
                values.copy_(average)
            of_rule = self.found.setdefault(rule, {})
            for part, index in parts.items():
                correct = self.logits(model, index).argmax(1) == self.labels[index]
                of_rule.setdefault(part, []).append(round(float(correct.mean()), 5))
        return super().validate(model)

    @torch.no_grad()
    def _anew(self, model: nn.Module) -> list[Tensor]:
        """The mean over the batches of an epoch, seen by the network as it is."""
        sums: list[Tensor] = []
        order = self.order(self.seed, self.epoch)
        for positions in order:
            inputs, targets = self.batch(positions, self.epoch)
            super().loss(model, inputs, targets)
            batch = of_batch(model)
            sums = [a + b for a, b in zip(sums, batch, strict=True)] if sums else batch
        return [values / len(order) for values in sums]


def norms(model: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    return [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]


def statistics(model: nn.Module) -> list[Tensor]:
    """The running means and variances of every layer."""
    return [values for m in norms(model) for values in (m.running_mean, m.running_var) if values is not None]


def of_batch(model: nn.Module) -> list[Tensor]:
    """The statistics of the batch that was just seen: what running ones are after the first batch."""
    found = [values.clone() for values in statistics(model)]
    for m in norms(model):
        m.reset_running_stats()  # so that the next batch is the first one again
    return found


def train(
    images: ImageSet, model: str, repeat: int, count: int, recipe: dict[str, Any], curves: tuple[str, ...]
) -> dict[str, Any]:
    """One training, all rules."""
    order, some = np.random.default_rng([0, repeat]).permutation(images.n_train), count // 4
    cut = {"train": order[:count], "validation": order[count : count + some], "new": order[count + some :][:MOST]}
    seed = trial_seed(0, repeat)
    settings = resolve(TrainingSettings(threads=1, **recipe))
    task = Watched(images, {name: np.sort(index) for name, index in cut.items()}, settings, seed, curves)
    network = build(model, images.image, len(images.classes), seed)
    trained = fit(network, task, settings, seed=seed)
    losses = [round(line["train_loss"], 4) for line in trained.history]
    seconds = sum(line["seconds"] for line in trained.history)
    return {"train_loss": losses, "seconds": round(seconds, 1), "precision": settings.precision, "rules": task.found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--train", type=int, default=245, help="images that train")
    parser.add_argument("--models", nargs="+", default=["ecrnn-bilstm-16", "cnn"])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--epochs", type=int, nargs="+", default=[15])
    parser.add_argument("--batch-size", type=int, nargs="+", default=[128])
    parser.add_argument("--schedule", nargs="+", default=["constant", "cosine"])
    parser.add_argument("--curves", action="store_true", help="judge two of the rules after every epoch")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args()
    images = load(chosen.data, data_dir=chosen.data_dir, image_size=chosen.image_size)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    lines = chosen.out.read_text().splitlines() if chosen.out.is_file() else []
    done = [json.loads(line)["training"] for line in lines]
    recipes = [
        {"epochs": e, "batch_size": b, "schedule": s}
        for e in chosen.epochs
        for b in chosen.batch_size
        for s in chosen.schedule
    ]
    for repeat in range(chosen.repeats):
        for recipe in recipes:
            for model in chosen.models:
                name = Path(chosen.data).name
                about = {"data": name, "train": chosen.train, "model": model, "repeat": repeat, **recipe}
                if about in done:
                    continue
                found = train(images, model, repeat, chosen.train, recipe, CURVES if chosen.curves else ())
                with chosen.out.open("a") as file:
                    file.write(json.dumps({"training": about, **found}) + "\n")
                last = {rule: parts["new"][-1] for rule, parts in found["rules"].items()}
                print(about, found["seconds"], last, flush=True)


if __name__ == "__main__":
    main()
