from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.counter_rng import SPLIT, TUNING
from ecrnn.data.groups import numbered
from ecrnn.data.image_set import make_image_set
from ecrnn.data.splits import parse_split, tuning_part


def image_set(n=100, n_train=None, classes=4, labels=None, groups=None, n_validation=0):
    labels = np.arange(n) % classes if labels is None else np.asarray(labels)
    names = [f"class {i}" for i in range(classes)]
    return make_image_set(
        "toy",
        np.zeros((n, 1, 1, 1), np.uint8),
        labels.astype(np.int64),
        names,
        n_train=n_train,
        n_validation=n_validation,
        groups=None if groups is None else numbered(list(groups)),
    )


RULES = ["0.7", "0.5", "5-fold", "2-fold", "own", "0.7 stratified", "5-fold stratified"]


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
    "text",
    [
        *("", "x", "0,7", "70%", "7/10", "nan", "inf", "1e-1", "fold", "-fold", "own ed", "0.7.1"),
        *("stratified", "0.7stratified", "0.7 stratifie"),
    ],
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


SKEWED = [0] * 61 + [1] * 22 + [2] * 7 + [3] * 3  # 93


def shares(split, part="train", labels=SKEWED):
    return np.bincount(np.array(labels)[getattr(split, part)], minlength=4).tolist()


def test_stratified_fractions_keep_exact_shares():
    # 0.7 of 61, 22, 7 and 3 is 42.7, 15.4, 4.9 and 2.1, of all 65.1: 42 + 15 + 4 + 2 and the two largest rests
    data = image_set(93, labels=SKEWED)
    drawn = [parse_split("0.7 stratified").split(data, 0, repeat) for repeat in range(200)]
    assert {tuple(shares(split)) for split in drawn} == {(43, 15, 5, 2)}
    assert len({tuple(split.train) for split in drawn}) == 200
    counts = np.bincount(np.concatenate([split.train for split in drawn]), minlength=93)
    assert abs(counts[:61].mean() - 200 * 43 / 61) < 1e-9
    assert np.abs(counts[:61] - 200 * 43 / 61).max() < 5 * np.sqrt(200 * 0.3 * 0.7)


def test_stratified_folds_differ_by_one_at_most_in_every_class():
    data = image_set(93, labels=SKEWED)
    folds = [parse_split("3-fold stratified").split(data, 4, repeat) for repeat in range(6)]
    assert sorted(np.concatenate([fold.validation for fold in folds[:3]])) == list(range(93))
    counts = np.array([shares(fold, "validation") for fold in folds])
    assert (counts.sum(axis=1) == 31).all()
    assert (np.ptp(counts, axis=0) <= 1).all()
    assert not {tuple(f.validation) for f in folds[:3]} & {tuple(f.validation) for f in folds[3:]}


FEW = [min(label, 2) for label in SKEWED]
GROUPS = [i // 4 if i < 40 else 100 + i for i in range(93)]  # ten groups of four, the others alone


@pytest.mark.parametrize("text", ["0.7", "0.5", "4-fold", "0.7 stratified", "4-fold stratified"])
def test_no_split_parts_a_group(text):
    data, groups = image_set(93, classes=3, labels=FEW, groups=GROUPS), np.array(GROUPS)
    drawn = [parse_split(text).split(data, 1, repeat) for repeat in range(8)]
    for split in drawn:
        assert sorted([*split.train, *split.validation]) == list(range(93))
        assert not set(groups[split.train]) & set(groups[split.validation])
        if "fold" in text:
            assert abs(len(split.validation) - 93 / 4) <= 4
        else:
            assert abs(len(split.train) - float(text.split()[0]) * 93) <= 4
        if "stratified" in text:
            validation = len(split.validation) / 93
            expected = validation * np.bincount(FEW, minlength=4)
            assert np.abs(np.array(shares(split, "validation", FEW)) - expected).max() <= 4
    assert len({tuple(split.train) for split in drawn}) == 8
    if "fold" in text:
        assert sorted(np.concatenate([split.validation for split in drawn[:4]])) == list(range(93))


def test_large_groups_train_as_often_as_others():
    groups = [0] * 6 + list(range(1, 35))
    data = image_set(40, classes=1, groups=groups)
    trained = [0 in parse_split("0.7").split(data, 0, repeat).train for repeat in range(600)]
    assert abs(np.mean(trained) - 0.7) < 0.08


def test_groups_that_leave_a_part_empty():
    with pytest.raises(DataError, match=r"split 0.7 of 8 examples in 1 group leaves none for validation"):
        parse_split("0.7").split(image_set(8, classes=2, groups=[0] * 8), 0, 0)
    with pytest.raises(DataError, match=r"split 0.3 of 8 examples in 1 group leaves none for training"):
        parse_split("0.3").split(image_set(8, classes=2, groups=[0] * 8), 0, 0)
    with pytest.raises(DataError, match="split 3-fold needs at least 3 groups, but there are 2"):
        parse_split("3-fold").split(image_set(8, classes=2, groups=[0, 1] * 4), 0, 0)


def test_groups_in_two_of_the_data_sets_own_parts():
    data = image_set(10, 8, groups=[0, 1, 2, 3, 4, 5, 6, 0, 7, 8], n_validation=2)
    with pytest.raises(DataError, match=r"toy: examples 0 and 7 are of one group, but one is of the validation part"):
        parse_split("own").split(data, 0, 0)
    assert len(parse_split("0.5").split(data, 0, 0).train) == 4
    data = image_set(10, 8, groups=[0, 1, 2, 3, 4, 5, 6, 7, 3, 8])
    for text in ("own", "0.5"):
        with pytest.raises(DataError, match=r"examples 3 and 8 are of one group, but one is of the test part; move"):
            parse_split(text).split(data, 0, 0)


def test_what_is_not_stratified():
    with pytest.raises(DataError, match="own parts are not drawn, so they cannot be stratified"):
        parse_split("own stratified")
    assert parse_split("0.7").stratify() == parse_split("0.7 stratified") == parse_split("0.7 stratified").stratify()


@pytest.mark.parametrize("text", ["0.7", "5-fold", "own"])
def test_a_split_of_some_examples(text):
    """Nothing else takes part; and a split of all of them is the split without naming them."""
    data, some = image_set(100, 90, classes=3), np.arange(0, 90, 2)
    split = parse_split(text).split(data, 3, 1, some)
    both = np.concatenate([split.train, split.validation])
    assert sorted(both.tolist()) == [*range(0, 90, 2), *(range(90, 100) if text == "own" else ())]
    whole, named = (parse_split(text).split(data, 3, 1, among) for among in (None, np.arange(90)))
    assert np.array_equal(whole.train, named.train)
    assert np.array_equal(whole.validation, named.validation)


def test_a_stream_of_its_own():
    data = image_set()
    one, other = (parse_split("0.7").split(data, 3, 1, stream=stream) for stream in (SPLIT, TUNING))
    assert one.validation.tolist() != other.validation.tolist()


def test_the_tuning_part():
    data = image_set(103, 83)
    part = tuning_part(data, "0.2", 5)
    assert len(part) == 17  # 16.6
    assert (np.diff(part) > 0).all()
    assert part.max() < 83
    assert np.array_equal(part, tuning_part(image_set(83, labels=[0, 1, 2, 3] * 20 + [0] * 3), "0.2", 5))
    assert not np.array_equal(part, tuning_part(data, "0.2", 6))
    for text in ("0.001", "0.999"):
        with pytest.raises(DataError, match=f"split off a tuning part of {text} of 83 examples leaves none for"):
            tuning_part(data, text, 5)


def test_groups_are_kept_whole_where_recipes_are_tuned():
    """In the tuning part, in what is left, and in splits of both."""
    groups = np.repeat(np.arange(20), 5)
    data = image_set(groups=groups)
    part = tuning_part(data, "0.2", 3)
    rest = np.setdiff1d(np.arange(100), part)
    assert len(part) == 20
    for among in (part, rest):
        for text in ("0.75", "2-fold", "0.75 stratified"):
            split = parse_split(text).split(data, 3, 1, among)
            assert np.array_equal(np.union1d(split.train, split.validation), among)
            assert not np.isin(groups[split.train], groups[split.validation]).any()
    assert not np.isin(groups[part], groups[rest]).any()
