"""The metrics: BLEU against sacrebleu, the others by hand, and what a metric must be whatever it counts."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from ecrnn.core.errors import EcrnnError
from ecrnn.core.tasks import TASKS
from ecrnn.stats import ACCURACY, BITS, BLEU, BLEU_1, BLEU_2, BLEU_3, CER, METRICS, WER, bleu_of_sums


def counted(hypothesis: list[str], references: list[list[str]]) -> list[int]:
    """BLEU's statistics of one sentence, counted slowly."""

    def grams(words: list[str], n: int) -> Counter[tuple[str, ...]]:
        return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))

    matches = []
    for n in (1, 2, 3, 4):
        most: Counter[tuple[str, ...]] = Counter()
        for reference in references:
            most |= grams(reference, n)
        matches.append((grams(hypothesis, n) & most).total())
    given = [max(0, len(hypothesis) - n + 1) for n in (1, 2, 3, 4)]
    nearest = min(sorted(map(len, references)), key=lambda length: abs(length - len(hypothesis)))
    return [*matches, *given, len(hypothesis), nearest]


def sentences(seed: int, n: int, *, noise: float, shorter: int = 0, references: int = 2) -> list:
    """Pairs of a hypothesis and references of which it is a spoiled copy."""
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(40)]
    pairs = []
    for _ in range(n):
        own = [list(rng.choice(words, rng.integers(1, 15))) for _ in range(references)]
        kept = own[0][: max(1, len(own[0]) - shorter)]
        pairs.append(([w if rng.random() > noise else str(rng.choice(words)) for w in kept], own))
    return pairs


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "kind",
    [
        {"noise": 0.2},
        {"noise": 0.3, "shorter": 3},  # the brevity penalty
        {"noise": 0.0, "references": 1},
        {"noise": 0.5, "references": 5},
    ],
)
def test_bleu_is_sacrebleus(order, kind):
    sacrebleu = pytest.importorskip("sacrebleu")
    pairs = sentences(order, 60, **kind)
    joined = [" ".join(hypothesis) for hypothesis, _ in pairs]
    streams = [[" ".join(refs[i]) for _, refs in pairs] for i in range(len(pairs[0][1]))]
    oracle = sacrebleu.BLEU(tokenize="none", smooth_method="none", max_ngram_order=order)
    statistics = np.array([counted(*pair) for pair in pairs])
    ours = float(bleu_of_sums(statistics.sum(axis=0, dtype=float), order))
    assert 100 * ours == pytest.approx(oracle.corpus_score(joined, streams).score)
    if order == 4:
        assert BLEU.value(statistics) == ours
        if kind["noise"] == 0.0:
            assert ours == 1.0


def test_bleu_by_hand():
    """Papineni et al., section 2: seven times "the" has the 2 of a reference and no more; and the brevity penalty."""
    references = [list("abcdae"), list("fcgbdae")]  # "the cat is on the mat", "there is a cat on the mat"
    the = counted(["a"] * 7, references)
    assert (the[0], the[4], the[9]) == (2, 7, 7)
    assert float(bleu_of_sums(np.array(the, float), 1)) == pytest.approx(2 / 7)
    short = np.array([2, 1, 0, 0, 2, 1, 0, 0, 2, 6], float)
    assert float(bleu_of_sums(short, 2)) == pytest.approx(math.exp(1 - 6 / 2))
    one_word = np.array([1, 0, 0, 0, 1, 0, 0, 0, 1, 3], float)
    assert float(bleu_of_sums(one_word, 1)) == pytest.approx(math.exp(1 - 3))
    assert BLEU.value([short]) == 0.0  # no 3-gram matches, and nothing is smoothed
    with pytest.raises(EcrnnError, match="order must be from 1 to 4, got 5"):
        bleu_of_sums(short, 5)


def test_shorter_bleu_and_words_are_metrics_too():
    rows = np.array([counted(*pair) for pair in sentences(0, 30, noise=0.3)])
    for order, metric in enumerate((BLEU_1, BLEU_2, BLEU_3, BLEU), start=1):
        assert metric.value(rows) == float(bleu_of_sums(rows.sum(axis=0, dtype=float), order))
    assert BLEU_1.title == "BLEU-1"
    assert WER.value([[1, 4], [2, 4]]) == 0.375
    with pytest.raises(EcrnnError, match=r"of word error rate should have .*: edits, words"):
        WER.value([1])


def test_nothing_given_is_worth_nothing():
    empty = [0, 0, 0, 0, 0, 0, 0, 0, 0, 5]
    assert BLEU.value([empty]) == 0.0
    assert BLEU.value([empty, counted(list("abcdef"), [list("abcdef")])]) == pytest.approx(math.exp(1 - 11 / 6))
    assert CER.value([[0, 0], [0, 0]]) == 0.0


@pytest.mark.parametrize(
    ("metric", "statistics", "value"),
    [
        (ACCURACY, [[1, 1], [0, 1], [1, 1], [1, 1]], 0.75),
        (BITS, [[math.log(8), 1], [math.log(2), 3]], 1.0),  # 3 bits and 1 bit over 4 characters
        (CER, [[2, 4], [0, 10], [7, 6]], 0.45),  # 9 edits of 20 characters; an example may be over 1
    ],
)
def test_sums_are_divided_not_ratios_averaged(metric, statistics, value):
    assert metric.value(statistics) == pytest.approx(value)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_values_of_many_sums_at_once_are_those_of_each(metric):
    rng = np.random.default_rng(0)
    sums = np.sort(rng.integers(1, 50, (3, 5, len(metric.statistics))), axis=-1).astype(float)
    at_once = metric.of_sums(sums)
    assert at_once.shape == (3, 5)
    assert at_once.dtype == np.float64
    for i in np.ndindex(3, 5):
        assert at_once[i] == metric.value([sums[i]])


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_order_and_doubling_of_the_examples_change_nothing(metric):
    rng = np.random.default_rng(1)
    rows = np.sort(rng.integers(1, 50, (20, len(metric.statistics))), axis=-1)
    assert metric.value(rows[::-1]) == pytest.approx(metric.value(rows))
    assert metric.value(np.concatenate([rows, rows])) == pytest.approx(metric.value(rows))


def test_which_is_better():
    assert ACCURACY.better(0.8, 0.7)
    assert BITS.better(1.4, 1.5)
    for metric in METRICS.values():
        assert not metric.better(0.5, 0.5)


def test_shown_values_are_exact_to_a_ten_thousandth():
    assert {metric.name: metric.decimals for metric in METRICS.values()} == {
        "accuracy": 2,
        "bits": 4,
        "bleu": 2,
        "cer": 2,
    }


def test_every_task_has_its_metric_and_classes_have_accuracy():
    for task in TASKS.values():
        assert METRICS[task.metric].binary == task.classes


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_wrong_statistics(metric):
    k = len(metric.statistics)
    for wrong in (np.ones(k), np.ones((3, k + 1)), np.ones((0, k)), np.ones((2, 2, k))):
        with pytest.raises(EcrnnError, match=r"should have the shape \(n, "):
            metric.value(wrong)
    with pytest.raises(EcrnnError, match="must be finite"):
        metric.value(np.full((3, k), np.nan))
    with pytest.raises(EcrnnError, match="must not be negative"):
        metric.value(np.full((3, k), -1))
