from __future__ import annotations

import itertools

import numpy as np
import pytest
from PIL import Image

from ecrnn.core.errors import DataError
from ecrnn.core.events import Loading
from ecrnn.data.check import near_duplicates
from ecrnn.data.check.near_duplicates import alike, candidates, copies
from ecrnn.data.check.perceptual_hash import look, small_grey


def hashes_with_neighbours(count: int, seed: int) -> np.ndarray:
    """Random hashes, a third of which differ from another one in up to nine bits."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, count, np.uint64)
    for place in range(0, count, 3):
        for bit in rng.choice(64, rng.integers(0, 10), replace=False):
            hashes[place] = hashes[(place + 1) % count] if bit < 0 else hashes[place] ^ np.uint64(1 << int(bit))
        if place + 1 < count:
            flips = rng.choice(64, rng.integers(0, 10), replace=False)
            hashes[place + 1] = hashes[place] ^ np.bitwise_or.reduce(
                np.array([1 << int(bit) for bit in flips], np.uint64), initial=np.uint64(0)
            )
    return hashes


@pytest.mark.parametrize("bits", [0, 3, 7])
@pytest.mark.parametrize("block", [7, 2**20])
def test_every_pair_is_found_once(bits, block, monkeypatch):
    monkeypatch.setattr(near_duplicates, "_BLOCK", block)
    one, other = hashes_with_neighbours(300, 0), hashes_with_neighbours(300, 1)
    other[5::7] = one[3::7][: len(other[5::7])]
    for second, same in ((one, True), (other, False)):
        found = [tuple(pair) for pairs in candidates(one, second, bits, same=same) for pair in pairs.tolist()]
        expected = {
            (i, j) for i, j in itertools.combinations(range(300), 2) if int(one[i] ^ second[j]).bit_count() <= bits
        }
        assert len(found) == len(set(found))
        assert set(found) == expected
        assert len(expected) > 5


def images() -> list[Image.Image]:
    def of(seed: int) -> Image.Image:
        noise = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), np.uint8)
        return Image.fromarray(noise).resize((64, 64), Image.Resampling.BICUBIC)

    a, b, c = of(1), of(2), of(3)
    flat = Image.new("RGB", (64, 64), (90, 90, 90))
    smaller, turned = a.resize((40, 40)), b.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    #       0  1  2  3  4        5       6        7                              8     9
    return [a, b, c, a, smaller, turned, smaller, smaller.point(lambda v: v * 0.95), flat, flat]


def found_in(shown: list[Image.Image], bits: int | None = 6, progress=lambda event: None):
    grey = [small_grey(image) for image in shown]
    looks = [look(small) for small in grey]
    content = np.array([hash(image.tobytes()) & (2**64 - 1) for image in shown], np.uint64)
    hashes, mirrored = (np.array([one[k] for one in looks], np.uint64) for k in (0, 1))
    flat = np.array([one.flat for one in looks])
    return copies(content, hashes, mirrored, ~flat, np.ones(len(shown), bool), bits, grey.__getitem__, progress)


def test_groups_of_the_same_of_alike_and_of_mirrored_images(monkeypatch):
    monkeypatch.setattr(near_duplicates, "_MANY", 10)
    events = []
    found = found_in(images(), progress=events.append)
    assert found.exact.tolist() == [0, 1, 2, 0, 4, 5, 4, 7, 8, 8]
    assert found.near.tolist() == [0, 1, 2, 0, 0, 1, 0, 0, 8, 8]
    assert found.mirrored == {5}
    assert found.partner[5] == 1
    assert set(found.partner) == {4, 5, 7}
    assert events == [Loading("comparisons", step, 16) for step in range(1, 17)]


def test_only_the_same_images_where_others_are_not_asked_for():
    found = found_in(images(), None)
    assert found.near.tolist() == found.exact.tolist() == [0, 1, 2, 0, 4, 5, 4, 7, 8, 8]
    assert not found.partner


def test_equal_hashes_are_not_enough():
    """Two images of one hash whose pixels are not alike, and one that has gone bad in between."""

    def small(place: int) -> np.ndarray:
        if place == 2:
            raise DataError("it is empty")
        return np.random.default_rng(place).integers(0, 256, (32, 32)).astype(np.uint8)

    same = np.full(3, 12345, np.uint64)
    true = np.ones(3, bool)
    found = copies(np.arange(3).astype(np.uint64), same, ~same, true, true, 6, small)
    assert found.near.tolist() == [0, 1, 2]


def test_images_that_resemble_everything_are_left_out_after_a_while(monkeypatch):
    monkeypatch.setattr(near_duplicates, "_MOST_REFUSED", 4)
    same, true = np.full(30, 12345, np.uint64), np.ones(30, bool)
    seen = []

    def small(place: int) -> np.ndarray:
        seen.append(place)
        return np.random.default_rng(place).integers(0, 256, (32, 32)).astype(np.uint8)

    found = copies(np.arange(30).astype(np.uint64), same, ~same, true, true, 6, small)
    assert found.not_compared > 30 * 29 / 2 - 30 * 4
    assert len(seen) <= 30


def test_alike_is_about_pixels_brightness_and_contrast():
    one = np.add.outer(np.arange(32) * 4, np.arange(32) * 3)
    assert alike(one, one + 10)
    assert alike(one, one * 0.9)
    assert not alike(one, one + 30)
    assert not alike(one, one.max() - one)
    assert not alike(one, one[:, ::-1])


def test_unreadable_files_are_in_no_group():
    zeros = np.zeros(4, np.uint64)
    readable = np.array([True, False, False, True])
    found = copies(zeros, zeros, zeros, np.zeros(4, bool), readable, 6, lambda place: np.zeros((32, 32)))
    assert found.exact.tolist() == found.near.tolist() == [0, 1, 2, 0]
