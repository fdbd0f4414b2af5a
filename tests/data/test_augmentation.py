from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, kstest

from ecrnn.core.errors import DataError
from ecrnn.data.augmentation import GREY, PAD, augment, colours, draw, holes, rotations, shares

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 9, 12, 3), dtype=np.uint8)
INDICES = RNG.permutation(1000)[:40]


def reference(image: np.ndarray, flip: bool, down: int, right: int, pad: int) -> np.ndarray:
    """One image with np.pad and slices: mirrored after the cut, (down, right) from 0 to 2 pad."""
    height, width, _ = image.shape
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)), mode="reflect")
    cut = padded[down : down + height, right : right + width]
    return cut[:, ::-1] if flip else cut


@pytest.mark.parametrize("kind", [("flip",), ("crop",), ("flip", "crop"), ("shift",), ("mirror", "shift")])
def test_each_image_is_one_that_the_kind_can_make(kind):
    found = augment(IMAGES, INDICES, 1, 2, kind)
    assert found.dtype == np.uint8
    pad = 2 if "shift" in kind else 4
    places = [pad] if kind == ("flip",) else range(2 * pad + 1)
    flips = (False,) if len(kind) == 1 and kind != ("flip",) else (False, True)
    for image, result in zip(IMAGES, found, strict=True):
        options = [reference(image, f, d, r, pad) for f in flips for d in places for r in places]
        assert any((result == option).all() for option in options)


def test_none_changes_nothing():
    assert augment(IMAGES, INDICES, 1, 2, ("cutout",)) is IMAGES


@pytest.mark.parametrize("kind", [(), ("flip",), ("crop",), ("flip", "crop")])
def test_a_images_draw_does_not_depend_on_its_batch(kind):
    together = augment(IMAGES, INDICES, 3, 4, kind)
    order = RNG.permutation(40)
    shuffled = augment(IMAGES[order], INDICES[order], 3, 4, kind)
    np.testing.assert_array_equal(shuffled, together[order])
    for i in (0, 17, 39):
        np.testing.assert_array_equal(augment(IMAGES[i : i + 1], INDICES[i : i + 1], 3, 4, kind)[0], together[i])


@pytest.mark.parametrize("kind", [("flip",), ("crop",), ("flip", "crop")])
def test_seed_epoch_and_index_all_matter(kind):
    base = augment(IMAGES, INDICES, 3, 4, kind)
    assert (augment(IMAGES, INDICES, 3, 4, kind) == base).all()
    for other in [(INDICES, 5, 4), (INDICES, 3, 5), (INDICES + 1, 3, 4)]:
        assert (augment(IMAGES, *other, kind) != base).any()
    fresh = np.random.default_rng(0).integers(0, 256, IMAGES.shape, dtype=np.uint8)
    np.testing.assert_array_equal(IMAGES, fresh)  # not written to


@pytest.mark.parametrize(
    ("kinds", "limit"), [(("flip", "crop"), 240), (("mirror", "shift"), 96)]
)  # 99.99 % points: 235, 92
def test_flips_and_places_are_uniform_and_independent(kinds, limit):
    n, pad = 81_000, PAD[kinds[1]]
    rows, columns = draw(np.arange(n), 0, 0, kinds=kinds, height=9, width=32)
    middle = columns[:, 16] - columns[:, 15]  # no reflection there: 1, or -1 when flipped
    assert set(middle.tolist()) == {-1, 1}
    flip = middle < 0
    down = rows[:, 4] - 4 + pad
    right = np.where(flip, columns[:, 15] - 16, columns[:, 15] - 15) + pad
    counts = np.zeros((2, 2 * pad + 1, 2 * pad + 1))
    np.add.at(counts, (flip.astype(int), down, right), 1)
    expected = n / counts.size
    assert ((counts - expected) ** 2 / expected).sum() < limit


def test_a_crop_is_a_flip_crop_unflipped():
    rows, columns = draw(np.arange(500), 1, 2, kinds=("crop",), height=9, width=32)
    rows_too, flipped = draw(np.arange(500), 1, 2, kinds=("flip", "crop"), height=9, width=32)
    assert (rows == rows_too).all()
    assert ((columns == flipped) | (columns == flipped[:, ::-1])).all()
    assert (columns[:, 16] > columns[:, 15]).all()


def test_flips_differ_from_epoch_to_epoch():
    flips = np.array([draw(np.arange(500), 0, e, kinds=("flip",), height=1, width=2)[1][:, 0] for e in range(100)])
    assert np.abs(flips.mean(0) - 0.5).max() < 5 * 0.05  # each image, over the epochs
    assert np.abs(np.corrcoef(flips)[0, 1:]).max() < 5 / np.sqrt(500)


def test_two_epochs_of_mirror_show_both_sides_of_every_image():
    even, odd, again = (augment(IMAGES, INDICES, 3, epoch, ("mirror",)) for epoch in (4, 5, 6))
    assert (even == again).all()
    assert (even == odd[:, :, ::-1]).all()
    turned = [(image != shown).any() for image, shown in zip(IMAGES, even, strict=True)]
    assert 10 < sum(turned) < 30
    assert (augment(IMAGES, INDICES, 4, 4, ("mirror",)) != even).any()


def test_errors():
    for kinds in (("crop",), ("flip", "crop")):
        with pytest.raises(DataError, match="crop needs images larger than 4x4, not 4x12"):
            augment(IMAGES[:, :4], INDICES, 0, 0, kinds)
    assert augment(IMAGES[:, :5], INDICES, 0, 0, ("flip", "crop")).shape == (40, 5, 12, 3)
    assert augment(IMAGES[:0], INDICES[:0], 0, 0, ("flip", "crop")).shape == (0, 9, 12, 3)


def test_colours_are_three_factors_one_after_another():
    """By the definition, with the factors found again from the sums."""
    colour, grey, offset = colours(IMAGES, INDICES, 1, 2)
    both = colour + grey
    saturation = colour / both
    means = (IMAGES.mean((1, 2)) * GREY).sum(1)
    brightness = both + offset / means  # b = c b + (1 - c) b
    contrast = both / brightness
    for factors in (saturation, brightness, contrast):
        assert 0.7 <= factors.min() < 0.8
        assert 1.2 < factors.max() <= 1.3
        assert abs(factors.mean() - 1) < 5 * 0.3 / np.sqrt(3 * 40)
    assert np.abs(np.corrcoef([saturation, brightness, contrast])[0, 1:]).max() < 0.7
    alone = colours(IMAGES[3:4], INDICES[3:4], 1, 2)
    assert [array[0] for array in alone] == [colour[3], grey[3], offset[3]]
    factors, of_grey, _ = colours(IMAGES[..., :1], INDICES, 1, 2)
    assert (of_grey == 0).all()
    np.testing.assert_allclose(factors, both)


def test_angles_and_holes_are_uniform():
    cosine, sine = rotations(np.arange(20_000), 0, 0)
    angles = np.rad2deg(np.arctan2(sine, cosine))
    assert kstest(angles, "uniform", (-15, 30)).pvalue > 1e-3
    inside = holes(np.arange(20_000), 0, 0, 9, 12)
    assert inside.shape == (20_000, 9, 12)
    expected = np.zeros((9, 12))
    for y, x in np.ndindex(9, 12):  # a square of 4 begins 2 before its middle
        expected[max(0, y - 2) : max(0, y + 2), max(0, x - 2) : max(0, x + 2)] += 1 / 108
    assert np.abs(inside.mean(0) - expected).max() < 5 * 0.5 / np.sqrt(20_000)
    heights = inside.any(2).sum(1)
    assert set(heights.tolist()) == {2, 3, 4}


def test_shares_are_of_the_beta_distribution():
    found = shares(np.arange(20_000), 3, 1)
    folded = beta(0.2, 0.2)
    assert found.min() >= 0.5
    assert kstest(found, lambda x: np.where(x < 0.5, 0, 2 * folded.cdf(np.maximum(x, 0.5)) - 1)).pvalue > 1e-3
    assert (shares(np.arange(100), 3, 2) != found[:100]).all()
