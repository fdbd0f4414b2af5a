"""Image classification as the loop sees them: batches, loss, predictions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training.trainings import image_set, make_settings, make_task

from ecrnn.core.augmentations import kinds_of
from ecrnn.core.tasks import TASKS
from ecrnn.data.augmentation import augment
from ecrnn.data.preprocessing import fit as fit_preprocessing
from ecrnn.data.splits import Split
from ecrnn.models.build import build
from ecrnn.models.processor import Processor
from ecrnn.tasks.image_classification.objective import ImageClassification
from ecrnn.training.classification import score


@pytest.mark.parametrize("kind", ["none", "flip", "flip-crop"])
@pytest.mark.parametrize("standardise", ["global", "per-channel"])
def test_batches(kind: str, standardise: str) -> None:
    settings = make_settings(augment=kind, standardise=standardise)
    task, images = make_task(settings), image_set()
    positions = np.array([5, 0, 47])
    inputs, targets = task.batch(positions, epoch=3)
    index = task.split.train[positions]
    preprocessing = fit_preprocessing(images.images, task.split.train, standardise)
    expected = preprocessing.apply(augment(images.images[index], index, task.seed, 3, kinds_of(kind)))
    np.testing.assert_allclose(inputs.numpy(), expected, rtol=1e-6)
    assert targets.tolist() == images.labels[index].tolist()
    assert inputs.dtype == torch.float32
    assert inputs.is_contiguous(memory_format=torch.channels_last)
    assert len(task) == 48


def test_augmentation_changes_from_epoch_to_epoch() -> None:
    task = make_task(make_settings(augment="flip-crop"))
    first, again, next_epoch = (task.batch(np.arange(8), epoch)[0] for epoch in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, next_epoch)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-6), ("bfloat16", 0.05)])
def test_loss(precision: str, tolerance: float) -> None:
    settings = make_settings(precision=precision)
    task = ImageClassification(*_parts(settings))
    model = build("cnn", (3, 8, 8), 4, 0).eval()
    inputs, targets = task.batch(np.arange(8), 0)
    loss = task.loss(model, inputs, targets)
    logits = model(inputs).detach().double().numpy()
    log_probabilities = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = -log_probabilities[np.arange(8), targets.numpy()].mean()
    assert loss.mean.item() == pytest.approx(expected, rel=tolerance)
    assert loss.mean.dtype == torch.float32
    assert loss.count == 8
    assert loss.correct is not None
    assert int(loss.correct) == int((logits.argmax(axis=1) == targets.numpy()).sum())


def test_the_network_computes_in_the_precision_asked_for() -> None:
    seen: list[torch.dtype] = []
    model = build("cnn", (3, 8, 8), 4, 0)
    convolution = next(m for m in model.modules() if isinstance(m, torch.nn.Conv2d))
    convolution.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    for precision in ("float32", "bfloat16"):
        task = ImageClassification(*_parts(make_settings(precision=precision)))
        task.loss(model, *task.batch(np.arange(8), 0))
        task.predict(model)  # always in float32
    assert seen == [torch.float32, torch.float32, torch.bfloat16, torch.float32]


@pytest.mark.parametrize("training", [True, False])
def test_predictions_leave_the_model_as_it_was(training: bool) -> None:
    task = ImageClassification(*_parts(make_settings()))
    model = build("ecrnn-bilstm-2", (3, 8, 8), 4, 0).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    predictions = task.predict(model)
    assert model.training is training
    assert all(module.training is training for module in model.modules())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert predictions.index.tolist() == task.split.validation.tolist()
    assert predictions.label.tolist() == image_set().labels[task.split.validation].tolist()
    assert predictions.logits.dtype == np.float32
    inputs = task.standardise(torch.from_numpy(image_set().images[task.split.validation]))
    with torch.no_grad():
        expected = model.eval()(inputs)
    np.testing.assert_allclose(predictions.logits, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_validation() -> None:
    task = ImageClassification(*_parts(make_settings()))
    model = build("cnn", (3, 8, 8), 4, 0)
    metrics, predictions = task.validate(model)
    assert predictions is not None
    assert np.array_equal(predictions.logits, task.predict(model).logits)
    assert metrics == score(predictions)
    images, split, *rest = _parts(make_settings())
    nothing = Split(split.train, split.validation[:0], "all", "all")
    assert ImageClassification(images, nothing, *rest).validate(model) == ({}, None)


def _parts(settings):
    task = make_task(settings)
    preprocessing = fit_preprocessing(task.images.images, task.split.train)
    processor = Processor(TASKS["image-classification"], task.images.classes, preprocessing)
    return task.images, task.split, processor, settings, task.seed
