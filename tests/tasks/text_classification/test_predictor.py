"""A text classifier in use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from core.lines import one_line
from tiny_tasks import untrained

from ecrnn.core.errors import DataError
from ecrnn.tasks.text_classification.texts import load

TEXTS = ["red dog runs", "", "blue " * 300, "never seen", "blue cat sits\n"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    return untrained("text-classification", tmp_path_factory.mktemp("texts"))


def test_texts_side_by_side_are_as_alone(both: tuple[Any, Any]) -> None:
    model, _ = both
    together = model.predict_proba(TEXTS)
    assert together.shape == (5, 2)
    np.testing.assert_allclose(together.sum(axis=1), 1)
    np.testing.assert_allclose(together, np.concatenate([model.predict_proba([text]) for text in TEXTS]), atol=1e-6)
    assert model.predict(TEXTS).tolist() == [model.classes[k] for k in together.argmax(axis=1)]


def test_no_more_than_its_length_is_read(both: tuple[Any, Any]) -> None:
    model, _ = both
    assert model.processor.length == 256
    long = "blue " * 256
    np.testing.assert_array_equal(model.logits([long]), model.logits([long + "red dog"]))
    assert (model.logits([long]) != model.logits(["red " + long])).any()


def test_none_and_one(both: tuple[Any, Any]) -> None:
    assert both[0].predict([]).shape == (0,)
    with one_line(DataError, "texts should be a list, not one of them; write [...] around it"):
        both[0].predict("red dog")


def test_it_is_judged_by_the_names_of_the_classes(both: tuple[Any, Any], tmp_path: Path) -> None:
    model, data = both
    index = np.array([20, 1])
    assert model.judge(data, index).predictions.label.tolist() == data.labels[index].tolist() == [1, 0]
    (tmp_path / "more.tsv").write_text("cold\tred\nwarm\tblue\nmild\tdog\n")
    with one_line(DataError, "has a class 'mild' that the model does not know: cold, warm"):
        model.judge(load(tmp_path / "more.tsv"), np.arange(3))
    model.processor = replace(model.processor, classes=model.classes[::-1])
    try:
        assert model.judge(data, index).predictions.label.tolist() == [0, 1]
    finally:
        model.processor = replace(model.processor, classes=model.classes[::-1])
