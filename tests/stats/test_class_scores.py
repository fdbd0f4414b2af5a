"""Macro F1, balanced accuracy and AUC against scikit-learn, on hostile inputs too, and comparisons by them."""

from __future__ import annotations

import dataclasses
import json
import warnings

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from ecrnn.core.errors import EcrnnError, UnknownNameError
from ecrnn.core.tasks import TASKS
from ecrnn.stats import ACCURACY, AUC, BITS, CLASS_SCORES, MACRO_F1, compare, compare_scores, metric_named
from ecrnn.stats.class_scores import MOST_CLASSES, auc, balanced_accuracy, class_scores, macro_f1, metric_for

CLASSES = 5


def drawn(name, n=200):
    """Labels, classes given and probabilities, by the name of what is odd about them."""
    rng = np.random.default_rng(sum(map(ord, name)))
    label = rng.integers(0, CLASSES, n)
    probability = rng.dirichlet(np.ones(CLASSES), n)
    probability[np.arange(n), label] += 0.3
    probability /= probability.sum(axis=1, keepdims=True)
    match name:
        case "a class that is never true":
            label[label == 3] = 1
        case "a class that is never given":
            probability[:, 2] = 0
        case "one class":
            label[:] = 2
        case "one class, never given":
            label[:] = 2
            probability[:, 2] = 0
        case "ties":
            probability = np.round(probability, 1)
        case "all the same":
            probability[:] = 1 / CLASSES
        case "perfect":
            probability = np.eye(CLASSES)[label]
        case "rare":
            label[:] = 0
            label[:3] = [1, 2, 4]
        case "one example":
            return label[:1], probability.argmax(axis=1)[:1], probability[:1]
        case "two classes":
            label %= 2
            probability = probability[:, :2] / probability[:, :2].sum(axis=1, keepdims=True)
    return label, probability.argmax(axis=1), probability


NAMES = (
    "plain",
    "a class that is never true",
    "a class that is never given",
    "one class",
    "one class, never given",
    "ties",
    "all the same",
    "perfect",
    "rare",
    "one example",
    "two classes",
)


@pytest.mark.parametrize("name", NAMES)
def test_the_scores_are_those_of_scikit_learn(name):
    label, predicted, probability = drawn(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of classes that do not occur
        assert macro_f1(label, predicted) == pytest.approx(f1_score(label, predicted, average="macro"), rel=1e-12)
        exact = balanced_accuracy_score(label, predicted)
    assert balanced_accuracy(label, predicted) == pytest.approx(exact, rel=1e-12)
    present = np.unique(label)
    if len(present) < 2:
        assert auc(label, probability) is None
    else:
        one_by_one = [roc_auc_score(label == number, probability[:, number]) for number in present]
        assert auc(label, probability) == pytest.approx(np.mean(one_by_one), rel=1e-12)
    scores = class_scores(label, predicted, probability)
    assert tuple(scores) == tuple(CLASS_SCORES)
    assert scores["accuracy"] == (label == predicted).mean()
    assert scores["macro-f1"] == macro_f1(label, predicted)
    assert scores["balanced-accuracy"] == balanced_accuracy(label, predicted)
    assert scores["auc"] == auc(label, probability)
    assert all(value is None or 0 <= value <= 1 for value in scores.values())


@pytest.mark.parametrize("name", ["plain", "ties", "all the same", "perfect", "a class that is never given"])
def test_auc_is_scikit_learns_where_every_class_is_true(name):
    label, _, probability = drawn(name)
    probability /= probability.sum(axis=1, keepdims=True)
    exact = roc_auc_score(label, probability, multi_class="ovr", average="macro")
    assert auc(label, probability) == pytest.approx(exact, rel=1e-12)


def test_auc_of_two_classes_is_the_usual_one():
    label, _, probability = drawn("two classes")
    assert auc(label, probability) == pytest.approx(roc_auc_score(label, probability[:, 1]), rel=1e-12)


def test_auc_by_hand():
    # class 0: 0.9 above 0.4, 0.4 ties with 0.4; of four pairs 1 + 1 + 1 + 0.5; class 1 is its mirror
    assert auc([0, 0, 1, 1], np.array([[0.9, 0.1], [0.4, 0.6], [0.4, 0.6], [0.1, 0.9]])) == 3.5 / 4


def test_what_is_not_known():
    assert class_scores([0, 1], [0, 1])["auc"] is None
    assert auc([0, 1], np.zeros((2, MOST_CLASSES + 1))) is None
    for wrong in ({"label": [], "predicted": []}, {"label": [0, 1], "predicted": [0]}):
        with pytest.raises(EcrnnError, match="labels and classes given should be"):
            class_scores(**wrong)
    with pytest.raises(EcrnnError, match=r"probabilities should be \(n, classes\)"):
        auc([0, 1], np.zeros((3, 2)))
    with pytest.raises(EcrnnError, match="probabilities must be finite"):
        auc([0, 1], np.array([[0.5, np.nan], [1, 0]]))
    with pytest.raises(EcrnnError, match="no functions of sums"):
        MACRO_F1.of_sums(np.zeros(2))


def test_names():
    assert metric_named("macro-f1") is MACRO_F1
    assert metric_named("accuracy") is ACCURACY is CLASS_SCORES["accuracy"]
    assert metric_named("bits") is BITS
    with pytest.raises(UnknownNameError, match="unknown metric 'macro_f1', did you mean 'macro-f1'"):
        metric_named("macro_f1")


def test_a_task_has_the_scores_of_classes_or_its_own_metric():
    images, texts = TASKS["image-classification"], TASKS["next-token"]
    assert (metric_for(images, None), metric_for(images, "auc")) == (ACCURACY, AUC)
    assert (metric_for(texts, None), metric_for(texts, "bits")) == (BITS, BITS)
    with pytest.raises(UnknownNameError, match=r"unknown metric 'bits'.*of image-classification"):
        metric_for(images, "bits")
    with pytest.raises(UnknownNameError, match=r"unknown metric 'auc'.*of next-token"):
        metric_for(texts, "auc")


def examples(seed, chance, repeats=6, n=400):
    return {repeat: np.random.default_rng([seed, repeat]).random(n) < chance for repeat in range(repeats)}


def test_one_score_a_repeat_gives_what_the_examples_give():
    """Of accuracy both ways are known, and all that needs no single example is the same."""
    right = {"a": examples(1, 0.8), "b": examples(2, 0.85), "c": {0: examples(3, 0.7)[0]}}
    scores = {model: {repeat: array.mean() for repeat, array in own.items()} for model, own in right.items()}
    settings = {"n_train": 800, "n_test": 400}
    by_example = compare(right, **settings)
    by_score = compare_scores(scores, metric=ACCURACY, **settings)
    assert by_score.models == by_example.models
    kept = [dataclasses.replace(pair, image_test=None, mcnemar=None, image_interval=None) for pair in by_example.pairs]
    assert list(by_score.pairs) == kept
    assert by_score.pairs[0].verdict == "better" or by_score.pairs[0].verdict == "undecided"
    assert by_score.pairs[0].image_test is None
    assert by_score.warnings == by_example.warnings
    json.dumps(dataclasses.asdict(by_score), allow_nan=False)


def test_sentences_name_the_score():
    scores = {"a": [0.80, 0.81, 0.79, 0.80], "b": [0.90, 0.91, 0.90, 0.90]}
    (pair,) = compare_scores(scores, 70, 30, metric=AUC, baseline="a").pairs
    assert pair.verdict == "better"
    assert pair.sentence.startswith("b is better than a by 10.2 points of AUC")
    one = compare_scores({"a": [0.8], "b": [0.9]}, 70, 30, metric=MACRO_F1, fixed_test=True)
    assert one.pairs[0].image_interval is None
    assert "10.0 points of macro F1" in one.pairs[0].sentence


@pytest.mark.parametrize(
    ("scores", "line"),
    [
        ({}, "there are no models to compare"),
        ({"a": [80.0]}, r"macro F1 of a in repeat 0 must lie between 0 and 1 \(is it in percent\?\), got 80"),
        ({"a": {2: -0.1}}, "macro F1 of a in repeat 2 must lie between 0 and 1"),
        ({"a": [float("nan")]}, "the score of a in repeat 0 must be finite"),
        ({"a": {-1: 0.5}}, "the number of a repeat of a must be at least 0"),
    ],
)
def test_wrong_scores_are_one_line(scores, line):
    with pytest.raises(EcrnnError, match=f"^{line}"):
        compare_scores(scores, 70, 30, metric=MACRO_F1)
