"""A classifier of clips in use."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from tiny_tasks import untrained

from ecrnn.core.errors import DataError


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return untrained("clip-classification", tmp_path_factory.mktemp("clips"))


def test_clips_and_the_data_set_give_the_same(both: tuple[Any, Any]) -> None:
    model, data = both
    index = np.array([5, 0, 7])
    judged = model.judge(data, index).predictions
    assert judged.label.tolist() == data.labels[index].tolist()
    proba = model.predict_proba(data.clips[index])
    powers = np.exp(judged.logits.astype(np.float64))
    np.testing.assert_allclose(proba, powers / powers.sum(axis=1, keepdims=True))
    assert model.predict(data.clips[index]).tolist() == [model.classes[k] for k in proba.argmax(axis=1)]
    assert model.predict_proba(data.clips[:0]).shape == (0, 2)


def test_data_is_brought_to_the_form_of_the_model(both: tuple[Any, Any]) -> None:
    model, _ = both
    assert (model.frames, model.image, model.classes) == (4, (1, 8, 8), ("falls", "rises"))
    moving = model.examples("moving")
    assert moving.clips.shape[1:] == (4, 8, 8, 1)
    with one_line(DataError, "has a class"):
        model.judge(moving, np.arange(2))


@pytest.mark.parametrize("change", [lambda c: c[:, :3], lambda c: c.astype(np.float32), lambda c: c[0]])
def test_other_shapes_and_types_are_refused(both: tuple[Any, Any], change: Any) -> None:
    with one_line(DataError, "clips should be uint8 (n, 4, 8, 8, 1), not"):
        both[0].predict(change(both[1].clips))
