from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from ecrnn.tasks.clip_classification.synthetic_clips import CLASSES, SIDE, make_moving

COUNT, N_TRAIN = 1000, 800  # a quarter of the data set


def places(clips: np.ndarray) -> np.ndarray:
    """Where the figure's centre is, as angles around the image that wraps: (N, T, 2), rows and columns."""
    seen = (clips[..., 0] > 100).astype(float)  # (N, T, H, W)
    turns = np.exp(2j * np.pi * np.arange(SIDE) / SIDE)
    return np.angle(np.stack([seen.sum(3) @ turns, seen.sum(2) @ turns], -1))


@pytest.fixture(scope="module")
def made() -> tuple[np.ndarray, np.ndarray]:
    return make_moving(COUNT, 16)


def test_shapes_and_balance(made):
    clips, labels = made
    assert clips.shape == (COUNT, 16, SIDE, SIDE, 1)
    assert (clips.dtype, labels.dtype) == (np.uint8, np.int64)
    assert np.bincount(labels[:N_TRAIN]).tolist() == [N_TRAIN // 5] * 5
    assert np.bincount(labels[N_TRAIN:]).tolist() == [(COUNT - N_TRAIN) // 5] * 5


def test_clips_are_a_function_of_seed_and_index(made):
    clips, _ = made
    few, _ = make_moving(20, 16)
    np.testing.assert_array_equal(few, clips[:20])
    other, _ = make_moving(20, 16, seed=1)
    assert (other != clips[:20]).mean() > 0.9
    assert len({clip.tobytes() for clip in clips}) == COUNT


@pytest.mark.parametrize("frames", [2, 3, 16, 33])
def test_the_way_says_the_class(frames):
    clips, labels = make_moving(200, frames)
    steps = np.diff(places(make_moving(200, 16)[0] if frames < 16 else clips), axis=1)
    way = ((steps + np.pi) % (2 * np.pi) - np.pi).sum(1) / (2 * np.pi)  # (N, 2), in sides
    for label, name in enumerate(CLASSES):
        down, right = way[labels == label].T
        moves = {"climbs": -down, "falls": down, "walks left": -right, "walks right": right}
        along = moves.pop(name, np.full(len(down), 0.6))
        assert 0.35 < along.min() <= along.max() < 0.85, name
        still = [
            m for other, m in moves.items() if {other, name} not in ({"climbs", "falls"}, {"walks left", "walks right"})
        ]
        assert np.abs(still).max() < 0.1, name


def test_falls_quicken_and_climbs_do_not(made):
    clips, labels = made
    rows = np.unwrap(places(clips)[..., 0], axis=1)
    halves = np.abs(np.stack([rows[:, 8] - rows[:, 0], rows[:, 15] - rows[:, 7]]))
    falls, climbs = (halves[:, labels == CLASSES.index(name)].mean(1) for name in ("falls", "climbs"))
    assert falls[1] > 2 * falls[0]
    assert 0.8 < climbs[1] / climbs[0] < 1.25


def test_no_single_frame_tells_the_classes_apart(made):
    clips, labels = made
    for frame in (0, 7, 15):
        where = places(clips)[:, frame]
        features = np.concatenate([np.sin(where), np.cos(where), clips[:, frame].mean((1, 2))], 1)
        for inputs in (features, clips[:, frame].reshape(COUNT, -1) / 255.0):
            model = RidgeClassifier(10.0).fit(inputs[:N_TRAIN], labels[:N_TRAIN])
            assert model.score(inputs[N_TRAIN:], labels[N_TRAIN:]) < 0.32, frame  # 0.2 by chance, SD 0.028
        for label in range(len(CLASSES)):  # uniform over the image: both means of a unit vector vanish
            assert np.abs(np.exp(1j * where[labels == label]).mean(0)).max() < 0.2  # SD 0.05
