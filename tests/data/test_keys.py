"""Examples are known again by what a model is given, and by nothing else."""

import numpy as np
import pytest

from ecrnn.data.keys import nearest_looks, of_arrays, of_blocks, of_images, of_texts
from ecrnn.tasks.language_modelling.corpus import make_corpus

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "e", "io", "u") for c in ("sh", "nd", "rt", "ll", "ng")]


def prose(count: int, seed: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, count))


def test_images_are_known_by_their_pixels():
    images = np.random.default_rng(0).integers(0, 256, (50, 4, 5, 3), dtype=np.uint8)
    keys = of_arrays(images)
    assert keys.total == len(keys.keys) == 50
    trained = keys.of(np.arange(10, 40))
    assert np.array_equal(trained, np.unique(trained))
    assert keys.known(trained).tolist() == [10 <= i < 40 for i in range(50)]
    shuffled = np.random.default_rng(1).permutation(50)
    assert (of_arrays(images[shuffled]).known(trained) == keys.known(trained)[shuffled]).all()
    changed = images.copy()
    changed[:, 0, 0, 0] ^= 1  # one level of one pixel
    assert not of_arrays(changed).known(trained).any()
    assert not of_arrays(images.transpose(0, 2, 1, 3)).known(trained).any()
    assert not of_arrays(images.reshape(50, 5, 4, 3)).known(trained).any()  # the same bytes in another shape
    assert not keys.known(np.zeros(0, np.uint64)).any()


def test_the_keys_stay_as_they_are_in_bundles():
    assert of_texts(["a text"]).keys.tolist() == [5830437876521264211]
    assert of_arrays([np.zeros((2, 2, 1), np.uint8)]).keys.tolist() == [740270769806682775]
    assert of_blocks([prose(60, 0)], 64).keys.sum() == 4622008852811789003


def test_looks_of_images():
    rows = np.zeros((8, 9), np.uint8)
    rows[:, 0] = 200  # the first part of each row is brighter than the second: no comparison but none is right
    rows[2, 5] = 100  # and here one is: the fifth of the third row
    image = np.repeat(np.repeat(rows, 3, 0), 2, 1)[..., None]
    bits = np.unpackbits(of_images(image[None]).looks.view(np.uint8))
    assert np.flatnonzero(bits).tolist() == [2 * 8 + 4]
    looks = of_images(np.random.default_rng(0).integers(0, 256, (9, 20, 30, 3), dtype=np.uint8)).looks
    assert nearest_looks(looks, looks).tolist() == [0] * 9
    by_hand = [min(bin(int(a) ^ int(b)).count("1") for b in looks[5:]) for a in looks[:5]]
    assert nearest_looks(looks[:5], looks[5:]).tolist() == by_hand
    assert nearest_looks(looks, looks[:0]).tolist() == [64] * 9
    assert not len(of_texts(["a"]).looks)


def test_texts_are_known_by_their_words():
    keys = of_texts(["a  good film", "Ein schöner Film", "좋은 영화"])
    again = of_texts(
        ["a good\nfilm ", "Ein scho\u0308ner Film", "좋은 영화".encode().decode(), "a bad film", "A good film"]
    )
    assert again.known(keys.of(np.arange(3))).tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("length", [16, 64, 256])
@pytest.mark.parametrize("before", ["", "x", "A preface of some words. " * 5])
def test_blocks_are_known_wherever_they_begin(length, before):
    text = prose(4000, 0)
    known = make_corpus("a", text, "", length).keys()
    assert known.known(known.of(np.arange(known.total))).all()
    half = known.total // 2
    trained = known.of(np.arange(half))
    assert known.known(trained).tolist() == [i < half for i in range(known.total)]
    shifted = make_corpus("b", before + text, "", length).keys()
    seen = shifted.known(trained)
    assert seen[len(before) // length + 1 : half - 1].mean() > 0.98
    assert not seen[half + len(before) // length + 1 :].any()
    assert not make_corpus("c", prose(4000, 1), "", length).keys().known(trained).any()


def test_blocks_of_parts_and_of_few_characters():
    text = prose(300, 2)
    corpus = make_corpus("a", text[:500], text[500:700], 20, val=text[700:900])
    keys = corpus.keys()
    assert keys.total == len(corpus)
    assert set(keys.owners.tolist()) == set(range(len(corpus)))
    for length in (2, 5, 31, 33):
        small = make_corpus("a", text, "", length)
        assert small.keys().known(small.keys().of(np.arange(len(small)))).all()


def test_examples_that_come_again():
    keys = of_texts(["a", "b", "a ", "c", "a", "c"])
    assert keys.repeated(np.arange(6)) == 3
    assert keys.repeated(np.array([0, 1, 3])) == 0
    assert keys.contradicting(np.array([0, 1, 0, 1, 0, 1])) == 0
    assert keys.contradicting(np.array([0, 1, 0, 1, 1, 1])) == 3  # all that are "a"
    several = make_corpus("a", prose(400, 1), "", 100).keys()
    assert several.repeated(np.arange(several.total)) == several.contradicting(np.zeros(several.total, int)) == 0
