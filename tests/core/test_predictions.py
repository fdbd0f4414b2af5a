"""predictions.npz: what is read is what was written, epochs that count before the last one too, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from core.lines import one_line

from ecrnn.core.errors import EcrnnError
from ecrnn.core.predictions import (
    AnyPredictions,
    PredictedClasses,
    Predictions,
    Scored,
    predictions_bytes,
    read_predictions,
    write_predictions,
)

INDEX = np.array([0, 1, 4, 6])
LABEL = np.array([0, 2, 1, 1])
LOGITS = np.array([[3, 1, 0], [0, 1, 2], [5, 4, 0], [0, 9, 9]], np.float32)  # classes 0, 2, 0, 1
EARLIER = [np.array([0, 2, 1, 1], np.int32), np.array([1, 2, 0, 0], np.int32)]  # right: 4 of 4, then 1 of 4
TEXTS = np.array([[1, 5], [0, 4], [3, 3]], np.float64)
NATS = np.array([[1.25, 5], [0.1, 4], [3.7, 3]])


def classes() -> AnyPredictions:
    return Predictions(INDEX, LABEL, LOGITS).with_earlier(EARLIER)


def archived() -> AnyPredictions:
    return PredictedClasses(INDEX, LABEL, np.array([0, 2, 0, 1])).with_earlier(EARLIER)


def scored(statistics: np.ndarray) -> AnyPredictions:
    return Scored(INDEX[:3], statistics).with_earlier([statistics + 1, statistics * 2])


@pytest.mark.parametrize(
    "written", [classes(), archived(), scored(TEXTS), scored(NATS)], ids=["classes", "archived", "texts", "nats"]
)
def test_what_is_read_is_what_was_written(tmp_path: Path, written: AnyPredictions) -> None:
    write_predictions(tmp_path / "predictions.npz", written)
    read = read_predictions(tmp_path / "predictions.npz")
    assert type(read) is type(written)
    for mine, theirs in zip(written.epochs(), read.epochs(), strict=True):
        assert theirs.statistics.dtype == np.float64
        assert np.array_equal(mine.statistics, theirs.statistics)
        assert np.array_equal(mine.index, theirs.index)
    for name, array in vars(written).items():
        assert getattr(read, name).dtype == array.dtype, name
        assert np.array_equal(getattr(read, name), array), name


def test_the_last_epoch_is_what_it_was_without_the_others(tmp_path: Path) -> None:
    write_predictions(tmp_path / "one.npz", Predictions(INDEX, LABEL, LOGITS))
    write_predictions(tmp_path / "three.npz", classes())
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "three.npz") as three:
        assert set(three.files) - set(one.files) == {"earlier"}
        assert all(one[name].tobytes() == three[name].tobytes() for name in one.files)
        assert three["earlier"].dtype == np.uint8
        assert three["earlier"].tolist() == [[0, 0, 1, 0], [1, 0, 0, 1]]  # exclusive or with 0, 2, 0, 1
    assert read_predictions(tmp_path / "one.npz").earlier is None


def test_each_epoch_by_hand() -> None:
    first, second, last = classes().epochs()
    assert [epoch.correct.tolist() for epoch in (first, second, last)] == [
        [True, True, True, True],
        [False, True, False, False],
        [True, True, False, True],
    ]
    assert [epoch.statistics[:, 0].mean() for epoch in (first, second, last)] == [1.0, 0.25, 0.75]
    assert [epoch.earlier for epoch in (first, second, last)] == [None] * 3
    (alone,) = Predictions(INDEX, LABEL, LOGITS).epochs()
    assert alone.correct.tolist() == last.correct.tolist()


def test_compact() -> None:
    assert Predictions(INDEX, LABEL, LOGITS).compact().tolist() == [0, 2, 0, 1]
    assert Scored(INDEX[:3], NATS).compact() is NATS


def test_epochs_before_the_last_take_little_room() -> None:
    """15,000 images of 10 classes, of which each epoch puts one in six into another class than the last one does."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 10, 15_000)
    last = PredictedClasses(np.arange(15_000), label, label)
    earlier = [np.where(rng.random(15_000) < 1 / 6, rng.integers(0, 10, 15_000), label).astype(np.int32) for _ in "12"]
    more = len(predictions_bytes(last.with_earlier(earlier))) - len(predictions_bytes(last))
    assert more < 0.35 * 2 * 15_000  # bytes; a class in a byte each would be twice 15,000, deflated 0.5 of it


def refused(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    return {"index": INDEX, "label": LABEL, "logits": LOGITS, **arrays}


@pytest.mark.parametrize(
    "earlier",
    [
        np.zeros((1, 3), np.uint8),
        np.zeros((0, 4), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((1, 4, 1), np.uint8),
        np.zeros((1, 4), np.float64),
        np.zeros((1, 4), np.int64),
        np.uint8(1),
    ],
    ids=str,
)
def test_epochs_of_another_shape_or_type_are_refused(tmp_path: Path, earlier: np.ndarray) -> None:
    np.savez_compressed(tmp_path / "predictions.npz", **refused(earlier=earlier))
    with one_line(EcrnnError, tmp_path, "arrays of the wrong shape or type for predictions"):
        read_predictions(tmp_path / "predictions.npz")


def test_earlier_epochs_alone_are_no_predictions(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "predictions.npz", earlier=np.zeros((1, 4), np.uint8))
    with one_line(EcrnnError, "is not a file of predictions: it holds nothing"):
        read_predictions(tmp_path / "predictions.npz")
