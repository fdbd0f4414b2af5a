"""The four ways to bring an image to a size, against NumPy's slices and what Pillow makes of them."""

from __future__ import annotations

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from PIL import Image, ImageOps

from ecrnn.core.errors import DataError
from ecrnn.data.fitting import cut_box, fitted, pad_box
from ecrnn.data.image_file import read_image, resize_images

RNG = np.random.default_rng(0)
SHAPES = [(48, 64), (64, 48), (40, 73), (101, 37), (1, 90), (90, 1), (31, 33)]
TARGETS = [(16, 16), (32, 32), (12, 20), (20, 12)]


def image_of(height: int, width: int) -> Image.Image:
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8))


def resized(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("target", TARGETS)
def test_cut_is_a_slice_of_whole_pixels(shape, target):
    (h, w), (height, width) = shape, target
    pixels = np.asarray(image := image_of(h, w))
    half_up = lambda number: max(1, floor(number + Fraction(1, 2)))  # noqa: E731
    rows, columns = min(h, half_up(Fraction(w * height, width))), min(w, half_up(Fraction(h * width, height)))
    top, left = (h - rows) // 2, (w - columns) // 2
    part = np.ascontiguousarray(pixels[top : top + rows, left : left + columns])
    np.testing.assert_array_equal(fitted(image, height, width, "cut"), resized(part, height, width))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("target", TARGETS)
def test_the_rule_of_before_is_kept(shape, target):
    image = image_of(*shape)
    before = np.asarray(ImageOps.fit(image, target[::-1], Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(fitted(image, *target, "cut-half-pixels"), before)


def test_the_two_cuts_differ_at_half_pixels():
    image = image_of(40, 73)
    assert (fitted(image, 16, 16, "cut") != fitted(image, 16, 16, "cut-half-pixels")).mean() > 0.5


def test_pad_shows_all_with_black_beside_it():
    wide = Image.fromarray(np.full((20, 80, 3), 200, np.uint8))
    found = fitted(wide, 32, 32, "pad")
    assert (found[12:20] == 200).all()
    assert (found[:12] == 0).all()
    assert (found[20:] == 0).all()
    np.testing.assert_array_equal(fitted(wide.rotate(90, expand=True), 32, 32, "pad"), found.transpose(1, 0, 2))
    noise = image_of(20, 80)
    np.testing.assert_array_equal(
        fitted(noise, 32, 32, "pad"), np.asarray(ImageOps.pad(noise, (32, 32), Image.Resampling.BILINEAR))
    )


def test_stretch_resizes_each_side():
    image = image_of(20, 80)
    np.testing.assert_array_equal(fitted(image, 32, 16, "stretch"), resized(np.asarray(image), 32, 16))


@pytest.mark.parametrize("side", [8, 28, 32, 200])
def test_square_images_are_the_same_by_every_rule(side):
    image = image_of(side, side)
    expected = resized(np.asarray(image), 32, 32)
    for fit in ("cut", "pad", "stretch", "cut-half-pixels"):
        np.testing.assert_array_equal(fitted(image, 32, 32, fit), expected)


def test_boxes_lie_inside_and_are_never_empty():
    for _ in range(2000):
        w, h, width, height = (int(n) for n in RNG.integers(1, 5000, 4))
        left, top, right, bottom = cut_box(w, h, width, height)
        assert 0 <= left < right <= w
        assert 0 <= top < bottom <= h
        left, top, right, bottom = pad_box(w, h, width, height)
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height


def test_files_and_arrays_are_fitted_alike(tmp_path):
    image = image_of(41, 73)
    image.save(tmp_path / "x.png")
    for fit in ("cut", "pad", "stretch", "cut-half-pixels"):
        expected = fitted(image, 16, 16, fit)
        np.testing.assert_array_equal(read_image(tmp_path / "x.png", (3, 16, 16), fit), expected)
        np.testing.assert_array_equal(resize_images(np.asarray(image)[None], (3, 16, 16), fit)[0], expected)
    with pytest.raises(DataError, match="there is no such file"):
        read_image(tmp_path / "y.png", (3, 16, 16), "pad")
