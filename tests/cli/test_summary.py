"""`ecrnn summary`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ecrnn.models.build import build


def test_the_table_has_every_layer_and_the_total(call: Any) -> None:
    done = call("summary", "ecrnn-bilstm-16", "--image", "1x16x16", "--classes", "7")
    assert done.status == 0
    assert "ecrnn-bilstm-16, 1x16x16, 7 classes" in done.out
    model = build("ecrnn-bilstm-16", (1, 16, 16), 7)
    trained = sum(parameter.numel() for parameter in model.parameters())
    assert f"{trained:,} parameters are trained" in done.out
    assert done.err == ""


def test_json_is_the_same_as_data(call: Any) -> None:
    done = call("summary", "crnn-gru-8@rows", "--image", "3×16x24", "--classes", "3", "--json")
    assert done.status == 0
    found = json.loads(done.out)
    model = build("crnn-gru-8@rows", (3, 16, 24), 3)
    assert found["image"] == [3, 16, 24]
    assert found["trainable"] == sum(parameter.numel() for parameter in model.parameters())
    assert sum(row["parameters"] for row in found["rows"]) == found["parameters"]


def test_a_classic_is_shown_at_the_size_it_was_made_for(call: Any) -> None:
    done = call("summary", "lenet5-1998")
    assert "lenet5-1998, 1x32x32, 10 classes" in done.out
    assert "60,850 parameters are trained." in done.out  # it has no statistics, so nothing is said of them
    found = json.loads(call("summary", "alexnet", "--classes", "1000", "--json").out)
    assert found["image"] == [3, 224, 224]
    assert found["parameters"] == 60_965_224


def test_a_image_too_small_for_the_model(call: Any) -> None:
    done = call("summary", "alexnet", "--image", "3x32x32")
    assert done.status == 2
    assert "alexnet takes images of 63 pixels a side or more, not 32x32" in done.err


@pytest.mark.parametrize("width", [30, 60, 76, 80, 200])
def test_no_figure_is_cut_whatever_the_width(call: Any, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr("ecrnn.cli.output.terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    done = call("summary", "ecrnn-bilstm-16")
    lines = done.out.splitlines()[:-1]
    assert max(map(len, lines)) <= width
    assert sum("4,718,592" in line for line in lines) == 3
    assert any("Batch Normalization_6" in line for line in lines)
