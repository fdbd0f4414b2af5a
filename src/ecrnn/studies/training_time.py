"""What one training takes, extrapolated from a short part of an epoch: steps for some seconds, and some predictions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import torch

from ecrnn.core.config import TrainingSettings
from ecrnn.core.devices import freed_memory_kept, threads
from ecrnn.core.errors import EcrnnError
from ecrnn.core.events import Epoch
from ecrnn.data.example_set import ExampleSet
from ecrnn.data.splits import Split
from ecrnn.models.baselines import make_classifier
from ecrnn.models.build import make
from ecrnn.models.names import ModelName
from ecrnn.models.processor import Processor
from ecrnn.studies.tasks import objective
from ecrnn.training.baselines import fit_classifier
from ecrnn.training.classification import Classification
from ecrnn.training.trainer import Trainer

SECONDS = 10.0  # of steps that are timed
WARM_STEPS = 2  # before them
VALIDATED = 256  # examples, at the most


@dataclass(frozen=True)
class ModelTime:
    """What one training of a model takes: ``seconds`` in all, from ``steps`` timed of ``steps_an_epoch``."""

    model: str
    seconds: float
    steps: int
    steps_an_epoch: int
    epochs: int


def time_training(
    model: ModelName, data: ExampleSet, split: Split, processor: Processor, training: TrainingSettings, seed: int
) -> ModelTime:
    """Train a model for some seconds, and have it predict some examples, to say what a whole training takes.

    Args:
        model: which.
        data: the examples.
        split: which of them train and which validate.
        processor: fitted on those that train.
        training: resolved.
        seed: seed of weights and order.
    """
    some = replace(split, validation=split.validation[:VALIDATED])
    if model.row.estimator:
        return _time_classifier(model, data, some, processor, training, seed)
    task = objective(data, some, processor, training, seed)
    network = make(model, processor.sizes, seed)
    trainer = Trainer(network, task, training, seed=seed, label=str(model))
    with threads(training.threads), freed_memory_kept(), torch.random.fork_rng():
        torch.manual_seed(seed)
        begin, steps = time.monotonic(), -min(WARM_STEPS, trainer.steps - 1)
        for event in trainer.epochs():
            if isinstance(event, Epoch):
                break
            steps += 1
            if steps == 0:
                begin = time.monotonic()
            step = (time.monotonic() - begin) / max(1, steps)
            if steps > 0 and time.monotonic() - begin > SECONDS:
                break
        begin = time.monotonic()
        task.validate(network)
        validation = (time.monotonic() - begin) * len(split.validation) / len(some.validation)
    seconds = training.epochs * (trainer.steps * step + validation)
    return ModelTime(str(model), seconds, max(1, steps), trainer.steps, training.epochs)


def _time_classifier(
    model: ModelName, data: ExampleSet, split: Split, processor: Processor, training: TrainingSettings, seed: int
) -> ModelTime:
    """A classifier of scikit-learn is fitted once, whole."""
    training = training.model_copy(update={"device": "cpu", "precision": "float32"})
    task = objective(data, split, processor, training, seed)
    if not isinstance(task, Classification):
        raise EcrnnError(f"{model} chooses a class, which is not what {processor.task.name} asks for")
    begin = time.monotonic()
    for _ in fit_classifier(make_classifier(model, processor.sizes, seed), task, threads=training.threads, label=""):
        pass
    return ModelTime(str(model), time.monotonic() - begin, 1, 1, 1)
