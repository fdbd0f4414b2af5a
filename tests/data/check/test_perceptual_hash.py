from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from ecrnn.data.check.perceptual_hash import look, small_grey

RNG = np.random.default_rng(0)


def smooth(seed: int, side: int = 96) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(noise).resize((side, side), Image.Resampling.BICUBIC)


def by_the_definition(small: np.ndarray) -> int:
    """Sums of cosines, one frequency after the other, and Python's own order of bits."""
    n = np.arange(32)
    cosines = np.array([np.cos(np.pi * k * (2 * n + 1) / 64) for k in range(8)])
    low = cosines @ small.astype(float) @ cosines.T
    bits = (low > sorted(low.ravel())[31] / 2 + sorted(low.ravel())[32] / 2).ravel()
    return int("".join("1" if bit else "0" for bit in bits), 2)


@pytest.mark.parametrize("seed", range(10))
def test_bits_are_those_of_the_definition(seed):
    small = small_grey(smooth(seed))
    found = look(small)
    assert found.hash == by_the_definition(small)
    assert found.hash.bit_count() == 32
    assert found.mirrored == by_the_definition(small[:, ::-1])
    assert not found.flat


def test_bits_of_another_package():
    """ImageHash 4.3.2, `phash(image)`, of a gradient and of the image of seed 3; written down once."""
    ramp = Image.fromarray(np.add.outer(np.arange(64) * 2, np.arange(64)).astype(np.uint8))
    assert f"{look(small_grey(ramp)).hash:016x}" == RAMP
    assert f"{look(small_grey(smooth(3))).hash:016x}" == SMOOTH


RAMP, SMOOTH = "aa00000000000000", "f853e9c1ceb91146"


def test_it_stays_when_an_image_is_saved_again_scaled_or_lit():
    image = smooth(5)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    others = [Image.open(file), image.resize((41, 41)), image.point(lambda value: value * 0.9 + 10)]
    for other in others:
        assert (look(small_grey(other)).hash ^ look(small_grey(image)).hash).bit_count() <= 4
    assert (look(small_grey(smooth(6))).hash ^ look(small_grey(image)).hash).bit_count() > 12


def test_images_without_contrast_have_none():
    assert look(np.full((32, 32), 7, np.uint8)) == (0, 0, True)
    assert look(RNG.integers(100, 103, (32, 32)).astype(np.uint8)).flat
