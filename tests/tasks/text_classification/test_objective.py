"""Text classification as the loop sees it."""

from __future__ import annotations

import numpy as np
import torch
from training.small_tasks import LENGTH, TRAIN, N, small

from ecrnn.core.predictions import Predictions
from ecrnn.data.vocabulary import PAD, UNKNOWN


def test_batches() -> None:
    one = small("text-classification")
    (tokens, lengths), labels = one.objective.batch(np.array([1, 0, 5]), 0)
    ids = [one.processor.vocabulary.encode(one.data.texts[i]) for i in (1, 0, 5)]
    assert len(ids[0]) > LENGTH
    assert ids[1] == []
    assert tokens.shape == (3, LENGTH)
    assert lengths.tolist() == [LENGTH, 0, len(ids[2])]
    assert tokens.tolist() == [(own + [PAD] * LENGTH)[:LENGTH] for own in ids]
    assert labels.tolist() == one.data.labels[[1, 0, 5]].tolist()
    assert {tokens.dtype, lengths.dtype, labels.dtype} == {torch.int64}


def test_validation() -> None:
    """Text by text, without padding, gives the same logits; words that nobody trained on are unknown."""
    one = small("text-classification")
    model = one.network().eval()
    figures, predictions = one.objective.validate(model)
    assert isinstance(predictions, Predictions)
    expected = []
    for i in range(TRAIN, N):
        ids = one.processor.vocabulary.encode(one.data.texts[i])[:LENGTH]
        with torch.no_grad():
            expected.append(model(torch.tensor([ids]), torch.tensor([len(ids)]))[0].numpy())
    assert ids == [UNKNOWN, UNKNOWN]
    np.testing.assert_allclose(predictions.logits, expected, rtol=1e-4, atol=1e-6)
    right = np.argmax(expected, axis=1) == one.data.labels[TRAIN:]
    assert figures["validation_accuracy"] == right.mean()
