from __future__ import annotations

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from ecrnn.core.errors import DataError
from ecrnn.data.image_set import fingerprint, from_arrays, make_image_set, to_uint8

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 0, 1, 2, 2])
CLASSES = ("a", "b", "c")


def test_properties():
    found = make_image_set("toy", PIXELS, LABELS, CLASSES, n_train=4, files=list("uvwxyz"))
    assert (found.channels, found.height, found.width, found.image) == (3, 4, 5, (3, 4, 5))
    assert (len(found), found.n_train, found.files) == (6, 4, tuple("uvwxyz"))
    assert make_image_set("toy", PIXELS, LABELS, CLASSES).n_train == 6
    with pytest.raises(FrozenInstanceError):
        found.name = "other"


def test_the_fingerprint_sees_everything_but_the_name():
    base = make_image_set("toy", PIXELS, LABELS, CLASSES).fingerprint
    assert len(base) == 64
    assert make_image_set("other", PIXELS.copy(), LABELS.copy(), list(CLASSES)).fingerprint == base
    pixels = PIXELS.copy()
    pixels[5, 3, 4, 2] ^= 1
    others = [
        fingerprint(pixels, LABELS, CLASSES, 6),
        fingerprint(PIXELS.reshape(6, 5, 4, 3), LABELS, CLASSES, 6),
        fingerprint(PIXELS, LABELS[::-1], CLASSES, 6),
        fingerprint(PIXELS, LABELS, ("a", "b", "d"), 6),
        fingerprint(PIXELS, LABELS, ("a, b", "c"), 6),
        fingerprint(PIXELS, LABELS, CLASSES, 5),
    ]
    assert len({base, *others}) == 7
    assert fingerprint(np.asfortranarray(PIXELS), LABELS, CLASSES, 6) == base


def test_the_fingerprint_reads_every_piece(monkeypatch):
    big = np.zeros((40, 1000, 1000, 1), np.uint8)
    labels = np.zeros(40, np.int64)
    base = fingerprint(big, labels, ("a",), 40)
    big[-1, -1, -1] = 1
    assert fingerprint(big, labels, ("a",), 40) != base


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (PIXELS, PIXELS),
        (PIXELS[..., 0], PIXELS[..., :1]),
        (PIXELS.astype(np.int64), PIXELS),
        (PIXELS.astype(np.uint16), PIXELS),
        (PIXELS / 255, PIXELS),
        ((PIXELS / 255).astype(np.float32), PIXELS),
        ((PIXELS / 255).astype(np.float16)[..., :1] * 0 + 0.5, np.full((6, 4, 5, 1), 128)),
        (PIXELS > 100, (PIXELS > 100) * 255),
        (PIXELS.tolist(), PIXELS),
    ],
)
def test_pixels_of_every_honest_kind(X, expected):
    found = to_uint8(X)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (PIXELS[0, 0], r"shape \(5, 3\)"),
        (PIXELS.reshape(6, -1), r"shape \(6, 60\), but should be \(N, H, W\)"),
        (PIXELS.transpose(0, 3, 1, 2), r"channels go last: X.transpose\(0, 2, 3, 1\)"),
        (PIXELS[..., :2], "C 1 or 3"),
        (PIXELS[:, :0], "but should be"),
        (PIXELS.astype(np.int32) - 1, "whole numbers from -1 to"),
        (PIXELS.astype(np.int32) + 9, "pixels lie in 0..255"),
        (PIXELS.astype(np.float32), "floats from 0 to 255, but they should lie in 0..1"),
        (PIXELS / 255 - 0.5, "floats from -0.5 to 0.5"),
        (np.where(PIXELS > 3, np.nan, 0.0), "floats from nan"),
        (np.where(PIXELS > 3, np.inf, 0.0), "to inf"),
        (PIXELS.astype(str), "X is of type <U3"),
        (PIXELS.astype(complex), "complex128"),
        (PIXELS.astype(object), "object"),
    ],
)
def test_other_pixels_are_refused(X, message):
    with pytest.raises(DataError, match=message) as caught:
        to_uint8(X)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["cat", "dog", "cat", "dog", "emu", "emu"], ("cat", "dog", "emu")),
        ([10, 9, 10, 9, 2, 2], ("2", "9", "10")),  # sorted as numbers
        ([True, False, True, False, True, True], ("False", "True")),
        ([0.5, 1.5, 0.5, 1.5, 2.5, 2.5], ("0.5", "1.5", "2.5")),
        (np.array(["b", "a", "b", "a", "c", "c"], object), ("a", "b", "c")),
    ],
)
def test_labels_of_any_kind_become_sorted_classes(y, classes):
    found = from_arrays(PIXELS, y)
    assert found.classes == classes
    assert found.labels.dtype == np.int64
    assert [found.classes[i] for i in found.labels] == [str(v) for v in y]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 2], r"shape \(2,\), but should hold one label for each of the 6"),
        (np.zeros((6, 1)), r"shape \(6, 1\)"),
        ([0, 1, 2, 3, 4, np.nan], "not finite"),
        (np.array([0, "a", 0, 0, 0, 0], object), "mixes labels"),
        (np.array([1, 1.5, True, 1, 1, 1.5], object), None),
    ],
)
def test_wrong_labels(y, message):
    if message is None:
        assert from_arrays(PIXELS, y).classes == ("1", "1.5")
        return
    with pytest.raises(DataError, match=message):
        from_arrays(PIXELS, y)


def test_no_images():
    with pytest.raises(DataError, match="hold no images"):
        from_arrays(PIXELS[:0], [])
