"""Batches and validation of clips, against NumPy."""

from __future__ import annotations

import numpy as np
import torch
from training.small_tasks import TRAIN, small

from ecrnn.core.predictions import Predictions


def test_clips() -> None:
    one = small("clip-classification")
    clips, labels = one.objective.batch(np.array([4, 0]), 0)
    expected = (one.data.clips[[4, 0]].astype(np.float32) - 100) / 50
    np.testing.assert_allclose(clips.numpy(), expected.transpose(0, 1, 4, 2, 3), rtol=1e-6)
    assert labels.tolist() == one.data.labels[[4, 0]].tolist()


def test_validation_of_clips() -> None:
    one = small("clip-classification")
    model = one.network().eval()
    figures, predictions = one.objective.validate(model)
    assert isinstance(predictions, Predictions)
    clips, _ = one.objective.batch(np.array([0]), 0)
    assert clips.shape[1] == 3
    expected = []
    for own in one.data.clips[TRAIN:]:
        frames = one.processor.preprocessing.apply(own)  # (T, C, H, W)
        with torch.no_grad():
            expected.append(model(torch.from_numpy(frames[None]))[0].numpy())
    np.testing.assert_allclose(predictions.logits, expected, rtol=1e-4, atol=1e-6)
    assert figures["validation_accuracy"] == (np.argmax(expected, axis=1) == one.data.labels[TRAIN:]).mean()
