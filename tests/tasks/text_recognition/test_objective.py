"""Reading lines with CTC as the loop sees it."""

from __future__ import annotations

from functools import cache
from itertools import groupby

import numpy as np
import pytest
import torch
from training.small_tasks import TRAIN, N, Small, small

from ecrnn.core.errors import TrainingError
from ecrnn.core.predictions import Scored
from ecrnn.data.vocabulary import PAD, UNKNOWN


def log_probabilities(one: Small, model: torch.nn.Module, i: int) -> np.ndarray:
    """(T, V) of image i alone, as wide as it is, float64."""
    image = one.data.images[i][None, :, :, None].astype(np.float32)
    preprocessing = one.processor.preprocessing
    inputs = (image.transpose(0, 3, 1, 2) - preprocessing.mean[0]) / preprocessing.std[0]
    with torch.no_grad():
        logits, lengths = model(torch.from_numpy(inputs.astype(np.float32)))
    assert lengths.tolist() == [image.shape[2] // 4]
    return logits[0].double().log_softmax(1).numpy()


def nats(steps: np.ndarray, ids: list[int]) -> float:
    """-log of the probability of ``ids``: the sum over all paths, by recursion from the last step (Graves 2006)."""

    @cache
    def probability(t: int, left: tuple[int, ...], last: int) -> float:
        if t == len(steps):
            return float(not left)
        total = np.exp(steps[t, PAD]) * probability(t + 1, left, PAD)
        if last != PAD:
            total += np.exp(steps[t, last]) * probability(t + 1, left, last)
        if left and left[0] != last:
            total += np.exp(steps[t, left[0]]) * probability(t + 1, left[1:], left[0])
        return total

    return -float(np.log(probability(0, tuple(ids), PAD)))


def test_the_oracle_knows_a_case_by_hand() -> None:
    steps = np.log([[0.5, 0.5], [0.5, 0.5]])
    assert [np.exp(-nats(steps, ids)) for ids in ([], [1])] == pytest.approx([0.25, 0.75])
    assert np.exp(-nats(np.log([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7]]), [1, 1])) == pytest.approx(0.9 * 0.2 * 0.7)


def test_batches() -> None:
    one = small("transcription")
    (images, widths), (together, counts) = one.objective.batch(np.array([3, 0, 8]), 0)
    own = [one.data.images[i] for i in (3, 0, 8)]
    assert widths.tolist() == [image.shape[1] for image in own]
    assert images.shape == (3, 1, 8, max(widths))
    for row, image in zip(images, own, strict=True):
        np.testing.assert_allclose(row[0, :, : image.shape[1]].numpy(), (image - 100.0) / 50, rtol=1e-5, atol=1e-6)
        assert (row[0, :, image.shape[1] :] == 0).all()
    texts = [one.data.texts[i] for i in (3, 0, 8)]
    assert counts.tolist() == [len(text) for text in texts]
    assert counts[1] == 0
    assert one.processor.decode(together.tolist()) == "".join(texts)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_loss(precision: str, tolerance: float) -> None:
    one = small("transcription", precision=precision)
    model = one.network().eval()
    loss = one.objective.loss(model, *one.objective.batch(np.array([3, 0, 8, 21]), 0))
    each = [
        nats(log_probabilities(one, model, i), one.processor.vocabulary.encode(one.data.texts[i]))
        for i in (3, 0, 8, 21)
    ]
    assert loss.mean.item() == pytest.approx(np.mean(each), rel=tolerance)
    assert loss.correct is None
    assert loss.count == 4


def test_validation() -> None:
    one = small("transcription")
    assert one.processor.vocabulary.encode(one.data.texts[-1]) == [UNKNOWN] * 2
    model = one.network().eval()
    with torch.no_grad():
        model.head.weight *= 8  # that it reads something
    figures, scored = one.objective.validate(model)
    assert isinstance(scored, Scored)
    total, read = 0.0, []
    for i in range(TRAIN, N):
        steps = log_probabilities(one, model, i)
        total += nats(steps, one.processor.vocabulary.encode(one.data.texts[i]))
        path = [token for token, _ in groupby(steps.argmax(1).tolist()) if token != PAD]
        read.append(one.processor.decode(path))
    assert any(read)
    expected = [[distance(own, text), len(text)] for own, text in zip(read, one.data.texts[TRAIN:], strict=True)]
    assert scored.statistics.tolist() == expected
    assert figures["validation_loss"] == pytest.approx(total / (N - TRAIN), rel=1e-5)
    edits, characters = np.sum(expected, axis=0)
    assert figures["validation_cer"] == edits / characters


def distance(a: str, b: str) -> int:
    if not a or not b:
        return len(a) + len(b)
    return min(distance(a[1:], b) + 1, distance(a, b[1:]) + 1, distance(a[1:], b[1:]) + (a[0] != b[0]))


def test_lines_are_shifted_anew_in_each_epoch() -> None:
    """An image's place is a function of (seed, epoch, index), whatever stands beside it."""
    one, plain = small("transcription", augment="crop"), small("transcription")
    (alone, _), _ = one.objective.batch(np.array([3]), 1)
    (together, widths), _ = one.objective.batch(np.array([5, 3, 1]), 1)
    assert torch.equal(alone[0], together[1, :, :, : widths[1]])
    shown = {one.objective.batch(np.array([3]), epoch)[0][0].numpy().tobytes() for epoch in range(12)}
    assert len(shown) > 8
    (as_it_is, _), texts = plain.objective.batch(np.array([3]), 1)
    assert torch.equal(one.objective.batch(np.array([3]), 1)[1][0], texts[0])
    assert not torch.equal(alone, as_it_is)
    figures = [task.objective.validate(task.network(1))[0] for task in (one, plain)]
    assert figures[0] == figures[1], "what validates is shown as it is"


@pytest.mark.parametrize("augment", ["flip", "flip-crop"])
def test_mirrored_lines_are_refused(augment: str) -> None:
    with pytest.raises(TrainingError, match=f"^--augment {augment} mirrors, .* use crop or none$"):
        small("transcription", augment=augment)
