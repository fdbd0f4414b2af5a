"""How far back RNNs read: those of a study's finished trials, and untrained ones.

What is measured is defined in `ecrnn.explain.effective_memory`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ecrnn.core.config import StudySettings
from ecrnn.core.errors import RunDirectoryError
from ecrnn.core.runs import read_settings, trial_home
from ecrnn.core.tasks import default
from ecrnn.data.image_set import ImageSet
from ecrnn.explain.effective_memory import memory, network_memory
from ecrnn.explain.memory_curve import Memory
from ecrnn.layers.areas import CELLS, RecurrentArea
from ecrnn.layers.initialisation import initialise
from ecrnn.models.names import ModelName, common_task
from ecrnn.models.weights import load_network
from ecrnn.studies.bundling import processor_of
from ecrnn.studies.planned import planned_trials
from ecrnn.studies.settings import models_of
from ecrnn.studies.trials import WEIGHTS, load
from ecrnn.training.finished import read_finished

SAMPLES = 512
STEPS, HIDDEN_SIZE = 1024, 16  # the paper's sequence and layer

#: The untrained layers: cell, whose initialisation, forget bias. Keras's default has forget bias 1, torch's 0.
UNTRAINED = (
    ("lstm", "torch", 0),
    ("lstm", "torch", 1),
    ("lstm", "Keras", 0),
    ("lstm", "Keras", 1),
    ("gru", "torch", None),
    ("gru", "Keras", None),
    ("rnn", "torch", None),
    ("rnn", "Keras", None),
)


def trained_memories(study: Path, data_dir: Path | None = None, samples: int = SAMPLES) -> Iterator[Memory]:
    """How far back each finished trial of a study reads; models without RNN are left out.

    Args:
        study: its folder, with the weights of its trials.
        data_dir: local copies of registered data sets; default: where the study had them.
        samples: how many of the trial's validation images, drawn at random once.

    Raises:
        EcrnnError: there is no study, its data is missing or has changed, a trial has no weights, or
            `ecrnn.explain.effective_memory` cannot measure it.
    """
    settings = read_settings(study)
    if data_dir is not None:
        settings = settings.model_copy(update={"data_dir": str(data_dir)})
    models = {str(model): model for model in models_of(settings)}
    if common_task(models.values()) != default():
        raise RunDirectoryError(f"{study} is not a study of image classifiers, whose memory alone can be measured")
    images = load(settings)
    assert isinstance(images, ImageSet)
    for model, repeat in planned_trials(settings):
        if models[model].cell is not None:
            yield from _trial_memory(images, study, settings, models[model], repeat, samples)


def _trial_memory(
    images: ImageSet, study: Path, settings: StudySettings, name: ModelName, repeat: int, samples: int
) -> Iterator[Memory]:
    """The memory of one trial; nothing if it is not finished."""
    model = str(name)
    trial = read_finished(study, settings, model, repeat)
    if trial is None:
        return
    processor = processor_of(name, trial, study)
    network = load_network(name, processor.sizes, trial_home(study, model, repeat) / WEIGHTS, study)
    if trial.predictions.index.min() < 0 or trial.predictions.index.max() >= len(images):
        raise RunDirectoryError(f"{trial_home(study, model, repeat)} was not scored on these images")
    index = np.random.default_rng(0).permutation(trial.predictions.index)[:samples]  # a folder's are class by class
    standardised = processor.standardise()(torch.from_numpy(np.asarray(images.images[index])))
    yield network_memory(network, standardised, model=model, repeat=repeat)


def untrained_memories(
    seeds: int = 5, steps: int = STEPS, hidden_size: int = HIDDEN_SIZE, sequences: int = SAMPLES
) -> Iterator[Memory]:
    """How far back untrained layers of one direction read sequences of independent standard normal values.

    Args:
        seeds: layers of each kind in `UNTRAINED`, with weights from the seeds 0, 1, ...
        steps: length of the sequences, of one value a step.
        hidden_size: hidden size of the layer.
        sequences: how many.
    """
    for cell, whose, forget in UNTRAINED:
        bias = "" if forget is None else f", forget bias {forget}"
        name = f"{cell.upper()} {hidden_size}, {whose}'s initialisation{bias}"
        for seed in range(seeds):
            generator = torch.Generator().manual_seed(seed)
            sequence = torch.randn(sequences, steps, 1, generator=generator)
            yield memory(untrained(cell, whose, forget, hidden_size, seed), sequence, model=name, repeat=seed)


def untrained(cell: str, whose: str, forget: int | None, hidden_size: int, seed: int) -> RecurrentArea:
    """A recurrent area of one layer and one direction that reads one value a step.

    Args:
        cell: rnn, lstm or gru.
        whose: "torch" or "Keras", whose initialisation.
        forget: what stands (on average) in an LSTM's forget bias, 0 or 1; None for the other cells.
        hidden_size: hidden size of the layer.
        seed: seed of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        area = RecurrentArea(cell, 1, (hidden_size,), False)
        if whose == "torch":
            area.layers[0] = CELLS[cell](1, hidden_size, batch_first=True)  # with both of torch's bias vectors
    if whose == "Keras":
        initialise(area, seed)
    if forget is not None:
        with torch.no_grad():  # the gates i, f, g, o
            area.get_parameter("layers.0.bias_ih_l0")[hidden_size : 2 * hidden_size] += forget - (whose == "Keras")
    return area
