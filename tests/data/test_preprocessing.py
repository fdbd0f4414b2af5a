from __future__ import annotations

import json
import math

import numpy as np
import pytest

from ecrnn.core.errors import BundleError, DataError, UnknownNameError
from ecrnn.data.preprocessing import Preprocessing, channel_histograms, fit

RNG = np.random.default_rng(0)
IMAGES = (RNG.integers(0, 256, (300, 5, 7, 3)) * [0.3, 0.6, 1.0] + [100, 50, 0]).astype(np.uint8)
TRAIN = RNG.permutation(300)[:200]


def test_global_is_over_all_pixels_of_the_training_images():
    found = fit(IMAGES, TRAIN)
    wanted = IMAGES[TRAIN].astype(np.float64)
    assert found.image == (3, 5, 7)
    assert found.mean == pytest.approx((wanted.mean(),), rel=1e-13)
    assert found.std == pytest.approx((wanted.std(),), rel=1e-13)
    assert found.mean != fit(IMAGES, np.arange(300)).mean


def test_per_channel():
    found = fit(IMAGES, TRAIN, "per-channel")
    wanted = IMAGES[TRAIN].astype(np.float64)
    assert found.mean == pytest.approx(tuple(wanted.mean((0, 1, 2))), rel=1e-13)
    assert found.std == pytest.approx(tuple(wanted.std((0, 1, 2))), rel=1e-13)
    assert len(set(found.mean)) == 3


def test_the_order_of_the_images_changes_no_bit():
    assert fit(IMAGES, TRAIN) == fit(IMAGES, np.sort(TRAIN)[::-1])


def test_pieces_add_up(monkeypatch):
    big = RNG.integers(0, 256, (50, 256, 256, 3), dtype=np.uint8)  # more than one piece
    counts = channel_histograms(big, np.arange(50))
    assert counts.sum(axis=1).tolist() == [50 * 256 * 256] * 3
    np.testing.assert_array_equal(counts[1], np.bincount(big[..., 1].ravel(), minlength=256))


@pytest.mark.parametrize("mode", ["global", "per-channel"])
def test_apply_standardises(mode):
    found = fit(IMAGES, TRAIN, mode)
    x = found.apply(IMAGES[TRAIN])
    assert x.dtype == np.float32
    assert x.shape == (200, 3, 5, 7)
    assert x.flags.c_contiguous
    axes = None if mode == "global" else (0, 2, 3)
    np.testing.assert_allclose(x.mean(axes, dtype=np.float64), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(axes, dtype=np.float64), 1, atol=1e-5)
    c = 0 if mode == "global" else 2
    by_hand = (float(IMAGES[TRAIN[3], 1, 4, 2]) - found.mean[c]) / found.std[c]
    assert x[3, 2, 1, 4] == pytest.approx(by_hand, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("images", [IMAGES[:, :4], IMAGES[..., :1], IMAGES.astype(np.float32), IMAGES[0]])
def test_apply_refuses_other_images(images):
    with pytest.raises(DataError, match=r"but should be uint8 \(B, 5, 7, 3\)"):
        fit(IMAGES, TRAIN).apply(images)


def test_constant_pixels():
    images = np.full((4, 2, 2, 3), 9, np.uint8)
    for mode in ("global", "per-channel"):
        with pytest.raises(DataError, match="all pixels of the training images have the same value"):
            fit(images, np.arange(4), mode)
    images[0, 0, 0, 0] = 200
    found = fit(images, np.arange(4), "per-channel")
    assert found.std[1:] == (1.0, 1.0)
    assert found.std[0] > 1
    with pytest.raises(DataError, match="there are no training images"):
        fit(images, np.arange(0))
    with pytest.raises(UnknownNameError, match="unknown preprocessing 'per-chanel', did you mean 'per-channel'"):
        fit(images, np.arange(4), "per-chanel")


@pytest.mark.parametrize("mode", ["global", "per-channel"])
def test_json_and_back_to_the_same_bits(mode):
    found = fit(IMAGES, TRAIN, mode)
    assert Preprocessing.from_dict(json.loads(json.dumps(found.to_dict()))) == found


GOOD = {"image": [3, 32, 32], "mean": [1.0], "std": [2.0]}


@pytest.mark.parametrize(
    "bad",
    [
        None,
        [],
        {},
        {**GOOD, "more": 1},
        {"image": [3, 32, 32], "mean": [1.0]},
        *({**GOOD, "image": v} for v in ("3x32", [2, 32, 32], [3, 32], [3, 0, 32], [3, 32, 5000], [3, 32.0, 32])),
        *({**GOOD, "image": v} for v in ([True, 32, 32], [3, -1, 32], None, {})),
        *({**GOOD, "mean": v} for v in (1.0, [], [1.0, 2.0], [1.0] * 3, ["1"], [math.nan], [math.inf], [-1], [256])),
        *({**GOOD, "fit": v} for v in ("crop", None, 1, ["cut"])),
        *({**GOOD, "std": v} for v in ([0], [0.0], [-1.0], [math.nan], [math.inf], [1e-300], [True], [10**400])),
    ],
)
def test_what_is_not_a_preprocessing_is_refused(bad):
    assert Preprocessing.from_dict(GOOD).std == (2.0,)
    with pytest.raises(BundleError, match=r"^preprocessing") as caught:
        Preprocessing.from_dict(bad)
    assert "\n" not in str(caught.value)


def test_a_preprocessing_without_fit_is_from_before_there_was_one():
    before = Preprocessing.from_dict(GOOD)
    assert before.fit == "cut-half-pixels"
    assert before.to_dict() == GOOD
    assert Preprocessing.from_dict({**GOOD, "fit": "pad"}).to_dict() == {**GOOD, "fit": "pad"}
    assert fit(IMAGES, TRAIN).to_dict()["fit"] == "cut"
