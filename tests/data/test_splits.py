from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.image_set import make_image_set
from ecrnn.data.splits import parse_split


def image_set(n=100, n_train=None, classes=4, labels=None):
    labels = np.arange(n) % classes if labels is None else np.asarray(labels)
    names = [f"class {i}" for i in range(classes)]
    return make_image_set("toy", np.zeros((n, 1, 1, 1), np.uint8), labels.astype(np.int64), names, n_train=n_train)


RULES = ["0.7", "0.5", "5-fold", "2-fold", "own"]


@pytest.mark.parametrize("text", RULES)
@pytest.mark.parametrize("repeat", [0, 1, 7])
def test_a_split_is_sorted_and_has_no_image_twice(text, repeat):
    split = parse_split(text).split(image_set(103, 83), 5, repeat)
    both = np.concatenate([split.train, split.validation])
    assert len(set(both.tolist())) == len(both) == (103 if text == "own" else 83)
    for part in (split.train, split.validation):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
    assert split.name == f"{text}, repeat {repeat}"
    if text != "own":
        assert both.max() < 83  # the fixed test part is not touched


@pytest.mark.parametrize("text", RULES)
def test_a_split_is_a_function_of_seed_and_repeat(text):
    rule, data = parse_split(text), image_set(100, 90)

    def validation(seed, repeat):
        np.random.default_rng().random()  # nothing outside has a say
        return rule.split(data, seed, repeat).validation.tolist()

    assert validation(1, 0) == validation(1, 0)
    if text != "own":
        draws = {tuple(validation(seed, repeat)) for seed in range(3) for repeat in range(6)}
        assert len(draws) == 18


@pytest.mark.parametrize(
    ("text", "n", "sizes"),
    [
        ("0.7", 50_000, (35_000, 15_000)),  # the paper's
        ("0.7", 1797, (1258, 539)),
        ("0.5", 5, (3, 2)),  # half up
        (".9", 10, (9, 1)),
        ("0.29", 100, (29, 71)),  # 28.999... in binary
        ("3-fold", 10, (7, 3)),
    ],
)
def test_sizes(text, n, sizes):
    split = parse_split(text).split(image_set(n, classes=1), 0, 0)
    assert (len(split.train), len(split.validation)) == sizes


def test_folds_of_one_permutation_are_disjoint_and_the_next_are_others():
    rule, data = parse_split("4-fold"), image_set(50)
    folds = [rule.split(data, 3, r).validation.tolist() for r in range(8)]
    for start in (0, 4):
        four = folds[start : start + 4]
        assert sorted(i for fold in four for i in fold) == list(range(50))
        assert {len(f) for f in four} == {12, 13}
    assert not {tuple(f) for f in folds[:4]} & {tuple(f) for f in folds[4:]}


def test_each_image_validates_equally_often():
    rule, data = parse_split("0.7"), image_set(40, classes=1)
    counts = np.zeros(40)
    for repeat in range(2000):
        counts[rule.split(data, 0, repeat).validation] += 1
    assert counts.sum() == 2000 * 12
    assert np.abs(counts - 600).max() < 5 * np.sqrt(2000 * 0.3 * 0.7)


def test_own_is_the_data_sets_own():
    split = parse_split("own").split(image_set(10, 7), 1, 2)
    assert split.train.tolist() == list(range(7))
    assert split.validation.tolist() == [7, 8, 9]
    with pytest.raises(DataError, match=r"toy has no test part of its own, give a fraction such as --split 0.7"):
        parse_split("own").split(image_set(10), 1, 2)


@pytest.mark.parametrize("text", ["0", "1", "1.0", "0.0", "-0.5", "1.5", "70", "+2"])
def test_fractions_outside_are_refused(text):
    with pytest.raises(DataError, match="should lie between 0 and 1"):
        parse_split(text)


@pytest.mark.parametrize(
    "text", ["", "x", "0,7", "70%", "7/10", "nan", "inf", "1e-1", "fold", "-fold", "own ed", "0.7.1"]
)
def test_other_texts_are_refused(text):
    with pytest.raises(DataError, match=r"is not understood: give a fraction such as 0.7, folds .* or own"):
        parse_split(text)


@pytest.mark.parametrize("text", ["0-fold", "1-fold"])
def test_too_few_folds(text):
    with pytest.raises(DataError, match="needs at least 2, for example 5-fold"):
        parse_split(text)


def test_rules_read_back():
    for text in RULES:
        assert parse_split(str(parse_split(text))) == parse_split(text)
    assert str(parse_split(" 10folds ")) == "10-fold"


def test_too_few_images():
    with pytest.raises(DataError, match="split 5-fold needs at least 5 examples, but there are 4"):
        parse_split("5-fold").split(image_set(4), 0, 0)
    with pytest.raises(DataError, match="leaves none for training"):
        parse_split("0.01").split(image_set(10), 0, 0)
    with pytest.raises(DataError, match="leaves none for validation"):
        parse_split("0.99").split(image_set(10), 0, 0)


def test_a_class_that_is_not_trained_on_is_named():
    data = image_set(20, classes=3, labels=[0] * 10 + [1] * 9 + [2])
    messages = set()
    for repeat in range(20):
        try:
            parse_split("0.5").split(data, 0, repeat)
            messages.add("")
        except DataError as error:
            messages.add(str(error).partition(";")[0].partition(": ")[2])
    assert messages == {"", "no training example is of class 'class 2'"}
    with pytest.raises(DataError, match="class 'class 1' and 1 more"):
        parse_split("own").split(image_set(4, 2, classes=3, labels=[0, 0, 1, 2]), 0, 0)
