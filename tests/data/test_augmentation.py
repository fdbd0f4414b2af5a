from __future__ import annotations

import numpy as np
import pytest

from ecrnn.core.errors import DataError, UnknownNameError
from ecrnn.data.augmentation import PAD, augment, draw

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 9, 12, 3), dtype=np.uint8)
INDICES = RNG.permutation(1000)[:40]


def reference(image: np.ndarray, flip: bool, down: int, right: int) -> np.ndarray:
    """One image with np.pad and slices: mirrored after the cut, (down, right) from 0 to 2 PAD."""
    height, width, _ = image.shape
    padded = np.pad(image, ((PAD, PAD), (PAD, PAD), (0, 0)), mode="reflect")
    cut = padded[down : down + height, right : right + width]
    return cut[:, ::-1] if flip else cut


@pytest.mark.parametrize("kind", ["flip", "crop", "flip-crop"])
def test_each_image_is_one_that_the_kind_can_make(kind):
    found = augment(IMAGES, INDICES, 1, 2, kind)
    assert found.dtype == np.uint8
    places = [PAD] if kind == "flip" else range(2 * PAD + 1)
    flips = (False,) if kind == "crop" else (False, True)
    for image, result in zip(IMAGES, found, strict=True):
        options = [reference(image, f, d, r) for f in flips for d in places for r in places]
        assert any((result == option).all() for option in options)


def test_none_changes_nothing():
    assert augment(IMAGES, INDICES, 1, 2, "none") is IMAGES


@pytest.mark.parametrize("kind", ["none", "flip", "crop", "flip-crop"])
def test_a_images_draw_does_not_depend_on_its_batch(kind):
    together = augment(IMAGES, INDICES, 3, 4, kind)
    order = RNG.permutation(40)
    shuffled = augment(IMAGES[order], INDICES[order], 3, 4, kind)
    np.testing.assert_array_equal(shuffled, together[order])
    for i in (0, 17, 39):
        np.testing.assert_array_equal(augment(IMAGES[i : i + 1], INDICES[i : i + 1], 3, 4, kind)[0], together[i])


@pytest.mark.parametrize("kind", ["flip", "crop", "flip-crop"])
def test_seed_epoch_and_index_all_matter(kind):
    base = augment(IMAGES, INDICES, 3, 4, kind)
    assert (augment(IMAGES, INDICES, 3, 4, kind) == base).all()
    for other in [(INDICES, 5, 4), (INDICES, 3, 5), (INDICES + 1, 3, 4)]:
        assert (augment(IMAGES, *other, kind) != base).any()
    fresh = np.random.default_rng(0).integers(0, 256, IMAGES.shape, dtype=np.uint8)
    np.testing.assert_array_equal(IMAGES, fresh)  # not written to


def test_flips_and_places_are_uniform_and_independent():
    n = 81_000
    rows, columns = draw(np.arange(n), 0, 0, kind="flip-crop", height=9, width=32)
    middle = columns[:, 16] - columns[:, 15]  # no reflection there: 1, or -1 when flipped
    assert set(middle.tolist()) == {-1, 1}
    flip = middle < 0
    down = rows[:, 4] - 4 + PAD
    right = np.where(flip, 31 - columns[:, 15], columns[:, 15]) - 15 + PAD
    right = np.where(flip, columns[:, 15] - 16 + PAD, right)
    counts = np.zeros((2, 9, 9))
    np.add.at(counts, (flip.astype(int), down, right), 1)
    expected = n / 162
    assert ((counts - expected) ** 2 / expected).sum() < 240  # 161 degrees of freedom; 99.99 % point 235


def test_a_crop_is_a_flip_crop_unflipped():
    rows, columns = draw(np.arange(500), 1, 2, kind="crop", height=9, width=32)
    rows_too, flipped = draw(np.arange(500), 1, 2, kind="flip-crop", height=9, width=32)
    assert (rows == rows_too).all()
    assert ((columns == flipped) | (columns == flipped[:, ::-1])).all()
    assert (columns[:, 16] > columns[:, 15]).all()


def test_flips_differ_from_epoch_to_epoch():
    flips = np.array([draw(np.arange(500), 0, e, kind="flip", height=1, width=2)[1][:, 0] for e in range(100)])
    assert np.abs(flips.mean(0) - 0.5).max() < 5 * 0.05  # each image, over the epochs
    assert np.abs(np.corrcoef(flips)[0, 1:]).max() < 5 / np.sqrt(500)


def test_errors():
    with pytest.raises(UnknownNameError, match="unknown augmentation 'flip-corp', did you mean 'flip-crop'"):
        augment(IMAGES, INDICES, 0, 0, "flip-corp")
    for kind in ("crop", "flip-crop"):
        with pytest.raises(DataError, match=f"{kind} needs images larger than 4x4, not 4x12"):
            augment(IMAGES[:, :4], INDICES, 0, 0, kind)
    assert augment(IMAGES[:, :5], INDICES, 0, 0, "flip-crop").shape == (40, 5, 12, 3)
    assert augment(IMAGES[:0], INDICES[:0], 0, 0, "flip-crop").shape == (0, 9, 12, 3)
