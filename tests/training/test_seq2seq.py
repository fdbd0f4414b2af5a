"""Translation and captioning as the loop sees them: losses token by token, BLEU of what is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
import sacrebleu
import torch
from training.small_tasks import LENGTH, SEED, TRAIN, N, Small, small

from ecrnn.core.predictions import Scored
from ecrnn.data.augmentation import augment
from ecrnn.data.vocabulary import BEGIN, END, PAD, UNKNOWN

TASKS = pytest.mark.parametrize("task", ["translation", "captioning"])


def source(one: Small, i: int, epoch: int | None = None) -> tuple[torch.Tensor, ...]:
    """What the encoder is given for example i alone; of an image as ``epoch`` shows it."""
    if one.model.startswith("translate"):
        ids = one.processor.source_vocabulary.encode(one.data.sources[i])[:LENGTH] or [PAD]
        return torch.tensor([ids]), torch.tensor([len(ids)])
    image = one.data.images[i][None]
    if epoch is not None:
        image = augment(image, np.array([i]), SEED, epoch, one.objective.augmented.kinds)
    return (torch.from_numpy(one.processor.preprocessing.apply(image)),)


def nats(one: Small, model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], text: str) -> tuple[float, int, int]:
    """-log p of a target, word by word with the decoder's state carried on, in NumPy float64; right answers; words."""
    ids = one.processor.vocabulary.encode(text)[:LENGTH]
    total, right = 0.0, 0
    with torch.no_grad():
        memory = model.encode(*inputs)
        state = model.begin(memory)
        for own, following in zip([BEGIN, *ids], [*ids, END], strict=True):
            logits, state = model.step(torch.tensor([own]), state, memory)
            scores = logits[0].double().numpy()
            total += np.log(np.exp(scores).sum()) - scores[following]
            right += int(scores.argmax()) == following
    return total, right, len(ids) + 1


def greedy(one: Small, model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> str:
    written, token = [], BEGIN
    with torch.no_grad():
        memory = model.encode(*inputs)
        state = model.begin(memory)
        for _ in range(LENGTH):
            logits, state = model.step(torch.tensor([token]), state, memory)
            scores = logits[0].clone()
            scores[[PAD, BEGIN]] = -torch.inf
            token = int(scores.argmax())
            if token == END:
                break
            written.append(token)
    return one.processor.decode(written)


def drawn(one: Small, positions: Sequence[int], epoch: int) -> list[str]:
    """The target of each example: a translation, or the caption that the epoch draws, found by its tokens."""
    if one.model.startswith("translate"):
        return [one.data.targets[i] for i in positions]
    _, targets = one.objective.batch(np.array(positions), epoch)
    found = []
    for i, row in zip(positions, targets.tokens.tolist(), strict=True):
        ids = row[: row.index(END)]
        found.append(next(c for c in one.data.captions[i] if one.processor.vocabulary.encode(c)[:LENGTH] == ids))
    return found


@TASKS
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.05)])
def test_loss(task: str, precision: str, tolerance: float) -> None:
    """The first is empty, the second is cut off."""
    one = small(task, precision=precision, augment="flip" if task == "captioning" else "none")
    model, positions = one.network().eval(), [1, 9, 0, 20, 13]
    texts = drawn(one, positions, 3)
    loss = one.objective.loss(model, *one.objective.batch(np.array(positions), 3))
    each = [nats(one, model, source(one, i, 3), text) for i, text in zip(positions, texts, strict=True)]
    total, right, count = np.sum(each, axis=0)
    assert texts[2] == ""
    assert each[0][2] == LENGTH + 1
    assert loss.count == count
    assert loss.mean.item() == pytest.approx(total / count, rel=tolerance)
    assert loss.correct is not None
    if precision == "float32":
        assert int(loss.correct) == right


@TASKS
def test_batches(task: str) -> None:
    one = small(task)
    inputs, targets = one.objective.batch(np.array([1, 0]), 0)
    given, wanted = inputs[-1].tolist(), targets.tokens.tolist()
    ids = one.processor.vocabulary.encode(drawn(one, [1], 0)[0])[:LENGTH]
    assert given == [[BEGIN, *ids], [BEGIN, *[PAD] * LENGTH]]
    assert wanted == [[*ids, END], [END, *[PAD] * LENGTH]]
    assert targets.count == LENGTH + 2


def test_sources_are_cut_off_and_may_be_empty() -> None:
    one = small("translation")
    (sources, lengths, _), _ = one.objective.batch(np.array([1, 0]), 0)
    assert sources.shape == (2, LENGTH)
    assert lengths.tolist() == [LENGTH, 0]
    assert sources[1].tolist() == [PAD] * LENGTH


def test_sources_of_one_length_stand_side_by_side_with_targets_of_about_one() -> None:
    one = small("translation", batch_size=5)
    sizes = np.array([(len(one.objective.sources[i]), len(one.objective.targets[i])) for i in range(TRAIN)])
    batches = one.objective.order(0, 0)
    expected = sorted(map(tuple, sizes))
    found = sorted([[tuple(sizes[p]) for p in own] for own in batches])
    assert [pair for own in found for pair in own] == expected


def test_captions_are_drawn_anew_by_seed_epoch_and_index() -> None:
    one = small("captioning")
    for i in (2, 5, 8):
        counts = Counter(drawn(one, [i], epoch)[0] for epoch in range(60))
        assert set(counts) == set(one.data.captions[i])
        assert len(counts) == 3
        assert min(counts.values()) > 8, "each comes about 20 times"
    alone = [drawn(one, [i], 4)[0] for i in range(TRAIN)]
    assert alone == drawn(one, range(TRAIN), 4), "in whatever batch"
    assert alone[::-1] == drawn(one, range(TRAIN)[::-1], 4)
    assert alone != drawn(one, range(TRAIN), 5)
    other = small("captioning")
    other.objective.seed += 1
    assert alone != drawn(other, range(TRAIN), 4)


def test_several_captions_of_a_image() -> None:
    one = small("captioning")
    assert one.objective.each == 1, "one image has no more"
    one.objective.each = 2
    seen = set()
    for epoch in range(20):
        inputs, targets = one.objective.batch(np.array([5, 2]), epoch)
        assert (len(inputs[0]), len(inputs[1]), len(targets.tokens)) == (2, 4, 4)
        texts = [one.processor.vocabulary.encode(text)[:LENGTH] for text in one.data.captions[5]]
        pair = [texts.index(row[: row.index(END)]) for row in targets.tokens[:2].tolist()]
        assert pair[0] != pair[1]
        seen.add(tuple(sorted(pair)))
    assert seen == {(0, 1), (0, 2), (1, 2)}
    with torch.no_grad():
        assert one.objective.loss(one.network(), inputs, targets).mean.isfinite()


@TASKS
def test_validation(task: str) -> None:
    """Example by example: the loss of the (first) target, and BLEU of the greedy text by sacrebleu."""
    one = small(task)
    model = one.network(1).eval()
    with torch.no_grad():  # that it writes something
        model.head.bias[END] -= 2
        model.head.bias[UNKNOWN] -= 5
    figures, scored = one.objective.validate(model)
    assert isinstance(scored, Scored)
    index = range(TRAIN, N)
    if task == "translation":
        references = [(one.data.targets[i],) for i in index]
    else:
        references = [one.data.captions[i] for i in index]
    each = [nats(one, model, source(one, i), own[0]) for i, own in zip(index, references, strict=True)]
    total, _, count = np.sum(each, axis=0)
    assert figures["validation_loss"] == pytest.approx(total / count, rel=1e-5)
    written = [greedy(one, model, source(one, i)) for i in index]
    assert max(map(len, written)) > 0
    most = max(map(len, references))
    padded = [[own[k] if k < len(own) else None for own in references] for k in range(most)]
    bleu = sacrebleu.corpus_bleu(written, padded, smooth_method="none")
    assert scored.statistics.sum(0).tolist() == [*bleu.counts, *bleu.totals, bleu.sys_len, bleu.ref_len]
    assert figures["validation_bleu"] == pytest.approx(bleu.score / 100)
